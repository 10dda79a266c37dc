"""Measures of a stylized video: temporal consistency, sharpness, drift and style."""

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
