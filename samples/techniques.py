"""Techniques as style images, one scene each: stained glass, ink, woodcut, pointillism and others.

Each function takes an (h, w, 3) RGB image in [0, 1] and returns one of the same size.
"""

from collections.abc import Callable

import cv2
import numpy as np
from canvas import Array, blend, noise, ramp, rgb, smoothstep


def stained_glass(picture: Array, *, seed: int = 5) -> Array:
    """Panes of colored glass between leads; each pane has one color, streaked, brighter in its middle."""
    height, width = picture.shape[:2]
    rng = np.random.default_rng(seed)
    points = rng.random((420, 2)) * (width, height)
    labels = np.zeros((height, width), np.int32)
    for _ in range(4):  # Lloyd's steps make panes of similar size; the image's edges attract them
        labels = _nearest(points, height, width)
        places = np.indices((height, width)).reshape(2, -1)[::-1].T
        counts = np.maximum(np.bincount(labels.ravel(), minlength=len(points)), 1)
        for axis in (0, 1):
            sums = np.bincount(labels.ravel(), places[:, axis], len(points))
            points[:, axis] = 0.5 * points[:, axis] + 0.5 * sums / counts
    colour = np.stack(
        [np.bincount(labels.ravel(), picture[..., c].ravel(), len(points)) for c in range(3)], 1
    )
    colour = np.clip((colour / counts[:, None] - 0.4) * 1.5 + 0.45, 0.03, 1)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    streaks = noise(x + 0.4 * y, y * 0.15, cell=14, seed=3, octaves=3) - 0.5
    lead = (cv2.Laplacian(labels.astype(np.float32), cv2.CV_32F, ksize=1) != 0).astype(np.uint8)
    distance = cv2.distanceTransform(1 - lead, cv2.DIST_L2, 5)
    glass = colour[labels] * (0.75 + 0.25 * smoothstep(2, 14, distance))[..., None]
    glass = np.clip(glass * (1 + 0.35 * streaks)[..., None], 0, 1)
    shine = 0.16 * smoothstep(1.0, 2.4, distance) * smoothstep(4.4, 2.6, distance)
    leads = blend(rgb("0d0d12"), rgb("4a4a55"), shine * 4)
    return np.clip(blend(leads, glass.astype(np.float32), smoothstep(2.2, 3.6, distance)), 0, 1)


def _nearest(points: Array, height: int, width: int) -> Array:
    """Number of the nearest point for each pixel, measured with a bias that bends the borders a little."""
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    bent_x = x + 10 * (noise(x, y, cell=60, seed=8) - 0.5)
    bent_y = y + 10 * (noise(x, y, cell=60, seed=9) - 0.5)
    best = np.full((height, width), np.inf, np.float32)
    labels = np.zeros((height, width), np.int32)
    for number, (px, py) in enumerate(points):
        distance = np.hypot(bent_x - px, bent_y - py)
        nearer = distance < best
        best[nearer], labels[nearer] = distance[nearer], number
    return labels


def ink(picture: Array, *, seed: int = 2) -> Array:
    """Black ink on white paper: hatching, crossed and crossed again where it is darker, and contours."""
    height, width = picture.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    tone = cv2.GaussianBlur(_tone(picture), (0, 0), 1.5)
    paper = np.ones((height, width), np.float32)
    for number, (angle, spacing, below) in enumerate(
        ((0.8, 7.0, 0.82), (-0.75, 7.5, 0.56), (0.1, 6.5, 0.36), (1.55, 6.0, 0.2))
    ):
        wander = 9 * (noise(x, y, cell=90, seed=seed + number) - 0.5)
        phase = (np.cos(angle) * y - np.sin(angle) * x + wander) / spacing
        off = np.abs(phase - np.round(phase)) * spacing
        pressure = 0.5 + noise(x, y, cell=24, seed=seed + 10 + number, octaves=2)
        thick = 1.9 * pressure * smoothstep(below, below - 0.32, tone)
        paper = np.minimum(paper, 1 - smoothstep(0.6, -0.4, off - thick) * (thick > 0.25))
    return np.repeat((paper * (1 - _contours(tone, 0.05)))[..., None], 3, axis=-1).astype(np.float32)


