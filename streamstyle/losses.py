"""What training minimises: distance in style, in content, roughness, and unsteadiness.

Every loss is a scalar, a mean over the batch, and about 1 for an unrelated image, so that the
weights of a recipe can be read as shares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

EPSILON = 1e-5  # added to variances of features, which are of the order of 1
LEAST_DEVIATION = 0.1  # of a channel, as a share of the layer's largest
OUTLIER = 1.0  # difference in a style, in units of the root mean square on the painting
QUANTILES = 128  # points at which distributions are compared

Description = tuple[Tensor, ...]  # what a statistic says of each image, (N, …) each


def gram_matrix(features: Tensor) -> Tensor:
    """Correlations of the channels: (N, C, H, W) to (N, C, C), a mean over the pixels.

    Reference: Gatys, Ecker, Bethge (2016), Image style transfer using convolutional neural networks,
    equation 3; divided by the number of pixels, so that the size of the image does not matter.
    """
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[2]


def gram(features: Tensor) -> Description:
    """The Gram matrix alone, as in Gatys et al. (2016)."""
    return (gram_matrix(features),)


def covariance(features: Tensor) -> Description:
    """The channels' means (N, C, 1, 1), and the Gram matrix (N, C, C) about them.

    Departs from Gatys et al., who leave the mean in: rectified features have large ones, which then
    hide the correlations, that is, the strokes.
    """
    mean = features.mean(dim=(2, 3), keepdim=True)
    return mean, gram_matrix(features - mean)


def covariance_within(cover: Tensor | None) -> Callable[[Tensor], Description]:
    """`covariance`, seen through a mask, so that a painting's style can be had in one part of an image.

    Args:
        cover: (1, 1, H, W) in [0, 1], of the image's size; None: everywhere.

    Reference: Gatys et al. (2017), Controlling perceptual factors in neural style transfer, section 4.
    """
    if cover is None:
        return covariance

    def statistic(features: Tensor) -> Description:
        weights = F.interpolate(cover, features.shape[2:], mode="area").to(features)
        weights = weights / weights.sum().clamp_min(EPSILON)
        mean = (weights * features).sum(dim=(2, 3), keepdim=True)
        off = (features - mean).flatten(2)
        return mean, (weights.flatten(2) * off) @ off.transpose(1, 2)

    return statistic


def moments(features: Tensor) -> Description:
    """Mean and standard deviation of each channel, (N, C) each: no correlations.

    Reference: Li et al. (2017), Demystifying neural style transfer, https://arxiv.org/abs/1701.01036.
    """
    variance, mean = torch.var_mean(features, dim=(2, 3), correction=0)
    return mean, (variance + EPSILON).sqrt()


def wasserstein(features: Tensor) -> Description:
    """The whole distribution of the features, seen from many sides: means and quantile functions.

    The square distance of two such is the sliced 2-Wasserstein distance. Directions are drawn once, not
    anew in each step, so that a painting is described once.

    Reference: Heitz et al. (2021), A sliced Wasserstein loss for neural texture synthesis, equation 4,
    https://arxiv.org/abs/2006.07229.

    Returns:
        Means (N, C, 1, 1) and quantiles (N, C, QUANTILES), the latter of the features less their mean.
    """
    channels = features.shape[1]
    generator = torch.Generator().manual_seed(channels)
    directions = F.normalize(torch.randn(channels, channels, generator=generator), dim=1)
    mean = features.mean(dim=(2, 3), keepdim=True)
    seen = directions.to(features) @ (features - mean).flatten(2)
    return mean, F.interpolate(seen.sort(dim=2).values, QUANTILES, mode="linear", align_corners=True)


STATISTICS: dict[str, Callable[[Tensor], Description]] = {
    "gram": gram,
    "covariance": covariance,
    "moments": moments,
    "wasserstein": wasserstein,
}


@dataclass(frozen=True)
class StyleStatistics:
    """What is remembered of a painting in one layer.

    Attributes:
        scale: (1, C, 1, 1), what each channel is divided by before it is described.
        description: what a statistic says of it.
    """

    scale: Tensor
    description: Description


def style_of(
    features: Tensor, statistic: Callable[[Tensor], Description] = covariance, *, standardised: bool = True
) -> StyleStatistics:
    """The style of a painting in one layer.

    Args:
        features: (1, C, H, W), the activations on the painting.
        statistic: how a style is described, of STATISTICS.
        standardised: divide each channel by its deviation on the painting, so that all have a say. Departs
            from Gatys et al., where a few strong channels decide; faint ones often carry the fine strokes.
    """
    deviation = features.std(dim=(2, 3), keepdim=True, correction=0)
    # A channel that is silent on the painting is to stay silent, but not at any price.
    scale = deviation.clamp_min(LEAST_DEVIATION * deviation.max().item()).clamp_min(EPSILON)
    scale = scale if standardised else torch.ones_like(scale)
    return StyleStatistics(scale, statistic(features / scale))


def style_loss(
    features: Mapping[str, Tensor],
    targets: Mapping[str, StyleStatistics],
    statistic: Callable[[Tensor], Description] = covariance,
) -> Tensor:
    """Distance to the style of a painting.

    Departs from Gatys et al. also in that each term is divided by the painting's own mean square:
    layers then count alike, whatever the scale of their activations. And differences beyond OUTLIER count
    linearly, not squared: a channel that is silent on the painting and loud on one photograph, a fourth
    power in its covariance, would else be all that a step of training sees.

    Args:
        features: activations (N, C, H, W) by layer.
        targets: `style_of` the painting by layer; these layers are compared.
        statistic: the one that the targets were made with.

    Returns:
        Scalar >= 0, the mean over the layers.
    """
    terms = []
    for name, target in targets.items():
        described = statistic(features[name] / target.scale)
        for found, wanted in zip(described, target.description, strict=True):
            unit = wanted.square().mean().clamp_min(EPSILON).sqrt()
            off = (found - wanted).abs() / unit
            terms.append(torch.where(off < OUTLIER, off.square(), OUTLIER * (2 * off - OUTLIER)).mean())
    return torch.stack(terms).sum() / len(targets)


def normalized(features: Tensor) -> Tensor:
    """(N, C, H, W) with mean 0 and deviation 1 in each channel of each image."""
    variance, mean = torch.var_mean(features, dim=(2, 3), keepdim=True, correction=0)
    return (features - mean) * (variance + EPSILON).rsqrt()


def content_loss(
    features: Mapping[str, Tensor], targets: Mapping[str, Tensor], weights: Mapping[str, float]
) -> Tensor:
    """Distance to what the photograph shows, whatever its colors and contrast.

    Departs from Gatys et al., equation 1, twice. Activations are normalized for each image first, so that
    a painting's palette is no loss of content. And half of it is the angle between the activations at a
    place, where what is faint in the photograph, a face in a dim room, counts as much as a sharp edge: by
    distance alone it is cheap to paint such places over with the paper of a woodcut. By angle alone it is
    cheap to let them fade.

    Args:
        features, targets: activations (N, C, H, W) by layer.
        weights: share of each layer.

    Returns:
        Scalar: 0 = the same, 1 = unrelated, 2 = the opposite.
    """
    total = sum(weights.values())
    terms = []
    for name, weight in weights.items():
        found, wanted = normalized(features[name]), normalized(targets[name])
        distance = (found - wanted).square().mean() / 2
        angle = 1 - F.cosine_similarity(found, wanted).mean()
        terms.append(weight / total * (distance + angle) / 2)
    return torch.stack(terms).sum()


def luma(image: Tensor) -> Tensor:
    """(N, 3, H, W) RGB to (N, 1, H, W), weighted as in ITU-R BT.709."""
    weights = image.new_tensor((0.2126, 0.7152, 0.0722))[:, None, None]
    return (weights * image).sum(dim=1, keepdim=True)


def brightness_loss(image: Tensor, target: Tensor, size: int = 8) -> Tensor:
    """How differently light and dark are spread over two images, whatever their contrast.

    Without it light things come out dark wherever the palette allows it, which feature networks forgive
    and people do not: a face keeps its likeness by its lights.

    Args:
        image, target: (N, 3, H, W) RGB in [0, 1].
        size: side in pixels of the squares whose brightness is compared.

    Returns:
        Scalar: 0 = alike, 2 = unrelated, 4 = a negative.
    """
    spread = [normalized(F.avg_pool2d(luma(picture), size)) for picture in (image, target)]
    return (spread[0] - spread[1]).square().mean()


def tones_of(painting: Tensor, share: float = 0.02, size: int = 8) -> tuple[float, float]:
    """Luma of the dark and of the light places of (1, 3, H, W), which are `share` of it each."""
    places = F.avg_pool2d(luma(painting), size).flatten()
    dark, light = torch.quantile(places, torch.tensor([share, 1 - share]).to(places)).tolist()
    return dark, light


def tone_loss(image: Tensor, target: Tensor, tones: tuple[float, float], size: int = 16) -> Tensor:
    """How far light and dark are from the target's, its black and white taken to the painting's.

    Statistics of features allow an image that is gray all over where the painting's tones lie close
    together; then what is shown sinks into its background.

    Args:
        image, target: (N, 3, H, W) RGB in [0, 1].
        tones: luma of the painting's dark and of its light places.
        size: side in pixels of the squares whose mean is compared; strokes are finer.

    Returns:
        Scalar: the mean square of the difference, 1 = the whole range of tones.
    """
    dark, light = tones
    found, wanted = (F.avg_pool2d(luma(picture), size) for picture in (image, target))
    return ((found - dark) / (light - dark) - wanted).square().mean()


def total_variation(image: Tensor) -> Tensor:
    """Mean square difference of neighboring pixels of (N, C, H, W)."""
    across = (image[..., 1:] - image[..., :-1]).square().mean()
    down = (image[..., 1:, :] - image[..., :-1, :]).square().mean()
    return across + down


def temporal_loss(result: Tensor, carried: Tensor, change: Tensor, confidence: Tensor) -> Tensor:
    """What a network changes from frame to frame beyond what the source changed.

    Args:
        result: (N, 3, H, W), the stylized frame.
        carried: the stylized frame before it, warped onto it.
        change: (N, 1, H, W), by how much the source became brighter there; granted to all channels.
        reliable: (N, 1, H, W), 1 where the warp can be trusted, else 0.

    Returns:
        The mean square over the reliable pixels.

    Reference: Ruder, Dosovitskiy, Brox (2018), Artistic style transfer for videos and spherical images,
    equation 5; the luminance term after Gao et al. (2018), ReCoNet, equation 5, https://arxiv.org/abs/1807.01197.
    """
    off = (result - carried - change).square().mean(dim=1, keepdim=True)
    return (confidence * off).sum() / confidence.sum().clamp_min(1)
