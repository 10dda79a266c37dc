"""A painting of a reduced picture at the full size, with the full size's edges.

Reference: He et al. (2013), Guided image filtering, https://doi.org/10.1109/TPAMI.2012.213: the linear
model between guide and result is fitted at the reduced size, as in He and Sun (2015), Fast guided filter,
https://arxiv.org/abs/1505.00996. Departs from both: only what enlarging lost of the guide is carried over,
since the filter itself would take away all strokes that the guide does not show.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

RADIUS = 3  # pixels of the reduced picture, half the side of the window in which the model is fitted
EDGE = 0.02  # contrast of the guide, in units of the full range, below which nothing is carried over


def resized(image: Tensor, height: int, width: int) -> Tensor:
    """(C, H, W) in another size, smoothed where it is reduced; a view of (height, width, C) memory."""
    smaller = height < image.shape[1] or width < image.shape[2]
    enlarged = F.interpolate(image[None], (height, width), mode="bicubic", antialias=smaller)[0]
    return enlarged.clamp_(0, 1)


def upsampled(result: Tensor, reduced: Tensor, guide: Tensor) -> Tensor:
    """What was painted of a reduced picture, at the full size.

    Args:
        result: (3, h, w) in [0, 1], the painting of `reduced`.
        reduced: (3, h, w), the guide at the size of the result.
        guide: (3, H, W) in [0, 1], the full picture.

    Returns:
        (3, H, W) in [0, 1].
    """
    size = guide.shape[1], guide.shape[2]
    small, painted = lightness(reduced), lightness(result)
    mean, mean_painted = box(small), box(painted)
    covariance = box(small * painted) - mean * mean_painted
    variance = box(small * small) - mean * mean
    slope = (covariance / (variance + EDGE**2)).clamp_(-1, 1)
    model = F.interpolate(torch.cat((slope, small))[None], size, mode="bilinear")[0]
    detail = lightness(guide).sub_(model[1:]).mul_(model[:1])
    return F.interpolate(result[None], size, mode="bicubic")[0].add_(detail).clamp_(0, 1)


def lightness(image: Tensor) -> Tensor:
    """(3, H, W) to (1, H, W), weighted as in ITU-R BT.709."""
    return (image.new_tensor((0.2126, 0.7152, 0.0722)) @ image.flatten(1)).view(1, *image.shape[1:])


def box(image: Tensor) -> Tensor:
    """Means over windows; at the border over what lies within."""
    return F.avg_pool2d(image, 2 * RADIUS + 1, stride=1, padding=RADIUS, count_include_pad=False)
