"""Losses of training and transfer: style, content, brightness, tones, smoothness, temporal consistency.

Every loss is a scalar, averaged over the batch. Style and content losses are about 1 for an unrelated
image, so that the weights of a recipe can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from streamstyle import device as devices
from streamstyle.constants import constant

EPSILON = 1e-5  # added to variances of features, which are of the order of 1
LEAST_DEVIATION = 0.1  # lower bound of a channel's standard deviation, as a share of the layer's largest
OUTLIER = 1.0  # difference of style statistics above which the loss is linear, in units of the painting's RMS
LUMA = (0.2126, 0.7152, 0.0722)  # weights of red, green and blue, ITU-R BT.709
QUANTILES = 128  # number of quantiles at which distributions are compared
COARSE = 33  # side in pixels, odd, of the squares whose means are not part of a pattern
STROKE = 7  # shifts in pixels up to this are within a stroke, where everything resembles itself
CHANCE = 0.04  # autocorrelation that patterns without a period have by chance

Description = tuple[Tensor, ...]  # the values of a statistic, with one entry per image: (N, …) each


def gram_matrix(features: Tensor) -> Tensor:
    """Correlations of the channels, averaged over the pixels: (N, C, H, W) to (N, C, C).

    Reference: Gatys, Ecker, Bethge (2016), Image style transfer using convolutional neural networks,
    equation 3; divided by the number of pixels, so that it does not depend on the size of the image.
    """
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[2]


def gram(features: Tensor) -> Description:
    """The Gram matrix alone, as in Gatys et al. (2016)."""
    return (gram_matrix(features),)


def covariance(features: Tensor) -> Description:
    """The channels' means (N, C, 1, 1) and the Gram matrix (N, C, C) of the centered features.

    Departs from Gatys et al., who do not center: rectified features have large means, which hide the
    correlations and with them the strokes.
    """
    mean = features.mean(dim=(2, 3), keepdim=True)
    return mean, gram_matrix(features - mean)


def masked_covariance(mask: Tensor | None) -> Callable[[Tensor], Description]:
    """`covariance` weighted by a mask, so that a painting's style applies to one part of an image.

    Args:
        mask: (1, 1, H, W) in [0, 1], of the image's size; None: everywhere.

    Reference: Gatys et al. (2017), Controlling perceptual factors in neural style transfer, section 4.
    """
    if mask is None:
        return covariance

    def statistic(features: Tensor) -> Description:
        weights = F.interpolate(mask, features.shape[2:], mode="area").to(features)
        weights = weights / weights.sum().clamp_min(EPSILON)
        mean = (weights * features).sum(dim=(2, 3), keepdim=True)
        centered = (features - mean).flatten(2)
        return mean, (weights.flatten(2) * centered) @ centered.transpose(1, 2)

    return statistic


def moments(features: Tensor) -> Description:
    """Mean and standard deviation of each channel, (N, C) each, without correlations.

    Reference: Li et al. (2017), Demystifying neural style transfer, https://arxiv.org/abs/1701.01036.
    """
    variance, mean = torch.var_mean(features, dim=(2, 3), correction=0)
    return mean, (variance + EPSILON).sqrt()


def wasserstein(features: Tensor) -> Description:
    """Means of the features, and quantiles of their projections onto random directions.

    The squared distance of two such descriptions is the sliced 2-Wasserstein distance. The directions are
    fixed, not redrawn in each step, so that a painting needs to be described only once.

    Reference: Heitz et al. (2021), A sliced Wasserstein loss for neural texture synthesis, equation 4,
    https://arxiv.org/abs/2006.07229.

    Returns:
        Means (N, C, 1, 1) and quantiles (N, C, QUANTILES) of the centered features.
    """
    mean = features.mean(dim=(2, 3), keepdim=True)
    channels = features.shape[1]
    directions = constant(("directions", channels), partial(random_directions, channels), features.device)
    projected = directions.to(features.dtype) @ (features - mean).flatten(2)
    return mean, F.interpolate(projected.sort(dim=2).values, QUANTILES, mode="linear", align_corners=True)


def random_directions(channels: int) -> np.ndarray:
    """(channels, channels): fixed directions, one in each row, of length 1."""
    generator = torch.Generator().manual_seed(channels)
    result: np.ndarray = F.normalize(torch.randn(channels, channels, generator=generator), dim=1).numpy()
    return result


STATISTICS: dict[str, Callable[[Tensor], Description]] = {
    "gram": gram,
    "covariance": covariance,
    "moments": moments,
    "wasserstein": wasserstein,
}


@dataclass(frozen=True)
class StyleStatistics:
    """The style of a painting in one layer.

    Attributes:
        scale: (1, C, 1, 1), by which each channel is divided before its statistics are computed.
        description: the statistics of the painting.
    """

    scale: Tensor
    description: Description


def style_of(
    features: Tensor, statistic: Callable[[Tensor], Description] = covariance, *, standardised: bool = True
) -> StyleStatistics:
    """Computes the style of a painting in one layer.

    Args:
        features: (1, C, H, W), the activations on the painting.
        statistic: describes a style, one of STATISTICS.
        standardised: divide each channel by its standard deviation on the painting, so that all channels
            count alike. Departs from Gatys et al., where a few strong channels dominate; weak ones often
            represent the fine strokes.
    """
    deviation = features.std(dim=(2, 3), keepdim=True, correction=0)
    # Bounded below: activity in a channel that is nearly silent on the painting must not dominate the loss.
    least = (LEAST_DEVIATION * deviation.max().double()).to(deviation.dtype)
    scale = torch.maximum(deviation, least).clamp_min(EPSILON)
    scale = scale if standardised else torch.ones_like(scale)
    return StyleStatistics(scale, statistic(features / scale))


def style_loss(
    features: Mapping[str, Tensor],
    targets: Mapping[str, StyleStatistics],
    statistic: Callable[[Tensor], Description] = covariance,
) -> Tensor:
    """Distance to the style of a painting.

    Departs from Gatys et al. in two more ways. Each term is divided by the painting's own mean square, so
    that layers count alike whatever the scale of their activations. Differences above OUTLIER count linearly
    instead of quadratically: a channel that is silent on the painting and strong on one photograph enters
    the squared covariance with its fourth power, and would otherwise dominate a training step.

    Args:
        features: activations (N, C, H, W) by layer.
        targets: `style_of` the painting by layer; only these layers are compared.
        statistic: the one that the targets were computed with.

    Returns:
        Scalar >= 0, the mean over the layers.
    """
    terms = []
    for name, style in targets.items():
        described = statistic(features[name] / style.scale)
        terms += [difference(*pair) for pair in zip(described, style.description, strict=True)]
    return torch.stack(terms).sum() / len(targets)


def difference(found: Tensor, target: Tensor) -> Tensor:
    """Mean square of the difference from the target, in units of its root mean square; see `style_loss`."""
    rms = target.square().mean().clamp_min(EPSILON).sqrt()
    off = (found - target).abs() / rms
    return torch.where(off < OUTLIER, off.square(), OUTLIER * (2 * off - OUTLIER)).mean()


def normalized(features: Tensor) -> Tensor:
    """(N, C, H, W) with mean 0 and standard deviation 1 in each channel of each image."""
    variance, mean = torch.var_mean(features, dim=(2, 3), keepdim=True, correction=0)
    return (features - mean) * (variance + EPSILON).rsqrt()


def content_loss(
    features: Mapping[str, Tensor], targets: Mapping[str, Tensor], weights: Mapping[str, float]
) -> Tensor:
    """Distance to the content of the photograph, independent of colors and contrast.

    Departs from Gatys et al., equation 1, in two ways. Activations are normalized for each image, so that a
    painting's palette does not count as a loss of content. And half of the loss is the cosine distance
    between the activations at each position, where faint content, such as a face in a dim room, counts as
    much as a sharp edge: with the squared distance alone the network erases such content at little cost, and
    with the cosine alone it lets it fade.

    Args:
        features, targets: activations (N, C, H, W) by layer.
        weights: share of each layer.

    Returns:
        Scalar: 0 = the same, 1 = unrelated, 2 = the opposite.
    """
    total = sum(weights.values())
    terms = []
    for name, weight in weights.items():
        found, target = normalized(features[name]), normalized(targets[name])
        distance = (found - target).square().mean() / 2
        angle = 1 - F.cosine_similarity(found, target).mean()
        terms.append(weight / total * (distance + angle) / 2)
    return torch.stack(terms).sum()


def luma(image: Tensor) -> Tensor:
    """(N, 3, H, W) RGB to (N, 1, H, W), weighted as in ITU-R BT.709."""
    if devices.on_host(image):
        weights = image.new_tensor(LUMA)[:, None, None]
        return (weights * image).sum(dim=1, keepdim=True)
    red, green, blue = image.unbind(dim=1)  # numbers need no copy to the device
    return (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue)[:, None]


def brightness_loss(image: Tensor, target: Tensor, size: int = 8) -> Tensor:
    """Difference of the brightness distribution over two images, independent of contrast.

    Without it bright objects become dark wherever the palette allows it. Feature networks tolerate that, but
    faces are recognized by their light and shadow.

    Args:
        image, target: (N, 3, H, W) RGB in [0, 1].
        size: side in pixels of the squares whose mean brightness is compared.

    Returns:
        Scalar: 0 = equal, 2 = unrelated, 4 = inverted.
    """
    found, expected = (normalized(F.avg_pool2d(luma(x), size)) for x in (image, target))
    return (found - expected).square().mean()


def tones_of(painting: Tensor, share: float = 0.02, size: int = 8) -> tuple[float, float]:
    """Luma quantiles `share` and 1 - `share` of a painting, (1, 3, H, W), averaged over squares of `size`."""
    means = F.avg_pool2d(luma(painting), size).flatten()
    dark, light = torch.quantile(means, torch.tensor([share, 1 - share]).to(means)).tolist()
    return dark, light


def tone_loss(image: Tensor, target: Tensor, tones: tuple[float, float], size: int = 16) -> Tensor:
    """Difference of local brightness, with black and white of the target mapped to the painting's tones.

    Feature statistics allow an image that is gray all over if the painting's tones are close together; the
    subject then disappears in its background.

    Args:
        image, target: (N, 3, H, W) RGB in [0, 1].
        tones: luma of the painting's dark and light areas, from `tones_of`.
        size: side in pixels of the squares whose means are compared; larger than strokes.

    Returns:
        Scalar: the mean square of the difference, 1 = the whole range of tones.
    """
    dark, light = tones
    found, expected = (F.avg_pool2d(luma(x), size) for x in (image, target))
    return ((found - dark) / (light - dark) - expected).square().mean()


def total_variation(image: Tensor) -> Tensor:
    """Mean square difference of neighboring pixels of (N, C, H, W)."""
    across = (image[..., 1:] - image[..., :-1]).square().mean()
    down = (image[..., 1:, :] - image[..., :-1, :]).square().mean()
    return across + down


def regularity_loss(image: Tensor, source: Tensor) -> Tensor:
    """Marks that repeat at equal distances in an image but not in its source, like a wallpaper's.

    Where a photograph is flat, a network that is to paint strokes otherwise repeats one of them.

    Args:
        image, source: (N, 3, H, W) in [0, 1], squares of at least 32 pixels, or nearly.

    Returns:
        Scalar: sum over the shifts of the squared autocorrelation beyond the source's own and CHANCE.
    """
    found, own = autocorrelation(image), autocorrelation(source)
    return F.relu(found - own.clamp_min(0) - CHANCE).square().sum(dim=(1, 2)).mean()


def autocorrelation(image: Tensor) -> Tensor:
    """How much the fine part of the luma resembles itself at a distance.

    Computed from the power spectrum (the Wiener-Khinchin theorem).

    Args:
        image: (N, 3, H, W) in [0, 1].

    Returns:
        (N, W / 2, W / 4), by shift, down and across: 1 = the shifted image is the same, 0 = it is unrelated,
        or the shift is within a stroke.
    """
    fine = luma(image).squeeze(1)
    fine = fine - F.avg_pool2d(fine, COARSE, stride=1, padding=COARSE // 2, count_include_pad=False)
    height, width = fine.shape[1:]
    power = torch.fft.rfft2(fine, s=(2 * height, 2 * width)).abs().square()  # padded: nothing wraps around
    products = torch.fft.irfft2(power, s=(2 * height, 2 * width)) / (height * width)
    longest = width // 4
    products = torch.cat((products[:, -longest:, :longest], products[:, :longest, :longest]), dim=1)
    variance = products[:, longest : longest + 1, :1]
    far = constant(("far", longest), partial(far_shifts, longest), image.device)
    return far * products / (variance + EPSILON)


def far_shifts(longest: int) -> np.ndarray:
    """(2 longest, longest): 1 where a shift in a half plane is longer than STROKE, else 0."""
    down, across = np.mgrid[-longest:longest, :longest]
    result: np.ndarray = (down**2 + across**2 > STROKE**2).astype(np.float32)
    return result


def temporal_loss(result: Tensor, carried: Tensor, change: Tensor, confidence: Tensor) -> Tensor:
    """Change from one stylized frame to the next beyond the change of the source.

    Args:
        result: (N, 3, H, W), the stylized frame.
        carried: (N, 3, H, W), the previous stylized frame, warped to this one.
        change: (N, 1, H, W), the increase of the source's luma at each pixel; allowed in all channels.
        confidence: (N, 1, H, W), 1 where the warp is valid, else 0.

    Returns:
        The mean square over the valid pixels.

    Reference: Ruder, Dosovitskiy, Brox (2018), Artistic style transfer for videos and spherical images,
    equation 5; the luminance term after Gao et al. (2018), ReCoNet, equation 5, https://arxiv.org/abs/1807.01197.
    """
    off = (result - carried - change).square().mean(dim=1, keepdim=True)
    return (confidence * off).sum() / confidence.sum().clamp_min(1)
