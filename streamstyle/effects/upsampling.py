"""Resizing, and guided upsampling of a stylized picture along the edges of its source.

Reference: He et al. (2013), Guided image filtering, https://doi.org/10.1109/TPAMI.2012.213: the linear
model between guide and result is fitted at the reduced size, as in He and Sun (2015), Fast guided filter,
https://arxiv.org/abs/1505.00996. Departs from both: only the detail that the guide lost by reduction is
added, since the filter itself would remove all strokes that are not in the guide.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW = 8  # side, in pixels of the reduced image, of the windows in which the model is fitted
STEP = 4  # pixels from one window to the next
EDGE = 0.02  # contrast of the guide, as a share of the full range, below which little detail is added


def resized(image: Tensor, height: int, width: int) -> Tensor:
    """(C, H, W) at another size by bicubic interpolation, with antialiasing where it is reduced."""
    # Enlarging needs no antialiasing, but that kernel is separable and takes half the time.
    return F.interpolate(image[None], (height, width), mode="bicubic", antialias=True)[0].clamp_(0, 1)


def blurred(images: Tensor, deviation: float) -> Tensor:
    """(N, C, H, W) blurred by a Gaussian of that standard deviation in pixels; the border is repeated."""
    reach = math.ceil(3 * deviation)
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=images.device) / deviation).square())
    weights = (weights / weights.sum()).to(images.dtype)
    planes = images.flatten(0, 1)[:, None]
    across = F.conv2d(F.pad(planes, (reach, reach, 0, 0), mode="replicate"), weights[None, None, None])
    down = F.conv2d(F.pad(across, (0, 0, reach, reach), mode="replicate"), weights[None, None, :, None])
    return down.reshape(images.shape)


def detail_shares(reduced: Tensor, result: Tensor) -> Tensor:
    """How much of the detail that a picture lost by reduction is added to a result when it is enlarged.

    Args:
        reduced: (3, h, w) in [0, 1], the reduced picture, which is the guide.
        result: (3, h, w) in [0, 1], the stylized `reduced`.

    Returns:
        (rows, columns) in [-1, 1], smooth: therefore means over windows at a stride of STEP are enough.
    """
    small, stylized = lightness(reduced), lightness(result)
    maps = torch.cat((small, stylized, small * stylized, small * small))
    mean, mean_stylized, mean_product, mean_square = local_means(maps)
    slope: Tensor = (mean_product - mean * mean_stylized) / (mean_square - mean * mean + EDGE**2)
    return slope.clamp_(-1, 1)


def lightness(image: Tensor) -> Tensor:
    """(3, H, W) to (1, H, W), weighted as in ITU-R BT.709."""
    return (image.permute(1, 2, 0) @ image.new_tensor((0.2126, 0.7152, 0.0722)))[None]


def local_means(maps: Tensor) -> Tensor:
    """Means over windows: (C, H, W) to 1/STEP of H and W; padding is not counted."""
    window = min(WINDOW, *maps.shape[1:])
    return F.avg_pool2d(maps, window, STEP, min(WINDOW - STEP, window) // 2, count_include_pad=False)


def padded_to(images: Tensor, multiple: int, minimum: int = 1) -> Tensor:
    """(N, C, H, W) padded on the right and at the bottom to multiples of `multiple`, at least `minimum`.

    The padding is reflected; beyond the size of the image the border is repeated.
    """
    height, width = images.shape[-2:]
    right = -(-max(width, minimum) // multiple) * multiple - width
    below = -(-max(height, minimum) // multiple) * multiple - height
    if right == below == 0:
        return images
    mirrored = min(right, width - 1), min(below, height - 1)
    images = F.pad(images, (0, mirrored[0], 0, mirrored[1]), mode="reflect")
    return F.pad(images, (0, right - mirrored[0], 0, below - mirrored[1]), mode="replicate")
