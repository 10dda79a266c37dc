"""Synthetic motion: textures moved by a known flow, and videos of them."""

from collections.abc import Iterator
from fractions import Fraction

import cv2
import numpy as np

from streamstyle.frames import Frame, Packet
from streamstyle.optical_flow.warping import warped_pixels

HEIGHT, WIDTH = 240, 320
TICK = Fraction(1, 25)
INNER = (slice(24, -24), slice(24, -24))  # away from the border, where nothing can be found


def texture(seed: int = 0, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """(H, W, 3) uint8 with structure of all sizes."""
    rng = np.random.default_rng(seed)
    sizes = [(width // side, height // side) for side in (4, 8, 20, 60)]
    layers = [rng.normal(0, 25, (high, wide, 3)).astype(np.float32) for wide, high in sizes]
    whole = sum(cv2.resize(layer, (width, height), interpolation=cv2.INTER_CUBIC) for layer in layers)
    return np.clip(128 + whole, 0, 255).astype(np.uint8)


def affine(zoom: float = 1.0, degrees: float = 0.0, x: float = 0.0, y: float = 0.0) -> np.ndarray:
    """(H, W, 2): the backward flow of an image that is zoomed and turned about its center, then shifted."""
    forward = np.eye(3)
    forward[:2] = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), degrees, zoom)
    forward[:2, 2] += x, y
    inverse = np.linalg.inv(forward)
    columns, rows = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    places = np.stack((columns, rows, np.ones_like(rows)), axis=2) @ inverse.T
    return (places[..., :2] - np.stack((columns, rows), axis=2)).astype(np.float32)


MOTIONS = {
    "nothing": affine(),
    "whole pixels": affine(x=3, y=-2),
    "half a pixel": affine(x=0.5, y=0.5),
    "far": affine(x=20, y=8),
    "zoom": affine(zoom=1.03),
    "rotation": affine(degrees=2),
}


def end_point_error(found: np.ndarray, true: np.ndarray) -> float:
    return float(np.linalg.norm(found - true, axis=2)[INNER].mean())


def moved(picture: np.ndarray, flow: np.ndarray) -> np.ndarray:
    return warped_pixels(picture, flow, "bicubic")


def video(pictures: list[np.ndarray], cuts: tuple[int, ...] = (0,)) -> Iterator[Frame | Packet]:
    for index, pixels in enumerate(pictures):
        yield Frame(pixels, index, TICK, 1, reset=index in cuts)
        yield Packet(1, index)


def pan(count: int, step: float = 2.0, seed: int = 0) -> list[np.ndarray]:
    return [moved(texture(seed), affine(x=step * index)) for index in range(count)]
