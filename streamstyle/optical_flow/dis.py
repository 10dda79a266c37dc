"""Flow by inverse search on patches: fast enough for a camera on one core.

Reference: Kroeger et al. (2016), Fast optical flow using dense inverse search,
https://arxiv.org/abs/1603.03590, in OpenCV's implementation.
"""

from __future__ import annotations

import cv2
import numpy as np

SMALLEST_SIDE = 32  # pixels; the search needs a few patches of 8


class Dis:
    """Estimates flow on the CPU.

    Args:
        preset: "fast" or "medium", which is four times as slow, refines at half the resolution, not at a
            quarter, and sees smaller things move.
    """

    def __init__(self, preset: str = "fast") -> None:
        self._dis = cv2.DISOpticalFlow.create(
            {"fast": cv2.DISOPTICAL_FLOW_PRESET_FAST, "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM}[preset]
        )

    def __call__(self, current: np.ndarray, previous: np.ndarray) -> np.ndarray:
        """Where each pixel of `current` lay in `previous`.

        Args:
            current, previous: (H, W, 3) uint8 RGB, of one size.

        Returns:
            (H, W, 2) float32: x and y in pixels; 0 where the image is too small to search in.
        """
        if min(current.shape[:2]) < SMALLEST_SIDE:
            return np.zeros((*current.shape[:2], 2), np.float32)
        now, before = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (current, previous))
        flow: np.ndarray = self._dis.calc(now, before, None)  # type: ignore[call-overload]
        return flow
