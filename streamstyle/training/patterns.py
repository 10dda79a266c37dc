"""Rendered style images: hatching, halftone, mosaic and weave, each in one of many palettes.

Few paintings consist of one clear pattern all over. Each image depends only on its number.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from PIL import Image

from streamstyle.noise import noise
from streamstyle.training.scenes import color

COUNT = 64
WIDTH, HEIGHT = 640, 512  # pixels


class Patterns:
    """COUNT rendered images, RGB, WIDTH pixels wide and HEIGHT high."""

    def __init__(self) -> None:
        self.image = lru_cache(COUNT)(pattern)

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> Image.Image:
        return self.image(index)


def pattern(number: int) -> Image.Image:
    """The image of that number."""
    rng = np.random.default_rng((0x9A77E, number))
    hue, spread = rng.random(), rng.uniform(0.02, 0.4)
    palette = np.array([color(rng, hue, spread) for _ in range(int(rng.integers(3, 7)))], np.float32)
    palette = palette[np.argsort(palette.sum(axis=1))]
    make = (hatching, halftone, mosaic, weave)[number % 4]
    pixels = make(rng, field(rng), palette)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def field(rng: np.random.Generator) -> np.ndarray:
    """(HEIGHT, WIDTH) tones in [0, 1]: what the pattern shows, smooth with some edges."""
    smooth = noise(rng, (WIDTH, WIDTH), rng.uniform(1.4, 2.2))[:HEIGHT]
    edges = np.sign(noise(rng, (WIDTH, WIDTH), 1.8)[:HEIGHT])
    tones = smooth + rng.uniform(0, 1) * edges
    result: np.ndarray = np.clip((tones - tones.mean()) / (4 * tones.std()) + 0.5, 0, 1)
    return result


def places() -> tuple[np.ndarray, np.ndarray]:
    """Row and column of each pixel."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    return y, x


def shaded(tones: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Tones in [0, 1] as colors of the palette, (HEIGHT, WIDTH, 3)."""
    steps = np.linspace(0, 1, len(palette))
    return np.stack([np.interp(tones, steps, palette[:, channel]) for channel in range(3)], axis=-1)


def hatching(rng: np.random.Generator, tones: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Lines in up to three directions, more of them where it is dark."""
    (y, x), paper, ink = places(), palette[-1], palette[0]
    period, drawn, wobble = (
        rng.uniform(6, 14),
        np.zeros_like(tones),
        3 * noise(rng, (WIDTH, WIDTH), 1.6)[:HEIGHT],
    )
    for number in range(int(rng.integers(1, 4))):
        angle = rng.uniform(0, np.pi)
        wave = np.cos(2 * np.pi * (np.cos(angle) * x + np.sin(angle) * y + wobble) / period)
        width = np.clip(1.3 * (1 - tones) - 0.35 * number, 0, 1)  # share of the period that is inked
        drawn = np.maximum(drawn, np.clip(2 * (wave - np.cos(np.pi * width)) + 0.5, 0, 1))
    ground = paper if rng.random() < 0.5 else 0.6 * paper + 0.4 * shaded(tones, palette)
    result: np.ndarray = ground + drawn[..., None] * (ink - ground)
    return result


def halftone(rng: np.random.Generator, tones: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Dots on a turned grid, larger where it is dark."""
    (y, x), period, angle = places(), rng.uniform(6, 16), rng.uniform(0, np.pi / 2)
    u = (np.cos(angle) * x + np.sin(angle) * y) / period
    v = (np.cos(angle) * y - np.sin(angle) * x) / period
    distance = np.hypot(u - np.round(u), v - np.round(v))
    dots = np.clip((0.75 * np.sqrt(1 - tones) - distance) * period + 0.5, 0, 1)
    ground = palette[-1]
    dotted = shaded(tones, palette[:-1]) if len(palette) > 2 and rng.random() < 0.5 else palette[0]
    result: np.ndarray = ground + dots[..., None] * (dotted - ground)
    return result


def mosaic(rng: np.random.Generator, tones: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Stones of one color each, with joints between."""
    size = rng.uniform(10, 26)
    points = rng.uniform((0, 0), (HEIGHT, WIDTH), (int(HEIGHT * WIDTH / size**2), 2)).astype(int)
    seeds = np.full((HEIGHT, WIDTH), 255, np.uint8)
    seeds[points[:, 0], points[:, 1]] = 0
    _, nearest = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    tone_of = np.zeros(nearest.max() + 1)
    tone_of[nearest[points[:, 0], points[:, 1]]] = tones[points[:, 0], points[:, 1]]
    tone_of = np.clip(tone_of + rng.normal(0, 0.1, len(tone_of)), 0, 1)
    stones = shaded(tone_of[nearest], palette)
    joints = cv2.morphologyEx(nearest.astype(np.float32), cv2.MORPH_GRADIENT, np.ones((3, 3))) > 0
    stones[joints] = palette[0] * rng.uniform(0.3, 1)
    return stones


def weave(rng: np.random.Generator, tones: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Threads over and under one another, each rounded by its shade."""
    (y, x), period = places(), rng.uniform(6, 18)
    row, column = np.floor(y / period), np.floor(x / period)
    over = (row + column) % 2 == 0
    across, along = np.abs(y / period - row - 0.5), np.abs(x / period - column - 0.5)
    light = 1 - rng.uniform(0.5, 1.2) * np.where(over, across, along) ** 1.5
    shift = rng.uniform(0, 0.5)
    colors = shaded(np.clip(tones + np.where(over, shift, -shift) / 2, 0, 1), palette)
    return colors * light[..., None]
