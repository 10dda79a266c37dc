"""Operations on the planes of pictures, as arrays on the host: by OpenCV, mostly in bytes.

`streamstyle.planes_torch` has the same functions for tensors.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from streamstyle.grids import CELL, EDGE, Grids, covers, cubic_taps, reduces_little, shift_between

FINE = 16  # steps per code value in the integers with which planes are enlarged
SHARE = 256  # steps of a share of detail


def merged(planes: Sequence[np.ndarray]) -> np.ndarray:
    """(H, W, 3) from three planes, in floats."""
    return cv2.merge([plane.astype(np.float32, copy=False) for plane in planes])


def planes_of(image: np.ndarray, weights: np.ndarray) -> list[np.ndarray]:
    """The three planes of `transformed`; faster than to split that."""
    return [cv2.transform(image, row[None]) for row in weights]


def transformed(image: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(H, W, 3) with each pixel multiplied by a (3, 3) matrix and added to the fourth column."""
    return cv2.transform(image, weights)


def clamped(image: np.ndarray) -> np.ndarray:
    """Values in [0, 1]; in place."""
    return np.clip(image, 0, 1, out=image)


def resampled(plane: np.ndarray, source: Grids, target: Grids) -> np.ndarray:
    """A plane (H, W) on another grid, in floats."""
    plane = plane.astype(np.float32, copy=False)
    if any(not covers(*grids) for grids in zip(source, target, strict=True)):
        return _by_position(plane, source, target)
    smaller = [min(a.samples, b.samples) for a, b in zip(source, target, strict=True)]
    plane = resized(plane, smaller[0], smaller[1])
    shifts = [shift_between(a, b, n) for a, b, n in zip(source, target, smaller, strict=True)]
    if any(shifts):
        rows, columns = (cubic_taps(shift) for shift in shifts)
        plane = cv2.sepFilter2D(plane, -1, columns, rows, borderType=cv2.BORDER_REPLICATE)
    return resized(plane, target[0].samples, target[1].samples)


def resized(plane: np.ndarray, height: int, width: int, *, sharp: bool = True) -> np.ndarray:
    """A plane at another size that covers the same area; not `sharp`: enlarged by linear interpolation."""
    if plane.shape[:2] == (height, width):
        return plane
    if height >= plane.shape[0] and width >= plane.shape[1]:
        method = cv2.INTER_CUBIC if sharp else cv2.INTER_LINEAR
    else:
        little = reduces_little(plane.shape[:2], (height, width))
        method = cv2.INTER_LINEAR if little else cv2.INTER_AREA
    return cv2.resize(plane, (width, height), interpolation=method)


def _by_position(plane: np.ndarray, source: Grids, target: Grids) -> np.ndarray:
    """`resampled` for sides that the samples do not cover evenly, as chroma at odd sizes."""
    (y_factor, y_offset), (x_factor, x_offset) = (b.seen_from(a) for a, b in zip(source, target, strict=True))
    places = np.array([[x_factor, 0, x_offset], [0, y_factor, y_offset]])
    return cv2.warpAffine(
        plane,
        places,
        (target[1].samples, target[0].samples),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )


def in_bytes(values: np.ndarray) -> np.ndarray:
    """Rounded to uint8, clamped to its range."""
    return cv2.add(values, np.zeros(4), dtype=cv2.CV_8U).reshape(values.shape)


def detail_shares(luma: np.ndarray, painted: np.ndarray) -> np.ndarray:
    """How much of the detail that a picture lost by reduction is added to what was painted over it.

    The slope of the linear model of a guided filter, with the picture as guide: 1 where the painting follows
    the picture, -1 where it inverts it, near 0 where it goes its own way.

    Reference: He et al. (2013), Guided image filtering, https://doi.org/10.1109/TPAMI.2012.213, equation 5.

    Args:
        luma: (h, w) of the reduced picture, in code values.
        painted: (h, w), the luma of the result at that size.

    Returns:
        In [-1, 1], on a grid of CELL pixels.
    """
    # Whole cells are averaged much faster than fractions of them.
    below, right = (-side % CELL for side in luma.shape)
    small, result = (
        cv2.copyMakeBorder(plane * np.float32(1 / 255), 0, below, 0, right, cv2.BORDER_REPLICATE)
        for plane in (luma, painted)
    )
    height, width = small.shape[0] // CELL, small.shape[1] // CELL
    mean, mean_result, mean_product, mean_square = (
        cv2.blur(resized(values, height, width), (3, 3), borderType=cv2.BORDER_REPLICATE)
        for values in (small, result, small * result, small * small)
    )
    slope = (mean_product - mean * mean_result) / (mean_square - mean * mean + EDGE**2)
    return np.clip(slope, -1, 1)


def detail(full: np.ndarray, small: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """How much bytes at full size exceed those at a smaller size, times the shares; in units of 1/FINE."""
    height, width = full.shape[:2]
    lost = np.left_shift(full, 4, dtype=np.int16)
    lost -= resized(np.left_shift(small, 4, dtype=np.int16), height, width, sharp=False)
    steps = resized((SHARE * shares).astype(np.int16), height, width, sharp=False)
    if lost.ndim == 3:
        steps = cv2.merge([steps] * 3)
    return cv2.multiply(lost, steps, dst=lost, scale=1 / SHARE)


def enlarged_with(added: np.ndarray, painted: np.ndarray) -> np.ndarray:
    """Bytes: `painted`, (h, w) or (h, w, 3) in code values, at the size of `added`, and that added to it.

    The memory of `added` is used for the sum.
    """
    fine = cv2.multiply(painted, np.full(4, FINE), dtype=cv2.CV_16S)
    full = cv2.add(resized(fine, *added.shape[:2]), added, dst=added)
    return cv2.convertScaleAbs(np.maximum(full, 0, out=full), alpha=1 / FINE)


def mixed(first: np.ndarray, second: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Bytes from the first to the second, by weights in [0, 1]."""
    return cv2.blendLinear(first, second, 1 - weights, weights)


def mirrored(plane: np.ndarray, inside: tuple[slice, slice]) -> np.ndarray:
    """A plane whose border outside some rows and columns is replaced by what is inside, mirrored."""
    rows, columns = (s.indices(n) for s, n in zip(inside, plane.shape[:2], strict=True))
    return cv2.copyMakeBorder(
        np.ascontiguousarray(plane[inside]),
        rows[0],
        plane.shape[0] - rows[1],
        columns[0],
        plane.shape[1] - columns[1],
        cv2.BORDER_REFLECT_101,
    )


def framed(plane: np.ndarray, frame: np.ndarray, inside: tuple[slice, slice]) -> np.ndarray:
    """The plane inside some rows and columns, and `frame` outside them."""
    whole = frame.copy()
    whole[inside] = plane[inside]
    return whole
