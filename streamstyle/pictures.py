"""Pictures: RGB as in image files, or Y'CbCr planes as in videos.

A video's frames stay as the planes that the decoder gives. Only at the working size of an effect they become
RGB in floats, and the result is enlarged plane by plane, along the edges of the source. That costs a fraction
of converting and enlarging RGB at full size, and pictures that nothing changes are not converted at all.
On the host this is done by OpenCV, on a device by torch; both agree up to rounding.

Matrices and ranges: ITU-T H.273. Guided upsampling: see `detail_shares`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import ModuleType
from typing import Any, Protocol, Self

import cv2
import numpy as np

from streamstyle import planes_opencv
from streamstyle.frames import ColorTags
from streamstyle.grids import Grid, Grids
from streamstyle.planes_opencv import (
    detail,
    detail_shares,
    enlarged_with,
    framed,
    in_bytes,
    mirrored,
    mixed,
    resized,
)

LEFT = (0.0, 0.5)  # luma samples right of and below the first one: beside the left one of a pair of columns
# Shares of red and blue in luma, by matrix code.
LUMA_WEIGHTS = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
    10: (0.2627, 0.0593),
}
Planes = tuple[Any, Any, Any]  # luma, Cb and Cr, as arrays or tensors
Inside = tuple[slice, slice]  # rows and columns of a plane

BAND = 256  # rows that are converted to RGB at once, to save memory


@dataclass(frozen=True, slots=True)
class Bars:
    """Widths of the bars at the four borders of a picture, in pixels; 0 for none."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0

    def __bool__(self) -> bool:
        return self != Bars()

    def inside(self, grids: Grids) -> Inside:
        """Rows and columns of the picture in a plane; chroma samples that a bar touches belong to the bar."""
        return _between(grids[0], self.top, self.bottom), _between(grids[1], self.left, self.right)


