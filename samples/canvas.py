"""A canvas in scene units: smooth shapes, gradients, dabs and soft noise.

All samples are drawn with these primitives. One scene unit is one pixel of the clip at zoom 1; `density` is
the number of canvas pixels along one unit, so the same code draws a small clip and a large still image.
Colors are RGB floats in [0, 1], as displayed (gamma-coded), premultiplied by alpha.
"""

import math
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Colour = tuple[float, float, float]
Paint = Colour | Callable[[Array, Array], Array]  # one color, or (x, y) in scene units -> (h, w, 3)
Points = Sequence[tuple[float, float]] | NDArray[np.floating]

EDGE_SAMPLES = 4  # sub-pixels along each side of a pixel when a shape's edge is drawn
LATTICE = 256  # the noise repeats after so many cells


def rgb(code: str) -> Colour:
    """The color "rrggbb" as three floats in [0, 1]."""
    return (int(code[0:2], 16) / 255, int(code[2:4], 16) / 255, int(code[4:6], 16) / 255)


def mix(a: Colour, b: Colour, amount: float) -> Colour:
    """The color that lies `amount` of the way from `a` (0) to `b` (1)."""
    return (a[0] + (b[0] - a[0]) * amount, a[1] + (b[1] - a[1]) * amount, a[2] + (b[2] - a[2]) * amount)


def smoothstep(low: float, high: float, x: Array) -> Array:
    """0 below `low`, 1 above `high`, an S-curve between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def blend(a: Array | Colour, b: Array | Colour, amount: Array) -> Array:
    """Colors `a` to `b` (each (h, w, 3) or one color) by an (h, w) map in [0, 1]."""
    first, second = np.asarray(a, np.float32), np.asarray(b, np.float32)
    return (first + (second - first) * amount[..., None]).astype(np.float32)


def ramp(x: Array, stops: Sequence[tuple[float, str]]) -> Array:
    """Colors (h, w, 3) along a gradient: `stops` are (position, "rrggbb"), positions rising."""
    places = [place for place, _ in stops]
    colours = np.array([rgb(code) for _, code in stops])
    channels = [np.interp(x, places, colours[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def down(top: float, bottom: float, *codes: str) -> Callable[[Array, Array], Array]:
    """A paint that runs through the colors `codes` from height `top` down to `bottom`."""
    places = np.linspace(top, bottom, len(codes))
    return lambda x, y: ramp(y, list(zip(places, codes, strict=True)))


def across(left: float, right: float, *codes: str) -> Callable[[Array, Array], Array]:
    """A paint that runs through the colors `codes` from `left` to `right`."""
    places = np.linspace(left, right, len(codes))
    return lambda x, y: ramp(x, list(zip(places, codes, strict=True)))


def noise(x: Array, y: Array, *, cell: float, seed: int, octaves: int = 1) -> Array:
    """Smooth value noise in [0, 1] at scene positions (x, y).

    A random value stands at each corner of a grid of `cell` units and is faded to the next; each octave
    adds half the weight at half the cell.
    """
    total, weight = np.zeros(np.broadcast(x, y).shape, np.float32), 0.0
    for octave in range(octaves):
        table = _lattice(seed * 101 + octave)
        u, v = np.broadcast_arrays(x * (2**octave / cell), y * (2**octave / cell))
        i, j = np.floor(u).astype(np.int64), np.floor(v).astype(np.int64)
        a, b = smoothstep(0, 1, u - i), smoothstep(0, 1, v - j)
        i0, j0, i1, j1 = i % LATTICE, j % LATTICE, (i + 1) % LATTICE, (j + 1) % LATTICE
        upper = table[j0, i0] * (1 - a) + table[j0, i1] * a
        lower = table[j1, i0] * (1 - a) + table[j1, i1] * a
        total += (upper * (1 - b) + lower * b) * 0.5**octave
        weight += 0.5**octave
    return total / weight


@cache
def _lattice(seed: int) -> Array:
    """The random values at the corners of the noise's grid."""
    return np.random.default_rng(seed).random((LATTICE, LATTICE), np.float32)


def ellipse_points(cx: float, cy: float, rx: float, ry: float, *, turn: float = 0.0) -> Array:
    """Corners (n, 2) of an ellipse with radii `rx`, `ry`, turned by `turn` radians."""
    c, s = math.cos(turn), math.sin(turn)
    return _circle(12 if max(rx, ry) < 4 else 48) @ [[rx * c, rx * s], [-ry * s, ry * c]] + (cx, cy)


@cache
def _circle(corners: int) -> Array:
    """A regular polygon (corners, 2) with radius 1."""
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def curve(*points: tuple[float, float], steps: int = 40) -> list[tuple[float, float]]:
    """Places along the Bezier curve whose control points are `points`."""
    t = np.linspace(0, 1, steps)[:, None]
    level = [np.array(point, float)[None] + 0 * t for point in points]
    while len(level) > 1:
        level = [a * (1 - t) + b * t for a, b in pairwise(level)]
    return [(float(x), float(y)) for x, y in level[0]]


