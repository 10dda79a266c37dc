"""DeepDream: changes an image by gradient ascent so that it activates the features a network sees in it.

Reference: Mordvintsev, Olah and Tyka (2015), Inceptionism and google/deepdream, for gradient ascent with
octaves and jitter. Departs from it in three ways: only the added detail is passed from octave to octave, so
that the source's own detail is never lost; gradients are summed over three scales, so that large forms grow
beside fine ones; and on videos the detail of the last frame is warped along the optical flow and continued.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from streamstyle import device as devices
from streamstyle.effects.dream.ascent import Ascent, jitter_shift, octave_size, octaves_of
from streamstyle.effects.dream.device_steps import LENGTH_INERTIA, DeviceSteps
from streamstyle.effects.dream.natural_images import with_natural_colors
from streamstyle.effects.dream.objectives import Dreamt, read_objective, weighted
from streamstyle.effects.resizing import padded_to
from streamstyle.errors import UsageError
from streamstyle.frames import Moment
from streamstyle.keyframes import ParametersOverTime, keyframes_of
from streamstyle.networks.pretrained import HEAD
from streamstyle.optical_flow import resized_flow, resized_map, warp
from streamstyle.weights import load_features

BLOCK = 32  # images are padded to multiples of so many pixels: twice the largest stride
MARGIN = 192  # overlap of tiles in pixels: `thing` sees 92 pixels to each side, its gradient twice that
LOW_BAND = 4  # low frequencies are means over windows of about 2 / LOW_BAND of the image's height
# Share of the warped residual that the network sees while dreaming on. If it saw all of it, the strongest
# features would amplify themselves until after a hundred frames nothing else is left.
SEEN_SHARE = 0.35


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
            self.natural = not network.even
            network.to(self.device).to(memory_format=torch.channels_last)
            images = {name: guide.clone()[None].to(self.device) for name, guide in (guides or {}).items()}
            self.objective_gradients = Dreamt(network, objectives, images)
            untiled = any(objective.place or objective.layer == HEAD for objective in objectives.values())
            if self.ascent.tile and untiled:
                raise UsageError("--tile: a class or a single neuron needs the whole image")
            self.target = None if target is None else target.clone()[None].to(self.device)
        self.passes = 0.0
        self._residual: Tensor | None = None  # (3, H, W), the last result minus its source
        # On the CPU as numbers, on a device as scalars there, so that it is never asked:
        self._first_rms: Tensor | float = 0.0  # root mean square of the first frame's residual
        self._lengths: dict[str, Tensor | float] = {}  # moving average of the gradients' length in each step
        self._device_steps = DeviceSteps(self.ascent.size, self.gradient, self.penalty)

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
            if not devices.on_host(
                source
            ):  # as a checkpoint restores it: the layout affects rounding of sums
                source = source.contiguous()
            kept, exposed = self.kept(source, moment)
            first = kept is None
            start = source if kept is None else source + SEEN_SHARE * kept
            steps = self.ascent.steps if first else self.ascent.steps_later
            length = None if exposed is None else 1 + exposed * (self.ascent.exposed_length - 1)
            detail = self.detail(start, weights, octaves, steps, length)
            dream = source + detail if kept is None else source + kept + detail
            residual = dream.clamp(0, 1) - source
            if first:
                self._first_rms = number(residual.square().mean().sqrt())
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
        rms, limit = number(kept.square().mean().sqrt()), self.ascent.limit * self._first_rms
        if isinstance(rms, Tensor) and isinstance(limit, Tensor):
            kept = kept * torch.where((rms > limit) & (limit > 0), limit / rms, 1.0)
        elif rms > limit > 0:
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
            scale = None if length is None else F.interpolate(length, shape, mode="bilinear")
            for step in range(steps):
                detail = self.step(base, detail, scale, weights, octave, step)
                self.passes += shape[0] * shape[1] / (start.shape[2] * start.shape[3])
        return detail

    def step(
        self,
        base: Tensor,
        detail: Tensor,
        scale: Tensor | None,
        weights: Mapping[str, float],
        octave: int,
        step: int,
    ) -> Tensor:
        """The detail, (1, 3, H, W), of an image after one more step; see `DeviceSteps`."""
        shift, name = jitter_shift(self.ascent, octave, step), f"{octave}.{step}"
        last = self._lengths.get(name)
        if not devices.on_host(base):
            last = last if isinstance(last, Tensor) else None
            whole = not self.tiled(base)
            detail, self._lengths[name] = self._device_steps(
                base, detail, scale=scale, shift=shift, last=last, weights=weights, whole=whole
            )
            return detail
        shifted = (base + detail).clamp(0, 1).roll(shift, (2, 3))
        gradient = self.gradient(shifted, weights).roll([-value for value in shift], (2, 3))
        gradient = self.normalized(gradient, name) - self.penalty(base, detail)
        return detail + self.ascent.size * (1.0 if scale is None else scale) * gradient

    def gradient(self, image: Tensor, weights: Mapping[str, float] | Mapping[str, Tensor]) -> Tensor:
        """The weighted gradient of the objectives, summed over scales: (1, 3, H, W) to the same shape."""
        height, width = image.shape[2:]
        # Padded to whole blocks, so that tiles round as the whole image does: the steps amplify a difference
        # in the last bit a millionfold.
        blocks = padded_to(image, BLOCK, BLOCK)
        found = self.gradients(blocks, tuple(weights))
        gradient = smoothed(weighted(found, weights)[:, :, :height, :width])
        return with_natural_colors(gradient) if self.natural else gradient

    def gradients(self, image: Tensor, names: tuple[str, ...]) -> dict[str, Tensor]:
        """The gradient of each objective, (1, 3, H, W), computed in tiles if `Ascent.tile` says so."""
        if not self.tiled(image):
            found = self.objective_gradients.computed(image, names)
            return {name: gradient.contiguous() for name, gradient in found.items()}
        height, width = image.shape[2:]
        tile = max((self.ascent.tile or BLOCK) // BLOCK * BLOCK, BLOCK)
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

    def tiled(self, image: Tensor) -> bool:
        """Whether the gradients of an image of that size are computed in tiles."""
        tile = self.ascent.tile
        return (
            tile is not None
            and max(-(-side // BLOCK) * BLOCK for side in image.shape[2:]) > tile + 2 * MARGIN
        )

    def normalized(self, gradient: Tensor, name: str) -> Tensor:
        """The gradient, divided by its mean length, which is averaged over the frames of a video."""
        length = gradient.abs().mean().item()
        last = self._lengths.get(name)
        average = length if last is None else LENGTH_INERTIA * float(last) + (1 - LENGTH_INERTIA) * length
        self._lengths[name] = average
        return gradient / max(average, 1e-12)

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
        scalars = {  # files keep no arrays without a dimension
            name: value.reshape(()) if isinstance(value, Tensor) else float(value)
            for name, value in state.items()
            if name != "residual"
        }
        self._first_rms = scalars.pop("most")
        self._lengths = {name.removeprefix("length."): value for name, value in scalars.items()}


def number(scalar: Tensor) -> Tensor | float:
    """A scalar as a number, unless a device would have to be asked for it."""
    return scalar.item() if devices.on_host(scalar) else scalar


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


def smoothed(gradient: Tensor) -> Tensor:
    """The sum of the gradient at three scales, each (1, 3, H, W)."""
    total = gradient
    for scale in (2, 4):
        if min(gradient.shape[2:]) >= scale:
            small = F.avg_pool2d(gradient, scale)
            total = total + F.interpolate(small, gradient.shape[2:], mode="bilinear")
    return total
