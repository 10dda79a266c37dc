"""The loss that `transfer` minimizes: its terms, weights, and the styles it compares with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from streamstyle.losses import Description, StyleStatistics, content_loss, style_loss, total_variation
from streamstyle.networks.features import FeatureNetwork

RANGE_WEIGHT = 30.0  # weight of the loss for pixels outside [0, 1]


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
        kind: losses of the same kind, with or without motion, differ in nothing but their `tensors`; ()
            is a kind of its own.
    """

    network: FeatureNetwork
    weights: Optimization
    content: Mapping[str, Tensor]
    styles: Sequence[StyleTarget]
    warped: Tensor | None = None
    confidence: Tensor | None = None
    kind: tuple[object, ...] = ()

    def tensors(self) -> tuple[Tensor, ...]:
        """What differs from frame to frame."""
        motion = (self.warped, self.confidence)
        return (*self.content.values(), *(part for part in motion if part is not None))

    def with_tensors(self, tensors: Sequence[Tensor]) -> TransferLoss:
        """The same loss for another frame, from its `tensors`."""
        content = dict(zip(self.content, tensors, strict=False))
        if self.warped is None:
            return replace(self, content=content)
        warped, confidence = tensors[len(content) :]
        return replace(self, content=content, warped=warped, confidence=confidence)

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
