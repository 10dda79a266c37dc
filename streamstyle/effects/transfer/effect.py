"""Style transfer by optimization: the pixels themselves are optimized until the image has a painting's style.

Slow, but works with any painting and without training. Reference: Gatys, Ecker and Bethge (2016), Image style
transfer using convolutional neural networks, optimized with L-BFGS as there (on devices by one that asks them
nothing, see `lbfgs.py`). Departs from it in the losses, see `losses.py`; in optimizing from coarse to fine;
and in blurring the pixels slightly before the feature network sees them: networks with strides reward fine
maze-like patterns that are in no painting, and a blurred image cannot contain them. For videos the
initialization and the temporal loss are those of Ruder, Dosovitskiy and Brox (2016), Artistic style transfer
for videos, https://arxiv.org/abs/1604.08610.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from streamstyle import device as devices
from streamstyle.cuda_graphs import Captured
from streamstyle.effects.resizing import blurred, padded_to, resized
from streamstyle.effects.stabilize import warped_result
from streamstyle.effects.transfer.lbfgs import LBFGS
from streamstyle.effects.transfer.loss import Optimization, StyleTarget, TransferLoss, mask_tensor
from streamstyle.frames import Moment, OptimizationStep
from streamstyle.keyframes import ParametersOverTime
from streamstyle.losses import StyleStatistics, masked_covariance, style_of
from streamstyle.weights import load_features

# Longer side in pixels to which smaller images are enlarged before, at most twofold, and reduced again after:
# in few pixels the statistics of a painting are met best by colored noise.
WORKING_SIDE = 512
SMALLEST_SIDE = 64  # shorter side in pixels of the smallest size that is optimized
BLUR = 0.8  # standard deviation in pixels; the finest remaining strokes are two pixels wide
HISTORY = 20  # number of gradients that L-BFGS stores, each as large as the image
SCALE = 1000.0  # factor on the total loss: the first step of L-BFGS is at most 1 / (sum of the gradient)
REPORTED = 10  # on a device, one in so many evaluations is reported, as it has to be waited for
MOST_LOSSES = 8  # whose graphs are kept

Report = Callable[[Mapping[str, Tensor], Tensor], None]  # is given the losses and the image of each step


class Transfer:
    """Stylizes images by optimization; on videos each frame starts from, and is held to, the last result.

    Args:
        keyframes: mixture of paintings, and strength, at each time.
        paintings: by their names in the mixtures, (3, h, w) in [0, 1].
        optimization: its options.
        masks: by painting, gives (H, W) uint8 for a time in seconds, 255 where the painting applies;
            paintings without a mask apply everywhere.
        features: the network of the perceptual loss, a name or file; see `weights.load_features`.
        device: "auto", "cpu", "cuda" or "cuda:N", or a torch device.
        on_step: called after each step.

    Raises:
        UsageError: the network or device does not exist.
        InputError: the weights cannot be read.
    """

    def __init__(
        self,
        keyframes: ParametersOverTime,
        paintings: Mapping[str, Tensor],
        optimization: Optimization | None = None,
        *,
        masks: Mapping[str, Callable[[float], np.ndarray]] | None = None,
        features: str | Path = "distilled",
        device: str | torch.device = "auto",
        on_step: Callable[[OptimizationStep], None] | None = None,
    ) -> None:
        self.keyframes, self.masks = keyframes, dict(masks or {})
        self.optimization = optimization or Optimization()
        self.device = devices.choose(device) if isinstance(device, str) else device
        self.on_step = on_step
        with torch.inference_mode(False):  # gradients have to pass through the weights
            self.network = load_features(features).requires_grad_(False)
            self.network.to(self.device).to(memory_format=torch.channels_last)
            self.paintings = {
                name: painting.clone()[None].to(self.device) for name, painting in paintings.items()
            }
        self._targets: dict[tuple[str, float], dict[str, StyleStatistics]] = {}
        self._last: Tensor | None = None  # (3, H, W), the last result
        self._captured: dict[tuple[object, ...], Captured] = {}  # by kinds of losses

    def __call__(self, image: Tensor, moment: Moment) -> Tensor:
        """The image, stylized.

        Args:
            image: (3, H, W) in [0, 1] on `device`. It is not changed.
            moment: its seconds determine the parameters; on videos with the flow to the last frame.

        Returns:
            The same shape, dtype and range; the tensor itself if strength or mixture leave it unchanged.
        """
        shares, strength = self.keyframes.at(moment.seconds).without_none()
        if strength == 0:
            self._last = None
            return image
        # Gradients are needed, so the image is copied to a tensor outside inference mode.
        with (
            torch.inference_mode(False),
            torch.no_grad(),
            devices.deterministic(),
            devices.out_of_memory(*image.shape[:0:-1]),
        ):
            shape, (height, width) = image.shape[1:], working_size(*image.shape[1:])
            photo = image.clone().float()
            enlarged = photo if shape == (height, width) else resized(photo, height, width)
            source = padded_to(enlarged[None], 1, SMALLEST_SIDE)
            if not devices.on_host(source):  # as checkpoints restore it: the layout affects rounding of sums
                source = source.contiguous()
            shares = {name: share / sum(shares.values()) for name, share in shares.items()}
            if self._last is None or moment.motion is None:
                result = self.coarse_to_fine(source, shares, moment)
            else:
                last = warped_result(self._last, moment.motion, source[0])
                warped, confidence = (part.clone()[None] for part in last)
                steps = self.optimization.later_steps
                loss = self.loss(source, shares, moment.seconds)
                loss = replace(loss, warped=warped, confidence=confidence)
                start = torch.lerp(source, warped, confidence)
                result = self.optimized(start, loss, steps, self.reporter(moment.index, steps))
            self._last = result[0]
            painted = result[0, :, :height, :width]
            painted = painted if shape == (height, width) else resized(painted, *shape)
            return torch.lerp(photo, painted, strength).to(image.dtype)

    def coarse_to_fine(self, source: Tensor, shares: Mapping[str, float], moment: Moment) -> Tensor:
        """(1, 3, H, W), stylized at growing sizes, each starting from the result at the one before."""
        height, width = source.shape[2:]
        sizes = [(height >> level, width >> level) for level in reversed(range(self.optimization.scales))]
        sizes = [size for size in sizes if min(size) >= SMALLEST_SIDE]
        report = self.reporter(moment.index, len(sizes) * self.optimization.steps)
        result = source
        for size in sizes:
            start = F.interpolate(result, size, mode="bicubic", antialias=True).clamp(0, 1)
            loss = self.loss(source, shares, moment.seconds, size)
            result = self.optimized(start, loss, self.optimization.steps, report)
        return result

    def loss(
        self,
        source: Tensor,
        shares: Mapping[str, float],
        seconds: float,
        size: tuple[int, int] | None = None,
    ) -> TransferLoss:
        """The loss for a source (1, 3, H, W) at a height and width, by default its own."""
        size = size or (source.shape[2], source.shape[3])
        small = F.interpolate(source, size, mode="bicubic", antialias=True).clamp(0, 1)
        scale = size[0] / source.shape[2]
        styles = []
        for name, share in shares.items():
            mask = mask_tensor(self.masks[name](seconds), small) if name in self.masks else None
            targets = self.target(name, scale), self.target(name, scale / 2)
            styles.append(StyleTarget(share, targets, masked_covariance(mask)))
        content = self.network(small, tuple(self.network.content_layers))
        masked = not self.masks.keys().isdisjoint(shares)  # masks may change in each frame
        kind = () if masked else (size, scale, tuple(shares.items()))
        return TransferLoss(self.network, self.optimization, content, styles, kind=kind)

    def reporter(self, frame: int, steps: int) -> Report:
        """A function that passes evaluations to `on_step`; on a device, one in REPORTED."""
        numbers = count(1)

        def report(losses: Mapping[str, Tensor], image: Tensor) -> None:
            step = next(numbers)
            if self.on_step is None or not (devices.on_host(image) or step % REPORTED in (0, 1)):
                return
            values = dict(zip(losses, torch.stack(list(losses.values())).tolist(), strict=True))
            size = image.shape[3], image.shape[2]
            shown = image[0].detach().clamp(0, 1)
            self.on_step(OptimizationStep(frame, size, step, steps, values, shown))

        return report

    def optimized(self, start: Tensor, loss: TransferLoss, steps: int, report: Report) -> Tensor:
        """(1, 3, h, w), the image that minimizes the loss, starting from `start`."""
        if not devices.on_host(start):
            return self.optimized_on_device(start, loss, steps, report)
        pixels = sharpened(start).requires_grad_(True)
        optimizer = torch.optim.LBFGS(
            [pixels],
            max_iter=steps,
            max_eval=steps,
            history_size=HISTORY,
            tolerance_grad=0,
            tolerance_change=0,
            line_search_fn="strong_wolfe",
        )

        def closure() -> float:
            with torch.enable_grad():
                image = blurred(pixels, BLUR)
                losses = loss.terms(image)
                total = SCALE * torch.stack(list(losses.values())).sum()
            (pixels.grad,) = torch.autograd.grad(total, pixels)
            report(losses, image)
            return total.item()

        optimizer.step(closure)  # type: ignore[no-untyped-call]
        return blurred(pixels.detach(), BLUR).clamp(0, 1)

    def optimized_on_device(self, start: Tensor, loss: TransferLoss, steps: int, report: Report) -> Tensor:
        """The same, without asking the device for losses; they and their gradient are one CUDA graph."""
        evaluated, tensors = self.captured(loss), loss.tensors()

        def evaluate(pixels: Tensor) -> tuple[Tensor, Tensor]:
            found = evaluated(pixels, *tensors)
            total, gradient, image = (found.pop(name) for name in ("total", "gradient", "image"))
            report(found, image)
            return total, gradient

        pixels = LBFGS(sharpened(start), HISTORY).minimize(evaluate, steps)
        return blurred(pixels, BLUR).clamp(0, 1)

    def captured(self, loss: TransferLoss) -> Captured:
        """Maps pixels and the tensors of a loss to its terms, "total", "gradient" and "image"."""
        if not loss.kind:
            return Captured(partial(evaluation, loss))
        kind = (*loss.kind, loss.warped is not None)
        found = self._captured.pop(kind, None) or Captured(partial(evaluation, loss))
        while len(self._captured) >= MOST_LOSSES:
            del self._captured[next(iter(self._captured))]  # that which was not used for the longest time
        self._captured[kind] = found
        return found

    def target(self, name: str, scale: float) -> dict[str, StyleStatistics]:
        """The style of a painting, reduced by the same scale as the image; cached."""
        if (name, scale) not in self._targets:
            painting = self.paintings[name]
            size = [max(round(side * scale), SMALLEST_SIDE // 2) for side in painting.shape[2:]]
            small = F.interpolate(painting, size, mode="bicubic", antialias=True) if scale < 1 else painting
            features = self.network(small, self.network.style_layers)
            self._targets[name, scale] = {layer: style_of(value) for layer, value in features.items()}
        return self._targets[name, scale]

    def reset(self) -> None:
        """Forgets the last frame."""
        self._last = None

    def state(self) -> dict[str, Tensor | float | int]:
        """The last result."""
        return {} if self._last is None else {"last": self._last}

    def restore(self, state: Mapping[str, Tensor | float | int]) -> None:
        """Restores a result of `state`."""
        last = state.get("last")
        self._last = last if isinstance(last, Tensor) else None


def evaluation(loss: TransferLoss, pixels: Tensor, *tensors: Tensor) -> dict[str, Tensor]:
    """The terms of a loss with these tensors, their "total", its "gradient", and the pixels' "image"."""
    leaf = pixels.detach().requires_grad_(True)
    with torch.enable_grad():
        image = blurred(leaf, BLUR)
        losses = loss.with_tensors(tensors).terms(image)
        total = SCALE * torch.stack(list(losses.values())).sum()
    (gradient,) = torch.autograd.grad(total, leaf)
    own = {"total": total, "gradient": gradient, "image": image}
    return {name: value.detach() for name, value in (losses | own).items()}


def working_size(height: int, width: int) -> tuple[int, int]:
    """The size at which an image of that size is optimized."""
    scale = min(max(WORKING_SIDE / max(height, width), 1.0), 2.0)
    return round(height * scale), round(width * scale)


def sharpened(image: Tensor) -> Tensor:
    """(1, 3, H, W) whose blurred version is approximately `image` (van Cittert's iteration)."""
    sharp = image
    for _ in range(2):
        sharp = sharp + image - blurred(sharp, BLUR)
    return sharp.detach().clone()
