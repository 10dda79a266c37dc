"""Predicts a style network from a painting: statistics of features -> a code -> the network's weights.

Reference: Huang & Belongie (2017), Arbitrary style transfer in real-time with adaptive instance
normalization; networks that write networks after Shen et al. (2018), Neural style transfer via meta
networks, https://arxiv.org/abs/1709.04111.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from streamstyle.networks.features import TRUNK, Distilled, FeatureNetwork
from streamstyle.networks.style_net import StyleNet
from streamstyle.networks.weight_writer import WeightWriter

CODE = 64  # numbers that describe a style
HIDDEN = 256
CODE_GAIN = 0.3  # so that codes begin near 0, where all styles are alike
PROJECTED = 16  # fixed directions in each layer whose correlations are seen
SCALES = 2  # the image in full and half size: from fine strokes to large forms
IMAGE = "image"  # the colors themselves, beside the layers of the feature network
LEAST = 1e-5  # added to variances
FARTHEST = 6.0  # deviations from the average; statistics beyond are those of nearly blank images

Moments = dict[str, Tensor]  # by layer: (N, C, 1 + C), the mean of each channel and its products with all


class StylePredictor(nn.Module):
    """Statistics of paintings to the weights of style networks.

    The weights are linear in the code (see `WeightWriter`), so that codes can be mixed.

    Args:
        trunk: the style network whose weights are changed; see `WeightWriter`.

    Attributes:
        average, deviation: (inputs,), of the statistics among the paintings of the training.
    """

    average: Tensor
    deviation: Tensor

    def __init__(self, trunk: StyleNet | None = None) -> None:
        super().__init__()
        self.writer = WeightWriter(StyleNet() if trunk is None else trunk)
        channels = channels_of_statistics()
        inputs = 0
        for name, count in channels.items():
            directions = min(PROJECTED, count)
            self.register_buffer(directions_of(name), torch.randn(directions, count) / count**0.5)
            inputs += 2 * count + directions * (directions + 1) // 2
        self.register_buffer("average", torch.zeros(inputs))
        self.register_buffer("deviation", torch.ones(inputs))
        self.encode = nn.Sequential(
            EqualizedLinear(inputs, HIDDEN, gain=2**0.5),
            nn.ReLU(),
            EqualizedLinear(HIDDEN, HIDDEN, gain=2**0.5),
            nn.ReLU(),
            EqualizedLinear(HIDDEN, CODE, gain=CODE_GAIN),
        )
        self.head = nn.Linear(CODE, self.writer.count, bias=False)
        nn.init.zeros_(self.head.weight)  # starts with the trunk for all paintings

    @torch.no_grad()
    def learn(self, networks: Sequence[StyleNet]) -> None:
        """Lets each of the first numbers of the code add the changes of one of these networks.

        They were trained for single paintings, so from the start the code mixes styles.
        """
        nn.init.normal_(self.head.weight, std=0.01)
        self.head.weight[:, : len(networks)] = self.writer.learn(networks).T

    def forward(self, moments: Moments) -> dict[str, Tensor]:
        """Moments of N paintings, see `moments_of`, to the weights of N networks, (N, *shape) by name."""
        return self.weights(self.code(moments))

    def code(self, moments: Moments) -> Tensor:
        """(N, CODE), the codes of N paintings."""
        usual = (self.statistics(moments) - self.average) / self.deviation
        result: Tensor = self.encode(usual.clamp(-FARTHEST, FARTHEST))
        return result

    def weights(self, code: Tensor) -> dict[str, Tensor]:
        """(N, CODE) to the weights of N networks, (N, *shape) by name."""
        result: dict[str, Tensor] = self.writer(self.head(code))
        return result

    def statistics(self, moments: Moments) -> Tensor:
        """(N, inputs): means, logarithms of deviations, and correlations along fixed random directions."""
        found = []
        for name in channels_of_statistics():
            mean, covariance = mean_and_covariance(moments[name])
            deviation = (covariance.diagonal(dim1=1, dim2=2).clamp_min(0) + LEAST).sqrt()
            directions = self.get_buffer(directions_of(name)) / deviation[:, None]
            correlations = directions @ covariance @ directions.transpose(1, 2)
            rows, columns = torch.triu_indices(*correlations.shape[1:], device=mean.device)
            found += [mean, deviation.log(), correlations[:, rows, columns]]
        return torch.cat(found, dim=1)

    def network(self, moments: Moments) -> StyleNet:
        """The style network of one painting, in evaluation mode."""
        with torch.no_grad():
            weights = self(moments)
        result = copy.deepcopy(self.writer.trunk)
        result.load_state_dict({name: value[0] for name, value in weights.items()})
        return result.requires_grad_(True).eval()


class EqualizedLinear(nn.Module):
    """A linear layer whose weights have deviation 1 and are scaled when it is computed.

    Adam changes all weights at the same pace, so the outputs of a layer with thousands of inputs would jump
    with each step (Karras et al. 2018, Progressive growing of GANs, section 4.1).

    Args:
        inputs, outputs: number of features.
        gain: deviation of the outputs if that of the inputs is 1.
    """

    def __init__(self, inputs: int, outputs: int, gain: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = gain / inputs**0.5

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs) to (N, outputs)."""
        return F.linear(x, self.scale * self.weight, self.bias)


def directions_of(name: str) -> str:
    """The buffer with the directions for statistics of that name."""
    return f"directions_{name.replace('/', '_')}"


def channels_of_statistics() -> dict[str, int]:
    """Number of channels by the names of `moments_of`, with the bundled feature network."""
    layers = {layer: TRUNK[layer][0] for layer in Distilled.style_layers}
    return {
        f"{scale}/{name}": count for scale in range(SCALES) for name, count in {IMAGE: 3, **layers}.items()
    }


def moments_of(images: Tensor, features: FeatureNetwork, layers: Sequence[str] = ()) -> Moments:
    """Moments of the features of (N, 3, H, W) in [0, 1], at full size, half size ….

    Args:
        images: to describe, at least 64 pixels high and wide.
        features: the feature network.
        layers: of the feature network; by default its style layers.
    """
    moments, scaled = {}, images
    for scale in range(SCALES):
        found: Mapping[str, Tensor] = features(scaled, tuple(layers) or features.style_layers)
        for name, values in {IMAGE: scaled, **found}.items():
            moments[f"{scale}/{name}"] = raw_moments(values)
        scaled = F.avg_pool2d(scaled, 2)
    return moments


def raw_moments(values: Tensor) -> Tensor:
    """(N, C, H, W) to (N, C, 1 + C): each channel's mean, then the means of its products with all channels.

    Both are linear in the distribution of the features: a mean of the moments of two paintings is that of a
    painting half of which is the one and half the other.
    """
    flat = values.float().flatten(2)
    with torch.autocast(values.device.type, enabled=False):  # variances are small differences of these
        products = flat @ flat.transpose(1, 2) / flat.shape[2]
    return torch.cat((flat.mean(dim=2, keepdim=True), products), dim=2)


def mean_and_covariance(moments: Tensor) -> tuple[Tensor, Tensor]:
    """(N, C, 1 + C) to means (N, C) and covariances (N, C, C)."""
    mean = moments[:, :, 0]
    return mean, moments[:, :, 1:] - mean[:, :, None] * mean[:, None]
