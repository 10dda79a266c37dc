"""The losses of predicted style networks, each against its own painting.

They are those of a training for one painting, with three differences.

Of the style loss the logarithm counts, so that a tenth less of it counts alike for all paintings: that of a
photograph is 0.4 for some and 40 for others, which would dominate. Cheng et al. (2021), Style-aware
normalized loss for improving arbitrary style transfer, https://arxiv.org/abs/2104.10064, divide by its
largest possible value instead.

The colors themselves are a style layer, too.

Where results are redrawn to be imitated (see `drawing`), their style counts, not the painting's, which would
bring back the marks that were taken out of flat areas.

The temporal loss counts more where the painting's features are stronger, as these styles flicker more (Gupta
et al. 2017, Characterizing and improving stability in neural style transfer,
https://arxiv.org/abs/1705.02092).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from streamstyle import device as devices
from streamstyle.device import low_precision
from streamstyle.losses import (
    EPSILON,
    LEAST_DEVIATION,
    StyleStatistics,
    brightness_loss,
    content_loss,
    difference,
    regularity_loss,
    style_loss,
    temporal_loss,
    total_variation,
)
from streamstyle.networks.features import FeatureNetwork
from streamstyle.networks.style_net import StyleNet
from streamstyle.networks.style_predictor import (
    IMAGE,
    SCALES,
    Moments,
    StylePredictor,
    mean_and_covariance,
    moments_of,
)
from streamstyle.optical_flow import warp
from streamstyle.training.drawing import amount_of_lines, color_statistics, redrawn
from streamstyle.training.perceptual_loss import pyramid, square, together
from streamstyle.training.prediction_recipe import PredictionRecipe
from streamstyle.training.recipe import CUT
from streamstyle.training.synthetic_motion import Motion, move

STRENGTH_LAYER = "0/relu2_2"  # whose mean square says how strong a painting's features are
FACTORS = 0.5, 2.0  # smallest and largest factor of the temporal loss

Found = Mapping[str, Tensor]  # activations by layer


class PredictionLoss:
    """The losses of a step.

    Args:
        predictor: which is trained.
        features: the feature network, on the same device.
        recipe: weights of the losses.
        strength: mean square of STRENGTH_LAYER among all paintings.
        teachers: predictors; where results are not known, those of the mean of their networks are imitated.
    """

    def __init__(
        self,
        predictor: StylePredictor,
        features: FeatureNetwork,
        recipe: PredictionRecipe,
        strength: float = 1.0,
        teachers: Sequence[StylePredictor] = (),
    ) -> None:
        self.predictor, self.features, self.recipe, self.strength = predictor, features, recipe, strength
        self.teachers = teachers
        self.style_layers = features.style_layers if recipe.style_weight else ()
        self.content_layers = features.content_layers if recipe.content_weight else {}

    def __call__(
        self,
        paintings: Tensor,
        colors: Tensor,
        shares: Tensor,
        photos: Tensor,
        expected: Tensor,
        known: Tensor,
        corner: Tensor,
        *motion: Tensor,
    ) -> dict[str, Tensor]:
        """Weighted losses by name; training minimizes their sum.

        Args:
            paintings: (S, 3, H, W) in [0, 1].
            colors: (S, 3, 4), by which each painting is recolored; see `recolored`.
            shares: (S,), of the next painting's moments in those of each painting.
            photos: (S, N, 3, crop, crop) in [0, 1], to be stylized after each painting.
            expected: the same shape, the results where they are known, else the photographs.
            known: (S,), 1 where the results are known, else 0.
            corner, motion: from `perceptual_loss.random_choices`.
        """
        paintings = recolored(paintings, colors)
        moments = self.moments(paintings, shares)
        if self.teachers:
            expected, known = self.taught(moments, paintings, photos, expected, known)
        each = self.predictor(moments), moments, photos, expected, known
        if devices.on_host(photos):  # one after the other, as they do not fit into the caches together
            parts = [entries(each, number) for number in range(len(photos))]
        else:
            parts = [[*each]]
        found = [self.losses(*(*part, corner, Motion(*motion))) for part in parts]
        return {name: torch.cat([losses[name] for losses in found]).mean() for name in found[0]}

    def moments(self, paintings: Tensor, shares: Tensor) -> Moments:
        """The moments of the paintings, some mixed with those of the next."""
        with torch.no_grad(), low_precision(paintings.device):
            found = moments_of(paintings, self.features)
        return {
            name: torch.lerp(value, value.roll(-1, 0), shares[:, None, None]) for name, value in found.items()
        }

    @torch.no_grad()
    def taught(
        self, moments: Moments, paintings: Tensor, photos: Tensor, expected: Tensor, known: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The results to imitate, and that all are known; arguments as for a step."""
        written = [teacher(moments) for teacher in self.teachers]
        weights = {name: torch.stack([each[name] for each in written]).mean(dim=0) for name in written[0]}
        results = stylized(self.predictor.writer.trunk, weights, photos)
        if self.recipe.redrawn:
            count, flat = photos.shape[1], results.flatten(0, 1)
            colors, amounts = (
                each.repeat_interleave(count, dim=0)
                for each in (color_statistics(paintings), amount_of_lines(paintings))
            )
            drawn = redrawn(flat, photos.flatten(0, 1), colors, amounts)
            results = torch.lerp(flat, drawn, self.recipe.redrawn).reshape(results.shape)
        return torch.lerp(results, expected, known[:, None, None, None, None]), torch.ones_like(known)

    def losses(
        self,
        weights: dict[str, Tensor],
        moments: Moments,
        photos: Tensor,
        expected: Tensor,
        known: Tensor,
        corner: Tensor,
        motion: Motion,
    ) -> dict[str, Tensor]:
        """The losses of S paintings, (S,) each; arguments as for a step, and the weights of S networks."""
        pair = move(photos[:, 0], motion, margin=CUT / 2)
        results = stylized(
            self.predictor.writer.trunk, weights, torch.cat((photos, pair.current[:, None]), dim=1)
        )
        carried = warp(results[:, 0], pair.flow)
        side = photos.shape[-1] - CUT
        result, goal = (square(images.flatten(0, 1), corner, side) for images in (results[:, :-1], expected))
        with torch.no_grad():
            content = self.activations(goal, self.content_layers)
            drawn = self.teachers and self.recipe.redrawn and self.style_layers
            wanted = self.style_of(goal, len(photos)) if drawn else moments
        # The feature network sees the results of all styles as one batch.
        half = pyramid(result, SCALES)[-1]
        compared = (
            {IMAGE: result, **self.activations(result, {*self.style_layers, *self.content_layers})},
            {IMAGE: half, **self.activations(half, self.style_layers)},
            content,
            {"result": result, "goal": goal},
        )
        apart = [
            {name: value.reshape(len(photos), -1, *value.shape[1:]) for name, value in found.items()}
            for found in compared
        ]

        def one(
            moments: Moments,
            result: Tensor,
            carried: Tensor,
            change: Tensor,
            known: Tensor,
            wanted: Moments,
            *found: Found,
        ) -> dict[str, Tensor]:
            temporal = temporal_loss(result[None], carried[None], change[None], pair.confidence)
            factor = self.recipe.temporal_weight * self.factor(moments)
            return {**self.compared(wanted, known, *found), "temporal": factor * temporal}

        found = one_by_one(one) if devices.on_host(photos) else torch.func.vmap(one)
        losses: dict[str, Tensor] = found(
            moments, results[:, -1], carried, pair.change, known, wanted, *apart
        )
        return losses

    def style_of(self, images: Tensor, styles: int) -> Moments:
        """The moments of each style's images, (styles N, 3, H, W), together."""
        with low_precision(images.device):
            found = moments_of(images, self.features)
        return {
            name: value.reshape(styles, -1, *value.shape[1:]).mean(dim=1) for name, value in found.items()
        }

    def compared(
        self, moments: Moments, known: Tensor, full: Found, half: Found, expected: Found, images: Found
    ) -> dict[str, Tensor]:
        """The losses of one painting's results, apart from the temporal one.

        Args:
            moments: of the painting.
            known: whether the results are known.
            full, half: activations of the results, and of the results in half size.
            expected: activations of the known results or the photographs.
            images: "result" and "goal", the known results or the photographs, (N, 3, H, W).
        """
        recipe, result, goal = self.recipe, images["result"], images["goal"]
        targets = [targets_of(moments, scale, (IMAGE, *self.style_layers)) for scale in range(SCALES)]
        terms = [
            style_loss(together(dict(found)), target)
            for found, target in zip((full, half), targets, strict=True)
        ]
        style = (torch.stack(terms).mean() / recipe.style_floor).log1p()
        content = result.new_zeros(())
        if self.content_layers:
            content = content_loss(full, expected, self.content_layers)
        regularity = regularity_loss(result, goal) if recipe.regularity_weight else result.new_zeros(())
        return {
            "style": recipe.style_weight * style,
            "content": recipe.content_weight * content,
            "brightness": recipe.brightness_weight * brightness_loss(result, goal),
            "variation": recipe.variation_weight * total_variation(result),
            "regularity": recipe.regularity_weight * regularity,
            "known": recipe.known_weight * known * (result - goal).square().mean(),
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


def stylized(network: StyleNet, weights: Mapping[str, Tensor], images: Tensor) -> Tensor:
    """The results (S, N, 3, H, W) of S networks with these weights, (S, …) each, on N images each."""
    if devices.on_host(images):
        results = [
            torch.func.functional_call(
                network, {name: value[number] for name, value in weights.items()}, (images[number],)
            )
            for number in range(len(images))
        ]
        return torch.stack(results)

    def one(weights: dict[str, Tensor], images: Tensor) -> Tensor:
        named = {f"network.{name}": value for name, value in weights.items()}
        with MatrixProducts():
            result: Tensor = torch.func.functional_call(AnyLayout(network), named, (images,))
        return result

    result: Tensor = torch.func.vmap(one)(dict(weights), images)
    return result


class MatrixProducts(TorchFunctionMode):
    """A context in which convolutions that are not depthwise are computed as products of matrices.

    Weights that differ within a batch would make them grouped convolutions; so they are one batched product.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        if func is F.conv2d:
            return convolved(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def convolved(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: tuple[int, int] | int = 1,
    padding: tuple[int, int] | int = 0,
    dilation: tuple[int, int] | int = 1,
    groups: int = 1,
) -> Tensor:
    """`F.conv2d` without padding and with square kernels; see `MatrixProducts`."""
    if groups > 1:
        return F.conv2d(x, weight, bias, stride, padding, dilation, groups)
    side, step = weight.shape[-1], stride[0] if isinstance(stride, tuple) else stride
    patches = x.flatten(2) if side == 1 else F.unfold(x, side, stride=step)
    result = weight.flatten(1) @ patches
    if bias is not None:
        result = result + bias[:, None]
    height, width = ((length - side) // step + 1 for length in x.shape[2:])
    return result.reshape(len(x), -1, height, width)


def one_by_one(function: Callable[..., dict[str, Tensor]]) -> Callable[..., dict[str, Tensor]]:
    """What `torch.func.vmap` does, in a loop."""

    def mapped(*arguments: Any) -> dict[str, Tensor]:
        found = [function(*entries(arguments, number, keep=False)) for number in range(len(arguments[1]))]
        return {name: torch.stack([each[name] for each in found]) for name in found[0]}

    return mapped


def entries(batch: Sequence[Mapping[str, Tensor] | Tensor], number: int, *, keep: bool = True) -> list[Any]:
    """One of each tensor's entries along the first dimension; `keep`: which stays, with length 1."""

    def entry(tensor: Tensor) -> Tensor:
        return tensor[number : number + 1] if keep else tensor[number]

    return [
        entry(each) if isinstance(each, Tensor) else {name: entry(value) for name, value in each.items()}
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


def style_difference(found: Moments, wanted: Moments, scale: int, layers: tuple[str, ...]) -> Tensor:
    """`losses.style_loss` between two images, from their moments, (1, C, 1 + C) by layer."""
    terms = []
    for layer, style in targets_of({name: value[0] for name, value in wanted.items()}, scale, layers).items():
        mean, covariance = mean_and_covariance(found[f"{scale}/{layer}"])
        by = style.scale.flatten(1)
        scaled = (mean / by)[..., None, None], covariance / (by[:, :, None] * by[:, None])
        terms += [difference(*pair) for pair in zip(scaled, style.description, strict=True)]
    return torch.stack(terms).sum() / len(layers)


def recolored(images: Tensor, colors: Tensor) -> Tensor:
    """Images (N, 3, H, W) whose colors are changed by (N, 3, 4): a matrix, then an offset."""
    changed = torch.einsum("nij,njhw->nihw", colors[:, :, :3], images) + colors[:, :, 3, None, None]
    return changed.clamp(0, 1)
