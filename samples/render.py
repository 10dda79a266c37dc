"""Moving layers: their rendered frames and exact optical flow.

A shot is a stack of painted layers, far to near. Each moves by an affine map that is known for every frame,
after an optional sideways sway that depends only on height. Both are invertible, so the flow is computed, not
estimated: a pixel is traced to its point on the layer, and from there to the previous frame.

Screen positions are (x, y) in clip pixels with (0, 0) at the image's upper left corner, not at the first
pixel's center; frames are counted from 0.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from canvas import Array, Canvas
from numpy.typing import NDArray

SUPERSAMPLING = 2  # rendered samples along each side of an output pixel
NOTHING = -1  # where no layer is painted


def still(y: Array, frame: float) -> Array:
    """No sway."""
    return np.zeros_like(y)


@dataclass(frozen=True)
class Layer:
    """A painted layer and its motion.

    Attributes:
        name: what it shows.
        canvas: the paint, in scene units.
        place: frame -> (2, 3) affine map from the scene to the screen.
        sway: (scene height y, frame) -> sideways shift in scene units, applied before `place`.
    """

    name: str
    canvas: Canvas
    place: Callable[[float], NDArray[np.float64]]
    sway: Callable[[Array, float], Array] = still

    def to_scene(self, x: Array, y: Array, frame: float) -> tuple[Array, Array]:
        """Positions on the unmoved layer of the screen positions (x, y) in `frame`."""
        (a, b, c), (d, e, f) = cv2.invertAffineTransform(self.place(frame))
        u, v = a * x + b * y + c, d * x + e * y + f
        return u - self.sway(v, frame), v

    def to_screen(self, u: Array, v: Array, frame: float) -> tuple[Array, Array]:
        """Screen positions of the layer's positions (u, v) in `frame`; the inverse of `to_scene`."""
        (a, b, c), (d, e, f) = self.place(frame)
        u = u + self.sway(v, frame)
        return a * u + b * v + c, d * u + e * v + f

    def sample(self, x: Array, y: Array, frame: float) -> Array:
        """Premultiplied RGBA (h, w, 4) at the screen positions (x, y), transparent beyond the canvas."""
        u, v = self.to_scene(x, y, frame)
        columns = ((u - self.canvas.left) * self.canvas.density - 0.5).astype(np.float32)
        rows = ((v - self.canvas.top) * self.canvas.density - 0.5).astype(np.float32)
        return cv2.remap(self.canvas.pixels, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


def pixel_centres(width: int, height: int, *, scale: float) -> tuple[Array, Array]:
    """Screen positions x, y, each (height, width), of an image's pixels; `scale` = image size / clip size."""
    x, y = (np.arange(width) + 0.5) / scale, (np.arange(height) + 0.5) / scale
    return tuple(np.meshgrid(x, y))


def render(layers: Sequence[Layer], frame: float, *, width: int, height: int, scale: float = 1.0) -> Array:
    """The image of `frame`: (height, width, 3) float RGB in [0, 1]."""
    fine = SUPERSAMPLING
    x, y = pixel_centres(width * fine, height * fine, scale=scale * fine)
    picture = colours(layers, x, y, frame)
    return np.clip(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), 0, 1)


def colours(layers: Sequence[Layer], x: Array, y: Array, frame: float) -> Array:
    """Colors (h, w, 3) at the screen positions (x, y), each (h, w), not averaged over a pixel."""
    picture = np.zeros((*x.shape, 3), np.float32)
    for layer in layers:
        rows, columns = _touched(layer, x, y, frame)
        if rows.stop <= rows.start or columns.stop <= columns.start:
            continue
        paint = layer.sample(x[rows, columns], y[rows, columns], frame)
        part = picture[rows, columns]
        part *= 1 - paint[..., 3:]
        part += paint[..., :3]
    return picture


def _touched(layer: Layer, x: Array, y: Array, frame: float) -> tuple[slice, slice]:
    """Rows and columns of the positions that the layer can cover, to save time in sampling."""
    canvas = layer.canvas
    v = np.linspace(canvas.top, canvas.bottom, 64)
    sides = [layer.to_screen(np.full_like(v, side), v, frame) for side in (canvas.left, canvas.right)]
    xs, ys = np.concatenate([side[0] for side in sides]), np.concatenate([side[1] for side in sides])
    near = (x >= xs.min() - 2) & (x <= xs.max() + 2) & (y >= ys.min() - 2) & (y <= ys.max() + 2)
    return _span(near.any(axis=1)), _span(near.any(axis=0))


def _span(flags: NDArray[np.bool_]) -> slice:
    """The slice from the first to the last True."""
    places = np.flatnonzero(flags)
    return slice(int(places[0]), int(places[-1]) + 1) if places.size else slice(0, 0)


def visible_layer(layers: Sequence[Layer], x: Array, y: Array, frame: float) -> NDArray[np.int32]:
    """Index of the nearest layer that is more opaque than not at the screen positions (x, y)."""
    index = np.full(x.shape, NOTHING, np.int32)
    for number, layer in enumerate(layers):
        index[layer.sample(x, y, frame)[..., 3] > 0.5] = number
    return index


def trace(
    layers: Sequence[Layer], start: float, end: float, *, width: int, height: int, scale: float = 1.0
) -> tuple[Array, NDArray[np.bool_]]:
    """Motion of the surface points visible in frame `start`, from there to frame `end`.

    Returns:
        Flow (height, width, 2) float32 in output pixels, channel 0 = x right, 1 = y down, and a mask
        (height, width), True where the same surface point is seen in `end`, inside the image.
    """
    x, y = pixel_centres(width, height, scale=scale)
    shown = visible_layer(layers, x, y, start)
    there_x, there_y = x.copy(), y.copy()
    for number, layer in enumerate(layers):
        own = shown == number
        if own.any():
            there_x[own], there_y[own] = layer.to_screen(*layer.to_scene(x[own], y[own], start), end)
    flow = np.stack([there_x - x, there_y - y], axis=-1) * scale
    half = 0.5 / scale  # beyond the outermost pixel centers there is nothing to interpolate
    inside = (there_x >= half) & (there_x <= width / scale - half)
    inside &= (there_y >= half) & (there_y <= height / scale - half)
    seen = inside & (visible_layer(layers, there_x, there_y, end) == shown)
    return flow.astype(np.float32), seen


def backward_flow(
    layers: Sequence[Layer], frame: int, *, width: int, height: int, scale: float = 1.0
) -> tuple[Array, NDArray[np.bool_]]:
    """Flow from `frame` to the previous frame, and mask of the points visible there; see `trace`."""
    return trace(layers, frame, frame - 1, width=width, height=height, scale=scale)
