"""MobileNet-v1 as a feature network: the teacher of the bundled one. Its weights are not included."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType

import torch.nn.functional as F
from torch import Tensor, nn

from streamstyle.networks.features import FeatureNetwork


class MobileNet(FeatureNetwork):
    """MobileNet-v1 without its classifier; batch normalization is folded into the convolutions.

    Layers are numbered from 0: a 3x3 convolution, then depthwise 3x3 (odd) and 1x1 (even), each
    followed by ReLU6. Padding is TensorFlow's "SAME", which is asymmetric where the stride is 2.

    Reference: Howard et al. (2017), MobileNets, table 1, https://arxiv.org/abs/1704.04861.
    """

    layers = tuple(str(index) for index in range(27))
    style_layers = ("0", "2", "4", "6", "8", "10", "14")
    content_layers: Mapping[str, float] = MappingProxyType({"4": 0.3, "10": 1.0})
    depths: Mapping[str, str] = MappingProxyType(
        {"texture": "6", "pattern": "10", "part": "14", "thing": "20"}
    )

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

    def normalized(self, image: Tensor) -> Tensor:
        """[0, 1] to [-1, 0.99], the 8-bit scale that the network was trained with."""
        return (image * 255 - 128) / 128

    def activations(self, x: Tensor, requested: Collection[str]) -> Iterator[tuple[str, Tensor]]:
        """Each convolution with ReLU6."""
        for index, name in enumerate(self.layers):
            if index % 2 or index == 0:
                x = F.pad(x, same_padding(x.shape[-1], x.shape[-2], 2 if index in self.strided else 1))
            x = F.relu6(self.get_submodule(name)(x))
            yield name, x


def same_padding(width: int, height: int, stride: int) -> list[int]:
    """[left, right, top, bottom] of TensorFlow's "SAME" for a 3x3 kernel."""
    padding = []
    for size in (width, height):
        total = max((-(-size // stride) - 1) * stride + 3 - size, 0)
        padding += [total // 2, total - total // 2]
    return padding
