"""The size that frames are read at, and pictures fitted into a size."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np


def fitted_size(
    width: int, height: int, size: tuple[int, int] | None = None, max_size: int | None = None
) -> tuple[int, int]:
    """(width, height) in pixels after scaling.

    Args:
        width, height: of the upright source.
        size: exactly this, whatever the shape of the source.
        max_size: at most this on the longer side; the shape is kept, both sides become even. Sources that
            are small enough stay as they are.
    """
    if size is not None:
        return size
    longest = max(width, height)
    if max_size is None or longest <= max_size:
        return width, height
    factor = Fraction(max_size, longest)
    return max(2, round(width * factor / 2) * 2), max(2, round(height * factor / 2) * 2)


def letterboxed(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """(H, W) or (H, W, 3) uint8 scaled to fit into a size and put into its middle, on black.

    The array itself where it has that size already.
    """
    h, w = pixels.shape[:2]
    if (w, h) == (width, height):
        return pixels
    scale = min(width / w, height / h)
    across, down = min(max(round(w * scale), 1), width), min(max(round(h * scale), 1), height)
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    scaled: np.ndarray = cv2.resize(pixels, (across, down), interpolation=way)
    if (across, down) == (width, height):
        return scaled
    left, top = (width - across) // 2, (height - down) // 2
    whole = np.zeros((height, width, *pixels.shape[2:]), np.uint8)
    whole[top : top + down, left : left + across] = scaled
    return whole