def _between(grid: Grid, before: int, after: int) -> slice:
    """The samples that lie wholly between two bars."""
    return slice(-(-before // grid.step), (grid.length - after) // grid.step if after else None)


class Picture(Protocol):
    """A picture in full size, on the host or on a device.

    Small images and weights are arrays for a picture on the host, else tensors. Images are (h, w, 3), RGB in
    [0, 1], C-contiguous, in single precision. No method changes the picture itself.
    """

    @property
    def on_host(self) -> bool:
        """Whether it consists of arrays in main memory."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        ...

    def reduced(self, height: int, width: int) -> tuple[Any, Any]:
        """The picture at a smaller size or its own, and its luma there, as `repainted` takes it."""
        ...

    def repainted(self, result: Any, luma: Any, colors: float = 0.0) -> Self:
        """A picture of this kind and size that shows the processed `reduced` picture.

        If the size was reduced, the detail of this picture that the result follows is added.

        Args:
            result: (h, w, 3), the processed picture.
            luma: from `reduced`.
            colors: how much of the color detail is added.
        """
        ...

    def blended(self, result: Self, weights: Any) -> Self:
        """This picture where the weights, (H, W) in [0, 1], are 0, and `result` where they are 1."""
        ...

    def sampled(self, rows: slice, columns: slice) -> Any:
        """(h, w, 3) RGB in [0, 1] at some rows and columns, without interpolation."""
        ...

    def mirrored_into(self, bars: Bars) -> Self:
        """The picture with what is between the bars mirrored into them."""
        ...

    def with_bars_of(self, source: Self, bars: Bars) -> Self:
        """This picture with the bars of another one."""
        ...


@lru_cache
def encoding(tags: ColorTags) -> np.ndarray:
    """(3, 4) float32: RGB in [0, 1] to Y', Cb and Cr in code values of 8 bits; the last column is added."""
    red, blue = LUMA_WEIGHTS[tags.matrix]
    luma = np.array([red, 1 - red - blue, blue])
    cb = (np.array([0, 0, 1]) - luma) / (2 * (1 - blue))
    cr = (np.array([1, 0, 0]) - luma) / (2 * (1 - red))
    black, luma_range, chroma_range = (0, 255, 255) if tags.full_range else (16, 219, 224)
    scaled = np.stack([luma * luma_range, cb * chroma_range, cr * chroma_range])
    return np.column_stack([scaled, (black, 128, 128)]).astype(np.float32)


@lru_cache
def decoding(tags: ColorTags) -> np.ndarray:
    """(3, 4) float32: the inverse of `encoding`."""
    matrix = encoding(tags).astype(np.float64)
    inverse = np.linalg.inv(matrix[:, :3])
    return np.column_stack([inverse, -inverse @ matrix[:, 3]]).astype(np.float32)


def chroma_grids(
    size: tuple[int, int], subsampling: tuple[int, int], siting: tuple[float, float] = LEFT
) -> Grids:
    """Where the chroma samples of a picture lie.

    Args:
        size: (H, W) of the picture.
        subsampling: rows and columns of luma for each chroma sample: 1 or 2.
        siting: position of the first sample, (right, below), in directions with subsampling.
    """
    (height, width), (down, across), (right, below) = size, subsampling, siting
    return (
        Grid(height, -(-height // down), down, below if down > 1 else 0.0),
        Grid(width, -(-width // across), across, right if across > 1 else 0.0),
    )


@dataclass(frozen=True, eq=False)
class YCbCr:
    """A picture in Y'CbCr, as videos are coded; on the host as arrays, on a device as tensors.

    Attributes:
        planes: luma, (H, W) uint8, and Cb and Cr, (h, w) uint8: of the same size, or of half of it, rounded
            up, in width or in both directions.
        tags: matrix and range of the samples; primaries and transfer are not used.
        siting: where the first chroma sample lies, in luma samples right of and below the first one.
        host: the same picture in main memory, if it was uploaded from there; there it can be looked at
            without waiting for the device.
    """

    planes: Planes
    tags: ColorTags
    siting: tuple[float, float] = LEFT
    host: YCbCr | None = None

    @property
    def on_host(self) -> bool:
        """See `Picture`."""
        return isinstance(self.planes[0], np.ndarray)

    @property
    def luma(self) -> Any:
        """(H, W) uint8."""
        return self.planes[0]

    @property
    def chroma(self) -> tuple[Any, Any]:
        """Cb and Cr, (h, w) uint8."""
        return self.planes[1:]

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return self.luma.shape[0], self.luma.shape[1]

    @property
    def subsampling(self) -> tuple[int, int]:
        """Rows and columns of luma for each chroma sample: 1 or 2."""
        (height, width), (rows, columns) = self.size, self.planes[1].shape
        return 2 if rows < height else 1, 2 if columns < width else 1

    @property
    def grids(self) -> Grids:
        """Where luma samples lie."""
        return Grid.of(self.size[0]), Grid.of(self.size[1])

    @property
    def chroma_grids(self) -> Grids:
        """Where chroma samples lie."""
        return chroma_grids(self.size, self.subsampling, self.siting)

    @property
    def _left(self) -> Grids:
        """Where chroma samples lie in results."""
        return chroma_grids(self.size, self.subsampling)

    @property
    def _on(self) -> ModuleType:
        """The operations for the planes."""
        if self.on_host:
            return planes_opencv
        from streamstyle import planes_torch

        return planes_torch

    @cached_property
    def rgb(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB, on the host."""
        if self.host is not None:
            return self.host.rgb
        height, width = self.size
        result = np.empty((height, width, 3), np.uint8)
        cb, cr = (planes_opencv.resampled(plane, self.chroma_grids, self.grids) for plane in self.chroma)
        for top in range(0, height, BAND):
            rows = slice(top, top + BAND)
            codes = planes_opencv.merged([self.luma[rows], cb[rows], cr[rows]])
            result[rows] = in_bytes(planes_opencv.transformed(codes, 255 * decoding(self.tags)))
        return result

    def at_left(self) -> YCbCr:
        """The picture with chroma at LEFT."""
        return self if self.chroma_grids == self._left else self.resized(*self.size)

    def resized(self, height: int, width: int) -> YCbCr:
        """The picture at another size, with chroma at LEFT."""
        there = chroma_grids((height, width), self.subsampling)
        on = self._on
        cb, cr = (on.in_bytes(on.resampled(plane, self.chroma_grids, there)) for plane in self.chroma)
        luma = (
            self.luma if self.size == (height, width) else on.in_bytes(on.resized(self.luma, height, width))
        )
        return YCbCr((luma, cb, cr), self.tags)

    def turned(self, transpose: bool, up_down: bool, left_right: bool) -> YCbCr:
        """The picture transposed, then flipped, on the host."""
        planes, grids = self.planes, self.chroma_grids
        if transpose:
            planes, grids = each(lambda plane: plane.T, planes), (grids[1], grids[0])
        steps = -1 if up_down else 1, -1 if left_right else 1
        planes = each(lambda plane: np.ascontiguousarray(plane[:: steps[0], :: steps[1]]), planes)
        below, right = (
            grid.last_from_end if step < 0 else grid.first for grid, step in zip(grids, steps, strict=True)
        )
        return YCbCr(planes, self.tags, (right, below))

    def reduced(self, height: int, width: int) -> tuple[Any, Any]:
        """See `Picture`."""
        on, small = self._on, (Grid.of(height), Grid.of(width))
        luma = on.resized(self.luma, height, width)
        cb, cr = (on.resampled(plane, self.chroma_grids, small) for plane in self.chroma)
        return on.clamped(on.transformed(on.merged((luma, cb, cr)), decoding(self.tags))), luma

    def repainted(self, result: Any, luma: Any, colors: float = 0.0) -> YCbCr:
        """See `Picture`."""
        on = self._on
        painted, cb, cr = on.planes_of(result, encoding(self.tags))
        small = Grid.of(painted.shape[0]), Grid.of(painted.shape[1])
        cb, cr = (on.resampled(plane, small, self._left) for plane in (cb, cr))
        if small == self.grids:
            return YCbCr(each(on.in_bytes, (painted, cb, cr)), self.tags)
        if colors:
            cb, cr = (
                plane + colors * self._chroma_detail(source, small)
                for plane, source in zip((cb, cr), self.at_left().chroma, strict=True)
            )
        detail = on.detail(self.luma, luma, on.detail_shares(luma, painted))
        enlarged = on.enlarged_with(detail, painted)
        return YCbCr((enlarged, on.in_bytes(cb), on.in_bytes(cr)), self.tags)

    def _chroma_detail(self, plane: Any, small: Grids) -> Any:
        """What a chroma plane loses at a smaller size."""
        kept = self._on.resampled(plane, self._left, small)
        return plane - self._on.resampled(kept, small, self._left)

    def blended(self, result: YCbCr, weights: Any) -> YCbCr:
        """See `Picture`."""
        chroma = self._on.resampled(weights, self.grids, self._left)
        shares = weights, chroma, chroma
        return YCbCr(each(self._on.mixed, self.at_left().planes, result.planes, shares), self.tags)

    def sampled(self, rows: slice, columns: slice) -> Any:
        """See `Picture`; an array, if the picture is on the host, too."""
        if self.host is not None:
            return self.host.sampled(rows, columns)
        (height, width), (down, across) = self.size, self.subsampling
        y, x = np.arange(height)[rows][:, None], np.arange(width)[columns]
        cb, cr = (plane[y // down, x // across] for plane in self.chroma)
        planes = self.luma[y, x], cb, cr
        return self._on.clamped(self._on.transformed(self._on.merged(planes), decoding(self.tags)))

    def mirrored_into(self, bars: Bars) -> YCbCr:
        """See `Picture`."""
        planes = each(self._on.mirrored, self.planes, self._insides(bars))
        return YCbCr(planes, self.tags, self.siting)

    def with_bars_of(self, source: YCbCr, bars: Bars) -> YCbCr:
        """See `Picture`."""
        return YCbCr(
            each(self._on.framed, self.planes, source.at_left().planes, self._insides(bars)), self.tags
        )

    def _insides(self, bars: Bars) -> tuple[Inside, Inside, Inside]:
        """Rows and columns between the bars in each plane."""
        chroma = bars.inside(self.chroma_grids)
        return bars.inside(self.grids), chroma, chroma


def each(function: Callable[..., Any], planes: Planes, *others: tuple[Any, Any, Any]) -> Planes:
    """What a function gives for each of three planes."""
    luma, cb, cr = map(function, planes, *others)
    return luma, cb, cr


@dataclass(frozen=True, eq=False)
class RGB:
    """A picture in RGB, as in image files and from cameras.

    Attributes:
        pixels: (H, W, 3) uint8.
    """

    pixels: np.ndarray
    on_host = True

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def reduced(self, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """See `Picture`."""
        small = resized(self.pixels, height, width)
        return small.astype(np.float32) * np.float32(1 / 255), cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)

    def repainted(self, result: Any, luma: np.ndarray, colors: float = 0.0) -> RGB:
        """See `Picture`."""
        painted = 255 * result
        if painted.shape == self.pixels.shape:
            return RGB(in_bytes(painted))
        shares = detail_shares(luma, cv2.cvtColor(painted, cv2.COLOR_RGB2GRAY))
        gray = cv2.cvtColor(self.pixels, cv2.COLOR_RGB2GRAY)
        added = cv2.merge([detail(gray, luma, shares)] * 3)
        if colors:
            everything = np.full((1, 1), colors, np.float32)
            lightness = cv2.merge([detail(gray, luma, everything)] * 3)
            whole = detail(self.pixels, resized(self.pixels, *luma.shape), everything)
            added = cv2.add(added, cv2.subtract(whole, lightness))
        return RGB(enlarged_with(added, painted))

    def blended(self, result: RGB, weights: Any) -> RGB:
        """See `Picture`."""
        return RGB(mixed(self.pixels, result.pixels, weights))

    def sampled(self, rows: slice, columns: slice) -> np.ndarray:
        """See `Picture`."""
        return self.pixels[rows, columns] * np.float32(1 / 255)

    def mirrored_into(self, bars: Bars) -> RGB:
        """See `Picture`."""
        return RGB(mirrored(self.pixels, bars.inside((Grid.of(self.size[0]), Grid.of(self.size[1])))))

    def with_bars_of(self, source: RGB, bars: Bars) -> RGB:
        """See `Picture`."""
        inside = bars.inside((Grid.of(self.size[0]), Grid.of(self.size[1])))
        return RGB(framed(self.pixels, source.pixels, inside))