def woodcut(picture: Array) -> Array:
    """Two blocks on cream paper: black, cut in lines that follow the forms, and vermilion for the lights."""
    tone = cv2.GaussianBlur(_tone(picture), (0, 0), 2.0)
    height, width = tone.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    # Lines run along the heights of a smooth relief, as a gouge follows what it cuts.
    relief = cv2.GaussianBlur(tone, (0, 0), 16) * 90 + 14 * noise(x, y, cell=120, seed=6) + 0.5 * y
    wave = 0.5 + 0.5 * np.sin(2 * np.pi * relief / 7.5)
    black = smoothstep(0.06, -0.06, tone - 0.12 - 0.62 * wave)
    black = np.maximum(black, _contours(tone, 0.07))
    grain = noise(x * 0.25, y * 6, cell=9, seed=12, octaves=2)
    red = smoothstep(0.5, 0.56, tone + 0.1 * (grain - 0.5)) * smoothstep(0.92, 0.84, tone)
    page = blend(rgb("f3e6c8"), rgb("c8402a"), red * (0.86 + 0.14 * grain))
    return blend(page, rgb("15120f"), black * smoothstep(0.02, 0.12, grain))


def pointillism(picture: Array, *, seed: int = 7) -> Array:
    """Dabs of pure color on a pale ground, laid so that only the eye mixes them."""
    height, width = picture.shape[:2]
    rng = np.random.default_rng(seed)
    canvas = np.ones((height, width, 3), np.float32) * np.float32(rgb("efe6d2"))
    grey = picture.mean(axis=-1, keepdims=True)
    vivid = np.clip(grey + 2.1 * (picture - grey), 0, 1)
    for radius, count in ((5.5, 9000), (4.0, 16000)):
        for px, py in rng.random((count, 2)) * (width, height):
            colour = vivid[int(py), int(px)]
            shift = rng.normal(0, 0.16, 3)
            colour = np.clip(colour + shift - shift.mean(), 0, 1)
            if rng.random() < 0.16:  # a complement, to make its neighbors glow
                colour = np.clip(1.15 - colour, 0, 1)
            centre = int(px * 16), int(py * 16)
            size = int(radius * 16 * rng.uniform(0.75, 1.1)), int(radius * 16 * rng.uniform(0.6, 0.9))
            turn = float(rng.uniform(0, 180))
            cv2.ellipse(canvas, centre, size, turn, 0, 360, colour.tolist(), -1, cv2.LINE_AA, 4)
    return np.clip(canvas, 0, 1)


def comic(picture: Array) -> Array:
    """Print of a comic: red and blue dots on cream paper, black shadows and outlines."""
    height, width = picture.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    smooth = np.float32(picture)
    for _ in range(6):
        smooth = cv2.bilateralFilter(smooth, 9, 0.12, 5)
    tone = _tone(smooth)
    page = np.full_like(smooth, rgb("fbf3dc"))
    for code, turn, light, dark in (("e8402f", 0.6, 0.96, 0.35), ("1f63c4", 1.35, 0.62, 0.1)):
        u = (np.cos(turn) * x + np.sin(turn) * y) / 7.5
        v = (np.cos(turn) * y - np.sin(turn) * x) / 7.5
        off = np.hypot(u - np.round(u), v - np.round(v))
        size = 0.62 * np.sqrt(smoothstep(light, dark, tone))  # they touch, then run together
        page = blend(page, rgb(code), smoothstep(0.07, -0.07, off - size) * (size > 0.1))
    black = np.maximum(smoothstep(0.2, 0.15, tone), smoothstep(0.25, 0.6, _contours(tone, 0.018)))
    return blend(page, rgb("0c0a10"), cv2.GaussianBlur(black, (0, 0), 0.7))


