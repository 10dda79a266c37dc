"""The losses of a training step: style, content, brightness, tone, variation, regularity and temporal loss.

The losses are computed on a random crop of the result, for two reasons. Borders are never scored, so the
network does not learn to paint one. And the strides of the feature network do not stay aligned with those of
the pixel-shuffle, which would hide a grid pattern.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from streamstyle import device as devices
from streamstyle.device import low_precision
from streamstyle.errors import UsageError
from streamstyle.losses import (
    STATISTICS,
    StyleStatistics,
    brightness_loss,
    content_loss,
    regularity_loss,
    style_loss,
    style_of,
    temporal_loss,
    tone_loss,
    tones_of,
    total_variation,
)
from streamstyle.networks.features import FeatureNetwork
from streamstyle.optical_flow import warp
from streamstyle.training.recipe import CUT, Recipe
from streamstyle.training.synthetic_motion import Motion, move, random_motion

PAINTED_WEIGHT = 15.0  # of the mean absolute error, where the result is known
PIXEL_WEIGHT = 20.0  # of the mean squared error, which is far below 1 for similar images


class PerceptualLoss:
    """The losses of a style network on photographs, measured with a feature network.

    Args:
        features: the feature network, on the device of the training.
        recipe: weights of the losses.
        painting: (1, 3, H, W) in [0, 1], or None to train reconstruction of the photographs.

    Raises:
        UsageError: a layer of the recipe does not exist in the feature network.
    """

    def __init__(self, features: FeatureNetwork, recipe: Recipe, painting: Tensor | None) -> None:
        self.features, self.recipe = features, recipe
        self.statistic = STATISTICS[recipe.statistic]
        self.style_layers = recipe.style_layers or features.style_layers
        self.content_layers = recipe.content_layers or features.content_layers
        if unknown := {*self.style_layers, *self.content_layers}.difference(features.layers):
            raise UsageError(
                f"the feature network has no layer {', '.join(sorted(unknown))}; "
                f"it has {', '.join(features.layers)}"
            )
        self.targets: list[dict[str, StyleStatistics]] = []
        if painting is not None:
            self.tones = tones_of(painting)
            with torch.no_grad():
                for scale in pyramid(painting, recipe.style_scales):
                    found = self.activations(scale, self.style_layers)
                    self.targets.append(
                        {
                            name: style_of(found[name], self.statistic, standardised=recipe.standardised)
                            for name in self.style_layers
                        }
                    )

    def activations(self, image: Tensor, layers: tuple[str, ...]) -> dict[str, Tensor]:
        """Activations in single precision, computed in lower precision where that is faster."""
        with low_precision(image.device):
            found: dict[str, Tensor] = self.features(image.float(), layers)
        return {name: value.float() for name, value in found.items()}

    def losses(
        self,
        network: nn.Module,
        photos: Tensor,
        corner: Tensor,
        motion: Motion,
        painted: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Weighted losses by name; training minimizes their sum.

        Args:
            network: the style network.
            photos: (N, 3, crop, crop) in [0, 1]; the first one also gets synthetic motion.
            corner, motion: random, from `random_choices`; on the device of the photographs.
            painted: what the results should be, (N, 3, crop, crop) in [0, 1], if that is known.
        """
        pair = move(photos[:1], motion, margin=CUT / 2)
        results = network(torch.cat((photos, pair.current)))
        side = photos.shape[-1] - CUT
        result, photo = square(results[:-1], corner, side), square(photos, corner, side)
        if painted is not None:
            losses = self.imitation(result, square(painted, corner, side))
        else:
            losses = self.style(result, photo) if self.targets else self.reconstruction(result, photo)
        losses["variation"] = self.recipe.variation_weight * total_variation(result)
        if self.recipe.regularity_weight:
            losses["regularity"] = self.recipe.regularity_weight * regularity_loss(result, photo)
        warped = warp(results[:1], pair.flow)
        temporal = temporal_loss(results[-1:], warped, pair.change, pair.confidence)
        return losses | {"temporal": self.recipe.temporal_weight * temporal}

    def style(self, result: Tensor, photo: Tensor) -> dict[str, Tensor]:
        """Style loss at the scales of the pyramid, content, brightness and tone losses."""
        with torch.no_grad():
            expected = self.activations(photo, tuple(self.content_layers))
        scales = pyramid(result, self.recipe.style_scales)
        found = self.activations(scales[0], (*self.style_layers, *self.content_layers))
        by_scale = [found, *(self.activations(scale, self.style_layers) for scale in scales[1:])]
        terms = [
            style_loss(together(features) if self.recipe.style_together else features, target, self.statistic)
            for features, target in zip(by_scale, self.targets, strict=True)
        ]
        return {
            "style": self.recipe.style_weight * torch.stack(terms).mean(),
            "content": self.recipe.content_weight * content_loss(found, expected, self.content_layers),
            "brightness": self.recipe.brightness_weight * brightness_loss(result, photo),
            "tone": self.recipe.tone_weight * tone_loss(result, photo, self.tones),
        }

    def imitation(self, result: Tensor, painted: Tensor) -> dict[str, Tensor]:
        """Pixel, content and style losses against an image that is painted by hand."""
        layers = (*self.style_layers, *self.content_layers)
        with torch.no_grad():
            expected = self.activations(painted, layers)
            targets = {
                name: style_of(expected[name], self.statistic, standardised=self.recipe.standardised)
                for name in self.style_layers
            }
        found = self.activations(result, layers)
        content = content_loss(found, expected, dict.fromkeys(layers, 1.0))
        return {
            "pixels": PAINTED_WEIGHT * (result - painted).abs().mean(),
            "content": self.recipe.content_weight * content,
            "style": self.recipe.style_weight * style_loss(found, targets, self.statistic),
        }

    def reconstruction(self, result: Tensor, photo: Tensor) -> dict[str, Tensor]:
        """Pixel and content losses, for the base network."""
        losses = {"pixels": PIXEL_WEIGHT * (result - photo).square().mean()}
        if self.recipe.content_weight:
            with torch.no_grad():
                expected = self.activations(photo, tuple(self.content_layers))
            found = self.activations(result, tuple(self.content_layers))
            content = content_loss(found, expected, self.content_layers)
            losses["content"] = self.recipe.content_weight * content
        return losses


def random_choices(side: int, rng: np.random.Generator) -> tuple[Tensor, Motion]:
    """What is random in the losses: the corner of the scored crop, and the motion.

    Args:
        side: of the photographs, in pixels.
        rng: source of randomness.
    """
    motion = random_motion(side, side, rng)
    return torch.from_numpy(rng.integers(0, CUT + 1, 2)), motion


def square(image: Tensor, corner: Tensor, side: int) -> Tensor:
    """The square, (N, C, side, side), of an image whose top left pixel has the row and column `corner`."""
    if devices.on_host(image):
        top, left = corner.tolist()
        return image[..., top : top + side, left : left + side]
    positions = torch.arange(side, device=image.device)
    return image.index_select(2, corner[0] + positions).index_select(3, corner[1] + positions)


def together(features: dict[str, Tensor]) -> dict[str, Tensor]:
    """The activations of a batch as those of one image: (N, C, H, W) to (1, C, N H, W)."""
    return {
        name: value.transpose(0, 1).reshape(1, value.shape[1], -1, value.shape[-1])
        for name, value in features.items()
    }


def pyramid(image: Tensor, levels: int) -> list[Tensor]:
    """The image, (N, 3, H, W), at full, half, quarter … size: from fine strokes to large forms."""
    scales = [image]
    for _ in range(levels - 1):
        scales.append(F.avg_pool2d(scales[-1], 2))
    return scales
