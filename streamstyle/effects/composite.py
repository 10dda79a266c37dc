"""What an effect makes, laid onto the source: in which size it works, which colors stay, and where."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from streamstyle.device import out_of_memory
from streamstyle.effects.colors import COLORS
from streamstyle.effects.states import nested, unnested
from streamstyle.effects.upsampling import blurred, resized, upsampled
from streamstyle.errors import OutOfMemoryError
from streamstyle.frames import Effect, Moment
from streamstyle.keyframes import ParametersOverTime

LINES = 480  # of an image on which strokes of size 1 have the width that a network gives them
FEWEST_LINES = 96  # that an image is reduced to where memory does not suffice

_log = logging.getLogger("streamstyle")


class Composite:
    """An effect with the hand on it: stroke size, kept colors, a mask.

    Strokes of one size look alike at every resolution: the effect works on the image at LINES lines (along
    the shorter side) divided by the stroke size, and the result is enlarged along the image's own edges.
    Images of fewer lines are not enlarged for it.

    Args:
        effect: what is laid onto the source.
        keyframes: stroke size and kept colors at each time.
        colors: how colors are kept, a name of COLORS.
        mask: gives (H, W) uint8 for a time in seconds, 255 where the effect is to be seen; of any size.
        feather: width of the mask's soft edge, as a share of the image's shorter side.

    Attributes:
        coarseness: by which strokes are multiplied beyond what the keyframes says, to save time.
        reduced: how many times the working size was halved since memory did not suffice.
    """

    def __init__(
        self,
        effect: Effect,
        keyframes: ParametersOverTime,
        *,
        colors: str = "chroma",
        mask: Callable[[float], np.ndarray] | None = None,
        feather: float = 0.0,
    ) -> None:
        self.effect, self.keyframes = effect, keyframes
        self.with_colors_of = COLORS[colors]
        self.mask, self.feather = mask, feather
        self.coarseness = 1.0
        self.reduced = 0
        self._small: list[tuple[Tensor, Tensor]] = []  # the last two images, and at their working size
        self._cover: tuple[np.ndarray, Tensor] | None = None  # the last mask, and what was made of it

    def __call__(self, image: Tensor, moment: Moment) -> Tensor:
        """The image with the effect on it.

        Args:
            image: (3, H, W) in [0, 1] on the effect's device. It is not changed.
            moment: its seconds decide the look and the mask.

        Returns:
            The same shape, type and range; the tensor itself where nothing is to be done.

        Raises:
            OutOfMemoryError: the image is too large for the device in any working size.
        """
        parameters = self.keyframes.at(moment.seconds)
        with torch.inference_mode():
            result = self.worked(image, moment, parameters.stroke_size)
            if result is image:
                return image
            with out_of_memory(image.shape[2], image.shape[1]):
                if parameters.keep_colors > 0:
                    colored = self.with_colors_of(image, result)
                    result = torch.lerp(result, colored, parameters.keep_colors)
                if self.mask is not None:
                    result = torch.lerp(image, result, self.cover(self.mask(moment.seconds), image))
        return result

    def worked(self, image: Tensor, moment: Moment, stroke_size: float) -> Tensor:
        """The effect at its working size, which is halved as often as memory does not suffice."""
        height, width = image.shape[1:]
        while True:
            size = working_size(height, width, stroke_size * self.coarseness * 2**self.reduced)
            try:
                with out_of_memory(width, height):
                    if size == (height, width):
                        return self.effect(image, moment)
                    small = self.small(image, size)
                    if moment.next is not None:
                        coming = replace(moment.next, image=self.small(moment.next.image, size))
                        moment = replace(moment, next=coming)
                    result = self.effect(small, moment)
                    return image if result is small else upsampled(result, small, image)
            except OutOfMemoryError:
                if min(size) < 2 * FEWEST_LINES:
                    raise
                self.reduced += 1
                _log.warning(
                    "memory does not suffice to paint %dx%d pixels: strokes become coarser", size[1], size[0]
                )

    def small(self, image: Tensor, size: tuple[int, int]) -> Tensor:
        """The image at the working size; that of a frame that was looked at ahead is made once."""
        for whole, reduced in self._small:
            if whole is image and tuple(reduced.shape[1:]) == size:
                break
        else:
            whole, reduced = image, resized(image, *size)
        self._small = [*self._small[-1:], (whole, reduced)]
        return reduced

    def cover(self, mask: np.ndarray, image: Tensor) -> Tensor:
        """A mask as (1, H, W) in [0, 1] with soft edges; that of a still is made once."""
        shape = tuple(image.shape[1:])
        if self._cover is None or self._cover[0] is not mask or tuple(self._cover[1].shape[1:]) != shape:
            cover = torch.from_numpy(mask).to(image.device).to(image.dtype).div_(255)[None]
            if tuple(cover.shape[1:]) != shape:
                cover = resized(cover, *shape)
            self._cover = mask, feathered(cover, self.feather * min(shape))
        return self._cover[1]

    def reset(self) -> None:
        """Forgets what the effect remembers of earlier frames."""
        self.effect.reset()

    def state(self) -> dict[str, Tensor | float | int]:
        """That of the effect, and how far the working size was reduced."""
        return {**nested(self.effect.state()), "reduced": self.reduced}

    def restore(self, state: Mapping[str, Tensor | float | int]) -> None:
        """Takes up what `state` gave."""
        self.reduced = int(state["reduced"])
        self.effect.restore(unnested(state))


def working_size(height: int, width: int, stroke_size: float) -> tuple[int, int]:
    """Height and width in which strokes of that size are stylized; at least 16 each."""
    lines = min(height, width)
    factor = min(LINES, lines) / (lines * stroke_size)
    return max(round(height * factor), 16), max(round(width * factor), 16)


def feathered(cover: Tensor, width: float) -> Tensor:
    """(1, H, W), its edges blurred by a Gaussian of that deviation in pixels."""
    return cover if width < 0.3 else blurred(cover[None], width)[0].clamp_(0, 1)
