"""Temporal consistency: warps the results of neighboring frames along the optical flow and blends them in.

Reference: the warp and mask of Ruder et al. (2016), https://arxiv.org/abs/1604.08610, applied to the output
of an effect that processes each frame by itself, as in Lai et al. (2018), https://arxiv.org/abs/1808.00449,
but without a network of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from streamstyle.cuda_graphs import CapturedVariants
from streamstyle.effects.states import nested, unnested
from streamstyle.frames import Effect, Moment, OpticalFlow
from streamstyle.optical_flow import blended, cell_means, resized_flow, resized_map, warp

NEXT_WEIGHT = 0.7  # weight of the next frame's result relative to this one's, at `steady` 1
LAST_SHARE = 0.9  # share of the last frame's result at `steady` 1
CELL = 16  # side in pixels of the cells whose mean colors are compared
TOLERANCE = 0.06  # difference of mean colors, as a share of the full range, at which the share is halved
STILL = 0.05  # flow in pixels below which nothing is warped, as resampling blurs


class Stabilize:
    """An effect whose result is blended with the warped results of the last and the next frame.

    If the next frame is known, its result is warped back and blended in as well: this reduces flicker without
    trailing. It is kept for the next call, so that the effect processes each frame only once. Where the flow
    is not reliable, and across cuts, the new result is used alone. Where the results differ over a large
    area (the light has changed, or the warped result has drifted), less is blended in, so that nothing
    lingers.

    Args:
        effect: to stabilize.
        steady: 0 = the unchanged effect, 1 = the strongest stabilization.
        every: the effect makes a new result for every n-th frame only, and looks ahead itself, see
            `Propagate`. Such results differ more than those of consecutive frames, so each is blended in
            little by little until the next one.
    """

    def __init__(self, effect: Effect, steady: float = 1.0, every: int = 1) -> None:
        self.effect, self.steady, self.every = effect, steady, every
        self._last: Tensor | None = None  # (3, H, W), the last stabilized result
        self._next: tuple[int, Tensor] | None = None  # index and unstabilized result of the next frame
        self._captured = CapturedVariants()

    def __call__(self, image: Tensor, moment: Moment) -> Tensor:
        """The effect's result, stabilized.

        Args:
            image: (3, H, W) in [0, 1]. It is not changed.
            moment: with the flow to the last frame, and with the next frame, where they are known.

        Returns:
            The same shape, dtype and range.
        """
        with torch.inference_mode():
            result = self.result(image, moment)
            self._next = None
            if result is image or self.steady == 0:  # the unchanged source does not flicker
                self._last = result
                return result
            following = None
            if moment.next is not None and self.every == 1:  # else the effect looks ahead itself
                following = self.effect(moment.next.image, moment.next.moment)
            if moment.next is not None and following is not None and following is not moment.next.image:
                self._next = moment.next.moment.index, following
                result = self.blended_with(result, following, moment.next.motion, ahead=True)
            if self._last is not None and moment.motion is not None:
                result = self.blended_with(result, self._last, moment.motion, ahead=False)
            self._last = result
        return result

    def blended_with(self, result: Tensor, other: Tensor, motion: OpticalFlow, *, ahead: bool) -> Tensor:
        """The result with another frame's result blended in; `ahead`: that of the next frame, unstabilized.

        Args:
            result, other: (3, H, W).
            motion: flow to the other frame.
        """
        if ahead:
            weight = NEXT_WEIGHT * self.steady
        else:
            weight = (LAST_SHARE * self.steady) ** (1 / (2 * self.every - 1))

        def stabilized(result: Tensor, other: Tensor, flow: Tensor, confidence: Tensor) -> dict[str, Tensor]:
            warped, sure = warped_result(other, OpticalFlow(flow, confidence), result)
            share = weight * sure * agreement(result, warped)
            return {"stabilized": blended(result, warped, share / (1 + share) if ahead else share)}

        tensors = result, other, motion.flow, motion.confidence
        return self._captured((ahead, weight), stabilized, *tensors)["stabilized"]

    def result(self, image: Tensor, moment: Moment) -> Tensor:
        """The effect's result, computed only if the last call has not done so already."""
        if self._next is not None and self._next[0] == moment.index:
            result = self._next[1]
            if result.shape == image.shape:  # another stroke size changes the working size
                return result
        return self.effect(image, moment)

    def reset(self) -> None:
        """Forgets all other frames."""
        self._last = self._next = None
        self.effect.reset()

    def state(self) -> dict[str, Tensor | float | int]:
        """The last result, the next one if it is known, and the state of the effect."""
        state = nested(self.effect.state())
        if self._last is not None:
            state["last"] = self._last
        if self._next is not None:
            state["coming_index"], state["coming"] = self._next
        return state

    def restore(self, state: Mapping[str, Tensor | float | int]) -> None:
        """Restores a result of `state`."""
        last, following = state.get("last"), state.get("coming")
        self._last = last if isinstance(last, Tensor) else None
        self._next = (int(state["coming_index"]), following) if isinstance(following, Tensor) else None
        self.effect.restore(unnested(state))


def warped_result(other: Tensor, motion: OpticalFlow, result: Tensor) -> tuple[Tensor, Tensor]:
    """Warps another frame's result to this frame.

    Args:
        other: (3, h, w), the other frame's result, of any size.
        motion: flow from this frame to the other one, with its confidence.
        result: (3, H, W), this frame's result, whose size is used.

    Returns:
        The warped result (3, H, W) in [0, 1], and its confidence (1, H, W) in [0, 1].
    """
    height, width = result.shape[1:]
    if other.shape != result.shape:
        other = F.interpolate(other[None], (height, width), mode="bilinear")[0]
    still = motion.flow.abs().amax(dim=0, keepdim=True) < STILL
    flow = resized_flow(motion.flow.masked_fill(still, 0), height, width)
    warped = warp(other[None], flow[None])[0].clamp_(0, 1)
    return warped, resized_map(motion.confidence, height, width)


def agreement(result: Tensor, warped: Tensor) -> Tensor:
    """(1, H, W), 1 where both (3, H, W) have the same mean color around a pixel, 0 where they differ."""
    height, width = result.shape[1:]
    size = -(-height // CELL), -(-width // CELL)
    difference = cell_means(result - warped, *size)
    agree = 1 / (1 + difference.square().mean(dim=0, keepdim=True) / TOLERANCE**2)
    return resized_map(agree, height, width)
