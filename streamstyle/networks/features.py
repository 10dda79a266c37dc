"""Feature networks: the activations of image classification networks.

All have one interface, `network(image, layers)`: a dict from layer name to activations, computed only up to
the deepest requested layer. They take RGB in [0, 1] and normalize it as their weights expect. The bundled
network is `Distilled`; the others are in separate files.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType

import torch.nn.functional as F
from torch import Tensor, nn

DEPTHS = ("texture", "pattern", "part", "thing")  # from fine to coarse, what a layer shows when dreamed on


class FeatureNetwork(nn.Module, ABC):
    """Base of all feature networks.

    Attributes:
        layers: names of all layers, in the order of computation.
        style_layers: layers whose statistics describe a style.
        content_layers: layers that describe the content, each with its weight.
        depths: DEPTHS -> layer, so that one can dream on them in any network.
        even: the channels of each layer are about equally strong, as dreams need it.
        narrow: activations and gradients of dreams are far from the limit of float16.
    """

    layers: tuple[str, ...]
    style_layers: tuple[str, ...]
    content_layers: Mapping[str, float]
    depths: Mapping[str, str] = MappingProxyType({})
    even: bool = False
    narrow: bool = False

    def forward(self, image: Tensor, layers: Collection[str] | None = None) -> dict[str, Tensor]:
        """Activations of `layers` (default: all) on `image`, (N, 3, H, W) RGB in [0, 1].

        Raises:
            KeyError: a layer does not exist.
        """
        requested = set(self.layers if layers is None else layers)
        if unknown := requested.difference(self.layers):
            raise KeyError(f"unknown layers: {', '.join(sorted(unknown))}; known: {', '.join(self.layers)}")
        found: dict[str, Tensor] = {}
        if not requested:
            return found
        for name, activations in self.activations(self.normalized(image), requested):
            if name in requested:
                found[name] = activations
            if len(found) == len(requested):
                break
        return found

    @abstractmethod
    def normalized(self, image: Tensor) -> Tensor:
        """The image in the range that the weights were trained on."""

    @abstractmethod
    def activations(self, x: Tensor, requested: Collection[str]) -> Iterator[tuple[str, Tensor]]:
        """Names and activations in the order of `layers`, computed lazily.

        Args:
            x: the normalized image.
            requested: layers that will be used; side branches that are not among them may be omitted.
        """


TRUNK = {  # name -> channels out, kernel, stride
    "relu1_1": (32, 5, 2),
    "relu2_1": (80, 3, 2),
    "relu2_2": (80, 3, 1),
    "relu3_1": (144, 3, 2),
    "relu3_2": (144, 3, 1),
    "relu4_1": (208, 3, 2),
    "relu4_2": (208, 3, 1),
    "relu4_3": (208, 3, 1),
    "relu4_4": (208, 3, 1),
    "relu4_5": (208, 3, 1),
}
BRANCHES = {  # layer of the trunk -> name and channels of the branch
    "relu2_2": ("texture", 128),
    "relu3_2": ("pattern", 256),
    "relu4_3": ("part", 512),
    "relu4_5": ("thing", 512),
}


class Distilled(FeatureNetwork):
    """The bundled network: ten plain convolutions, 2.5 million parameters, trained by the project.

    It learned to predict the activations of a far deeper network at four depths (Hinton et al. 2015,
    Distilling the knowledge in a neural network; recipe in configs/features/distilled.toml). The trunk's
    layers are named by octave and number, as in VGG: relu2_1 is the first at a quarter of the resolution. The
    four predictions are side branches, and the layers to dream on: `texture` (stride 4), `pattern` (8),
    `part` and `thing` (both 16). Batch normalization is folded into the convolutions.
    """

    layers = tuple(
        name for layer in TRUNK for name in ((layer, BRANCHES[layer][0]) if layer in BRANCHES else (layer,))
    )
    style_layers = ("relu1_1", "relu2_2", "relu3_2", "relu4_2")
    content_layers: Mapping[str, float] = MappingProxyType({"relu3_2": 1.0})
    depths: Mapping[str, str] = MappingProxyType(dict(zip(DEPTHS, DEPTHS, strict=True)))
    even = True
    narrow = True

    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.heads = nn.ModuleDict(), nn.ModuleDict()
        inputs = 3
        for name, (outputs, kernel, stride) in TRUNK.items():
            self.trunk[name] = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2 if stride == 1 else 0)
            inputs = outputs
            if name in BRANCHES:
                branch, channels = BRANCHES[name]
                self.heads[branch] = nn.Conv2d(outputs, channels, 1)

    def normalized(self, image: Tensor) -> Tensor:
        """[0, 1] to [-1, 1]."""
        return image * 2 - 1

    def activations(self, x: Tensor, requested: Collection[str]) -> Iterator[tuple[str, Tensor]]:
        """Each convolution with its ReLU, followed by its side branch if it has one."""
        for name, (_, kernel, stride) in TRUNK.items():
            if stride == 2:  # asymmetric, so that positions agree with those of the teacher
                x = F.pad(x, [kernel // 2 - 1, kernel // 2] * 2)
            x = F.relu(self.trunk[name](x))
            yield name, x
            if name in BRANCHES and (branch := BRANCHES[name][0]) in requested:
                yield branch, F.relu(self.heads[branch](x))
