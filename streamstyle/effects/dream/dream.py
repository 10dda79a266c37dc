"""Dreaming: each image is changed so that a network sees more of what it sees in it already.

Reference: Mordvintsev, Olah and Tyka (2015), Inceptionism and google/deepdream, for the ascent, its octaves
and its jitter. Departs from it: octaves carry nothing but detail, so that the source's own is never lost;
gradients are smoothed over three scales, so that large forms grow beside fine ones; and videos carry on what
was dreamed, moved along with what it was dreamed of.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from streamstyle import device as devices
from streamstyle.effects.dream.objectives import Dreamt, read_objective, weighted
from streamstyle.effects.upsampling import padded_to
from streamstyle.errors import UsageError
from streamstyle.frames import Moment
from streamstyle.keyframes import NONE, ParametersOverTime, keyframes_of
from streamstyle.networks.pretrained import HEAD
from streamstyle.optical_flow import resized_flow, resized_map, warp
from streamstyle.weights import load_features

SMALLEST_SIDE = 32  # pixels, of the smallest octave
BLOCK = 32  # pixels, to whose multiples images are padded: twice the deepest stride
MARGIN = 192  # pixels that tiles overlap: `thing` sees 92 to each side, its gradient twice that
LOW_BAND = 4  # the part of the image's height over which light and color must not drift
# Of what is carried, the share that the network sees while it dreams on: where it sees all of it, every
# animal grows by what it is until a hundred frames later nothing else is left.
SEEN = 0.35
EXPOSED = 1 / 3  # of the first frame's steps: what a place gets when it is newly exposed
SLOWNESS = 0.9  # of the lengths by which gradients are divided: else the steps would pulse with the video


@dataclass(frozen=True)
class Ascent:
    """How to climb.

    Attributes:
        octaves: sizes at which to dream, the largest being the image's own.
        fit: use fewer octaves where an image is too small for so many.
        octave_scale: ratio of one size to the next.
        steps: at each size.
        later_steps: at each size, of frames that carry on what was dreamed before; None: as many as hold the
            dream at the strength that it has in the first frame.
        size: mean change by a step, of the full range.
        jitter: pixels by which the image is shifted at random in each step, at most.
        carry: share of what was dreamed in a frame that the next one keeps.
        damped: share of the low band, broad light and color, that is taken off what is carried.
        limit: how many times the energy of the first frame's dream the carried one has at most.
        near: weight of staying near the source.
        variation: weight of being smooth (total variation).
        towards: weight of moving towards a target.
        tile: pixels, side of the parts that are looked at one by one to save memory; None: all at once.
        seed: of the shifts.
    """

    octaves: int = 4
    octave_scale: float = 1.4
    fit: bool = False
    steps: int = 12
    later_steps: int | None = None
    size: float = 0.012
    jitter: int = 16
    carry: float = 0.9
    damped: float = 0.3
    limit: float = 1.0
    near: float = 0.0
    variation: float = 0.0
    towards: float = 0.1
    tile: int | None = None
    seed: int = 0

    @property
    def steps_later(self) -> int:
        """Of frames that carry on."""
        if self.later_steps is not None:
            return self.later_steps
        # What decays in a frame, and half as much again for what the flow loses.
        return max(1, math.ceil(1.5 * (1 - self.carry) * self.steps - 1e-6))

    @property
    def longer(self) -> float:
        """How many times longer steps are where the image is newly exposed."""
        return max(EXPOSED * self.steps / max(self.steps_later, 1), 1.0)


class Dream:
    """Dreams on images; on videos each frame carries on the dream of the one before.

    Args:
        keyframes: mixture of objectives, as `objectives.read_objective` has them, and strength at each time.
        ascent: how to climb.
        features: the network that looks, a name or file; see `weights.load_features`.
        guides: by objective, (3, h, w) in [0, 1], an image whose features are to be seen; else it is more of
            what is seen already.
        target: (3, h, w) in [0, 1], an image to move towards, or of one pixel, a color; None: nothing.
        device: "auto", "cpu", "cuda" or "cuda:N", or a torch device.

    Attributes:
        passes: how often a full image was sent through the network and back, so far; a quarter counts 1/4.

    Raises:
        UsageError: an objective or the device does not exist.
        InputError: weights or the file of a direction cannot be read.
    """

    def __init__(
        self,
        keyframes: ParametersOverTime | str = "part",
        ascent: Ascent | None = None,
        *,
        features: str | Path = "distilled",
        guides: Mapping[str, Tensor] | None = None,
        target: Tensor | None = None,
        device: str | torch.device = "auto",
    ) -> None:
        self.keyframes = keyframes_of(keyframes) if isinstance(keyframes, str) else keyframes
        self.ascent = ascent or Ascent()
        self.device = devices.choose(device) if isinstance(device, str) else device
        with torch.inference_mode(False):  # weights that gradients pass through
            names = self.keyframes.styles()
            head = any(name.removeprefix("-").startswith(HEAD) for name in names)
            network = load_features(features, head=head).requires_grad_(False)
            objectives = {name: read_objective(name, network) for name in names}
            network.to(self.device).to(memory_format=torch.channels_last)
            given = {name: guide.clone()[None].to(self.device) for name, guide in (guides or {}).items()}
            self.dreamt = Dreamt(network, objectives, given)
            whole = any(objective.place or objective.layer == HEAD for objective in objectives.values())
            if self.ascent.tile and whole:
                raise UsageError("--tile: a class, or a neuron at a place, needs the whole image")
            self.target = None if target is None else target.clone()[None].to(self.device)
        self.passes = 0.0
        self._residual: Tensor | None = None  # (3, H, W), the last result minus its source
        self._most = 0.0  # root mean square of the first frame's residual
        self._lengths: dict[str, float] = {}  # mean length of the gradient in each step, slowly following

    def __call__(self, image: Tensor, moment: Moment) -> Tensor:
        """The image, dreamed upon.

        Args:
            image: (3, H, W) in [0, 1] on `device`. It is not changed.
            moment: its seconds decide what to look for; with the motion since the last frame in videos.

        Returns:
            The same shape, type and range; the tensor itself where nothing is to be done.

        Raises:
            UsageError: the image is too small for so many octaves.
        """
        parameters = self.keyframes.at(moment.seconds)
        weights = {name: share for name, share in parameters.style.items() if name != NONE}
        strength = parameters.strength * sum(weights.values())
        if strength == 0:
            self._residual = None
            return image
        octaves = octaves_of(image.shape[1], image.shape[2], self.ascent)
        # Steps are gradients, which inference mode rules out; a copy leaves it.
        with torch.inference_mode(False), torch.no_grad():
            source = image.clone()[None].float()
            carried, fresh = self.carried(source, moment)
            first = carried is None
            start = source if carried is None else source + SEEN * carried
            steps = self.ascent.steps if first else self.ascent.steps_later
            length = None if fresh is None else 1 + fresh * (self.ascent.longer - 1)
            detail = self.ascended(start, weights, octaves, steps, length)
            dreamt = source + detail if carried is None else source + carried + detail
            residual = dreamt.clamp(0, 1) - source
            if first:
                self._most = residual.square().mean().sqrt().item()
            self._residual = residual[0]
            result = torch.lerp(source, source + residual, strength)[0].clamp(0, 1)
        return result.to(image.dtype)

    def carried(self, source: Tensor, moment: Moment) -> tuple[Tensor | None, Tensor | None]:
        """What goes on of the last frame's dream, (1, 3, H, W), and where there is nothing, (1, 1, H, W).

        The residual is moved along the flow, masked where that does not hold, decayed, freed of its low
        frequencies, and held to the energy that it had in the first frame.
        """
        last = self._residual
        if last is None or moment.motion is None or last.shape != source.shape[1:] or self.ascent.carry == 0:
            return None, None
        height, width = source.shape[2:]
        flow = resized_flow(moment.motion.flow.clone(), height, width)
        confidence = resized_map(moment.motion.confidence.clone(), height, width)[None]
        moved = self.ascent.carry * confidence * warp(last[None], flow[None])
        moved = moved - self.ascent.damped * low_band(moved)
        strength, most = moved.square().mean().sqrt().item(), self.ascent.limit * self._most
        if strength > most > 0:
            moved = moved * (most / strength)
        return moved, 1 - confidence

    def ascended(
        self,
        start: Tensor,
        weights: Mapping[str, float],
        octaves: int,
        steps: int,
        length: Tensor | None = None,
    ) -> Tensor:
        """The detail, (1, 3, H, W), that steps at all octaves add to an image, small ones first.

        Args:
            start: (1, 3, H, W).
            weights: of the objectives.
            octaves: sizes to dream at.
            steps: at each octave.
            length: (1, 1, H, W), of the steps at each place, in units of their size; None: 1.
        """
        ascent, detail = self.ascent, torch.zeros_like(start)
        for octave in reversed(range(octaves)):
            shape = octave_size(start.shape[2], start.shape[3], octave, ascent.octave_scale)
            seen = F.interpolate(start, shape, mode="bicubic", antialias=True) if octave else start
            detail = F.interpolate(detail, shape, mode="bicubic")
            scale = 1.0 if length is None else F.interpolate(length, shape, mode="bilinear")
            for step in range(steps):
                shift = shift_of(ascent, octave, step)
                moved = (seen + detail).clamp(0, 1).roll(shift, (2, 3))
                gradient = self.gradient(moved, weights).roll([-value for value in shift], (2, 3))
                gradient = self.normalized(gradient, f"{octave}.{step}") - self.held(seen, detail)
                detail = detail + ascent.size * scale * gradient
                self.passes += shape[0] * shape[1] / (start.shape[2] * start.shape[3])
        return detail

    def gradient(self, image: Tensor, weights: Mapping[str, float]) -> Tensor:
        """Smoothed over scales; part by part where tiles are asked for. (1, 3, H, W) to the same."""
        height, width = image.shape[2:]
        # Whole blocks, so that parts are rounded as the whole is: steps amplify the last bit a millionfold.
        blocks = padded_to(image, BLOCK, BLOCK)
        found = self.in_parts(blocks, tuple(weights))
        return smoothed(weighted(found, weights)[:, :, :height, :width])

    def in_parts(self, image: Tensor, names: tuple[str, ...]) -> dict[str, Tensor]:
        """The gradient of each objective, (1, 3, H, W), put together of tiles where they are asked for."""
        tile, (height, width) = self.ascent.tile, image.shape[2:]
        if tile is None or max(height, width) <= tile + 2 * MARGIN:
            return {name: part.contiguous() for name, part in self.dreamt.gradients(image, names).items()}
        tile = max(tile // BLOCK * BLOCK, BLOCK)
        # In one order in memory, too: sums are rounded by it.
        whole = {name: image.new_empty(image.shape) for name in names}
        for top in range(0, height, tile):
            for left in range(0, width, tile):
                above, before = max(top - MARGIN, 0), max(left - MARGIN, 0)
                part = image[:, :, above : top + tile + MARGIN, before : left + tile + MARGIN]
                for name, found in self.dreamt.gradients(part, names).items():
                    inner = found[:, :, top - above :, left - before :][:, :, :tile, :tile]
                    whole[name][:, :, top : top + tile, left : left + tile] = inner
        return whole

    def normalized(self, gradient: Tensor, name: str) -> Tensor:
        """To a mean length of 1, by a length that follows slowly over the frames of a video."""
        length = gradient.abs().mean().item()
        kept = self._lengths.get(name)
        self._lengths[name] = length if kept is None else SLOWNESS * kept + (1 - SLOWNESS) * length
        return gradient / max(self._lengths[name], 1e-12)

    def held(self, seen: Tensor, detail: Tensor) -> Tensor | float:
        """What holds a step back, in units of its mean length: distance from the source, roughness, and
        distance from the target."""
        # Shares of the way in one step, below 1 whatever the weight: more would throw it past its aim.
        ascent = self.ascent
        back: Tensor | float = 0.0
        if ascent.near:
            back = back + ascent.near / (ascent.steps + ascent.near) * detail
        if ascent.variation:
            picture = seen + detail
            rough = picture - F.avg_pool2d(F.pad(picture, [1] * 4, mode="replicate"), 3, 1)
            back = back + ascent.variation / (1 + ascent.variation) * rough
        if self.target is not None:
            target = F.interpolate(self.target, seen.shape[2:], mode="bilinear", antialias=True)
            back = back + ascent.towards / (ascent.steps + ascent.towards) * (seen + detail - target)
        return back / ascent.size

    def reset(self) -> None:
        """Forgets what was dreamed before."""
        self._residual, self._most = None, 0.0
        self._lengths.clear()

    def state(self) -> dict[str, Tensor | float | int]:
        """The last residual, the first one's energy, and the lengths of gradients."""
        state: dict[str, Tensor | float | int] = {"most": self._most}
        state |= {f"length.{name}": length for name, length in self._lengths.items()}
        if self._residual is not None:
            state["residual"] = self._residual
        return state

    def restore(self, state: Mapping[str, Tensor | float | int]) -> None:
        """Takes up what `state` gave."""
        residual = state.get("residual")
        self._residual = residual if isinstance(residual, Tensor) else None
        self._most = float(state["most"])
        self._lengths = {
            name.removeprefix("length."): float(value)
            for name, value in state.items()
            if name.startswith("length.")
        }


