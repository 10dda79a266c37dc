"""Techniques as style images, one scene each: stained glass, ink, woodcut and pointillism.

Each function takes an (h, w, 3) RGB image in [0, 1] and returns one of the same size.
"""

from collections.abc import Callable

import cv2
import numpy as np
from canvas import Array, blend, noise, rgb, smoothstep


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
}
