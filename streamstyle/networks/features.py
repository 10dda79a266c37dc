"""Feature networks: what a picture looks like to a network that learned to name things.

All have one interface, `features(image)`: a dict from layer name to activations, computed no further
than the deepest layer asked for. They take RGB in [0, 1] and normalise it as their weights expect.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection

import torch.nn.functional as F
import torchvision
from torch import Tensor, nn


class FeatureNetwork(nn.Module, ABC):
    """Base of all feature networks.

    Attributes:
        layers: names of all layers, from the picture upwards.
        style_layers: those whose Gram matrices describe a style.
        content_layers: those that describe what is shown, with the weight of each.
    """

    layers: tuple[str, ...]
    style_layers: tuple[str, ...]
    content_layers: dict[str, float]

    def forward(self, image: Tensor, layers: Collection[str] | None = None) -> dict[str, Tensor]:
        """Activations of `layers` (default: all) of `image`, (N, 3, H, W) RGB in [0, 1].

        Raises:
            KeyError: a layer does not exist.
        """
        wanted = set(self.layers if layers is None else layers)
        if unknown := wanted.difference(self.layers):
            raise KeyError(f"unknown layers: {', '.join(sorted(unknown))}; known: {', '.join(self.layers)}")
        found: dict[str, Tensor] = {}
        x = self.normalised(image)
        for name in self.layers:
            if len(found) == len(wanted):
                break
            x = self.layer(name, x)
            if name in wanted:
                found[name] = x
        return found

    @abstractmethod
    def normalised(self, image: Tensor) -> Tensor:
        """The picture in the range that the weights were trained on."""

    @abstractmethod
    def layer(self, name: str, x: Tensor) -> Tensor:
        """The output of one layer, given that of the layer before it."""


class MobileNet(FeatureNetwork):
    """MobileNet-v1 without its classifier; batch normalisation is folded into the convolutions.

    Layers are numbered from 0: a 3x3 convolution, then depthwise 3x3 (odd) and 1x1 (even), each
    followed by ReLU6. Padding is TensorFlow's "SAME", which is lopsided where the stride is 2.

    Reference: Howard et al. (2017), MobileNets, table 1, https://arxiv.org/abs/1704.04861.
    """

    layers = tuple(str(index) for index in range(27))
    style_layers = ("0", "2", "4", "6", "8", "10", "14")
    content_layers = {"4": 0.3, "10": 1.0}  # noqa: RUF012

    channels = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)  # of even layers
    strided = (0, 3, 7, 11, 23)

    def __init__(self) -> None:
        super().__init__()
        inputs = 3
        for name in self.layers:
            index = int(name)
            outputs = self.channels[index // 2] if index % 2 == 0 else inputs
            stride = 2 if index in self.strided else 1
            if index % 2:
                convolution = nn.Conv2d(inputs, inputs, 3, stride, groups=inputs)
            else:
                convolution = nn.Conv2d(inputs, outputs, 1 if index else 3, stride)
            self.add_module(name, convolution)
            inputs = outputs

    def normalised(self, image: Tensor) -> Tensor:
        """[0, 1] to [-1, 0.99], the 8-bit scale of the network's makers."""
        return (image * 255 - 128) / 128

    def layer(self, name: str, x: Tensor) -> Tensor:
        """One convolution with ReLU6."""
        convolution = self.get_submodule(name)
        if int(name) % 2 or name == "0":
            x = F.pad(x, same_padding(x.shape[-1], x.shape[-2], 2 if int(name) in self.strided else 1))
        result: Tensor = F.relu6(convolution(x))
        return result


def same_padding(width: int, height: int, stride: int) -> list[int]:
    """[left, right, top, bottom] of TensorFlow's "SAME" for a 3x3 kernel."""
    padding = []
    for size in (width, height):
        total = max((-(-size // stride) - 1) * stride + 3 - size, 0)
        padding += [total // 2, total - total // 2]
    return padding


class VGG(FeatureNetwork):
    """VGG without its classifier, layers named as in the paper's figure: relu1_1 … relu5_3.

    Average pooling as in Gatys et al. would need its own calibration; the pooling is the original's.

    Reference: Simonyan and Zisserman (2014), https://arxiv.org/abs/1409.1556, configurations D and E.
    """

    mean = (0.485, 0.456, 0.406)
    deviation = (0.229, 0.224, 0.225)

    def __init__(self, features: nn.Sequential) -> None:
        super().__init__()
        self.features = features
        self.ends: dict[str, tuple[int, int]] = {}  # layer name -> half-open range in `features`
        block, number, start = 1, 0, 0
        for index, module in enumerate(features):
            if isinstance(module, nn.ReLU):
                module.inplace = False  # what a layer gave must not change afterwards
                number += 1
                self.ends[f"relu{block}_{number}"] = (start, index + 1)
                start = index + 1
            elif isinstance(module, nn.MaxPool2d):
                block, number = block + 1, 0
        self.layers = tuple(self.ends)

    def normalised(self, image: Tensor) -> Tensor:
        """[0, 1] to the mean and deviation of ImageNet."""
        mean, deviation = image.new_tensor((self.mean, self.deviation))[..., None, None]
        result: Tensor = (image - mean) / deviation
        return result

    def layer(self, name: str, x: Tensor) -> Tensor:
        """One convolution with its ReLU, and the pooling before it."""
        for index in range(*self.ends[name]):
            x = self.features[index](x)
        return x


class VGG16(VGG):
    """VGG-16 with the layers of Johnson et al. (2016)."""

    style_layers = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
    content_layers = {"relu3_3": 1.0}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__(torchvision.models.vgg16(weights=None).features)


class VGG19(VGG):
    """VGG-19 with the layers of Gatys et al. (2016)."""

    style_layers = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
    content_layers = {"relu4_2": 1.0}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__(torchvision.models.vgg19(weights=None).features)
