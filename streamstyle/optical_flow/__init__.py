"""Optical flow: estimation, confidence masks, scene cuts, and warping.

Flow is backward and on the grid of the current frame: (2, H, W) in pixels, channel 0 = x to the right,
1 = y down. At each pixel of the current frame it points to the position in the previous frame from which
that pixel came, so `warp(previous, flow)` aligns with the current frame. The negated forward flow is not
the same: it is on the grid of the previous frame.
"""

from __future__ import annotations

from streamstyle.optical_flow.estimation import FLOWS, FlowEstimation, FlowItem, FlowSequence
from streamstyle.optical_flow.flow_files import FLO_MAGIC, read_flow
from streamstyle.optical_flow.warping import blended, cell_means, inside, resized_flow, resized_map, warp

__all__ = [
    "FLOWS",
    "FLO_MAGIC",
    "FlowEstimation",
    "FlowItem",
    "FlowSequence",
    "blended",
    "cell_means",
    "inside",
    "read_flow",
    "resized_flow",
    "resized_map",
    "warp",
]
