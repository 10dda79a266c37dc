"""Measures of a stylized video, each of one frame and the previous one.

Images are (1, 3, H, W) in [0, 1]. Flow is (1, 2, H, W), backward, on the grid of the current frame. Masks
are (1, 1, H, W), 1 = counted, 0 = ignored.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from streamstyle.losses import luma
from streamstyle.optical_flow import inside, warp

SMALLEST_MARGIN = 2.0  # pixels; closer to the border a bicubic kernel lacks full support
STATIC_MOTION = 0.2  # pixels of motion up to which a pixel is static, and ...
STATIC_CHANGE = 3 / 255  # ... mean difference of the source's channels


def change_along_flow(previous: Tensor, current: Tensor, flow: Tensor, reliable: Tensor) -> float:
    """Change of a video along its optical flow: the mean squared warp error on reliable pixels.

    Reference: Lai et al. (2018), Learning blind video temporal consistency, equation 10,
    https://arxiv.org/abs/1808.00449.

    Args:
        previous, current: (1, 3, H, W) in [0, 1], two consecutive frames.
        flow: (1, 2, H, W), backward, on the grid of `current`.
        reliable: (1, 1, H, W), 1 where the flow is valid (visible in both frames), else 0.

    Returns:
        The mean over the reliable pixels and the channels; 0 if there are none.
    """
    known = reliable * inside(flow, SMALLEST_MARGIN)
    known = known * flow.isfinite().all(dim=1, keepdim=True)
    warped = warp(previous, flow.nan_to_num(0))
    error = (current - warped).square().mean(dim=1, keepdim=True)
    count = known.sum()
    return ((known * error).sum() / count).item() if count else 0.0


def warp_error(
    source: tuple[Tensor, Tensor], result: tuple[Tensor, Tensor], flow: Tensor, reliable: Tensor
) -> float:
    """Warp error that a stylized video adds to that of its source.

    The source changes along its flow too (light, noise, blur by resampling); only the excess counts.
    The value is negative where the result changes less than its source.

    Args:
        source, result: the previous and the current frame of each, (1, 3, H, W) in [0, 1].
        flow, reliable: see `change_along_flow`.

    Returns:
        `change_along_flow` of the result minus that of the source.
    """
    return change_along_flow(*result, flow, reliable) - change_along_flow(*source, flow, reliable)


def static_pixels(previous: Tensor, current: Tensor, flow: Tensor, reliable: Tensor) -> Tensor:
    """Mask of the pixels at which a source is static: both flow and difference nearly vanish.

    Returns:
        (1, 1, H, W), 1 = static.
    """
    still = flow.nan_to_num(1e9).square().sum(dim=1, keepdim=True) < STATIC_MOTION**2
    unchanged = (current - previous).abs().mean(dim=1, keepdim=True) < STATIC_CHANGE
    return reliable * still * unchanged


def flicker(previous: Tensor, current: Tensor, static: Tensor) -> float:
    """Mean absolute difference between frames where the source is static; 0 if no pixel is."""
    count = static.sum()
    difference = (current - previous).abs().mean(dim=1, keepdim=True)
    return ((static * difference).sum() / count).item() if count else 0.0


def sharpness(previous: Tensor, current: Tensor, flow: Tensor, reliable: Tensor) -> float:
    """Fine structure that lasts from one frame to the next.

    It is the mean product of the luma gradients in this frame and in the warped previous one. Lasting strokes
    count in full. Grain that changes with each frame cancels out, as its products are as often negative as
    positive; it would raise the energy of the gradients. Blur lowers both factors.

    Returns:
        The square root of that mean; 0 if the mean is negative.
    """
    known = reliable * inside(flow, SMALLEST_MARGIN) * flow.isfinite().all(dim=1, keepdim=True)
    warped = warp(luma(previous), flow.nan_to_num(0))
    now, before = gradients(luma(current)), gradients(warped)
    known = known[..., :-1, :-1]
    count = known.sum()
    product = ((now * before).sum(dim=1, keepdim=True) * known).sum() / count if count else torch.zeros(())
    return math.sqrt(max(product.item(), 0.0))


def gradients(gray: Tensor) -> Tensor:
    """(1, 1, H, W) to (1, 2, H - 1, W - 1): differences to the right and down."""
    corner = gray[..., :-1, :-1]
    return torch.cat((gray[..., :-1, 1:] - corner, gray[..., 1:, :-1] - corner), dim=1)
