"""Holding a video still: what an effect made of the last frame is carried along and blended in.

Reference: the warp and mask of Ruder et al. (2016), https://arxiv.org/abs/1604.08610, used on the output of
an effect that knows of no time, as in Lai et al. (2018), https://arxiv.org/abs/1808.00449, but without a
network of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from streamstyle.effects.states import nested, unnested
from streamstyle.frames import Effect, Moment, Motion
from streamstyle.optical_flow import cell_means, resized_flow, resized_map, warp

AHEAD = 0.7  # weight of the next result beside this one, at steadiness 1
MOST = 0.9  # share of the carried image at steadiness 1
BROAD = 16  # pixels, side of the squares in which a lasting change shows
TOLERANCE = 0.06  # mean difference of such squares, of the full range, at which half as much is carried
STILL = 0.05  # pixels of estimated motion below which nothing is moved, as sampling blurs


class Stabilize:
    """An effect whose result is blended with its last one, moved along.

    Where the next frame is known its result is moved back and has a say, too: what two frames agree on is no
    flicker, and nothing trails. It is kept until its own turn, so that the effect is called once for each.
    Where the flow does not hold, and across cuts, the new result stands alone. Where both differ over a broad
    area (light has changed, or the carried image has drifted) less is carried, so that nothing lingers.

    Args:
        effect: what is stabilized.
        steady: 0 = as the effect has it, 1 = as still as can be.
    """

    def __init__(self, effect: Effect, steady: float = 1.0) -> None:
        self.effect, self.steady = effect, steady
        self._last: Tensor | None = None  # (3, H, W), the last result
        self._coming: tuple[int, Tensor] | None = None  # number and unsteadied result of the next frame

    def __call__(self, image: Tensor, moment: Moment) -> Tensor:
        """The effect's result, steadied.

        Args:
            image: (3, H, W) in [0, 1]. It is not changed.
            moment: with the motion since the last frame, and the next frame, where they are known.

        Returns:
            The same shape, type and range.
        """
        with torch.inference_mode():
            result = self.result(image, moment)
            self._coming = None
            if result is image or self.steady == 0:  # nothing was done that could flicker
                self._last = result
                return result
            coming = None if moment.next is None else self.effect(moment.next.image, moment.next.moment)
            if moment.next is not None and coming is not None and coming is not moment.next.image:
                self._coming = moment.next.moment.index, coming
                moved, confidence = carried(coming, moment.next.motion, result)
                share = AHEAD * self.steady * confidence * agreement(result, moved)
                result = torch.lerp(result, moved, share / (1 + share))
            if self._last is not None and moment.motion is not None:
                moved, confidence = carried(self._last, moment.motion, result)
                share = MOST * self.steady * confidence * agreement(result, moved)
                result = torch.lerp(result, moved, share)
            self._last = result
        return result

    def result(self, image: Tensor, moment: Moment) -> Tensor:
        """What the effect makes of the frame, or has made of it already."""
        if self._coming is not None and self._coming[0] == moment.index:
            coming = self._coming[1]
            if coming.shape == image.shape:  # strokes of another size are stylized at another size
                return coming
        return self.effect(image, moment)

    def reset(self) -> None:
        """Forgets all other frames."""
        self._last = self._coming = None
        self.effect.reset()

    def state(self) -> dict[str, Tensor | float | int]:
        """The last result, what is known of the next one, and the state of the effect."""
        state = nested(self.effect.state())
        if self._last is not None:
            state["last"] = self._last
        if self._coming is not None:
            state["coming_index"], state["coming"] = self._coming
        return state

    def restore(self, state: Mapping[str, Tensor | float | int]) -> None:
        """Takes up what `state` gave."""
        last, coming = state.get("last"), state.get("coming")
        self._last = last if isinstance(last, Tensor) else None
        self._coming = (int(state["coming_index"]), coming) if isinstance(coming, Tensor) else None
        self.effect.restore(unnested(state))


def carried(picture: Tensor, motion: Motion, onto: Tensor) -> tuple[Tensor, Tensor]:
    """Another frame's result moved to where things are in this one, and how far that holds.

    Args:
        image: (3, h, w), of any size.
        motion: on the grid of this frame, pointing into the other.
        onto: (3, H, W), this frame's.

    Returns:
        (3, H, W) in [0, 1], and (1, H, W) in [0, 1].
    """
    height, width = onto.shape[1:]
    if picture.shape != onto.shape:
        picture = F.interpolate(picture[None], (height, width), mode="bilinear")[0]
    still = motion.flow.abs().amax(dim=0, keepdim=True) < STILL
    flow = resized_flow(motion.flow.masked_fill(still, 0), height, width)
    moved = warp(picture[None], flow[None])[0].clamp_(0, 1)
    return moved, resized_map(motion.confidence, height, width)


def agreement(result: Tensor, carried: Tensor) -> Tensor:
    """(1, H, W), 1 where both (3, H, W) have the same broad colors, 0 where they are far from it."""
    height, width = result.shape[1:]
    size = -(-height // BROAD), -(-width // BROAD)
    off = cell_means(result, *size) - cell_means(carried, *size)
    agree = 1 / (1 + off.square().mean(dim=0, keepdim=True) / TOLERANCE**2)
    return resized_map(agree, height, width)
