"""What training minimises: distance in style, in content, roughness, and unsteadiness.

Every loss is a scalar, a mean over the batch, and about 1 for an unrelated picture, so that the
weights of a recipe can be read as shares.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

EPSILON = 1e-5  # added to variances of features, which are of the order of 1


def gram_matrix(features: Tensor) -> Tensor:
    """Correlations of the channels: (N, C, H, W) to (N, C, C), a mean over the pixels.

    Reference: Gatys, Ecker, Bethge (2016), Image style transfer using convolutional neural networks,
    equation 3; divided by the number of pixels, so that the size of the picture does not matter.
    """
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[2]


def style_of(features: Tensor) -> tuple[Tensor, Tensor]:
    """What describes a style: the channels' means (N, C, 1, 1), and the Gram matrix (N, C, C) about them.

    Departs from Gatys et al., who leave the mean in: rectified features have large ones, which then
    hide the correlations, that is, the strokes.
    """
    mean = features.mean(dim=(2, 3), keepdim=True)
    return mean, gram_matrix(features - mean)


def style_loss(features: Mapping[str, Tensor], targets: Mapping[str, tuple[Tensor, Tensor]]) -> Tensor:
    """Distance to the style of a painting.

    Departs from Gatys et al. also in that each term is divided by the painting's own mean square:
    layers then count alike, whatever the scale of their activations.

    Args:
        features: activations (N, C, H, W) by layer.
        targets: `style_of` the painting by layer; these layers are compared.

    Returns:
        Scalar >= 0, the mean over the layers.
    """
    terms = [
        (found - wanted).square().mean() / wanted.square().mean().clamp_min(EPSILON)
        for name, target in targets.items()
        for found, wanted in zip(style_of(features[name]), target, strict=True)
    ]
    return torch.stack(terms).sum() / len(targets)


def normalised(features: Tensor) -> Tensor:
    """(N, C, H, W) with mean 0 and deviation 1 in each channel of each picture."""
    variance, mean = torch.var_mean(features, dim=(2, 3), keepdim=True, correction=0)
    return (features - mean) * (variance + EPSILON).rsqrt()


def content_loss(
    features: Mapping[str, Tensor], targets: Mapping[str, Tensor], weights: Mapping[str, float]
) -> Tensor:
    """Distance to what the photograph shows, whatever its colours and contrast.

    Departs from Gatys et al., equation 1, in that activations are normalised for each picture first:
    a painting's palette then is no loss of content.

    Args:
        features, targets: activations (N, C, H, W) by layer.
        weights: share of each layer.
    """
    total = sum(weights.values())
    terms = [
        weight / total * (normalised(features[name]) - normalised(targets[name])).square().mean()
        for name, weight in weights.items()
    ]
    return torch.stack(terms).sum()


def brightness_loss(image: Tensor, target: Tensor, size: int = 8) -> Tensor:
    """How differently light and dark are spread over two pictures, whatever their contrast.

    Without it light things come out dark wherever the palette allows it, which feature networks forgive
    and people do not: a face keeps its likeness by its lights.

    Args:
        image, target: (N, 3, H, W) RGB in [0, 1].
        size: side in pixels of the squares whose brightness is compared.

    Returns:
        Scalar: 0 = alike, 2 = unrelated, 4 = a negative.
    """
    weights = image.new_tensor((0.2126, 0.7152, 0.0722))[:, None, None]  # luma of ITU-R BT.709
    spread = [
        normalised(F.avg_pool2d((weights * picture).sum(dim=1, keepdim=True), size))
        for picture in (image, target)
    ]
    return (spread[0] - spread[1]).square().mean()


def total_variation(image: Tensor) -> Tensor:
    """Mean square difference of neighbouring pixels of (N, C, H, W)."""
    across = (image[..., 1:] - image[..., :-1]).square().mean()
    down = (image[..., 1:, :] - image[..., :-1, :]).square().mean()
    return across + down


def stability_loss(result: Tensor, moved: Tensor, shift: tuple[int, int], margin: int = 0) -> Tensor:
    """How much a stylised picture changes when its source moves by a few pixels.

    Args:
        result: (N, C, H, W), the stylised picture.
        moved: the same, of a source that begins `shift` pixels further.
        shift: (y, x), each in [0, H) and [0, W).
        margin: pixels at the border that are not compared.

    Returns:
        The mean square difference where both show the same.
    """
    y, x = shift
    height, width = result.shape[-2] - y, result.shape[-1] - x
    inside = slice(margin, height - margin), slice(margin, width - margin)
    return (result[..., y:, x:] - moved[..., :height, :width])[..., *inside].square().mean()
