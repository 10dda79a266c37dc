"""Letterboxing: scaling frames into another size with black bars."""

from __future__ import annotations

import cv2
import numpy as np


def letterboxed(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """`pixels` scaled to fit into a size and centered on black; `pixels` itself if it has that size.

    Args:
        pixels: (H, W) or (H, W, 3) uint8.
        width, height: of the result, in pixels.
    """
    h, w = pixels.shape[:2]
    if (w, h) == (width, height):
        return pixels
    scale = min(width / w, height / h)
    across, down = min(max(round(w * scale), 1), width), min(max(round(h * scale), 1), height)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    scaled: np.ndarray = cv2.resize(pixels, (across, down), interpolation=method)
    if (across, down) == (width, height):
        return scaled
    left, top = (width - across) // 2, (height - down) // 2
    whole = np.zeros((height, width, *pixels.shape[2:]), np.uint8)
    whole[top : top + down, left : left + across] = scaled
    return whole
