"""Rendered content images, for training without photographs; each depends only on its number.

Two kinds alternate. Dead leaves: objects of all sizes that occlude one another, which have the statistics of
photographs in edges, scales and contrast (Lee, Mumford, Huang 2001, Occlusion models for natural images).
Views: sky, hills and ground with houses, trees and people, for wide flat areas, horizons and faces.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from streamstyle.noise import noise

COUNT = 96
SIDE = 320  # pixels
FINE = 2  # supersampling factor, for smooth edges
LEAVES = 300

Color = tuple[int, int, int]
WHITE, BLACK, RED = (240, 240, 235), (30, 25, 30), (150, 60, 60)


class Scenes:
    """COUNT rendered images, SIDE pixels wide and high."""

    identity = "scenes 1"  # increase the number when the rendering changes

    def __init__(self) -> None:
        self.image = lru_cache(COUNT)(scene)

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> Image.Image:
        return self.image(index)


def scene(number: int) -> Image.Image:
    """The image of that number, RGB."""
    rng = np.random.default_rng((0x5CE7E, number))
    size = SIDE * FINE
    image = dead_leaves(rng, size) if number % 2 else view(rng, size)
    image = image.resize((SIDE, SIDE), Image.Resampling.BOX)
    if rng.random() < 0.3:  # as if out of focus
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.5, 1.5))))
    grain = rng.normal(0, rng.uniform(0, 6), (SIDE, SIDE, 1))
    return Image.fromarray((np.asarray(image) + grain).clip(0, 255).astype(np.uint8))


def color(rng: np.random.Generator, hue: float, spread: float = 0.1) -> Color:
    """A random color about a hue in [0, 1), seldom very saturated, as in nature."""
    rgb = colorsys.hsv_to_rgb(
        (hue + rng.normal(0, spread)) % 1, min(rng.gamma(2, 0.2), 0.95), rng.uniform(0.12, 0.98)
    )
    return (int(255 * rgb[0]), int(255 * rgb[1]), int(255 * rgb[2]))


def textured(rng: np.random.Generator, size: int, shade: Color) -> Image.Image:
    """A square of one material: plain, mottled, striped or shaded from one side."""
    base, full = np.array(shade, np.float32), size
    size = max(size // FINE, 2)  # its details are not finer than a pixel of the final image
    kind, strength = rng.integers(4), rng.uniform(5, 40)
    y, x = np.mgrid[:size, :size] / size
    angle = rng.uniform(0, 2 * np.pi)
    along = np.cos(angle) * x + np.sin(angle) * y
    pattern = noise(rng, (size, size), rng.uniform(0.8, 1.8)) if kind in (1, 2) else np.zeros((size, size))
    if kind == 2:
        pattern = np.sin(along * rng.uniform(30, 160) * size / SIDE + 0.6 * pattern)
    light = 60 * (along - along.mean()) * rng.uniform(0, 1.5)
    pixels = base + (strength * pattern + light)[..., None]
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).resize((full, full))


def blob(rng: np.random.Generator, x: float, y: float, radius: float) -> list[tuple[float, float]]:
    """Corners of a leaf: rounded, angular or long."""
    corners = int(rng.choice([3, 4, 4, 5, 40, 40, 40]))
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners)) if corners < 10 else np.linspace(0, 6.28, corners)
    wave = 1 + rng.uniform(0, 0.25) * np.sin(rng.integers(2, 6) * angles + rng.uniform(0, 6.28))
    length, turn = rng.uniform(0.25, 1), rng.uniform(0, np.pi)
    u, v = radius * wave * np.cos(angles), radius * length * wave * np.sin(angles)
    return list(
        zip(x + u * np.cos(turn) - v * np.sin(turn), y + u * np.sin(turn) + v * np.cos(turn), strict=True)
    )


def paint(image: Image.Image, corners: Sequence[tuple[float, float]], material: Image.Image) -> None:
    """Fills a polygon with the same area of a material, which is as large as the image."""
    xs, ys = zip(*corners, strict=True)
    left, top = (max(int(min(values)), 0) for values in (xs, ys))
    right = min(int(max(xs)) + 1, image.width)
    below = min(int(max(ys)) + 1, image.height)
    if right <= left or below <= top:
        return
    mask = Image.new("L", (right - left, below - top))
    ImageDraw.Draw(mask).polygon([(x - left, y - top) for x, y in corners], fill=255)
    image.paste(material.crop((left, top, right, below)), (left, top), mask)


def dead_leaves(rng: np.random.Generator, size: int) -> Image.Image:
    """Overlapping leaves, large ones at the back; radii are distributed with the inverse cube."""
    hue, spread = rng.random(), rng.uniform(0.03, 0.3)
    image = textured(rng, size, color(rng, hue, spread))
    materials = [textured(rng, size, color(rng, hue, spread)) for _ in range(9)]
    smallest, largest = 0.025 * size, 0.45 * size
    u = np.sort(rng.random(LEAVES))
    radii = (largest**-2 + u * (smallest**-2 - largest**-2)) ** -0.5
    order = np.argsort(-radii + rng.normal(0, 0.05 * size, LEAVES))
    for radius in radii[order]:
        x, y = rng.uniform(0, size, 2)
        paint(image, blob(rng, x, y, radius), materials[int(rng.integers(len(materials)))])
    return image


def view(rng: np.random.Generator, size: int) -> Image.Image:
    """Sky, hills, ground, and objects on it."""
    image = sky(rng, size)
    horizon = rng.uniform(0.35, 0.7) * size
    for depth in range(int(rng.integers(1, 4))):
        ridge = horizon - size * (0.16 - 0.05 * depth) * (1 + 0.5 * profile(rng, size))
        points = [*zip(range(size), ridge, strict=True), (size, size), (0, size)]
        paint(image, points, textured(rng, size, color(rng, rng.uniform(0.25, 0.7), 0.05)))
    shade = color(rng, rng.choice([0.1, 0.3, 0.58]), 0.05)
    ground = [(0, horizon), (size, horizon + rng.normal(0, 4)), (size, size), (0, size)]
    paint(image, ground, textured(rng, size, shade))
    for nearness in np.sort(rng.random(int(rng.integers(3, 14)))):
        foot = horizon + (size - horizon) * nearness**1.5
        thing = (house, tree, person, boulder)[int(rng.integers(4))]
        thing(rng, image, rng.uniform(0, size), foot, size * (0.06 + 0.3 * nearness))
    if rng.random() < 0.5:  # a person close to the camera
        person(rng, image, rng.uniform(0.25, 0.75) * size, 1.5 * size, size * rng.uniform(0.9, 1.3))
    return image


def sky(rng: np.random.Generator, size: int) -> Image.Image:
    """A gradient with clouds."""
    top, low = (np.array(color(rng, rng.choice([0.58, 0.6, 0.08]), 0.04), np.float32) for _ in range(2))
    share = np.linspace(0, 1, size)[:, None, None]
    clouds = (noise(rng, (size, size), 1.6) - rng.uniform(-0.5, 1.5)).clip(0, 1)[..., None]
    pixels = top * (1 - share) + low * share
    return Image.fromarray((pixels * (1 - clouds) + 240 * clouds).clip(0, 255).astype(np.uint8))


def profile(rng: np.random.Generator, size: int) -> np.ndarray:
    """(size,) heights of a ridge, mean 0 and deviation 1."""
    steps = np.cumsum(rng.normal(0, 1, size))
    steps -= np.linspace(steps[0], steps[-1], size)
    smooth = np.convolve(np.pad(steps, 8, mode="edge"), np.ones(17) / 17, mode="valid")
    result: np.ndarray = (smooth - smooth.mean()) / max(smooth.std(), 1e-6)
    return result


def house(rng: np.random.Generator, image: Image.Image, x: float, foot: float, height: float) -> None:
    """Walls, a roof and windows."""
    width = height * rng.uniform(0.6, 1.5)
    left, right, top = x - width / 2, x + width / 2, foot - 0.7 * height
    wall, roof = color(rng, 0.08), color(rng, 0.02, 0.03)
    corners = [(left, foot), (left, top), (right, top), (right, foot)]
    paint(image, corners, textured(rng, image.width, wall))
    draw = ImageDraw.Draw(image)
    draw.polygon([(left - 3, top), (x, foot - height), (right + 3, top)], fill=roof)
    pane = tuple(value // 3 for value in wall)
    columns, rows = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    for column in range(columns):
        for row in range(rows):
            u = left + width * (column + 0.3) / columns
            v = top + 0.7 * height * (row + 0.3) / rows
            draw.rectangle([u, v, u + 0.4 * width / columns, v + 0.3 * height / rows], fill=pane)


def tree(rng: np.random.Generator, image: Image.Image, x: float, foot: float, height: float) -> None:
    """A trunk, branches, and clumps of leaves."""
    draw = ImageDraw.Draw(image)
    bark = color(rng, 0.08, 0.02)
    draw.line([(x, foot), (x, foot - 0.6 * height)], fill=bark, width=max(1, int(0.06 * height)))
    leaves = textured(rng, image.width, color(rng, rng.choice([0.28, 0.12]), 0.04))
    for _ in range(int(rng.integers(0, 9))):
        u, v = x + rng.normal(0, 0.2) * height, foot - rng.uniform(0.45, 1) * height
        draw.line([(x, foot - 0.4 * height), (u, v)], fill=bark, width=max(1, int(0.02 * height)))
        paint(image, blob(rng, u, v, 0.22 * height), leaves)


def boulder(rng: np.random.Generator, image: Image.Image, x: float, foot: float, height: float) -> None:
    """A shaded ball."""
    side = max(int(0.6 * height), 4)
    v, u = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    depth = np.sqrt((1 - u**2 - v**2).clip(0))
    light = (0.5 * depth - 0.5 * u - 0.6 * v).clip(0.05, 1)
    ball = np.array(color(rng, rng.random())) * light[..., None] * 1.4
    mask = Image.fromarray((255 * (depth > 0)).astype(np.uint8))
    where = int(x - side / 2), int(foot - side)
    image.paste(Image.fromarray(ball.clip(0, 255).astype(np.uint8)), where, mask)


def person(rng: np.random.Generator, image: Image.Image, x: float, foot: float, height: float) -> None:
    """A standing person who faces the camera; the face has light and shadow."""
    draw = ImageDraw.Draw(image)
    head = 0.09 * height
    skin = np.array((0.9, 0.68, 0.55)) * rng.uniform(90, 270)
    dark, light = (tuple(int(value) for value in (skin * share).clip(0, 255)) for share in (0.65, 1.0))
    clothes, hair = color(rng, rng.random()), color(rng, 0.07, 0.02)
    y = foot - height + head
    shoulder = y + 1.9 * head
    draw.polygon(
        [
            (x - 1.6 * head, shoulder), (x + 1.6 * head, shoulder), (x + 1.9 * head, foot - 0.4 * height),
            (x + head, foot), (x - head, foot), (x - 1.9 * head, foot - 0.4 * height),
        ],
        fill=clothes,
    )  # fmt: skip
    draw.rectangle([x - 0.4 * head, y + 0.5 * head, x + 0.4 * head, shoulder + 1], fill=dark)
    draw.ellipse([x - 0.95 * head, y - 1.25 * head, x + 0.95 * head, y + 0.9 * head], fill=hair)
    draw.ellipse([x - 0.78 * head, y - head, x + 0.78 * head, y + 1.1 * head], fill=dark)
    draw.ellipse([x - 0.78 * head, y - head, x + 0.5 * head, y + 1.05 * head], fill=light)
    for side in (-1, 1):
        u, v = x + 0.32 * side * head, y - 0.05 * head
        draw.ellipse([u - 0.16 * head, v - 0.09 * head, u + 0.16 * head, v + 0.09 * head], fill=WHITE)
        draw.ellipse([u - 0.08 * head, v - 0.09 * head, u + 0.08 * head, v + 0.09 * head], fill=BLACK)
        brow = [(u - 0.2 * head, v - 0.22 * head), (u + 0.2 * head, v - 0.22 * head)]
        draw.line(brow, fill=hair, width=max(1, int(0.07 * head)))
    draw.polygon([(x, y), (x + 0.16 * head, y + 0.38 * head), (x - 0.05 * head, y + 0.4 * head)], fill=dark)
    mouth = [(x - 0.25 * head, y + 0.65 * head), (x + 0.25 * head, y + 0.63 * head)]
    draw.line(mouth, fill=RED, width=max(1, int(0.08 * head)))
