"""Measures of a stylized video, each of one frame and the one before.

Images are (1, 3, H, W) in [0, 1], flow is (1, 2, H, W), backward, on the grid of the current frame, and
masks are (1, 1, H, W), 1 where something holds.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from streamstyle.losses import luma
from streamstyle.optical_flow import inside, warp

SMALLEST_MARGIN = 2.0  # pixels from the border within which a bicubic kernel has no full support
STILL = 0.2  # pixels of motion, and ...
UNCHANGED = 3 / 255  # ... mean difference of the channels in the source, up to which a pixel is static


def change_along_flow(previous: Tensor, current: Tensor, flow: Tensor, reliable: Tensor) -> float:
    """How much a video changes along its motion: the mean square difference on reliable pixels.

    Reference: Lai et al. (2018), Learning blind video temporal consistency, equation 10,
    https://arxiv.org/abs/1808.00449.

    Args:
        previous, current: (1, 3, H, W) in [0, 1], two frames in sequence.
        flow: (1, 2, H, W), backward, on the grid of `current`.
        reliable: (1, 1, H, W), 1 where the flow holds (seen in both frames), else 0.

    Returns:
        The mean over the reliable pixels and the channels, 0 where there are none.
    """
    known = reliable * inside(flow, SMALLEST_MARGIN)
    known = known * flow.isfinite().all(dim=1, keepdim=True)
    carried = warp(previous, flow.nan_to_num(0))
    off = (current - carried).square().mean(dim=1, keepdim=True)
    count = known.sum()
    return ((known * off).sum() / count).item() if count else 0.0


def warp_error(
    source: tuple[Tensor, Tensor], result: tuple[Tensor, Tensor], flow: Tensor, reliable: Tensor
) -> float:
    """What a stylized video changes along the motion beyond what its source changes there.

    The source changes too (light, noise, blur by resampling); a result is to blame only for the rest.
    It can be negative, where the result is calmer than its source.

    Args:
        source, result: the previous and the current frame of each, (1, 3, H, W) in [0, 1].
        flow, reliable: see `change_along_flow`.

    Returns:
        `change_along_flow` of the result minus that of the source.
    """
    return change_along_flow(*result, flow, reliable) - change_along_flow(*source, flow, reliable)


def static_pixels(previous: Tensor, current: Tensor, flow: Tensor, reliable: Tensor) -> Tensor:
    """Where a source does not change: its flow is hardly any, and so is the difference.

    Returns:
        (1, 1, H, W), 1 = static.
    """
    still = flow.nan_to_num(1e9).square().sum(dim=1, keepdim=True) < STILL**2
    unchanged = (current - previous).abs().mean(dim=1, keepdim=True) < UNCHANGED
    return reliable * still * unchanged


def flicker(previous: Tensor, current: Tensor, static: Tensor) -> float:
    """Mean absolute difference from frame to frame where the source is static; 0 where nothing is."""
    count = static.sum()
    off = (current - previous).abs().mean(dim=1, keepdim=True)
    return ((static * off).sum() / count).item() if count else 0.0


def sharpness(previous: Tensor, current: Tensor, flow: Tensor, reliable: Tensor) -> float:
    """How much fine structure a video has that lasts from one frame to the next.

    The mean product of the luma's gradients in this frame and in the last one, moved along the flow. Strokes
    that stay count in full. Grain that is new in each frame has no say, as its products are as often negative
    as positive, while it would raise the gradients' energy; and blur lowers both factors.

    Returns:
        The root of that mean, 0 where it is negative.
    """
    known = reliable * inside(flow, SMALLEST_MARGIN) * flow.isfinite().all(dim=1, keepdim=True)
    carried = warp(luma(previous), flow.nan_to_num(0))
    now, before = gradients(luma(current)), gradients(carried)
    known = known[..., :-1, :-1]
    count = known.sum()
    product = ((now * before).sum(dim=1, keepdim=True) * known).sum() / count if count else torch.zeros(())
    return math.sqrt(max(product.item(), 0.0))


def gradients(grey: Tensor) -> Tensor:
    """(1, 1, H, W) to (1, 2, H - 1, W - 1): differences to the right and down."""
    corner = grey[..., :-1, :-1]
    return torch.cat((grey[..., :-1, 1:] - corner, grey[..., 1:, :-1] - corner), dim=1)
