"""Endless zoom into an image: it is alternately enlarged and dreamed on.

Speed, rotation and pan are per second, and dreams have a rate of their own, so that a video of 60 frames per
second shows the same as one of 24, only smoother. Each frame is a crossfade of the last two dreams, sampled
only once, as the motion is known exactly. Only the images that are dreamed on are resampled repeatedly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from streamstyle.effects.states import nested, unnested
from streamstyle.frames import Effect, Moment
from streamstyle.keyframes import Keyframes, Parameters
from streamstyle.optical_flow import warp

COLOR_PULL = 0.15  # share by which each dream is moved back to the first image's color statistics
LOOP_FADE_IN = 0.5  # share of a loop in which the inset of the first image fades in
LOOP_CLOSING = 0.6  # seconds before the end of a loop in which the soft edge of the inset disappears
SAMPLE_RATE = 60  # samples per second for integrating a changing speed
FEATHER = 0.12  # width of the soft edge of the inset, as a share of its size


@dataclass(frozen=True)
class ZoomPath:
    """The parts of the motion that do not change over time.

    Attributes:
        pan: movement of the content to the left and up per second, as shares of width and height.
        dreams: per second.
        loop: seconds after which the first image appears again; None: never.
        ease: seconds in which the motion begins, from rest to its speed.
    """

    pan: tuple[float, float] = (0.0, 0.0)
    dreams: float = 8.0
    loop: float | None = None
    ease: float = 0.0


class Zoom:
    """Gives the view at each time of a zoom into the first image that it is called with; others are ignored.

    Args:
        dream: the effect that adds new detail; it is reset before each call.
        keyframes: speed and rotation at each time.
        path: pan, rate of dreams and loop.
    """

    def __init__(self, dream: Effect, keyframes: Keyframes, path: ZoomPath | None = None) -> None:
        self.dream, self.keyframes, self.path = dream, keyframes, path or ZoomPath()
        self._first: Tensor | None = None  # (3, H, W), the image
        self._before: Tensor | None = None  # the last image before it was dreamed on
        self._last: Tensor | None = None  # the last dream
        self._dreams = 0  # number of dreams so far

    def __call__(self, image: Tensor, moment: Moment) -> Tensor:
        """The view at the moment's time, (3, H, W) in [0, 1]; at time 0 it is the image itself."""
        with torch.inference_mode():
            if self._first is None or self._last is None or self._before is None:
                # In the memory layout in which a checkpoint restores it: the layout affects rounding of sums.
                first = image.clone(memory_format=torch.contiguous_format)
                self._first = self._before = self._last = first
            interval = 1 / self.path.dreams
            while moment.seconds >= (self._dreams + 1) * interval - 1e-9:
                self._dreams += 1
                moved = self.view(self._last, (self._dreams - 1) * interval, self._dreams * interval)
                self.dream.reset()
                dream = self.dream(moved, Moment(self._dreams, self._dreams * interval))
                self._before, self._last = moved, color_matched(dream, self._first)
            begin, now = self._dreams * interval, moment.seconds
            share = (1 - math.cos(math.pi * min((now - begin) / interval, 1.0))) / 2
            view = torch.lerp(self.view(self._before, begin, now), self.view(self._last, begin, now), share)
            return self.with_loop_inset(view, now)

    def view(self, image: Tensor, begin: float, end: float) -> Tensor:
        """(3, H, W), the view at the time `end` of an image that filled the view at the time `begin`."""
        if end <= begin:
            return image
        return transformed(image, *self.motion(begin, end))

    def motion(self, begin: float, end: float) -> tuple[float, float, tuple[float, float]]:
        """Scale, angle in radians and shift accumulated between two times."""
        scale = math.exp(self.log_scale(begin, end))
        angle = math.radians(sum(moved * now.rotate for moved, now in self.samples(begin, end)))
        moved = self.moved(end) - self.moved(begin)
        return scale, angle, (self.path.pan[0] * moved, self.path.pan[1] * moved)

    def log_scale(self, begin: float, end: float) -> float:
        """Logarithm of the scale accumulated between two times."""
        return sum(moved * math.log(now.speed) for moved, now in self.samples(begin, end))

    def samples(self, begin: float, end: float) -> list[tuple[float, Parameters]]:
        """The parameters at even steps between two times, one step if they are constant; and, for each, how
        many seconds of motion at full speed the step is worth.
        """
        varies = any({"speed", "rotate"} & set(keyframe.values) for keyframe in self.keyframes.changes)
        steps = max(math.ceil((end - begin) * SAMPLE_RATE), 1) if varies else 1
        times = [begin + (end - begin) * step / steps for step in range(steps + 1)]
        return [
            (self.moved(after) - self.moved(before), self.keyframes.at((before + after) / 2))
            for before, after in pairwise(times)
        ]

    def moved(self, seconds: float) -> float:
        """How many seconds of motion at full speed the motion until then is worth.

        While it begins, the speed follows 3 s^2 - 2 s^3, where s is the share of `ease` that has passed.
        """
        ease = self.path.ease
        if seconds >= ease:
            return seconds - ease / 2
        share = seconds / ease
        return ease * (share**3 - share**4 / 2)

    def with_loop_inset(self, view: Tensor, seconds: float) -> Tensor:
        """The view with the first image as an inset, which grows to fill the view at the end of the loop."""
        loop, first = self.path.loop, self._first
        if loop is None or first is None:
            return view
        left = loop - seconds
        if left <= 0:
            return first
        # It fades in at the beginning of the loop, so that the first frame does not contain it.
        share = (1 - math.cos(math.pi * min(seconds / (LOOP_FADE_IN * loop), 1.0))) / 2
        if share == 0 or self.log_scale(seconds, loop) > math.log(min(view.shape[1:]) / 4):
            return view
        remaining_scale, remaining_angle, shift = self.motion(seconds, loop)
        scale, angle, pan = 1 / remaining_scale, -remaining_angle, (-shift[0], -shift[1])
        reduced = first
        if scale < 1:  # antialiased before it is resampled
            size = [max(round(side * scale), 1) for side in first.shape[1:]]
            small = F.interpolate(first[None], size, mode="bicubic", antialias=True)
            reduced = F.interpolate(small, first.shape[1:], mode="bicubic")[0].clamp(0, 1)
        inset = transformed(reduced, scale, angle, pan)
        mask = transformed(edge_mask(first, FEATHER), scale, angle, pan, outside=0.0)
        # At the end the inset extends beyond its border by its mirror image, so that no edge is visible.
        mask = torch.lerp(mask, torch.ones_like(mask), max(1 - left / LOOP_CLOSING, 0.0))
        return torch.lerp(view, inset, share * mask)

    def reset(self) -> None:
        """Starts again with the next image."""
        self._first = self._before = self._last = None
        self._dreams = 0
        self.dream.reset()

    def state(self) -> dict[str, Tensor | float | int]:
        """The image, the last dream, what it was dreamed on, the number of dreams, and the dream's state."""
        state = {**nested(self.dream.state()), "dreams": self._dreams}
        named = {"first": self._first, "before": self._before, "last": self._last}
        return state | {name: value for name, value in named.items() if value is not None}

    def restore(self, state: Mapping[str, Tensor | float | int]) -> None:
        """Restores a result of `state`."""
        named = {name: value for name, value in state.items() if isinstance(value, Tensor)}
        self._first, self._before, self._last = (named.get(name) for name in ("first", "before", "last"))
        self._dreams = int(state["dreams"])
        self.dream.restore(unnested(state))


