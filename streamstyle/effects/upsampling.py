"""A painting of a reduced image at the full size, with the full size's edges.

Reference: He et al. (2013), Guided image filtering, https://doi.org/10.1109/TPAMI.2012.213: the linear
model between guide and result is fitted at the reduced size, as in He and Sun (2015), Fast guided filter,
https://arxiv.org/abs/1505.00996. Departs from both: only what enlarging lost of the guide is carried over,
since the filter itself would take away all strokes that the guide does not show.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW = 8  # pixels of the reduced image, the side of the squares in which the model is fitted
STEP = 4  # pixels from one square to the next
EDGE = 0.02  # contrast of the guide, in units of the full range, below which nothing is carried over


def resized(image: Tensor, height: int, width: int) -> Tensor:
    """(C, H, W) in another size by bicubic interpolation, smoothed where it is reduced."""
    # Enlarging needs no smoothing, but the kernel that could do it is separable: half the time.
    return F.interpolate(image[None], (height, width), mode="bicubic", antialias=True)[0].clamp_(0, 1)


def blurred(images: Tensor, deviation: float) -> Tensor:
    """(N, C, H, W) convolved with a Gaussian of that deviation in pixels; the border is repeated."""
    reach = math.ceil(3 * deviation)
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=images.device) / deviation).square())
    weights = (weights / weights.sum()).to(images.dtype)
    planes = images.flatten(0, 1)[:, None]
    across = F.conv2d(F.pad(planes, (reach, reach, 0, 0), mode="replicate"), weights[None, None, None])
    down = F.conv2d(F.pad(across, (0, 0, reach, reach), mode="replicate"), weights[None, None, :, None])
    return down.reshape(images.shape)


def upsampled(result: Tensor, reduced: Tensor, guide: Tensor) -> Tensor:
    """What was stylized of a reduced image, at the full size.

    Args:
        result: (3, h, w) in [0, 1], the painting of `reduced`.
        reduced: (3, h, w), the guide at the size of the result.
        guide: (3, H, W) in [0, 1], the full image.

    Returns:
        (3, H, W) in [0, 1].
    """
    size = guide.shape[1], guide.shape[2]
    small, stylized = lightness(reduced), lightness(result)
    # Means over overlapping squares are enough: the slope is smooth.
    maps = torch.cat((small, stylized, small * stylized, small * small))
    mean, mean_painted, mean_product, mean_square = local_means(maps)
    slope = (mean_product - mean * mean_painted) / (mean_square - mean * mean + EDGE**2)
    lost = lightness(guide).sub_(F.interpolate(small[None], size, mode="bilinear")[0])
    lost.mul_(F.interpolate(slope.clamp_(-1, 1)[None, None], size, mode="bilinear")[0])
    return resized(result, *size).add_(lost).clamp_(0, 1)


def lightness(image: Tensor) -> Tensor:
    """(3, H, W) to (1, H, W), weighted as in ITU-R BT.709."""
    return (image.permute(1, 2, 0) @ image.new_tensor((0.2126, 0.7152, 0.0722)))[None]


def local_means(maps: Tensor) -> Tensor:
    """Means over squares: (C, H, W) to a STEP-th of H and W; at the border over what lies within."""
    window = min(WINDOW, *maps.shape[1:])
    return F.avg_pool2d(maps, window, STEP, min(WINDOW - STEP, window) // 2, count_include_pad=False)


def padded_to(images: Tensor, multiple: int, minimum: int = 1) -> Tensor:
    """(N, C, H, W) grown to the right and below to multiples of `multiple`, each at least `minimum`.

    The border is mirrored, and repeated where the image is too small to be mirrored.
    """
    height, width = images.shape[-2:]
    right = -(-max(width, minimum) // multiple) * multiple - width
    below = -(-max(height, minimum) // multiple) * multiple - height
    if right == below == 0:
        return images
    mirrored = min(right, width - 1), min(below, height - 1)
    images = F.pad(images, (0, mirrored[0], 0, mirrored[1]), mode="reflect")
    return F.pad(images, (0, right - mirrored[0], 0, below - mirrored[1]), mode="replicate")
