"""Measures of a stylised film, so far one: how much of its change the source does not explain."""

from __future__ import annotations

from torch import Tensor

from streamstyle.flow import inside, warp

SMALLEST_MARGIN = 2.0  # pixels from the border within which a bicubic kernel has no full support


def change_along_flow(previous: Tensor, current: Tensor, flow: Tensor, reliable: Tensor) -> float:
    """How much a film changes along its motion: the mean square difference on reliable pixels.

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
    """What a stylised film changes along the motion beyond what its source changes there.

    The source changes too (light, noise, blur by resampling); a result is to blame only for the rest.
    It can be negative, where the result is calmer than its source.

    Args:
        source, result: the previous and the current frame of each, (1, 3, H, W) in [0, 1].
        flow, reliable: see `change_along_flow`.

    Returns:
        `change_along_flow` of the result minus that of the source.
    """
    return change_along_flow(*result, flow, reliable) - change_along_flow(*source, flow, reliable)
