"""Style transfer by optimization: the pixels themselves are optimized until the image has a painting's style.

Slow, but works with any painting and without training. Reference: Gatys, Ecker and Bethge (2016), Image style
transfer using convolutional neural networks, optimized with L-BFGS as there. Departs from it in the losses,
see `losses.py`; in optimizing from coarse to fine; and in blurring the pixels slightly before the feature
network sees them: networks with strides reward fine maze-like patterns that are in no painting, and a blurred
image cannot contain them. For videos the initialization and the temporal loss are those of Ruder, Dosovitskiy
and Brox (2016), Artistic style transfer for videos, https://arxiv.org/abs/1604.08610.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from streamstyle import device as devices
from streamstyle.effects.resizing import blurred, padded_to
from streamstyle.effects.stabilize import warped_result
from streamstyle.frames import Moment, OptimizationStep
from streamstyle.keyframes import ParametersOverTime
from streamstyle.losses import (
    Description,
    StyleStatistics,
    content_loss,
    masked_covariance,
    style_loss,
    style_of,
    total_variation,
)
from streamstyle.networks.features import FeatureNetwork
from streamstyle.weights import load_features

SMALLEST_SIDE = 64  # shorter side in pixels of the smallest size that is optimized
BLUR = 0.8  # standard deviation in pixels; the finest remaining strokes are two pixels wide
HISTORY = 20  # number of gradients that L-BFGS stores, each as large as the image
SCALE = 1000.0  # factor on the total loss: the first step of L-BFGS is at most 1 / (sum of the gradient)
RANGE_WEIGHT = 30.0  # weight of the loss for pixels outside [0, 1]

Report = Callable[[Mapping[str, Tensor], Tensor], None]  # is given the losses and the image of each step


@dataclass(frozen=True)
class Optimization:
    """The options of the optimization.

    Attributes:
        scales: number of sizes to optimize at, each twice the one before; the last is the image's own.
        steps: evaluations of the losses at each size; may be exceeded slightly to finish a line search.
        later_steps: evaluations for video frames that start from the last result, at full size only.
        style_weight, content_weight, variation_weight: weights of the losses.
        temporal_weight: weight of the difference from the warped last result, where the flow is known.
    """

    scales: int = 3
    steps: int = 80
    later_steps: int = 30
    style_weight: float = 12.0
    content_weight: float = 3.0
    variation_weight: float = 5.0
    temporal_weight: float = 60.0


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
            source = padded_to(image.clone()[None].float(), 1, SMALLEST_SIDE)
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
            result = torch.lerp(source, result, strength)[0, :, : image.shape[1], : image.shape[2]]
            return result.to(image.dtype)

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
        return TransferLoss(self.network, self.optimization, content, styles)

    def reporter(self, frame: int, steps: int) -> Report:
        """A function that passes each evaluation to `on_step`."""
        numbers = count(1)

        def report(losses: Mapping[str, Tensor], image: Tensor) -> None:
            step = next(numbers)
            if self.on_step is not None:
                size = image.shape[3], image.shape[2]
                values = {name: loss.item() for name, loss in losses.items()}
                self.on_step(
                    OptimizationStep(frame, size, step, steps, values, image[0].detach().clamp(0, 1))
                )

        return report

    def optimized(self, start: Tensor, loss: TransferLoss, steps: int, report: Report) -> Tensor:
        """(1, 3, h, w), the image that minimizes the loss, starting from `start`."""
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


@dataclass(frozen=True)
class StyleTarget:
    """The style of one painting, for an image of one size.

    Attributes:
        share: of the painting; all shares add up to 1.
        targets: its style by layer, at the size of the image and at half of it.
        statistic: describes the style of the image, limited to the painting's mask.
    """

    share: float
    targets: tuple[Mapping[str, StyleStatistics], Mapping[str, StyleStatistics]]
    statistic: Callable[[Tensor], Description]


@dataclass(frozen=True)
class TransferLoss:
    """The loss of style transfer for one image at one size.

    Attributes:
        network: the feature network.
        weights: of the losses.
        content: the features of the source, by layer.
        styles: the styles of the paintings.
        warped: (1, 3, h, w), the last result warped to this frame; None for the first frame.
        confidence: (1, 1, h, w) in [0, 1], the confidence of the warp.
    """

    network: FeatureNetwork
    weights: Optimization
    content: Mapping[str, Tensor]
    styles: Sequence[StyleTarget]
    warped: Tensor | None = None
    confidence: Tensor | None = None

    def terms(self, image: Tensor) -> dict[str, Tensor]:
        """Weighted losses of an image (1, 3, h, w) by name.

        The style loss is computed at full and at half size, so that strokes of twice the size count as well.
        """
        weights, network = self.weights, self.network
        features = network(image, {*network.content_layers, *network.style_layers})
        both_sizes = features, network(F.avg_pool2d(image, 2), network.style_layers)
        style_losses = [
            style.share * style_loss(found, target, style.statistic)
            for style in self.styles
            for found, target in zip(both_sizes, style.targets, strict=True)
        ]
        losses = {
            "style": weights.style_weight * torch.stack(style_losses).sum() / len(both_sizes),
            "content": weights.content_weight * content_loss(features, self.content, network.content_layers),
            "variation": weights.variation_weight * total_variation(image),
            "range": RANGE_WEIGHT * (image - image.clamp(0, 1)).square().mean(),
        }
        if self.warped is not None and self.confidence is not None:
            difference = (self.confidence * (image - self.warped).square()).mean()
            losses["temporal"] = weights.temporal_weight * difference
        return losses


def mask_tensor(mask: np.ndarray, image: Tensor) -> Tensor:
    """A mask (H, W) uint8 as (1, 1, h, w) in [0, 1], resized to the image (1, 3, h, w)."""
    weights = torch.from_numpy(mask).to(image)[None, None] / 255
    return F.interpolate(weights, image.shape[2:], mode="bilinear", antialias=True)


def sharpened(image: Tensor) -> Tensor:
    """(1, 3, H, W) whose blurred version is approximately `image` (van Cittert's iteration)."""
    sharp = image
    for _ in range(2):
        sharp = sharp + image - blurred(sharp, BLUR)
    return sharp.detach().clone()
