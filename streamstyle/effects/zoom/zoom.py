"""Falling into an image without end: it is enlarged, and dreamed upon, and enlarged again.

Speed, rotation and shift are per second, and dreams come at times of their own, so a video of 60 frames a
second shows the same as one of 24, only smoother. Each frame is sampled once, from the last two dreams, which
are crossfaded: their motion is known exactly, and an image is resampled only where it is dreamed upon anew.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from streamstyle.frames import Effect, Moment
from streamstyle.keyframes import Keyframes, Parameters
from streamstyle.optical_flow import warp

TAMED = 0.15  # share by which each dream is brought back to the first image's light and contrast
EMERGES = 0.5  # of a loop, the share in which its end comes into sight
CLOSES = 0.6  # seconds before the end of a loop
SUMMED = 60  # times a second at which a speed that changes is looked at
FEATHER = 0.12  # width of the soft edge of what closes a loop, as a share of its size


@dataclass(frozen=True)
class Travel:
    """How to fall.

    Attributes:
        pan: shares of width and height by which they move in a second, to the left and up.
        dreams: a second.
        loop: seconds after which the first image is there again; None: never.
    """

    pan: tuple[float, float] = (0.0, 0.0)
    dreams: float = 8.0
    loop: float | None = None


class Zoom:
    """Gives at each time the view into one image, which it is given at first; later ones are not looked at.

    Args:
        dream: the effect that is seen in the distance; it is given images that do not continue each other.
        keyframes: speed and rotation at each time.
        travel: how to fall.
    """

    def __init__(self, dream: Effect, keyframes: Keyframes, travel: Travel | None = None) -> None:
        self.dream, self.keyframes, self.travel = dream, keyframes, travel or Travel()
        self._first: Tensor | None = None  # (3, H, W), the image
        self._before: Tensor | None = None  # the last dream but one, as it was at the time of the last one
        self._last: Tensor | None = None  # the last dream
        self._dreams = 0  # so many there were

    def __call__(self, image: Tensor, moment: Moment) -> Tensor:
        """The view at the moment's time, (3, H, W) in [0, 1]; of the time 0 it is the image itself."""
        with torch.inference_mode():
            if self._first is None or self._last is None or self._before is None:
                # In the order in which a checkpoint gives it back: sums are rounded by it.
                first = image.clone(memory_format=torch.contiguous_format)
                self._first = self._before = self._last = first
            every = 1 / self.travel.dreams
            while moment.seconds >= (self._dreams + 1) * every - 1e-9:
                self._dreams += 1
                moved = self.view(self._last, (self._dreams - 1) * every, self._dreams * every)
                self.dream.reset()
                dreamt = self.dream(moved, Moment(self._dreams, self._dreams * every))
                self._before, self._last = moved, tamed(dreamt, self._first)
            begin, now = self._dreams * every, moment.seconds
            share = (1 - math.cos(math.pi * min((now - begin) / every, 1.0))) / 2
            shown = torch.lerp(self.view(self._before, begin, now), self.view(self._last, begin, now), share)
            return self.closed(shown, now)

    def view(self, picture: Tensor, begin: float, end: float) -> Tensor:
        """(3, H, W), what is seen at the time `end` of an image that filled the view at `begin`."""
        if end <= begin:
            return picture
        return seen_through(picture, *self.way(begin, end))

    def way(self, begin: float, end: float) -> tuple[float, float, tuple[float, float]]:
        """Scale, angle in radians and shift that lie between two times."""
        seconds, samples = self.samples(begin, end)
        scale = math.exp(self.growth(begin, end))
        angle = math.radians(seconds * sum(parameters.rotate for parameters in samples))
        pan = self.travel.pan
        return scale, angle, (pan[0] * (end - begin), pan[1] * (end - begin))

    def growth(self, begin: float, end: float) -> float:
        """Logarithm of the scale that lies between two times."""
        seconds, samples = self.samples(begin, end)
        return seconds * sum(math.log(parameters.speed) for parameters in samples)

    def samples(self, begin: float, end: float) -> tuple[float, list[Parameters]]:
        """Parameters at even steps between two times, and the step in seconds; one where nothing changes."""
        changes = any({"speed", "rotate"} & set(change.values) for change in self.keyframes.changes)
        parts = max(math.ceil((end - begin) * SUMMED), 1) if changes else 1
        seconds = (end - begin) / parts
        return seconds, [self.keyframes.at(begin + (part + 0.5) * seconds) for part in range(parts)]

    def closed(self, shown: Tensor, seconds: float) -> Tensor:
        """With the first image in its middle, far away, which fills the view when the loop is over."""
        travel, first = self.travel, self._first
        if travel.loop is None or first is None:
            return shown
        left = travel.loop - seconds
        if left <= 0:
            return first
        # It comes out of the middle while the loop begins, so that the first frame has none of it.
        share = (1 - math.cos(math.pi * min(seconds / (EMERGES * travel.loop), 1.0))) / 2
        if share == 0 or self.growth(seconds, travel.loop) > math.log(min(shown.shape[1:]) / 4):
            return shown
        larger, turned, moved = self.way(seconds, travel.loop)
        scale, angle, pan = 1 / larger, -turned, (-moved[0], -moved[1])
        reduced = first
        if scale < 1:  # smoothed before it is sampled
            size = [max(round(side * scale), 1) for side in first.shape[1:]]
            small = F.interpolate(first[None], size, mode="bicubic", antialias=True)
            reduced = F.interpolate(small, first.shape[1:], mode="bicubic")[0].clamp(0, 1)
        inset = seen_through(reduced, scale, angle, pan)
        cover = seen_through(border(first, FEATHER), scale, angle, pan, outside=0.0)
        # At last it goes beyond its border, where its mirror image lies: no edge is seen to close.
        cover = torch.lerp(cover, torch.ones_like(cover), max(1 - left / CLOSES, 0.0))
        return torch.lerp(shown, inset, share * cover)

    def reset(self) -> None:
        """Begins again with the next image."""
        self._first = self._before = self._last = None
        self._dreams = 0
        self.dream.reset()

    def state(self) -> dict[str, Tensor | float | int]:
        """The image, the last two dreams and how many there were."""
        state: dict[str, Tensor | float | int] = {"dreams": self._dreams}
        named = {"first": self._first, "before": self._before, "last": self._last}
        return state | {name: value for name, value in named.items() if value is not None}

    def restore(self, state: Mapping[str, Tensor | float | int]) -> None:
        """Takes up what `state` gave."""
        named = {name: value for name, value in state.items() if isinstance(value, Tensor)}
        self._first, self._before, self._last = (named.get(name) for name in ("first", "before", "last"))
        self._dreams = int(state["dreams"])