def mosaic(picture: Array, *, seed: int = 4) -> Array:
    """Small squares of stone and glass, laid in rows along the forms, with dark joints between them."""
    height, width = picture.shape[:2]
    rng = np.random.default_rng(seed)
    angle = _directions(_tone(picture))
    side = 10.0
    points = rng.random((round(height * width / side**2), 2)) * (width, height)
    for _ in range(12):  # Lloyd's steps, each tile a square turned along the forms (Hausner 2001)
        labels, off = _tiles(points, angle, height, width, side)
        rows, columns = np.nonzero(labels >= 0)
        chosen = labels[rows, columns]
        counts = np.maximum(np.bincount(chosen, minlength=len(points)), 1)
        for axis, places in ((0, columns), (1, rows)):
            means = np.bincount(chosen, places, len(points)) / counts
            points[:, axis] = np.where(counts > 1, means, points[:, axis])
    where = np.clip(np.round(points), 0, (width - 1, height - 1)).astype(int)
    blurred = cv2.GaussianBlur(picture, (0, 0), 2)
    colour = np.clip(1.35 * blurred[where[:, 1], where[:, 0]] - 0.12, 0.03, 1)
    colour = np.clip(
        colour + rng.normal(0, 0.05, (len(points), 1)) + rng.normal(0, 0.025, colour.shape), 0, 1
    )
    gold = rng.random(len(points)) < 0.05
    colour[gold] = np.float32(rgb("d9b24a"))
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    stone = colour[labels] * (0.9 + 0.2 * noise(x, y, cell=5, seed=13, octaves=2))[..., None]
    tile = smoothstep(0.47 * side, 0.37 * side, off) * (labels >= 0)
    return np.clip(blend(rgb("2b2622"), stone.astype(np.float32), tile), 0, 1)


def _directions(tone: Array) -> Array:
    """Angle (h, w) in radians along the nearest forms: the structure tensor's, across the gradient."""
    fine = cv2.GaussianBlur(tone, (0, 0), 2.0)
    across, down = cv2.Sobel(fine, cv2.CV_32F, 1, 0), cv2.Sobel(fine, cv2.CV_32F, 0, 1)
    xx, yy, xy = (cv2.GaussianBlur(v, (0, 0), 14) for v in (across * across, down * down, across * down))
    result: Array = 0.5 * np.arctan2(2 * xy, xx - yy) + np.pi / 2
    return result


def _tiles(points: Array, angle: Array, height: int, width: int, side: float) -> tuple[Array, Array]:
    """Number of each pixel's tile, -1 = none, and how far it is from the tile's middle, in squares."""
    best = np.full((height, width), np.inf, np.float32)
    labels = np.full((height, width), -1, np.int32)
    reach = round(1.5 * side)
    for number, (px, py) in enumerate(points):
        x0, x1 = max(int(px) - reach, 0), min(int(px) + reach + 1, width)
        y0, y1 = max(int(py) - reach, 0), min(int(py) + reach + 1, height)
        turn = angle[min(max(int(py), 0), height - 1), min(max(int(px), 0), width - 1)]
        dx, dy = np.meshgrid(np.arange(x0, x1) - px, np.arange(y0, y1) - py)
        along, over = np.cos(turn) * dx + np.sin(turn) * dy, np.cos(turn) * dy - np.sin(turn) * dx
        off = np.maximum(np.abs(along), np.abs(over)).astype(np.float32)
        nearer = off < best[y0:y1, x0:x1]
        best[y0:y1, x0:x1][nearer], labels[y0:y1, x0:x1][nearer] = off[nearer], number
    return labels, best


