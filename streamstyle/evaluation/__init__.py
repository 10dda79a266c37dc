"""How steady a stylised film is, and what the steadiness cost."""

from __future__ import annotations

from streamstyle.evaluation.metrics import change_along_flow, flicker, sharpness, static_pixels, warp_error
from streamstyle.evaluation.videos import Evaluation, FrameMeasures, evaluate

__all__ = [
    "Evaluation",
    "FrameMeasures",
    "change_along_flow",
    "evaluate",
    "flicker",
    "sharpness",
    "static_pixels",
    "warp_error",
]