def seen_through(
    picture: Tensor, scale: float, angle: float, shift: tuple[float, float], outside: float | None = None
) -> Tensor:
    """An image that is enlarged and turned about its middle, then shifted, at its own size.

    Args:
        image: (C, H, W).
        scale: above 1 enlarges.
        angle: radians, clockwise.
        shift: to the left and up, as shares of width and height.
        outside: what lies around the image; None: its mirror image, without end.
    """
    height, width = picture.shape[1:]
    y = torch.arange(height, device=picture.device, dtype=torch.float32)[:, None]
    x = torch.arange(width, device=picture.device, dtype=torch.float32)[None, :]
    from_x, from_y = x - (width - 1) / 2, y - (height - 1) / 2
    cos, sin = math.cos(angle) / scale, math.sin(angle) / scale
    at_x = cos * from_x + sin * from_y + (width - 1) / 2 + shift[0] * width
    at_y = -sin * from_x + cos * from_y + (height - 1) / 2 + shift[1] * height
    inner_x, inner_y = mirrored(at_x, width), mirrored(at_y, height)
    result = warp(picture[None].float(), torch.stack((inner_x - x, inner_y - y))[None])[0].clamp(0, 1)
    if outside is not None:
        within = (at_x >= 0) & (at_x <= width - 1) & (at_y >= 0) & (at_y <= height - 1)
        result = torch.where(within, result, outside)
    return result.to(picture.dtype)


def mirrored(places: Tensor, length: int) -> Tensor:
    """Places along a side, those beyond its ends mirrored back into it, as often as it takes."""
    last = max(length - 1, 1)
    return last - (places.remainder(2 * last) - last).abs()


def border(picture: Tensor, share: float) -> Tensor:
    """(1, H, W), 1 inside and falling to 0 at the border over that share of each side."""
    height, width = picture.shape[1:]
    ramps = []
    for side in (height, width):
        place = torch.arange(side, device=picture.device, dtype=torch.float32)
        near = torch.minimum(place, side - 1 - place) + 0.5
        ramps.append((near / max(share * side, 0.5)).clamp(max=1))
    return (ramps[0][:, None] * ramps[1][None, :])[None].to(picture.dtype)


def tamed(picture: Tensor, first: Tensor) -> Tensor:
    """(3, H, W), on its way back to the mean and deviation of each channel of the first image."""
    mean, deviation = picture.mean(dim=(1, 2), keepdim=True), picture.std(dim=(1, 2), keepdim=True)
    wanted = first.mean(dim=(1, 2), keepdim=True), first.std(dim=(1, 2), keepdim=True)
    like = (picture - mean) * (wanted[1] / deviation.clamp_min(1e-3)) + wanted[0]
    return torch.lerp(picture, like, TAMED).clamp(0, 1)
