"""Compositing: applies an effect at its working size, with color preservation, a mask and bars."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from streamstyle.device import out_of_memory
from streamstyle.effects.bars import Bars, find_bars
from streamstyle.effects.colors import COLORS
from streamstyle.effects.states import nested, unnested
from streamstyle.effects.upsampling import blurred, resized, upsampled
from streamstyle.errors import OutOfMemoryError
from streamstyle.frames import Effect, Moment
from streamstyle.keyframes import ParametersOverTime

LINES = 480  # shorter side in pixels at which an effect works for strokes of size 1
FEWEST_LINES = 96  # shorter side down to which the working size is reduced if memory runs out

_log = logging.getLogger("streamstyle")


class Composite:
    """Applies an effect with its stroke size, color preservation and mask, to the picture between bars.

    Strokes of a given size look alike at every resolution: the effect works on an image whose shorter side is
    LINES pixels divided by the stroke size, and the result is upsampled along the edges of the source.
    Smaller images are not enlarged for this.

    Args:
        effect: to apply.
        keyframes: stroke size and color preservation at each time.
        colors: the method of color preservation, a name of COLORS.
        mask: gives (H, W) uint8 for a time in seconds, 255 where the effect applies; of any size.
        feather: width of the mask's soft edge, as a share of the image's shorter side.
        bars: "found": letterbox and pillarbox bars are left as they are; "video": those of earlier images
            are, too, as long as they can still be there; "none": there are none.

    Attributes:
        coarseness: factor on the stroke size of the keyframes, to save time.
        reduced: how many times the working size was halved because memory ran out.
    """

    def __init__(
        self,
        effect: Effect,
        keyframes: ParametersOverTime,
        *,
        colors: str = "chroma",
        mask: Callable[[float], np.ndarray] | None = None,
        feather: float = 0.0,
        bars: Literal["found", "video", "none"] = "none",
    ) -> None:
        self.effect, self.keyframes = effect, keyframes
        self.with_colors_of = COLORS[colors]
        self.mask, self.feather = mask, feather
        self.bars = bars
        self.coarseness = 1.0
        self.reduced = 0
        self._reduced_images: list[tuple[Tensor, Tensor]] = []  # the last two images, and reduced
        self._mask_weights: tuple[np.ndarray, Tensor] | None = None  # the last mask, and as weights
        self._bars = Bars()  # of the last image
        self._pictures: list[tuple[Tensor, Bars, Tensor]] = []  # the last two images, and without bars

    def __call__(self, image: Tensor, moment: Moment) -> Tensor:
        """The image with the effect applied.

        Args:
            image: (3, H, W) in [0, 1] on the effect's device. It is not changed.
            moment: its seconds determine the parameters and the mask.

        Returns:
            The same shape, dtype and range; the tensor itself if the effect leaves it unchanged.

        Raises:
            OutOfMemoryError: the image does not fit the device's memory at any working size.
        """
        parameters = self.keyframes.at(moment.seconds)
        with torch.inference_mode():
            picture, moment = self.without_bars(image, moment)
            result = self.applied(picture, moment, parameters.stroke_size)
            if result is picture:
                return image
            with out_of_memory(image.shape[2], image.shape[1]):
                if parameters.keep_colors > 0:
                    colored = self.with_colors_of(picture, result)
                    result = torch.lerp(result, colored, parameters.keep_colors)
                if self.mask is not None:
                    result = torch.lerp(picture, result, self.mask_weights(self.mask(moment.seconds), image))
                if self._bars:
                    result = self._bars.kept(image, result)
        return result

    def without_bars(self, image: Tensor, moment: Moment) -> tuple[Tensor, Moment]:
        """The image and the next one, with the picture mirrored into the bars if there are any."""
        if self.bars == "none":
            return image, moment
        with out_of_memory(image.shape[2], image.shape[1]):
            self._bars = find_bars(image, self._bars if self.bars == "video" else None, moment.cut)
            if not self._bars:
                return image, moment
            picture = self.picture(image)
            if moment.next is not None:
                moment = replace(moment, next=replace(moment.next, image=self.picture(moment.next.image)))
        return picture, moment

    def picture(self, image: Tensor) -> Tensor:
        """The image with bars filled; filled only once for a frame that was already used as `next`."""
        known = (filled for whole, bars, filled in self._pictures if whole is image and bars == self._bars)
        filled = next(known, None)
        if filled is None:
            filled = self._bars.filled(image)
        self._pictures = [*self._pictures[-1:], (image, self._bars, filled)]
        return filled

    def applied(self, image: Tensor, moment: Moment, stroke_size: float) -> Tensor:
        """The effect at its working size, which is halved each time memory runs out."""
        height, width = image.shape[1:]
        while True:
            size = working_size(height, width, stroke_size * self.coarseness * 2**self.reduced)
            try:
                with out_of_memory(width, height):
                    if size == (height, width):
                        return self.effect(image, moment)
                    small = self.reduced_image(image, size)
                    if moment.next is not None:
                        next_ = replace(moment.next, image=self.reduced_image(moment.next.image, size))
                        moment = replace(moment, next=next_)
                    result = self.effect(small, moment)
                    return image if result is small else upsampled(result, small, image)
            except OutOfMemoryError:
                if min(size) < 2 * FEWEST_LINES:
                    raise
                self.reduced += 1
                _log.warning(
                    "not enough memory to process %dx%d pixels: strokes become coarser", size[1], size[0]
                )

    def reduced_image(self, image: Tensor, size: tuple[int, int]) -> Tensor:
        """The image at the working size; reduced only once for a frame that was already used as `next`."""
        for whole, reduced in self._reduced_images:
            if whole is image and tuple(reduced.shape[1:]) == size:
                break
        else:
            whole, reduced = image, resized(image, *size)
        self._reduced_images = [*self._reduced_images[-1:], (whole, reduced)]
        return reduced

    def mask_weights(self, mask: np.ndarray, image: Tensor) -> Tensor:
        """A mask as (1, H, W) in [0, 1] with soft edges; computed only once for a still mask."""
        shape = tuple(image.shape[1:])
        last = self._mask_weights
        if last is None or last[0] is not mask or tuple(last[1].shape[1:]) != shape:
            weights = torch.from_numpy(mask).to(image.device).to(image.dtype).div_(255)[None]
            if tuple(weights.shape[1:]) != shape:
                weights = resized(weights, *shape)
            last = self._mask_weights = mask, feathered(weights, self.feather * min(shape))
        return last[1]

    def reset(self) -> None:
        """Makes the effect forget earlier frames."""
        self.effect.reset()

    def state(self) -> dict[str, Tensor | float | int]:
        """The effect's state, how many times the working size was halved, and the bars."""
        bars = {f"bars.{side}": width for side, width in asdict(self._bars).items()}
        return {**nested(self.effect.state()), "reduced": self.reduced, **bars}

    def restore(self, state: Mapping[str, Tensor | float | int]) -> None:
        """Restores a result of `state`."""
        self.reduced = int(state["reduced"])
        self._bars = Bars(**{side.name: int(state[f"bars.{side.name}"]) for side in fields(Bars)})
        self.effect.restore(unnested(state))


def working_size(height: int, width: int, stroke_size: float) -> tuple[int, int]:
    """Height and width at which an effect works for strokes of that size; at least 16 each."""
    lines = min(height, width)
    factor = min(LINES, lines) / (lines * stroke_size)
    return max(round(height * factor), 16), max(round(width * factor), 16)


def feathered(weights: Tensor, width: float) -> Tensor:
    """(1, H, W) with edges blurred by a Gaussian with a standard deviation of `width` pixels."""
    return weights if width < 0.3 else blurred(weights[None], width)[0].clamp_(0, 1)
