"""The painting: thousands of curved brush strokes over a designed landscape.

A composition defines the color and the brush direction at each point. Strokes of decreasing size follow that
field, as in Hertzmann (1998), "Painterly Rendering with Curved Brush Strokes of Multiple Sizes". Each is a
bundle of bristles that leave ridges, lit from the upper left.
"""

import cv2
import numpy as np
from canvas import Array, blend, noise, ramp, rgb, smoothstep

SIZE = 768  # pixels along each side
PAINTED = 2 * SIZE  # painted at twice the size, so that single bristles survive
SUN = (0.69, 0.25)  # in shares of the image
STROKES = ((24, 1900, 15), (13, 5200, 17), (7.5, 9000, 15), (4.5, 5200, 12))  # width in pixels, number, steps


def composition(x: Array, y: Array) -> tuple[Array, Array]:
    """The composition at (x, y), each (h, w) as shares of the image.

    Returns:
        Colors (h, w, 3), and the brush's direction (h, w) in radians.
    """
    distance = np.hypot(x - SUN[0], y - SUN[1])
    around = np.arctan2(y - SUN[1], x - SUN[0]) + np.pi / 2
    swirl = noise(x, y, cell=0.3, seed=2, octaves=2)
    colour, turn = _sky(x, y, distance, swirl)
    turn = np.where(distance < 0.34, around, turn)
    for crest, slope, stops in _grounds(x):
        below = y > crest
        depth = (y - crest) / 0.3
        tone = np.clip(depth + 0.5 * (noise(x * 1.2, y * 3, cell=0.07, seed=9, octaves=3) - 0.5), 0, 1)
        colour = np.where(below[..., None], ramp(tone, stops), colour)
        turn = np.where(below, slope + 1.1 * (noise(x, y * 2, cell=0.16, seed=14) - 0.5), turn)
    return _trees(x, y, *_field(x, y, colour, turn))


def _sky(x: Array, y: Array, distance: Array, swirl: Array) -> tuple[Array, Array]:
    """Cobalt and turquoise wind around a sun with rings of yellow and orange."""
    bands = np.sin(2 * np.pi * (2.6 * y + 0.55 * x + 1.5 * swirl))
    colour = ramp(
        y + 0.14 * bands,
        ((0.0, "14337f"), (0.18, "1f5fae"), (0.36, "3aa0b8"), (0.52, "c9dca0"), (0.6, "f6d070")),
    )
    cloud = smoothstep(0.3, 0.95, bands) * smoothstep(0.1, 0.35, distance)
    colour = blend(colour, rgb("e9e3c8"), 0.75 * cloud)
    rings = 0.5 + 0.5 * np.sin(2 * np.pi * distance / 0.072)
    halo = ramp(
        distance + 0.018 * rings,
        (
            (0.0, "fffbe0"),
            (0.075, "ffe868"),
            (0.11, "ffb52e"),
            (0.18, "f48a2c"),
            (0.25, "f0b060"),
            (0.34, "7fb4a8"),
        ),
    )
    colour = blend(colour, halo, smoothstep(0.36, 0.12, distance))
    return colour, 2.6 * (swirl - 0.5) * np.pi * 0.8 - 0.2


def _grounds(x: Array) -> list[tuple[Array, float, tuple[tuple[float, str], ...]]]:
    """Mountains and hills, far to near: height of the crest, direction of the brush, colors downwards."""
    wave = np.sin
    return [
        (
            0.52 - 0.075 * np.abs(wave(7.5 * x + 0.6)) - 0.025 * wave(17 * x),
            0.75,
            ((0, "33509c"), (0.3, "6a6fb8"), (0.7, "a48ac0")),
        ),
        (
            0.57 - 0.045 * wave(5.2 * x + 2.2) - 0.01 * wave(15 * x),
            -0.25,
            ((0, "2c6f6b"), (0.25, "3f9a62"), (0.6, "9cc25a")),
        ),
        (
            0.645 - 0.03 * wave(4.2 * x + 0.4),
            0.18,
            ((0, "e8a024"), (0.2, "f6c63c"), (0.55, "f2a02e"), (1, "d8702a")),
        ),
    ]