class Canvas:
    """Paint on a transparent rectangle of the scene.

    `pixels` is (height, width, 4) float32: red, green, blue times alpha, then alpha.
    """

    def __init__(self, left: float, top: float, right: float, bottom: float, *, density: float) -> None:
        self.left, self.top, self.density = left, top, density
        width, height = round((right - left) * density), round((bottom - top) * density)
        self.right, self.bottom = left + width / density, top + height / density
        self.pixels = np.zeros((height, width, 4), np.float32)

    def grid(
        self, x0: int = 0, y0: int = 0, x1: int | None = None, y1: int | None = None
    ) -> tuple[Array, Array]:
        """Scene positions, x (1, w) and y (h, 1), of the pixels in columns x0..x1 and rows y0..y1."""
        height, width = self.pixels.shape[:2]
        x = self.left + (np.arange(x0, width if x1 is None else x1, dtype=np.float32) + 0.5) / self.density
        y = self.top + (np.arange(y0, height if y1 is None else y1, dtype=np.float32) + 0.5) / self.density
        return x[None, :], y[:, None]

    def cover(self, paint: Paint) -> None:
        """Fill the whole canvas."""
        self.lay(np.ones(self.pixels.shape[:2], np.float32), (0, 0), paint)

    def shape(self, points: Points, paint: Paint, *, opacity: float = 1.0, atop: bool = False) -> None:
        """Fill the polygon `points` [(x, y), ...]; `atop` keeps the paint to what is already painted."""
        corners = (np.asarray(points, np.float64) - (self.left, self.top)) * self.density
        height, width = self.pixels.shape[:2]
        (left, top), (right, bottom) = corners.min(0).tolist(), corners.max(0).tolist()
        x0, y0 = max(math.floor(left), 0), max(math.floor(top), 0)
        x1, y1 = min(math.ceil(right) + 1, width), min(math.ceil(bottom) + 1, height)
        if x1 <= x0 or y1 <= y0:
            return
        mask = np.zeros(((y1 - y0) * EDGE_SAMPLES, (x1 - x0) * EDGE_SAMPLES), np.uint8)
        # Points count from the middle of a sub-pixel, in sixteenths: 8 back, and half a step to round.
        inside = ((corners - (x0, y0)) * (EDGE_SAMPLES * 16) - 7.5).astype(np.int32)
        cv2.fillPoly(mask, [inside], 255, shift=4)
        mask = cv2.resize(mask, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)
        self.lay(mask * np.float32(opacity / 255), (x0, y0), paint, atop=atop)

    def dab(
        self,
        cx: float,
        cy: float,
        rx: float,
        ry: float,
        paint: Paint,
        *,
        turn: float = 0.0,
        opacity: float = 1.0,
        atop: bool = False,
    ) -> None:
        """Fill an ellipse."""
        self.shape(ellipse_points(cx, cy, rx, ry, turn=turn), paint, opacity=opacity, atop=atop)

    def line(
        self, points: Points, width: float, paint: Paint, *, opacity: float = 1.0, atop: bool = False
    ) -> None:
        """Draw a line `width` units thick through `points`, piece by piece."""
        path = np.asarray(points, np.float64)
        for (xa, ya), (xb, yb) in pairwise(path):
            length = max(float(np.hypot(xb - xa, yb - ya)), 1e-6)
            ox, oy = -(yb - ya) / length * width / 2, (xb - xa) / length * width / 2
            corners = [(xa + ox, ya + oy), (xb + ox, yb + oy), (xb - ox, yb - oy), (xa - ox, ya - oy)]
            self.shape(corners, paint, opacity=opacity, atop=atop)

    def box(
        self,
        x: float,
        y: float,
        w: float,
        h: float,
        paint: Paint,
        *,
        opacity: float = 1.0,
        atop: bool = False,
    ) -> None:
        """Fill the upright rectangle with its corner at (x, y)."""
        corners = [(x, y), (x + w, y), (x + w, y + h), (x, y + h)]
        self.shape(corners, paint, opacity=opacity, atop=atop)

    def glow(self, cx: float, cy: float, radius: float, colour: Colour, *, strength: float = 1.0) -> None:
        """Add soft light around a lamp, on what is already painted."""
        x, y = self.grid()
        light = (
            strength * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / radius**2)[..., None] * self.pixels[..., 3:]
        )
        colours = self.pixels[..., :3]
        colours += light * np.asarray(colour, np.float32) * (1 - colours)  # screen: never beyond white

    def tint(self, factor: Callable[[Array, Array], Array]) -> None:
        """Multiply the colors by `factor(x, y)`, (h, w) or (h, w, 3)."""
        value = factor(*self.grid())
        value = value if value.ndim == 3 else value[..., None]
        self.pixels[..., :3] = np.minimum(self.pixels[..., :3] * value, self.pixels[..., 3:])

    def lay(self, mask: Array, corner: tuple[int, int], paint: Paint, *, atop: bool = False) -> None:
        """Put paint over the pixels from `corner` (column, row) on, as much as the (h, w) `mask` says."""
        x0, y0 = corner
        h, w = mask.shape
        under = self.pixels[y0 : y0 + h, x0 : x0 + w]
        colour = np.asarray(
            paint(*self.grid(x0, y0, x0 + w, y0 + h)) if callable(paint) else paint, np.float32
        )
        colours, opaque, cover = under[..., :3], under[..., 3:], mask[..., None]
        if atop:
            colours += (colour * opaque - colours) * cover
        else:
            colours += (colour - colours) * cover
            opaque += (1 - opaque) * cover