def transformed(
    image: Tensor, scale: float, angle: float, shift: tuple[float, float], outside: float | None = None
) -> Tensor:
    """An image scaled and rotated about its center, then shifted, at its own size.

    Args:
        image: (C, H, W).
        scale: above 1 enlarges.
        angle: radians, clockwise.
        shift: to the left and up, as shares of width and height.
        outside: value outside the image; None: the image is mirrored at its borders.
    """
    height, width = image.shape[1:]
    y = torch.arange(height, device=image.device, dtype=torch.float32)[:, None]
    x = torch.arange(width, device=image.device, dtype=torch.float32)[None, :]
    from_x, from_y = x - (width - 1) / 2, y - (height - 1) / 2
    cos, sin = math.cos(angle) / scale, math.sin(angle) / scale
    at_x = cos * from_x + sin * from_y + (width - 1) / 2 + shift[0] * width
    at_y = -sin * from_x + cos * from_y + (height - 1) / 2 + shift[1] * height
    inner_x, inner_y = mirrored(at_x, width), mirrored(at_y, height)
    result = warp(image[None].float(), torch.stack((inner_x - x, inner_y - y))[None])[0].clamp(0, 1)
    if outside is not None:
        within = (at_x >= 0) & (at_x <= width - 1) & (at_y >= 0) & (at_y <= height - 1)
        result = torch.where(within, result, outside)
    return result.to(image.dtype)


def mirrored(positions: Tensor, length: int) -> Tensor:
    """Positions along a side of an image; those outside are reflected at its ends until they are inside."""
    last = max(length - 1, 1)
    return last - (positions.remainder(2 * last) - last).abs()


def edge_mask(image: Tensor, share: float) -> Tensor:
    """(1, H, W), 1 inside and falling to 0 at the borders over that share of each side."""
    height, width = image.shape[1:]
    ramps = []
    for side in (height, width):
        position = torch.arange(side, device=image.device, dtype=torch.float32)
        distance = torch.minimum(position, side - 1 - position) + 0.5
        ramps.append((distance / max(share * side, 0.5)).clamp(max=1))
    return (ramps[0][:, None] * ramps[1][None, :])[None].to(image.dtype)


def color_matched(image: Tensor, first: Tensor) -> Tensor:
    """(3, H, W), with the mean and deviation of each channel moved by COLOR_PULL to those of `first`."""
    mean, deviation = image.mean(dim=(1, 2), keepdim=True), image.std(dim=(1, 2), keepdim=True)
    target = first.mean(dim=(1, 2), keepdim=True), first.std(dim=(1, 2), keepdim=True)
    matched = (image - mean) * (target[1] / deviation.clamp_min(1e-3)) + target[0]
    return torch.lerp(image, matched, COLOR_PULL).clamp(0, 1)
