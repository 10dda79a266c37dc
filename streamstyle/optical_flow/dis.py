"""Dense inverse search (DIS): optical flow fast enough for a camera on one core.

Reference: Kroeger et al. (2016), Fast optical flow using dense inverse search,
https://arxiv.org/abs/1603.03590, in OpenCV's implementation.
"""

from __future__ import annotations

import threading

import cv2
import numpy as np

PRESETS = {"fast": cv2.DISOPTICAL_FLOW_PRESET_FAST, "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM}
SMALLEST_SIDE = 32  # pixels; the search needs a few patches of 8 pixels


class Dis:
    """Estimates optical flow on the CPU.

    Args:
        preset: "fast" or "medium". "medium" takes four times as long, refines at half instead of a quarter
            of the resolution, and detects the motion of smaller objects.
    """

    def __init__(self, preset: str = "fast") -> None:
        self._preset = PRESETS[preset]
        self._of_thread = threading.local()  # OpenCV's search can serve one thread at a time

    def __call__(self, current: np.ndarray, previous: np.ndarray) -> np.ndarray:
        """The backward flow from `current` to `previous`.

        Args:
            current, previous: (H, W, 3) uint8 RGB, of the same size.

        Returns:
            (H, W, 2) float32: x and y in pixels; 0 if the image is too small for the search.
        """
        if min(current.shape[:2]) < SMALLEST_SIDE:
            return np.zeros((*current.shape[:2], 2), np.float32)
        grays = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (current, previous))
        if not hasattr(self._of_thread, "search"):
            self._of_thread.search = cv2.DISOpticalFlow.create(self._preset)
        flow: np.ndarray = self._of_thread.search.calc(*grays, None)
        return flow
