"""The losses of predicted style networks, each against its own painting.

They are those of a training for one painting, with two differences.

Of the style loss the logarithm counts, so that a tenth less of it counts alike for all paintings: that of a
photograph is 0.4 for some and 40 for others, which would dominate. Cheng et al. (2021), Style-aware
normalized loss for improving arbitrary style transfer, https://arxiv.org/abs/2104.10064, divide by its
largest possible value instead.

The temporal loss counts more where the painting's features are stronger, as these styles flicker more (Gupta
et al. 2017, Characterizing and improving stability in neural style transfer,
https://arxiv.org/abs/1705.02092).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from streamstyle import device as devices
from streamstyle.device import low_precision
from streamstyle.losses import (
    EPSILON,
    LEAST_DEVIATION,
    StyleStatistics,
    brightness_loss,
    content_loss,
    style_loss,
    temporal_loss,
    total_variation,
)
from streamstyle.networks.features import FeatureNetwork
from streamstyle.networks.style_net import StyleNet
from streamstyle.networks.style_predictor import (
    SCALES,
    Moments,
    StylePredictor,
    mean_and_covariance,
    moments_of,
)
from streamstyle.optical_flow import warp
from streamstyle.training.perceptual_loss import pyramid, square, together
from streamstyle.training.prediction_recipe import PredictionRecipe
from streamstyle.training.recipe import CUT
from streamstyle.training.synthetic_motion import Motion, move

STRENGTH_LAYER = "0/relu2_2"  # whose mean square says how strong a painting's features are
FACTORS = 0.5, 2.0  # smallest and largest factor of the temporal loss


class PredictionLoss:
    """The losses of a step.

    Args:
        predictor: which is trained.
        features: the feature network, on the same device.
        recipe: weights of the losses.
        strength: mean square of STRENGTH_LAYER among all paintings.
    """

    def __init__(
        self,
        predictor: StylePredictor,
        features: FeatureNetwork,
        recipe: PredictionRecipe,
        strength: float = 1.0,
    ) -> None:
        self.predictor, self.features, self.recipe, self.strength = predictor, features, recipe, strength
        self.style_layers, self.content_layers = features.style_layers, features.content_layers

    def __call__(
        self,
        paintings: Tensor,
        colors: Tensor,
        shares: Tensor,
        photos: Tensor,
        identity: Tensor,
        corner: Tensor,
        *motion: Tensor,
    ) -> dict[str, Tensor]:
        """Weighted losses by name; training minimizes their sum.

        Args:
            paintings: (S, 3, H, W) in [0, 1].
            colors: (S, 3, 4), by which each painting is recolored; see `recolored`.
            shares: (S,), of the next painting's moments in those of each painting.
            photos: (S, N, 3, crop, crop) in [0, 1], to be stylized after each painting.
            identity: (S,), 1 where the painting is the photograph itself, else 0.
            corner, motion: from `perceptual_loss.random_choices`.
        """
        moments = self.moments(recolored(paintings, colors), shares)
        weights = self.predictor(moments)

        def one(
            weights: dict[str, Tensor], moments: Moments, photos: Tensor, identity: Tensor
        ) -> dict[str, Tensor]:
            return self.losses(weights, moments, photos, identity, corner, Motion(*motion))

        each = weights, moments, photos, identity
        if devices.on_host(photos):  # one after the other, as they do not fit into the caches together
            found = [one(*entry(each, number)) for number in range(len(photos))]
            return {name: torch.stack([losses[name] for losses in found]).mean() for name in found[0]}
        losses: dict[str, Tensor] = torch.func.vmap(one)(*each)
        return {name: value.mean() for name, value in losses.items()}

    def moments(self, paintings: Tensor, shares: Tensor) -> Moments:
        """The moments of the paintings, some mixed with those of the next."""
        with torch.no_grad(), low_precision(paintings.device):
            found = moments_of(paintings, self.features)
        return {
            name: torch.lerp(value, value.roll(-1, 0), shares[:, None, None]) for name, value in found.items()
        }

    def losses(
        self,
        weights: dict[str, Tensor],
        moments: Moments,
        photos: Tensor,
        identity: Tensor,
        corner: Tensor,
        motion: Motion,
    ) -> dict[str, Tensor]:
        """The losses of one painting; arguments as for a step, without their first dimension."""
        recipe = self.recipe
        pair = move(photos[:1], motion, margin=CUT / 2)
        results = run(self.predictor.writer.trunk, weights, torch.cat((photos, pair.current)))
        side = photos.shape[-1] - CUT
        result, photo = square(results[:-1], corner, side), square(photos, corner, side)
        targets = [targets_of(moments, scale, self.style_layers) for scale in range(SCALES)]
        with torch.no_grad():
            expected = self.activations(photo, self.content_layers)
        found = self.activations(result, {*self.style_layers, *self.content_layers})
        coarse = self.activations(pyramid(result, SCALES)[-1], self.style_layers)
        terms = [
            style_loss(together(each), target) for each, target in zip((found, coarse), targets, strict=True)
        ]
        style = (torch.stack(terms).mean() / recipe.style_floor).log1p()
        content = content_loss(found, expected, self.content_layers)
        temporal = temporal_loss(results[-1:], warp(results[:1], pair.flow), pair.change, pair.confidence)
        return {
            "style": recipe.style_weight * style,
            "content": recipe.content_weight * content,
            "brightness": recipe.brightness_weight * brightness_loss(result, photo),
            "variation": recipe.variation_weight * total_variation(result),
            "temporal": recipe.temporal_weight * self.factor(moments) * temporal,
            "identity": recipe.identity_weight * identity * (result - photo).square().mean(),
        }

    def activations(self, image: Tensor, layers: Collection[str]) -> dict[str, Tensor]:
        """Activations (N, C, H, W) in single precision, computed in lower precision where that is faster."""
        with low_precision(image.device):
            found: dict[str, Tensor] = self.features(image, layers)
        return {name: value.float() for name, value in found.items()}

    def factor(self, moments: Moments) -> Tensor:
        """Of the temporal loss."""
        return (strength_of(moments) / self.strength).clamp(*FACTORS)


class AnyLayout(nn.Module):
    """A style network without its choice of a memory layout, which `vmap` does not know."""

    def __init__(self, network: StyleNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] to the same shape."""
        return self.network.stylized(image - 0.5)


