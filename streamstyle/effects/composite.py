"""Compositing: applies an effect at its working size, with color preservation, a mask and bars."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from streamstyle.device import out_of_memory
from streamstyle.effects.bars import find_bars
from streamstyle.effects.captured_pictures import CapturedPictures, Reduced, for_picture
from streamstyle.effects.float_image import FloatImage
from streamstyle.effects.resizing import blurred, resized
from streamstyle.effects.states import nested, unnested
from streamstyle.errors import OutOfMemoryError
from streamstyle.frames import Effect, Moment, NextFrame, OpticalFlow
from streamstyle.keyframes import Parameters, ParametersOverTime
from streamstyle.pictures import Bars, Picture

LINES = 480  # shorter side in pixels at which an effect works for strokes of size 1
FEWEST_LINES = 96  # shorter side down to which the working size is reduced if memory runs out

_log = logging.getLogger("streamstyle")


class Following(NamedTuple):
    """The next picture of a video, when it will be shown, and the optical flow to it."""

    picture: Picture
    moment: Moment
    motion: OpticalFlow


class Composite:
    """Applies an effect with its stroke size, color preservation and mask, to the picture between bars.

    Strokes of a given size look alike at every resolution: the effect works on an image whose shorter side is
    LINES pixels divided by the stroke size, and the result is upsampled along the edges of the source.
    Smaller images are not enlarged for this. Only at the working size is there an RGB image in floats.

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
        self.colors = colors
        self.mask, self.feather = mask, feather
        self.bars = bars
        self.coarseness = 1.0
        self.reduced = 0
        self._reduced: list[Reduced] = []  # the last two pictures
        self._captured = CapturedPictures()
        self._mask_weights: tuple[np.ndarray, Any] | None = None  # the last mask, and as weights
        self._bars = Bars()  # of the last picture
        self._filled: list[tuple[Picture, Bars, Picture]] = []  # the last two pictures, and without bars

    def __call__(self, image: Tensor, moment: Moment) -> Tensor:
        """`paint` for an image in floats, (3, H, W) RGB in [0, 1], on the effect's device."""
        following = None
        if moment.next is not None:
            following = Following(FloatImage(moment.next.image), moment.next.moment, moment.next.motion)
        picture = FloatImage(image)
        result = self.paint(picture, replace(moment, next=None), following)
        assert isinstance(result, FloatImage)
        return result.image

    def paint(self, picture: Picture, moment: Moment, following: Following | None = None) -> Picture:
        """The picture with the effect applied.

        Args:
            picture: on the effect's device. It is not changed.
            moment: its seconds determine the parameters and the mask; without `next`.
            following: the next picture, if it is known and continues this one.

        Returns:
            A picture of the same kind and size; the picture itself if it remains unchanged.

        Raises:
            OutOfMemoryError: the picture does not fit the device's memory at any working size.
        """
        parameters = self.keyframes.at(moment.seconds)
        if parameters.without_none()[1] == 0:
            self.effect.reset()  # what it remembers would be outdated once it is applied again
            return picture
        with torch.inference_mode():
            whole = picture
            picture, following = self.without_bars(picture, following, moment.cut)
            result = self.applied(picture, moment, following, parameters)
            if result is picture:
                return whole
            with out_of_memory(*reversed(picture.size)):
                if self.mask is not None:
                    weights = self.mask_weights(self.mask(moment.seconds), picture)
                    result = picture.blended(result, weights)
                if self._bars:
                    result = result.with_bars_of(whole, self._bars)
        return result

    def watch(self, picture: Picture, moment: Moment) -> None:
        """Take note of the bars of a picture that is painted elsewhere; all else that lasts ends at cuts."""
        if self.bars != "none" and self.keyframes.at(moment.seconds).without_none()[1]:
            with torch.inference_mode():
                self._bars = find_bars(picture, self._bars if self.bars == "video" else None, moment.cut)

    def without_bars(
        self, picture: Picture, following: Following | None, cut: bool
    ) -> tuple[Picture, Following | None]:
        """The picture and the next one, with the bars filled by what is between them, mirrored."""
        if self.bars == "none":
            return picture, following
        with out_of_memory(*reversed(picture.size)):
            self._bars = find_bars(picture, self._bars if self.bars == "video" else None, cut)
            if not self._bars:
                return picture, following
            filled = self.filled(picture)
            if following is not None:
                following = following._replace(picture=self.filled(following.picture))
        return filled, following

    def filled(self, picture: Picture) -> Picture:
        """The picture with bars filled; filled only once for one that was already used as the next."""
        known = (filled for whole, bars, filled in self._filled if whole is picture and bars == self._bars)
        filled = next(known, None)
        if filled is None:
            filled = picture.mirrored_into(self._bars)
        self._filled = [*self._filled[-1:], (picture, self._bars, filled)]
        return filled

    def applied(
        self, picture: Picture, moment: Moment, following: Following | None, parameters: Parameters
    ) -> Picture:
        """The effect at its working size, which is halved each time memory runs out."""
        height, width = picture.size
        while True:
            coarser = self.coarseness * 2**self.reduced
            size = working_size(height, width, parameters.stroke_size * coarser)
            try:
                with out_of_memory(width, height):
                    small = self.reduced_picture(picture, size)
                    if following is not None:
                        image = self.reduced_picture(following.picture, size).image
                        moment = replace(moment, next=NextFrame(image, following.moment, following.motion))
                    result = self.effect(small.image, moment)
                    if result is small.image:
                        return picture
                    return self.enlarged(result, small, picture, parameters.keep_colors)
            except OutOfMemoryError:
                if min(size) < 2 * FEWEST_LINES:
                    raise
                self.reduced += 1
                _log.warning(
                    "not enough memory to process %dx%d pixels: strokes become coarser", size[1], size[0]
                )

    def enlarged(self, result: Tensor, small: Reduced, picture: Picture, keep_colors: float) -> Picture:
        """The effect's result in full size, with the source's colors as far as they are kept."""
        return self._captured.repainted(picture, small, result, self.colors, keep_colors)

    def reduced_picture(self, picture: Picture, size: tuple[int, int]) -> Reduced:
        """The picture at the working size; reduced only once for one that was already used as the next."""
        for reduced in self._reduced:
            if reduced.picture is picture and tuple(reduced.image.shape[1:]) == size:
                break
        else:
            reduced = self._captured.reduced(picture, size)
        self._reduced = [*self._reduced[-1:], reduced]
        return reduced

    def mask_weights(self, mask: np.ndarray, picture: Picture) -> Any:
        """A mask as (H, W) in [0, 1] with soft edges; computed only once for a still mask."""
        last = self._mask_weights
        if last is None or last[0] is not mask or tuple(last[1].shape) != picture.size:
            device = self._reduced[-1].image.device
            weights = torch.from_numpy(mask).to(device).float().div_(255)[None]
            if tuple(weights.shape[1:]) != picture.size:
                weights = resized(weights, *picture.size)
            weights = feathered(weights, self.feather * min(picture.size))[0]
            last = self._mask_weights = mask, for_picture(picture, weights)
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
