"""Detects whether anything has moved since a frame was stylized."""

from __future__ import annotations

import cv2
import numpy as np

LINES = 60  # blocks along the shorter side; each is 8x8 pixels in a frame of 480 lines
# Levels of 0 to 255 by which a block's mean may differ. A poor webcam's noise has a standard deviation of 5
# per pixel, which is 0.6 in the mean of 64 pixels and 0.9 in the difference of two means; the largest of
# 14,400 such values is about four times that. A moving hand changes blocks by tens.
TOLERANCE = 4


class MotionGate:
    """Compares frames with a reference frame, so that slow changes add up until they are detected."""

    def __init__(self) -> None:
        self._reference: np.ndarray | None = None
        self._last: np.ndarray | None = None

    def __call__(self, pixels: np.ndarray) -> bool:
        """Whether nothing has moved in a frame, (H, W, 3) uint8, compared with the reference."""
        height, width = pixels.shape[:2]
        scale = min(LINES / min(height, width), 1.0)
        size = max(round(width * scale), 1), max(round(height * scale), 1)
        self._last = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        if self._reference is None or self._reference.shape != self._last.shape:
            return False
        return bool(cv2.absdiff(self._last, self._reference).max() <= TOLERANCE)

    def keep(self) -> None:
        """Make the last frame the reference."""
        self._reference = self._last

    def reset(self) -> None:
        """Forget the reference; the next frame counts as moved."""
        self._reference = None
