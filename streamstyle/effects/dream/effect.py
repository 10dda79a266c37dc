"""DeepDream: changes an image by gradient ascent so that it activates the features a network sees in it.

Reference: Mordvintsev, Olah and Tyka (2015), Inceptionism and google/deepdream, for gradient ascent with
octaves and jitter. Departs from it in three ways: only the added detail is passed from octave to octave, so
that the source's own detail is never lost; gradients are summed over three scales, so that large forms grow
beside fine ones; and on videos the detail of the last frame is warped along the optical flow and continued.
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
from streamstyle.effects.resizing import padded_to
from streamstyle.errors import UsageError
from streamstyle.frames import Moment
from streamstyle.keyframes import ParametersOverTime, keyframes_of
from streamstyle.networks.pretrained import HEAD
from streamstyle.optical_flow import resized_flow, resized_map, warp
from streamstyle.weights import load_features

SMALLEST_SIDE = 32  # shorter side in pixels of the smallest octave
BLOCK = 32  # images are padded to multiples of so many pixels: twice the largest stride
MARGIN = 192  # overlap of tiles in pixels: `thing` sees 92 pixels to each side, its gradient twice that
LOW_BAND = 4  # low frequencies are means over windows of about 2 / LOW_BAND of the image's height
# Share of the warped residual that the network sees while dreaming on. If it saw all of it, the strongest
# features would amplify themselves until after a hundred frames nothing else is left.
SEEN_SHARE = 0.35
EXPOSED = 1 / 3  # total step length where the image is newly exposed, relative to the first frame
LENGTH_INERTIA = 0.9  # of the moving average that normalizes gradients; without it the strength would pulse


@dataclass(frozen=True)
class Ascent:
    """The options of the gradient ascent.

    Attributes:
        octaves: number of sizes at which to dream; the largest is the image's own.
        fit: use fewer octaves for images that are too small.
        octave_scale: ratio of one size to the next.
        steps: gradient steps at each size.
        later_steps: steps at each size for frames that continue the last dream; None: as many as keep the
            dream at the strength of the first frame.
        size: mean change per step, as a share of the full range.
        jitter: largest random shift of the image in each step, in pixels.
        carry: share of a frame's dream that the next frame keeps.
        damped: share of the low frequencies (broad light and color) that is removed from the kept dream.
        limit: largest RMS of the kept dream, relative to that of the first frame's dream.
        near: weight of similarity to the source.
        variation: weight of smoothness (total variation).
        towards: weight of similarity to the target.
        tile: side in pixels of the tiles that are processed one by one to save memory; None: all at once.
        seed: of the random shifts.
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
        """Steps at each size for frames that continue the last dream."""
        if self.later_steps is not None:
            return self.later_steps
        # Replaces the decay per frame, and half as much again for what warping loses.
        return max(1, math.ceil(1.5 * (1 - self.carry) * self.steps - 1e-6))

    @property
    def exposed_length(self) -> float:
        """Factor on the step size where the image is newly exposed."""
        return max(EXPOSED * self.steps / max(self.steps_later, 1), 1.0)


