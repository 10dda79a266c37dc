"""Gives a style network the palette of a painting, by its last layer.

A predictor that is in doubt writes networks with pale colors, all near their mean. How the colors of such a
network are distributed over images at large can be measured. Their mean and covariance are moved to those of
the painting by a linear map, which becomes part of the last convolution, so it costs nothing later.

Reference: the map is the linear Monge-Kantorovich transport of Pitié and Kokaram (2007), The linear
Monge-Kantorovitch linear colour mapping for example-based colour transfer, section 3. It works on what the
last layer gives before the sigmoid, so that no color leaves its range.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from streamstyle.networks.style_net import StyleNet
from streamstyle.noise import noise

LARGEST_GAIN = 4.0  # of any mixture of colors, as grain grows with it
DARKEST = 0.03  # colors are brought this far from 0 and 1, where the inverse of the sigmoid is infinite
LEAST = 1e-6  # smallest variance of a mixture of colors that is reckoned with
SIDES = 192, 256  # pixels, of the images by which a network is measured
COUNT = 4


@torch.no_grad()
def match_palette(network: StyleNet, painting: Tensor) -> None:
    """Changes the last layer of the network so that its results have the colors of a painting.

    Args:
        network: in evaluation mode.
        painting: (1, 3, H, W) in [0, 1].
    """
    mean, covariance = color_moments(network(noise_images()))
    wanted, spread = color_moments(F.avg_pool2d(painting, 2))
    linear = transport(covariance, spread)
    shift = wanted - linear @ mean
    layer = network.to_full.conv
    assert layer.bias is not None
    for value in (layer.weight, layer.bias):
        phases = value.reshape(3, -1)  # each color at the four pixels of a pixel shuffle
        value.copy_((linear @ phases).reshape(value.shape))
    layer.bias.add_(shift.repeat_interleave(4))


def color_moments(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (3,) and covariance (3, 3) of the colors, before a sigmoid, of (N, 3, H, W) in [0, 1]."""
    colors = torch.logit(images.transpose(0, 1).flatten(1), DARKEST)
    return colors.mean(dim=1), torch.cov(colors, correction=0)


def transport(covariance: Tensor, wanted: Tensor) -> Tensor:
    """The symmetric matrix (3, 3) that gives colors of one covariance another one, and moves them least."""
    root = power(covariance, 0.5)
    inverse = power(covariance, -0.5)
    values, directions = torch.linalg.eigh(inverse @ power(root @ wanted @ root, 0.5) @ inverse)
    result: Tensor = directions @ torch.diag(values.clamp(1 / LARGEST_GAIN, LARGEST_GAIN)) @ directions.T
    return result


def power(matrix: Tensor, exponent: float) -> Tensor:
    """A power of a symmetric matrix."""
    values, directions = torch.linalg.eigh(matrix)
    result: Tensor = directions @ torch.diag(values.clamp_min(LEAST) ** exponent) @ directions.T
    return result


@lru_cache(1)
def noise_images() -> Tensor:
    """(COUNT, 3, *SIDES) in [0, 1]: clouds of colors with the spectrum of photographs; always the same."""
    rng = np.random.default_rng(0)
    images = []
    for _ in range(COUNT):
        light, warmth, tint = (noise(rng, SIDES, slope) for slope in (1.25, 1.4, 1.4))
        light, warmth, tint = light + 0.06 * tint, 0.28 * warmth, 0.2 * tint
        images.append(np.stack((light + warmth, light - warmth / 2, light - warmth / 5 - 1.3 * tint)))
    values = 0.45 + 0.23 * np.stack(images)
    return torch.from_numpy(values.clip(0, 1).astype(np.float32))