def run(network: StyleNet, weights: Mapping[str, Tensor], image: Tensor) -> Tensor:
    """A style network's result on (N, 3, H, W) with these weights instead of its own."""
    if devices.on_host(image):
        result: Tensor = torch.func.functional_call(network, dict(weights), (image,))
    else:
        named = {f"network.{name}": value for name, value in weights.items()}
        result = torch.func.functional_call(AnyLayout(network), named, (image,))
    return result


def entry(batch: tuple[dict[str, Tensor] | Tensor, ...], number: int) -> list:  # type: ignore[type-arg]
    """One of each tensor's entries along the first dimension."""
    return [
        {name: value[number] for name, value in each.items()} if isinstance(each, dict) else each[number]
        for each in batch
    ]


def strength_of(moments: Moments) -> Tensor:
    """Mean square of STRENGTH_LAYER: () from the moments of one painting, (N,) from those of several."""
    return moments[STRENGTH_LAYER][..., 1:].diagonal(dim1=-2, dim2=-1).mean(dim=-1)


def targets_of(moments: Moments, scale: int, layers: tuple[str, ...]) -> dict[str, StyleStatistics]:
    """What `losses.style_of` finds in a painting with these moments; without the dimension of the batch."""
    targets = {}
    for layer in layers:
        mean, covariance = mean_and_covariance(moments[f"{scale}/{layer}"][None])
        deviation = covariance.diagonal(dim1=1, dim2=2).clamp_min(0).sqrt()
        by = torch.maximum(deviation, LEAST_DEVIATION * deviation.amax(dim=1, keepdim=True)).clamp_min(
            EPSILON
        )
        targets[layer] = StyleStatistics(
            by[..., None, None], ((mean / by)[..., None, None], covariance / (by[:, :, None] * by[:, None]))
        )
    return targets


def recolored(images: Tensor, colors: Tensor) -> Tensor:
    """Images (N, 3, H, W) whose colors are changed by (N, 3, 4): a matrix, then an offset."""
    changed = torch.einsum("nij,njhw->nihw", colors[:, :, :3], images) + colors[:, :, 3, None, None]
    return changed.clamp(0, 1)