def low_band(image: Tensor) -> Tensor:
    """Means of (1, 3, H, W) over squares of half its height about each place.

    Taken on a reduced image: at 360 lines the squares have 181 pixels to a side, and every one of them
    would be summed up for each place.
    """
    height, width = image.shape[2:]
    scale = max(height // (LOW_BAND * 8), 1)
    small = F.interpolate(image, (max(height // scale, 1), max(width // scale, 1)), mode="area")
    side = 2 * (small.shape[2] // LOW_BAND) + 1
    means = F.avg_pool2d(small, side, 1, side // 2, count_include_pad=False)
    return F.interpolate(means, (height, width), mode="bilinear")


def octave_size(height: int, width: int, octave: int, scale: float) -> tuple[int, int]:
    """Height and width at an octave; 0 is the image's own."""
    return max(round(height / scale**octave), 1), max(round(width / scale**octave), 1)


def octaves_of(height: int, width: int, ascent: Ascent) -> int:
    """How many octaves an image is given: those of the ascent, or as many as fit where it allows fewer.

    Raises:
        UsageError: the smallest would show nothing; the message says how many octaves fit.
    """
    room = max(min(height, width) / SMALLEST_SIDE, 1.0)
    most = 1 + int(math.log(room) / math.log(ascent.octave_scale))
    smallest = min(octave_size(height, width, ascent.octaves - 1, ascent.octave_scale))
    if smallest >= SMALLEST_SIDE or ascent.octaves == 1:
        return ascent.octaves
    if ascent.fit:
        return min(most, ascent.octaves)
    raise UsageError(
        f"--octaves {ascent.octaves}: {width}x{height} pixels allow {most} at a scale of "
        f"{ascent.octave_scale:g}"
    )


def shift_of(ascent: Ascent, octave: int, step: int) -> list[int]:
    """Rows and columns by which the image is shifted; the same on every frame: no flicker."""
    rng = np.random.default_rng((ascent.seed, octave, step))
    return [int(value) for value in rng.integers(-ascent.jitter, ascent.jitter + 1, 2)]


def smoothed(gradient: Tensor) -> Tensor:
    """A sum of the gradient at three scales, each (1, 3, H, W)."""
    total = gradient
    for scale in (2, 4):
        if min(gradient.shape[2:]) >= scale:
            small = F.avg_pool2d(gradient, scale)
            total = total + F.interpolate(small, gradient.shape[2:], mode="bilinear")
    return total
