"""Holding a film still: what an effect made of the last frame is carried along and blended in.

Reference: the warp and mask of Ruder et al. (2016), https://arxiv.org/abs/1604.08610, used on the output of
an effect that knows of no time, as in Lai et al. (2018), https://arxiv.org/abs/1808.00449, but without a
network of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from streamstyle.flow import resized_flow, resized_map, warp
from streamstyle.stream import Effect, Moment

MOST = 0.9  # share of the carried picture at steadiness 1
BROAD = 16  # pixels, side of the squares in which a lasting change shows
TOLERANCE = 0.06  # mean difference of such squares, of the full range, at which half as much is carried
STILL = 0.05  # pixels of motion below which a pixel stays where it is, so that sampling does not blur it


class Stabilize:
    """An effect whose result is blended with its last one, moved along.

    Where the flow does not hold, and across cuts, the new result stands alone. Where both differ over a broad
    area (light has changed, or the carried picture has drifted) less is carried, so that nothing lingers.

    Args:
        effect: what is held still.
        steady: 0 = as the effect has it, 1 = as still as can be.
    """

    def __init__(self, effect: Effect, steady: float = 1.0) -> None:
        self.effect, self.steady = effect, steady
        self._last: Tensor | None = None  # (3, H, W), the last result

    def __call__(self, image: Tensor, moment: Moment) -> Tensor:
        """The effect's result, steadied.

        Args:
            image: (3, H, W) in [0, 1]. It is not changed.
            moment: with the motion since the last frame.

        Returns:
            The same shape, type and range.
        """
        with torch.inference_mode():
            result = self.effect(image, moment)
            if result is image:  # nothing was done that could flicker
                self._last = result
                return result
            if self._last is not None and moment.motion is not None and self.steady > 0:
                height, width = result.shape[1:]
                last = self._last
                if last.shape != result.shape:  # strokes of another size are painted at another size
                    last = F.interpolate(last[None], (height, width), mode="bilinear")[0]
                flow = resized_flow(moment.motion.flow, height, width)
                still = flow.abs().amax(dim=0, keepdim=True) < STILL
                carried = warp(last[None], flow.masked_fill(still, 0)[None])[0].clamp_(0, 1)
                share = MOST * self.steady * resized_map(moment.motion.reliable, height, width)
                result = torch.lerp(result, carried, share * agreement(result, carried))
            self._last = result
        return result

    def reset(self) -> None:
        """Forgets the last frame."""
        self._last = None
        self.effect.reset()

    def state(self) -> dict[str, Tensor | float | int]:
        """The last result, and the state of the effect."""
        return {**self.effect.state(), **({} if self._last is None else {"last": self._last})}

    def restore(self, state: Mapping[str, Tensor | float | int]) -> None:
        """Takes up what `state` gave."""
        last = state.get("last")
        self._last = last if isinstance(last, Tensor) else None
        self.effect.restore({name: value for name, value in state.items() if name != "last"})


def agreement(result: Tensor, carried: Tensor) -> Tensor:
    """(1, H, W), 1 where both (3, H, W) have the same broad colours, 0 where they are far from it."""
    height, width = result.shape[1:]
    side = min(BROAD, height, width)
    off = F.avg_pool2d((result - carried)[None], side, max(side // 2, 1), side // 2, count_include_pad=False)
    agree = 1 / (1 + (off[0].square().mean(dim=0, keepdim=True) / TOLERANCE**2))
    return resized_map(agree, height, width)
