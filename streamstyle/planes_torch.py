"""Operations on the planes of pictures, as tensors on a device: matrix products in single precision.

The same functions as in `streamstyle.planes_opencv`, whose results differ by rounding.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from streamstyle.constants import constant
from streamstyle.grids import CELL, EDGE, Grid, Grids, matrices


def merged(planes: Sequence[Tensor]) -> Tensor:
    """(H, W, 3) from three planes, in floats."""
    return torch.stack([plane.float() for plane in planes], -1)


def planes_of(image: Tensor, weights: np.ndarray) -> list[Tensor]:
    """The three planes of `transformed`."""
    return list(transformed(image, weights).unbind(-1))


def transformed(image: Tensor, weights: np.ndarray) -> Tensor:
    """(H, W, 3) with each pixel multiplied by a (3, 3) matrix and added to the fourth column."""
    matrix = constant(weights.tobytes(), lambda: weights.reshape(3, 4), image.device)
    return image @ matrix[:, :3].T + matrix[:, 3]


def clamped(image: Tensor) -> Tensor:
    """Values in [0, 1]; in place."""
    return image.clamp_(0, 1)


def resampled(plane: Tensor, source: Grids, target: Grids, *, sharp: bool = True) -> Tensor:
    """Planes (…, H, W) on another grid, in floats."""
    plane = plane.float()
    key = source, target, sharp
    rows = constant((*key, "rows"), lambda: matrices(*key)[0], plane.device)
    columns = constant((*key, "columns"), lambda: matrices(*key)[1], plane.device)
    return rows @ plane @ columns.T


def resized(plane: Tensor, height: int, width: int, *, sharp: bool = True) -> Tensor:
    """A plane at another size that covers the same area; not `sharp`: enlarged by linear interpolation.

    It is in floats; bytes are rounded, as OpenCV does, since some styles amplify the difference.
    """
    here, there = ((Grid.of(size[0]), Grid.of(size[1])) for size in (plane.shape, (height, width)))
    if here == there:
        return plane.float()
    result = resampled(plane, here, there, sharp=sharp)
    if plane.dtype != torch.uint8:
        return result
    halved = tuple(plane.shape) == (2 * height, 2 * width)  # of such means OpenCV rounds halves up
    return result.add_(0.5).floor_() if halved else result.round_()


def in_bytes(values: Tensor) -> Tensor:
    """Rounded to uint8, clamped to its range."""
    return values.round().clamp_(0, 255).to(torch.uint8)


def detail_shares(luma: Tensor, painted: Tensor) -> Tensor:
    """How much of a picture's detail is added to what was painted over it; see `planes_opencv`."""
    below, right = (-side % CELL for side in luma.shape)
    both = torch.stack((luma.float(), painted.float())) / 255
    small, result = F.pad(both[None], (0, right, 0, below), mode="replicate")[0]
    cells = F.avg_pool2d(torch.stack((small, result, small * result, small * small)), CELL)
    cells = F.pad(cells, (1, 1, 1, 1), mode="replicate")
    mean, mean_result, mean_product, mean_square = F.avg_pool2d(cells, 3, 1)
    slope: Tensor = (mean_product - mean * mean_result) / (mean_square - mean * mean + EDGE**2)
    return slope.clamp(-1, 1)


def detail(full: Tensor, small: Tensor, shares: Tensor) -> Tensor:
    """What a plane at full size has more than one at a smaller size, times the shares."""
    height, width = full.shape
    lost = full.float() - resized(small, height, width, sharp=False)
    return lost * resized(shares, height, width, sharp=False)


def enlarged_with(added: Tensor, painted: Tensor) -> Tensor:
    """Bytes: `painted`, (h, w) in code values, at the size of `added`, and that added to it."""
    return in_bytes(resized(painted, added.shape[0], added.shape[1]) + added)


def mixed(first: Tensor, second: Tensor, weights: Tensor) -> Tensor:
    """Bytes from the first to the second, by weights in [0, 1]."""
    return in_bytes(torch.lerp(first.float(), second.float(), weights))


def mirrored(plane: Tensor, inside: tuple[slice, slice]) -> Tensor:
    """A plane whose border outside some rows and columns is replaced by what is inside, mirrored."""
    for dim, part in enumerate(inside):
        begin, end, _ = part.indices(plane.shape[dim])
        places = torch.arange(plane.shape[dim], device=plane.device) - begin
        period = max(2 * (end - begin) - 2, 1)
        places = places % period
        plane = plane.index_select(dim, begin + torch.minimum(places, period - places))
    return plane


def framed(plane: Tensor, frame: Tensor, inside: tuple[slice, slice]) -> Tensor:
    """The plane inside some rows and columns, and `frame` outside them."""
    whole = frame.clone()
    whole[inside] = plane[inside]
    return whole
