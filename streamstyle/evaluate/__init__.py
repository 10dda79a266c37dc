"""How steady a stylised film is, and what the steadiness cost."""

from __future__ import annotations

from streamstyle.evaluate.films import Evaluation, FrameMeasures, evaluate
from streamstyle.evaluate.measures import change_along_flow, flicker, sharpness, static_pixels, warp_error

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
