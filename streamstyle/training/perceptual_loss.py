"""What is asked of a style network: the losses of one step.

Before scoring, the result is cut at a random place, for two reasons: no border is ever scored, so that none
is stylized, and the feature network's own strides cannot stay in step with the pixel-shuffle's, which would
let a grid pass unseen.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from streamstyle.device import low_precision
from streamstyle.errors import UsageError
from streamstyle.losses import (
    STATISTICS,
    StyleStatistics,
    brightness_loss,
    content_loss,
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
from streamstyle.training.synthetic_motion import move

PIXEL_WEIGHT = 20.0  # of the mean square error, which is far below 1 for any likeness


class PerceptualLoss:
    """Scores what a network makes of photographs, in the eyes of a feature network.

    Args:
        features: the network that looks; on the device where training is done.
        recipe: shares of the losses.
        painting: (1, 3, H, W) in [0, 1], or None to ask for the photographs themselves.

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
                for picture in pyramid(painting, recipe.style_scales):
                    seen = self.look(picture, self.style_layers)
                    self.targets.append(
                        {
                            name: style_of(seen[name], self.statistic, standardised=recipe.standardised)
                            for name in self.style_layers
                        }
                    )

    def look(self, image: Tensor, layers: tuple[str, ...]) -> dict[str, Tensor]:
        """Activations in single precision, computed in half where that is faster."""
        with low_precision(image.device):
            found: dict[str, Tensor] = self.features(image, layers)
        return {name: value.float() for name, value in found.items()}

    def losses(self, network: nn.Module, photos: Tensor, rng: np.random.Generator) -> dict[str, Tensor]:
        """Weighted losses by name; their sum is what training minimises.

        Args:
            network: the style network.
            photos: (N, 3, crop, crop) in [0, 1]; the first of them is also moved.
            rng: decides where to cut and how to move.
        """
        pair = move(photos[:1], rng, margin=CUT / 2)
        results = network(torch.cat((photos, pair.current)))
        side = photos.shape[-1] - CUT
        top, left = rng.integers(0, CUT + 1, 2).tolist()
        part = slice(top, top + side), slice(left, left + side)
        result, photo = results[:-1, :, *part], photos[..., *part]
        losses = self.style(result, photo) if self.targets else self.reconstruction(result, photo)
        losses["variation"] = self.recipe.variation_weight * total_variation(result)
        carried = warp(results[:1], pair.flow)
        temporal = temporal_loss(results[-1:], carried, pair.change, pair.confidence)
        return losses | {"temporal": self.recipe.temporal_weight * temporal}

    def style(self, result: Tensor, photo: Tensor) -> dict[str, Tensor]:
        """Style at the scales of the pyramid, content, and brightness."""
        with torch.no_grad():
            wanted = self.look(photo, tuple(self.content_layers))
        pictures = pyramid(result, self.recipe.style_scales)
        found = self.look(pictures[0], (*self.style_layers, *self.content_layers))
        seen = [found, *(self.look(picture, self.style_layers) for picture in pictures[1:])]
        terms = [
            style_loss(together(features) if self.recipe.style_together else features, target, self.statistic)
            for features, target in zip(seen, self.targets, strict=True)
        ]
        return {
            "style": self.recipe.style_weight * torch.stack(terms).mean(),
            "content": self.recipe.content_weight * content_loss(found, wanted, self.content_layers),
            "brightness": self.recipe.brightness_weight * brightness_loss(result, photo),
            "tone": self.recipe.tone_weight * tone_loss(result, photo, self.tones),
        }

    def reconstruction(self, result: Tensor, photo: Tensor) -> dict[str, Tensor]:
        """Pixels and content, for the base from which styles are trained."""
        losses = {"pixels": PIXEL_WEIGHT * (result - photo).square().mean()}
        if self.recipe.content_weight:
            with torch.no_grad():
                wanted = self.look(photo, tuple(self.content_layers))
            found = self.look(result, tuple(self.content_layers))
            content = content_loss(found, wanted, self.content_layers)
            losses["content"] = self.recipe.content_weight * content
        return losses


def together(features: dict[str, Tensor]) -> dict[str, Tensor]:
    """The activations of all images as if they were one: (N, C, H, W) to (1, C, N H, W)."""
    return {
        name: value.transpose(0, 1).reshape(1, value.shape[1], -1, value.shape[-1])
        for name, value in features.items()
    }


def pyramid(image: Tensor, levels: int) -> list[Tensor]:
    """(N, 3, H, W), its half, its quarter …: fine strokes are judged in the first, large forms later."""
    pictures = [image]
    for _ in range(levels - 1):
        pictures.append(F.avg_pool2d(pictures[-1], 2))
    return pictures
