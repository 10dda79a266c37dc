"""Whether anything has moved since a frame was stylized."""

from __future__ import annotations

import cv2
import numpy as np

BLOCK = 8  # pixels of a frame of 480 lines, side of the squares that are compared
LINES = 60  # squares along the shorter side
# Gray levels by which the mean of a square may differ. A poor webcam's noise deviates by 5 levels a pixel,
# which is 0.6 in the mean of 64 and 0.9 in the difference of two; among 14,400 such values the largest is
# about four times that. A hand that moves changes squares by tens.
TOLERANCE = 4


class MotionGate:
    """Compares frames with the one that was kept; slow changes add up until they show."""

    def __init__(self) -> None:
        self._kept: np.ndarray | None = None
        self._now: np.ndarray | None = None

    def __call__(self, pixels: np.ndarray) -> bool:
        """Whether nothing has moved in (H, W, 3) uint8 since the frame that was kept last."""
        height, width = pixels.shape[:2]
        scale = min(LINES / min(height, width), 1.0)
        size = max(round(width * scale), 1), max(round(height * scale), 1)
        self._now = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        if self._kept is None or self._kept.shape != self._now.shape:
            return False
        return bool(cv2.absdiff(self._now, self._kept).max() <= TOLERANCE)

    def keep(self) -> None:
        """Compare with the last frame from now on."""
        self._kept = self._now

    def forget(self) -> None:
        """Compare with nothing."""
        self._kept = None
