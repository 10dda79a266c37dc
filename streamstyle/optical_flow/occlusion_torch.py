"""Confidence and similarity of frames on a device; the same as `occlusion` and `scene_cuts` up to rounding.

Values that OpenCV rounds to bytes are rounded here, too. Shapes are (N, C, H, W), N being pairs of frames.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from streamstyle.constants import constant
from streamstyle.optical_flow.occlusion import ABSOLUTE, COLOR_TOLERANCE, ERODED, FEATHERED, RELATIVE
from streamstyle.optical_flow.scene_cuts import BINS, CLIPPED, FLAT, WINDOW
from streamstyle.optical_flow.warping import sampled_along

GRAY = 0.299, 0.587, 0.114  # of red, green and blue, as in OpenCV


def gray_levels(colors: Tensor) -> Tensor:
    """(N, 3, H, W) RGB from 0 to 255 to (N, 1, H, W), rounded."""
    weights = constant("gray", lambda: np.array(GRAY).reshape(1, 3, 1, 1), colors.device)
    return (colors * weights).sum(1, keepdim=True).round_()


def flow_consistent(flow: Tensor, reverse: Tensor) -> Tensor:
    """(N, 1, H, W) bool from (N, 2, H, W) both ways; see `occlusion.flow_consistent`."""
    back = sampled_along(reverse, flow)
    lengths = _squared_length(flow) + _squared_length(back)
    return _squared_length(flow + back) < RELATIVE * lengths + ABSOLUTE


def color_consistent(current: Tensor, warped: Tensor) -> Tensor:
    """(N, 1, H, W) bool from (N, 3, H, W), whole numbers from 0 to 255; see `occlusion.color_consistent`."""
    difference = (current - warped).abs_().mean(1, keepdim=True).round_()
    return blurred(difference, 3).round_() < 255 * COLOR_TOLERANCE


def soft_confidence(confidence: Tensor) -> Tensor:
    """(N, 1, H, W) float from bool; see `occlusion.soft_confidence`."""
    trusted = confidence.float()
    eroded = -F.max_pool2d(-trusted, ERODED, 1, ERODED // 2)
    return blurred(eroded, FEATHERED) * trusted


def similarity(grays: Tensor, flow: Tensor, confidence: Tensor, inside: Tensor) -> Tensor:
    """The two numbers of `Similarity`, (2,), of two consecutive frames; see `scene_cuts.similarity`.

    Args:
        grays: (2, 1, H, W), gray levels of the current and the previous frame.
        flow: (1, 2, H, W), from the current frame into the previous one.
        confidence: (1, 1, H, W) bool, the flow stays in the image and is consistent both ways.
        inside: (1, 1, H, W) float, 1 where the flow stays in the image, else 0.
    """
    now, before = histograms(grays)
    change = (now - before).abs().sum() / 2
    blank = is_blank(grays).any()
    both = torch.cat((grays[:1], sampled_along(grays[1:], flow).round_()))
    one, other = (both - blurred(both, WINDOW)) * inside
    continuity = confidence.float().mean() * _correlation(one, other).clamp_min(0)
    return torch.stack((torch.where(blank, torch.ones_like(continuity), continuity), change))


def histograms(grays: Tensor) -> Tensor:
    """(N, BINS), the shares of the pixels in each range of gray, of (N, 1, H, W)."""
    levels = (grays.flatten(1) * (BINS / 256)).floor_()
    ranges = constant("histogram bins", lambda: np.arange(BINS), grays.device)
    return (levels[:, None] == ranges[:, None]).float().mean(2)


def is_blank(grays: Tensor) -> Tensor:
    """(N,) bool; see `scene_cuts.is_blank`."""
    levels = grays.flatten(1)
    clipped = ((levels < 2) | (levels > 253)).float().mean(1)
    return (levels.std(1, correction=0) < FLAT) | (clipped > CLIPPED)


def blurred(values: Tensor, side: int) -> Tensor:
    """Means over windows of an odd side; beyond the border images are mirrored, as in OpenCV."""
    around = side // 2
    # Images smaller than the window cannot be mirrored so far.
    mode = "reflect" if min(values.shape[-2:]) > around else "replicate"
    return F.avg_pool2d(F.pad(values, (around,) * 4, mode=mode), side, 1)


def _squared_length(flow: Tensor) -> Tensor:
    return (flow * flow).sum(1, keepdim=True)


def _correlation(one: Tensor, other: Tensor) -> Tensor:
    """The correlation of two maps, or 0 if one of them is 0 everywhere."""
    energy = (one * one).sum() * (other * other).sum()
    return (one * other).sum() / energy.clamp_min(torch.finfo(energy.dtype).tiny).sqrt()
