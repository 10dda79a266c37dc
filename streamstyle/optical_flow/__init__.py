"""Optical flow: estimating it, trusting it, and moving images along it.

Flow is backward and lies on the grid of the current frame: (2, H, W) in pixels, channel 0 = x to the right,
1 = y down; at a pixel of the current frame it points to where that came from in the previous one. So
`warp(previous, flow)` lines up with the current frame. Negating the flow from the previous frame to the
current one is not the same: it is right at the pixels where things were.
"""

from __future__ import annotations

from streamstyle.optical_flow.estimation import FLOWS, FlowEstimation, FlowItem, FlowSequence
from streamstyle.optical_flow.files import FLO_MAGIC, read_flow
from streamstyle.optical_flow.warping import cell_means, inside, resized_flow, resized_map, warp

__all__ = [
    "FLOWS",
    "FLO_MAGIC",
    "FlowEstimation",
    "FlowItem",
    "FlowSequence",
    "cell_means",
    "inside",
    "read_flow",
    "resized_flow",
    "resized_map",
    "warp",
]