class Dream:
    """Dreams on images; on videos each frame continues the dream of the last one.

    Args:
        keyframes: mixture of objectives, in the syntax of `objectives`, and strength at each time.
        ascent: options of the gradient ascent.
        features: the feature network, a name or file; see `weights.load_features`.
        guides: by objective, (3, h, w) in [0, 1], an image whose features are amplified; objectives without
            one amplify the features of the image itself.
        target: (3, h, w) in [0, 1], an image to move towards, or a color as a single pixel; None: no target.
        device: "auto", "cpu", "cuda" or "cuda:N", or a torch device.

    Attributes:
        passes: forward and backward passes so far, in units of full images.

    Raises:
        UsageError: an objective or the device does not exist, or an objective cannot be computed in tiles.
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
        with torch.inference_mode(False):  # gradients have to pass through the weights
            names = self.keyframes.styles()
            head = any(name.removeprefix("-").startswith(HEAD) for name in names)
            network = load_features(features, head=head).requires_grad_(False)
            objectives = {name: read_objective(name, network) for name in names}
            network.to(self.device).to(memory_format=torch.channels_last)
            images = {name: guide.clone()[None].to(self.device) for name, guide in (guides or {}).items()}
            self.objective_gradients = Dreamt(network, objectives, images)
            untiled = any(objective.place or objective.layer == HEAD for objective in objectives.values())
            if self.ascent.tile and untiled:
                raise UsageError("--tile: a class or a single neuron needs the whole image")
            self.target = None if target is None else target.clone()[None].to(self.device)
        self.passes = 0.0
        self._residual: Tensor | None = None  # (3, H, W), the last result minus its source
        self._first_rms = 0.0  # root mean square of the first frame's residual
        self._lengths: dict[str, float] = {}  # moving average of the gradient's mean length in each step

    def __call__(self, image: Tensor, moment: Moment) -> Tensor:
        """The image with the dream added.

        Args:
            image: (3, H, W) in [0, 1] on `device`. It is not changed.
            moment: its seconds determine the parameters; on videos with the flow to the last frame.

        Returns:
            The same shape, dtype and range; the tensor itself if strength or mixture leave it unchanged.

        Raises:
            UsageError: the image is too small for the number of octaves.
        """
        weights, strength = self.keyframes.at(moment.seconds).without_none()
        if strength == 0:
            self._residual = None
            return image
        octaves = octaves_of(image.shape[1], image.shape[2], self.ascent)
        # Gradients are needed, so the image is copied to a tensor outside inference mode.
        with torch.inference_mode(False), torch.no_grad(), devices.deterministic():
            source = image.clone()[None].float()
            kept, exposed = self.kept(source, moment)
            first = kept is None
            start = source if kept is None else source + SEEN_SHARE * kept
            steps = self.ascent.steps if first else self.ascent.steps_later
            length = None if exposed is None else 1 + exposed * (self.ascent.exposed_length - 1)
            detail = self.detail(start, weights, octaves, steps, length)
            dream = source + detail if kept is None else source + kept + detail
            residual = dream.clamp(0, 1) - source
            if first:
                self._first_rms = residual.square().mean().sqrt().item()
            self._residual = residual[0]
            result = torch.lerp(source, source + residual, strength)[0].clamp(0, 1)
        return result.to(image.dtype)

    def kept(self, source: Tensor, moment: Moment) -> tuple[Tensor | None, Tensor | None]:
        """What is kept of the last frame's dream, (1, 3, H, W), and where nothing is, (1, 1, H, W) in [0, 1].

        The residual is warped along the flow, masked by its confidence, decayed, reduced in its low
        frequencies, and limited to the RMS that it had in the first frame. None if there is nothing to keep.
        """
        last = self._residual
        if last is None or moment.motion is None or last.shape != source.shape[1:] or self.ascent.carry == 0:
            return None, None
        height, width = source.shape[2:]
        flow = resized_flow(moment.motion.flow.clone(), height, width)
        confidence = resized_map(moment.motion.confidence.clone(), height, width)[None]
        kept = self.ascent.carry * confidence * warp(last[None], flow[None])
        kept = kept - self.ascent.damped * low_band(kept)
        rms, limit = kept.square().mean().sqrt().item(), self.ascent.limit * self._first_rms
        if rms > limit > 0:
            kept = kept * (limit / rms)
        return kept, 1 - confidence

    def detail(
        self,
        start: Tensor,
        weights: Mapping[str, float],
        octaves: int,
        steps: int,
        length: Tensor | None = None,
    ) -> Tensor:
        """The detail, (1, 3, H, W), that gradient ascent at all octaves adds to an image, small sizes first.

        Args:
            start: (1, 3, H, W), the image.
            weights: of the objectives.
            octaves: number of sizes.
            steps: at each octave.
            length: (1, 1, H, W), factor on the step size at each pixel; None: 1.
        """
        ascent, detail = self.ascent, torch.zeros_like(start)
        for octave in reversed(range(octaves)):
            shape = octave_size(start.shape[2], start.shape[3], octave, ascent.octave_scale)
            base = F.interpolate(start, shape, mode="bicubic", antialias=True) if octave else start
            detail = F.interpolate(detail, shape, mode="bicubic")
            scale = 1.0 if length is None else F.interpolate(length, shape, mode="bilinear")
            for step in range(steps):
                shift = jitter_shift(ascent, octave, step)
                shifted = (base + detail).clamp(0, 1).roll(shift, (2, 3))
                gradient = self.gradient(shifted, weights).roll([-value for value in shift], (2, 3))
                gradient = self.normalized(gradient, f"{octave}.{step}") - self.penalty(base, detail)
                detail = detail + ascent.size * scale * gradient
                self.passes += shape[0] * shape[1] / (start.shape[2] * start.shape[3])
        return detail

    def gradient(self, image: Tensor, weights: Mapping[str, float]) -> Tensor:
        """The weighted gradient of the objectives, summed over scales: (1, 3, H, W) to the same shape."""
        height, width = image.shape[2:]
        # Padded to whole blocks, so that tiles round as the whole image does: the steps amplify a difference
        # in the last bit a millionfold.
        blocks = padded_to(image, BLOCK, BLOCK)
        found = self.gradients(blocks, tuple(weights))
        return smoothed(weighted(found, weights)[:, :, :height, :width])

    def gradients(self, image: Tensor, names: tuple[str, ...]) -> dict[str, Tensor]:
        """The gradient of each objective, (1, 3, H, W), computed in tiles if `Ascent.tile` says so."""
        tile, (height, width) = self.ascent.tile, image.shape[2:]
        if tile is None or max(height, width) <= tile + 2 * MARGIN:
            found = self.objective_gradients.gradients(image, names)
            return {name: gradient.contiguous() for name, gradient in found.items()}
        tile = max(tile // BLOCK * BLOCK, BLOCK)
        # In the same memory layout as without tiles, since it affects the rounding of sums.
        whole = {name: image.new_empty(image.shape) for name in names}
        for top in range(0, height, tile):
            for left in range(0, width, tile):
                above, before = max(top - MARGIN, 0), max(left - MARGIN, 0)
                part = image[:, :, above : top + tile + MARGIN, before : left + tile + MARGIN]
                for name, gradient in self.objective_gradients.gradients(part, names).items():
                    inner = gradient[:, :, top - above :, left - before :][:, :, :tile, :tile]
                    whole[name][:, :, top : top + tile, left : left + tile] = inner
        return whole

    def normalized(self, gradient: Tensor, name: str) -> Tensor:
        """The gradient, divided by its mean length, which is averaged over the frames of a video."""
        length = gradient.abs().mean().item()
        last = self._lengths.get(name)
        average = length if last is None else LENGTH_INERTIA * last + (1 - LENGTH_INERTIA) * length
        self._lengths[name] = average
        return gradient / max(self._lengths[name], 1e-12)

    def penalty(self, base: Tensor, detail: Tensor) -> Tensor | float:
        """The gradient of the regularization (near, variation, towards), in units of the step size."""
        # Each factor is below 1 whatever its weight, so that a step never overshoots its aim.
        ascent = self.ascent
        total: Tensor | float = 0.0
        if ascent.near:
            total = total + ascent.near / (ascent.steps + ascent.near) * detail
        if ascent.variation:
            image = base + detail
            rough = image - F.avg_pool2d(F.pad(image, [1] * 4, mode="replicate"), 3, 1)
            total = total + ascent.variation / (1 + ascent.variation) * rough
        if self.target is not None:
            target = F.interpolate(self.target, base.shape[2:], mode="bilinear", antialias=True)
            total = total + ascent.towards / (ascent.steps + ascent.towards) * (base + detail - target)
        return total / ascent.size

    def reset(self) -> None:
        """Forgets earlier frames."""
        self._residual, self._first_rms = None, 0.0
        self._lengths.clear()

    def state(self) -> dict[str, Tensor | float | int]:
        """The last residual, the RMS of the first one, and the average lengths of gradients."""
        state: dict[str, Tensor | float | int] = {"most": self._first_rms}
        state |= {f"length.{name}": length for name, length in self._lengths.items()}
        if self._residual is not None:
            state["residual"] = self._residual
        return state

    def restore(self, state: Mapping[str, Tensor | float | int]) -> None:
        """Restores a result of `state`."""
        residual = state.get("residual")
        self._residual = residual if isinstance(residual, Tensor) else None
        self._first_rms = float(state["most"])
        self._lengths = {
            name.removeprefix("length."): float(value)
            for name, value in state.items()
            if name.startswith("length.")
        }


def low_band(image: Tensor) -> Tensor:
    """The low frequencies of (1, 3, H, W): means over windows of half its height around each pixel.

    Computed on a reduced image for speed: at full size, a height of 360 pixels would need windows of 181
    pixels a side.
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
    """The number of octaves for an image: that of the ascent, or, with `fit`, at most as many as fit.

    Raises:
        UsageError: the smallest octave is too small; the message says how many octaves fit.
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


def jitter_shift(ascent: Ascent, octave: int, step: int) -> list[int]:
    """Random shift in rows and columns; the same on every frame, to avoid flicker."""
    rng = np.random.default_rng((ascent.seed, octave, step))
    return [int(value) for value in rng.integers(-ascent.jitter, ascent.jitter + 1, 2)]


def smoothed(gradient: Tensor) -> Tensor:
    """The sum of the gradient at three scales, each (1, 3, H, W)."""
    total = gradient
    for scale in (2, 4):
        if min(gradient.shape[2:]) >= scale:
            small = F.avg_pool2d(gradient, scale)
            total = total + F.interpolate(small, gradient.shape[2:], mode="bilinear")
    return total
