"""Painting fewer frames: between painted frames, the results are propagated along the optical flow.

Reference: Zhu et al. (2017), Deep Feature Flow for Video Recognition, https://arxiv.org/abs/1611.07715,
section 3, with the results themselves in place of features, from both sides where the next frame is known,
and with frames that are painted after all where the flow fails.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from streamstyle.effects.stabilize import warped_result
from streamstyle.effects.states import nested, unnested
from streamstyle.frames import Effect, Moment, NextFrame, OpticalFlow
from streamstyle.keyframes import Parameters, ParametersOverTime
from streamstyle.optical_flow import blended, cell_means, resized_map

CELL = 16  # side in pixels of the cells over which reliable flow is averaged
DOUBTFUL = 0.5  # share of a cell with reliable flow, below which all of it counts as unreliable
FAINT = 1e-3  # weight of flow that is not reliable at all
UNRELIABLE = 0.15  # share of the image without reliable flow above which a frame is painted after all


class Propagate:
    """An effect that is applied to every n-th frame; the other frames get results warped along the flow.

    A frame gets the last frame's result, and half of the next one's if that is known and painted. Where the
    flow to one of them is not reliable, as where something was or will be hidden, the other one prevails;
    where neither is, the flow of the surroundings is used, and both are mixed like motion blur.

    A frame is painted after all if it does not continue the last one, if the flow is unreliable in too large
    a share of it, and while the parameters change. Apart from that, which frames are painted depends only on
    their numbers.

    Args:
        effect: processes each frame by itself.
        parameters: of the effect at each time.
        every: 1 paints every frame, 2 every second one …
    """

    def __init__(self, effect: Effect, parameters: ParametersOverTime, every: int = 1) -> None:
        self.effect, self.parameters, self.every = effect, parameters, every
        self._last: tuple[int, Tensor] | None = None  # index and result of the last frame
        self._next: tuple[int, Tensor] | None = None  # of the next frame, if it is painted already
        self._painted: tuple[float, Parameters] | None = None  # time and parameters of the last painted frame

    def __call__(self, image: Tensor, moment: Moment) -> Tensor:
        """The effect's result, or the last one warped to this frame.

        Args:
            image: (3, H, W) in [0, 1]. It is not changed.
            moment: with the flow to the last frame, where it is known.

        Returns:
            The same shape, dtype and range; the tensor itself if the effect leaves it unchanged.
        """
        if self.every == 1:
            self._last = self._next = None
            return self.effect(image, moment)
        result = self.propagated(image, moment)
        if result is None:
            result = self.painted(image, moment)
            self._painted = moment.seconds, self.parameters.at(moment.seconds)
        # An unchanged source is not warped: the effect leaves the next one unchanged, too, in no time.
        self._last = None if result is image else (moment.index, result)
        return result

    def propagated(self, image: Tensor, moment: Moment) -> Tensor | None:
        """The last result warped to this frame, (3, H, W); None if the frame must be painted."""
        if moment.index % self.every == 0 or moment.motion is None:
            return None
        if self._last is None or self._painted is None:
            return None
        (index, last), (_, parameters) = self._last, self._painted
        if index != moment.index - 1 or last.shape != image.shape:
            return None
        if parameters != self.parameters.at(moment.seconds):
            return None
        with torch.inference_mode():
            if reliable_share(moment.motion) < 1 - UNRELIABLE:
                return None
            result, confidence = warped_result(last, filled(moment.motion), image)
            following = None if moment.next is None else self.following(moment.next)
            if moment.next is None or following is None:
                return result
            warped, share = warped_result(following, filled(moment.next.motion), image)
            return blended(result, warped, (share + FAINT) / (share + confidence + 2 * FAINT))

    def following(self, next_frame: NextFrame) -> Tensor | None:
        """The next frame's result if it is that frame's turn to be painted; it is kept for the next call."""
        index = next_frame.moment.index
        if index % self.every != 0:
            return None
        result = self.effect(next_frame.image, next_frame.moment)
        if result is next_frame.image:
            return None
        self._next = index, result
        return result

    def painted(self, image: Tensor, moment: Moment) -> Tensor:
        """The effect's result, computed only if the last call has not done so already."""
        if self._next is not None and self._next[0] == moment.index and self._next[1].shape == image.shape:
            return self._next[1]
        return self.effect(image, moment)

    def reset(self) -> None:
        """Forgets all other frames."""
        self._last = self._next = self._painted = None
        self.effect.reset()

    def state(self) -> dict[str, Tensor | float | int]:
        """The last and the next result, when the last frame was painted, and the state of the effect."""
        state = nested(self.effect.state())
        if self._last is not None:
            state["last_index"], state["last"] = self._last
        if self._next is not None:
            state["next_index"], state["next"] = self._next
        if self._painted is not None:
            state["painted_seconds"], _ = self._painted
        return state

    def restore(self, state: Mapping[str, Tensor | float | int]) -> None:
        """Restores a result of `state`."""
        last, following = state.get("last"), state.get("next")
        self._last = (int(state["last_index"]), last) if isinstance(last, Tensor) else None
        self._next = (int(state["next_index"]), following) if isinstance(following, Tensor) else None
        seconds = float(state.get("painted_seconds", 0.0))
        self._painted = (seconds, self.parameters.at(seconds)) if "painted_seconds" in state else None
        self.effect.restore(unnested(state))


def reliable_share(motion: OpticalFlow) -> float:
    """The share of the image with reliable flow."""
    known = motion.mean_confidence
    return float(motion.confidence.mean()) if known is None else known()


def filled(motion: OpticalFlow) -> OpticalFlow:
    """The flow with that of the surroundings where it is not reliable: there it is torn, and would tear.

    The confidence is smoothed, too, as its steps would be seen.
    """
    height, width = motion.flow.shape[1:]
    weight = motion.confidence + FAINT
    sums = cell_means(torch.cat((motion.flow * weight, weight)), -(-height // CELL), -(-width // CELL))
    around = resized_map(sums, height, width)
    confidence = ((around[2:] - DOUBTFUL) / (1 - DOUBTFUL)).clamp(0, 1)
    sure = torch.minimum(confidence, motion.confidence)
    return OpticalFlow(torch.lerp(around[:2] / around[2:], motion.flow, sure), confidence)