def _field(x: Array, y: Array, colour: Array, turn: Array) -> tuple[Array, Array]:
    """Furrows of the field run to a point on the horizon; a path crosses, poppies stand between."""
    crest = 0.645 - 0.03 * np.sin(4.2 * x + 0.4)
    near = y > crest + 0.035
    vanish = np.arctan2(y - 0.56, x - 0.56)
    furrow = 0.5 + 0.5 * np.sin(46 * vanish)
    field = blend(colour, rgb("a8542a"), 0.5 * furrow * smoothstep(0.68, 0.85, y))
    colour = np.where(near[..., None], field, colour)
    turn = np.where(near, vanish, turn)
    bend = 0.5 + 0.10 * np.sin(9 * (y - 0.62)) + 0.24 * (y - 0.66)
    path = smoothstep(1.0, 0.8, np.abs(x - bend) / (0.012 + 0.3 * (y - 0.645))) * near
    colour = blend(colour, blend(rgb("cfa5c0"), rgb("f6e2c4"), noise(x, y * 3, cell=0.05, seed=21)), path)
    turn = np.where(path > 0.5, 0.12 * np.sin(30 * y), turn)
    poppies = (
        smoothstep(0.6, 0.68, noise(x, y * 1.7, cell=0.034, seed=33)) * smoothstep(0.7, 0.8, y) * (1 - path)
    )
    return blend(colour, rgb("d81e36"), poppies), turn


def _trees(x: Array, y: Array, colour: Array, turn: Array) -> tuple[Array, Array]:
    """Two cypresses like flames, and a cottage's red roof far off."""
    for centre, base, height, girth in ((0.155, 0.97, 0.88, 0.066), (0.285, 0.86, 0.5, 0.042)):
        share = np.clip((base - y) / height, 0, 1)
        lean = centre + 0.016 * np.sin(9 * share + centre * 20)
        half = girth * np.abs(np.sin(np.pi * (share * 0.86 + 0.14))) ** 0.75 * (1 + 0.16 * np.sin(38 * share))
        inside = (np.abs(x - lean) < half) & (y < base) & (y > base - height)
        flame = np.clip(
            0.5
            + 0.5 * (x - lean) / np.maximum(half, 1e-3)
            + 0.5 * (noise(x * 3, y, cell=0.06, seed=41) - 0.5),
            0,
            1,
        )
        leaves = ramp(flame, ((0, "0c2238"), (0.45, "14493f"), (0.75, "2f7a3c"), (1, "a6b43c")))
        colour = np.where(inside[..., None], leaves, colour)
        turn = np.where(inside, np.pi / 2 + 0.5 * np.sin(24 * share + 40 * x), turn)
    wall = (np.abs(x - 0.8) < 0.036) & (np.abs(y - 0.618) < 0.02)
    roof = (np.abs(x - 0.8) < 0.05 - (0.6 - y) * 0.9) & (y > 0.566) & (y < 0.6)
    colour = np.where(wall[..., None], blend(rgb("fff0cc"), rgb("8f84c8"), smoothstep(0.79, 0.83, x)), colour)
    colour = np.where(roof[..., None], np.asarray(rgb("d8402c"), np.float32), colour)
    return colour.astype(np.float32), np.where(wall, np.pi / 2, np.where(roof, 0.1, turn))


def paint_landscape(side: int) -> Array:
    """The composition in smooth colors, (side, side, 3) float RGB in [0, 1]."""
    places = (np.arange(side, dtype=np.float32) + 0.5) / side
    return np.clip(composition(*np.meshgrid(places, places))[0], 0, 1)


