"""How a frame moved from the last one, known at once: nothing is seen ahead of a camera."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import torch

from streamstyle.frames import Frame, Motion
from streamstyle.optical_flow import FlowEstimation
from streamstyle.optical_flow.estimation import Reduced
from streamstyle.optical_flow.scene_cuts import AS_BEFORE, is_cut

SIZE = 256  # pixels along the longer side at which flow is estimated


class FrameTracker:
    """Estimates the motion from frame to frame.

    Args:
        device: where motions are put.
        size: longer side in pixels to which frames are reduced.
    """

    def __init__(self, device: torch.device, size: int = SIZE) -> None:
        self._estimation = FlowEstimation("fast", size=size, device=device)
        self._last: Reduced | None = None
        self._likeness = AS_BEFORE

    def __call__(self, pixels: np.ndarray) -> Motion | None:
        """How (H, W, 3) uint8 moved since the last call; None where it does not continue that.

        A cut is known for sure only by the frame behind it. Here that is taken to hold, so that a flash may
        pass for a cut, too: one frame is not steadied then.
        """
        current, last = self._estimation.reduced(Frame(pixels, 0, Fraction(1))), self._last
        self._last = current
        if last is None or last.shape != current.shape:
            self._likeness = AS_BEFORE
            return None
        pair = self._estimation.compared(current, last, 0)
        before, self._likeness = self._likeness, pair.likeness
        return None if is_cut(pair.likeness, before, AS_BEFORE) else pair.motion

    def forget(self) -> None:
        """What comes next does not continue."""
        self._last, self._likeness = None, AS_BEFORE
