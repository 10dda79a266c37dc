"""How steady a stylized video is, and what the steadiness cost."""

from __future__ import annotations

from streamstyle.evaluation.metrics import change_along_flow, flicker, sharpness, static_pixels, warp_error
from streamstyle.evaluation.videos import Evaluation, FrameMeasures, evaluate_frames

__all__ = [
    "Evaluation",
    "FrameMeasures",
    "change_along_flow",
    "evaluate_frames",
    "flicker",
    "sharpness",
    "static_pixels",
    "warp_error",
]