def paint_picture(*, seed: int = 4) -> Array:
    """The painting, (SIZE, SIZE, 3) float RGB in [0, 1]."""
    rng = np.random.default_rng(seed)
    places = (np.arange(PAINTED, dtype=np.float32) + 0.5) / PAINTED
    target, turn = composition(*np.meshgrid(places, places))
    # A thin underpainting on a warm ground shows between strokes.
    paint = blend(
        cv2.GaussianBlur(target, (0, 0), PAINTED / 200), rgb("7a4a34"), np.full(target.shape[:2], 0.3)
    )
    relief = np.zeros((PAINTED, PAINTED), np.float32)
    for width, number, steps in STROKES:
        smooth = cv2.GaussianBlur(target, (0, 0), width * 0.45)
        error = np.abs(paint - smooth).sum(-1)
        for _ in range(number):
            start = rng.random(2) * PAINTED
            # Small brushes go where the error is large; half of them anywhere, for an even surface.
            if width < 20 and error[int(start[1]), int(start[0])] < 0.16 and rng.random() < 0.55:
                continue
            path = _path(start, turn, smooth, steps, width)
            _stroke(paint, relief, path, smooth[int(start[1]), int(start[0])], width, rng)
    return _lit(paint, relief)


def _path(start: Array, turn: Array, target: Array, steps: int, width: float) -> Array:
    """Points (n, 2) of a stroke from `start` along the field, ending where the color changes."""
    first = target[int(start[1]), int(start[0])]
    path, heading = [start], None
    for _ in range(steps):
        x, y = path[-1]
        if not (0 <= x < PAINTED and 0 <= y < PAINTED):
            break
        if np.abs(target[int(y), int(x)] - first).sum() > 0.5:
            break
        angle = float(turn[int(y), int(x)])
        step = np.array([np.cos(angle), np.sin(angle)])
        if heading is not None:
            step = step if step @ heading >= 0 else -step
            step = 0.5 * heading + 0.5 * step
            step /= max(float(np.hypot(*step)), 1e-6)
        heading = step
        path.append(path[-1] + step * width * 0.42)
    return np.array(path)


def _stroke(
    paint: Array, relief: Array, path: Array, colour: Array, width: float, rng: np.random.Generator
) -> None:
    """Drag a brush along `path`: each bristle a line of its own shade and height."""
    if len(path) < 3:
        return
    along = np.gradient(path, axis=0)
    along /= np.maximum(np.hypot(along[:, 0], along[:, 1])[:, None], 1e-6)
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1)
    body = np.clip(colour * rng.normal(1, 0.075) + rng.normal(0, 0.028, 3), 0, 1)
    second = np.clip(body + rng.normal(0, 0.06, 3), 0, 1)  # a brush seldom holds one color
    count = max(int(width / 1.5), 4)
    lift = float(rng.uniform(0.5, 1.0))
    for offset, wobble in zip(np.linspace(-1, 1, count), rng.normal(0, 1, count), strict=True):
        shade = body + (second - body) * (offset + 1) / 2 + 0.03 * wobble
        first, last = int(abs(wobble) * 0.6), len(path) - int(abs(rng.normal(0, 1)) + 1.4 * abs(offset))
        if last - first < 2:
            continue
        line = np.round((path + normal * offset * width / 2)[first:last] * 16).astype(np.int32)
        thick = max(round(width / count * 1.25), 1)
        cv2.polylines(paint, [line], False, np.clip(shade, 0, 1).tolist(), thick, cv2.LINE_AA, shift=4)
        # The brush pushes paint to its sides: the rims stand higher than the middle.
        height = lift * (0.5 + 0.35 * abs(offset) ** 3 + 0.16 * wobble)
        cv2.polylines(relief, [line], False, float(height), thick, cv2.LINE_8, shift=4)


def _lit(paint: Array, relief: Array) -> Array:
    """Light the ridges from the upper left, with a little gloss, and bring the image to its size."""
    surface = cv2.GaussianBlur(relief, (0, 0), 1.1)
    slope_x, slope_y = cv2.Sobel(surface, -1, 1, 0), cv2.Sobel(surface, -1, 0, 1)
    facing = np.clip((slope_x + 1.2 * slope_y) * 0.2, -1, 1)
    shaded = paint * (1 + 0.42 * facing)[..., None]
    shaded += (0.22 * np.clip(facing - 0.25, 0, 1) ** 1.5)[..., None]
    small = cv2.resize(np.clip(shaded, 0, 1).astype(np.float32), (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    return np.clip(small, 0, 1)