def neon(picture: Array) -> Array:
    """Glowing tubes along the contours of a dark scene at night, pink, blue and orange, with their haze."""
    height, width = picture.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    tone = cv2.GaussianBlur(_tone(picture), (0, 0), 1.6)
    night = ramp(
        0.8 * tone + 0.2 * noise(x, y, cell=70, seed=3, octaves=3),
        [(0, "05040f"), (0.45, "150b36"), (0.8, "2c1560"), (1, "5a2a8c")],
    )
    lines = np.zeros((height, width), np.float32)
    for level in (0.28, 0.5, 0.72):
        relief = cv2.GaussianBlur(tone, (0, 0), 2.5)
        slope = np.hypot(cv2.Sobel(relief, cv2.CV_32F, 1, 0), cv2.Sobel(relief, cv2.CV_32F, 0, 1)) / 8
        distance = np.abs(relief - level) / np.maximum(slope, 0.004)
        lines = np.maximum(lines, smoothstep(2.4, 1.0, distance) * smoothstep(0.004, 0.012, slope))
    hue = noise(x, y, cell=110, seed=21, octaves=2)
    tube = ramp(
        hue,
        [
            (0.2, "ff2fa0"),
            (0.42, "ff4fd8"),
            (0.5, "35d6ff"),
            (0.62, "3a7bff"),
            (0.72, "ff8a2a"),
            (0.9, "ffd24a"),
        ],
    )
    light = night
    for radius, strength in ((18, 1.1), (7, 0.9), (2.5, 0.9)):
        haze = (
            cv2.GaussianBlur(lines[..., None] * tube, (0, 0), radius)
            * strength
            * (1.6 if radius > 2.5 else 1)
        )
        light = 1 - (1 - light) * (1 - np.clip(haze, 0, 1))
    core = cv2.GaussianBlur(lines, (0, 0), 0.8)
    return np.clip(blend(light.astype(np.float32), 0.45 * tube + 0.55, core), 0, 1)


def watercolour(picture: Array) -> Array:
    """Transparent washes on white, rough paper: pale lights, darker rims where a wash dried, blooms."""
    height, width = picture.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    bend = [14 * (noise(x, y, cell=46, seed=seed, octaves=3) - 0.5) for seed in (31, 32)]
    bent = cv2.remap(
        np.float32(picture), x + bend[0], y + bend[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    page = np.ones_like(bent)
    for radius, levels, share in ((9, 3, 0.55), (3.5, 5, 0.6)):
        wash = cv2.GaussianBlur(bent, (0, 0), radius)
        tone = _tone(wash) + 0.07 * (noise(x, y, cell=34, seed=int(radius), octaves=4) - 0.5)
        step = np.floor(tone * levels) / (levels - 1)
        grey = wash.mean(axis=-1, keepdims=True)
        tint = np.clip(0.95 * (wash - grey) + np.clip(0.4 + 0.64 * step, 0, 1)[..., None], 0, 1)
        inside = tone * levels - np.floor(tone * levels)
        rim = 0.16 * smoothstep(0.12, 0.0, np.minimum(inside, 1 - inside))
        tint = np.clip(tint - rim[..., None] * (1.2 - tint), 0, 1)
        page = page * (1 - share + share * tint)
    grain = noise(x, y, cell=3.2, seed=40, octaves=2) - 0.5
    bloom = noise(x, y, cell=80, seed=44, octaves=4) - 0.5
    page = 1 - (1 - page) * (0.95 + 0.9 * bloom + 0.4 * grain)[..., None]
    return np.clip(page, 0, 1).astype(np.float32)


def _tone(picture: Array) -> Array:
    """Lightness (h, w), stretched to the whole range."""
    tone = picture @ np.float32((0.2126, 0.7152, 0.0722))
    low, high = np.percentile(tone, (2, 98))
    return np.clip((tone - low) / (high - low), 0, 1).astype(np.float32)


def _contours(tone: Array, least: float) -> Array:
    """1 on the outlines of what is dark against light, 0 elsewhere."""
    fine, coarse = cv2.GaussianBlur(tone, (0, 0), 1.2), cv2.GaussianBlur(tone, (0, 0), 3.5)
    return smoothstep(least, 2 * least, coarse - fine)


TECHNIQUES: dict[str, tuple[Callable[[Array], Array], str]] = {  # function, and name of the scene
    "stained_glass": (stained_glass, "landscape"),
    "ink": (ink, "still_life"),
    "woodcut": (woodcut, "lighthouse"),
    "pointillism": (pointillism, "landscape"),
    "comic": (comic, "landscape"),
    "mosaic": (mosaic, "landscape"),
    "neon": (neon, "lighthouse"),
    "watercolour": (watercolour, "landscape"),
}
