"""The transformation network of Johnson et al. with instance normalization.

It is the reference for speed and quality of our own network, and loads the checkpoints of
pytorch/examples `fast_neural_style`, so that styles trained elsewhere keep working.

Reference:
    Johnson, Alahi, Fei-Fei (2016), Perceptual losses for real-time style transfer and
    super-resolution, supplementary table 1, https://arxiv.org/abs/1603.08155; normalization after
    Ulyanov, Vedaldi, Lempitsky (2016), https://arxiv.org/abs/1607.08022. As in pytorch/examples,
    and unlike in the paper, upsampling repeats pixels before a convolution (Odena et al. 2016), and
    every layer is padded by reflection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

import torch.nn.functional as F
from torch import Tensor, nn

from streamstyle.networks.style_network import StyleNetwork

LARGEST_WIDTH = 512  # largest number of channels or blocks accepted from a checkpoint


class Convolution(nn.Module):
    """A convolution with reflection padding, which keeps the size (divided by its stride)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, upsample: int = 1) -> None:
        super().__init__()
        self.upsample = upsample
        self.margin = kernel // 2
        self.conv2d = nn.Conv2d(inputs, outputs, kernel, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, outputs, H * upsample / stride, W * upsample / stride)."""
        if self.upsample > 1:
            x = F.interpolate(x, scale_factor=self.upsample, mode="nearest")
        result: Tensor = self.conv2d(F.pad(x, [self.margin] * 4, mode="reflect"))
        return result


class Residual(nn.Module):
    """Two 3x3 convolutions with a skip connection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = Convolution(channels, channels, 3)
        self.in1 = nn.InstanceNorm2d(channels, affine=True)
        self.conv2 = Convolution(channels, channels, 3)
        self.in2 = nn.InstanceNorm2d(channels, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        y = F.relu(self.in1(self.conv1(x)))
        result: Tensor = self.in2(self.conv2(y)) + x
        return result


class Johnson(StyleNetwork):
    """Johnson's network: RGB in [0, 1] in and out. 1.7 million parameters at the full width.

    Inside, the weights use values in [0, 255], as the checkpoints do.

    Args:
        width: channels at full resolution; doubled at half of it and again at a quarter.
        blocks: residual blocks at a quarter of the resolution.
    """

    SIZES: ClassVar[tuple[str, ...]] = ("width", "blocks")
    multiple = 4  # sides must be a multiple of this, so that the output has the size of the input
    minimum = 8  # shortest side for which every border can be reflected

    def __init__(self, width: int = 32, blocks: int = 5) -> None:
        super().__init__()
        self.width, self.blocks = width, blocks
        self.conv1, self.in1 = Convolution(3, width, 9), nn.InstanceNorm2d(width, affine=True)
        self.conv2, self.in2 = Convolution(width, 2 * width, 3, 2), nn.InstanceNorm2d(2 * width, affine=True)
        self.conv3 = Convolution(2 * width, 4 * width, 3, 2)
        self.in3 = nn.InstanceNorm2d(4 * width, affine=True)
        for index in range(blocks):
            self.add_module(f"res{index + 1}", Residual(4 * width))
        self.deconv1 = Convolution(4 * width, 2 * width, 3, upsample=2)
        self.in4 = nn.InstanceNorm2d(2 * width, affine=True)
        self.deconv2 = Convolution(2 * width, width, 3, upsample=2)
        self.in5 = nn.InstanceNorm2d(width, affine=True)
        self.deconv3 = Convolution(width, 3, 9)

    @classmethod
    def from_checkpoint(cls, tensors: Mapping[str, Tensor]) -> tuple[Self, dict[str, Tensor]] | None:
        """Accepts checkpoints of pytorch/examples, with or without running statistics."""
        weights = without_running_statistics(tensors)
        first = weights.get("conv1.conv2d.weight")
        if first is None or first.ndim != 4 or not 1 <= first.shape[0] <= LARGEST_WIDTH:
            return None
        blocks = len({key.partition(".")[0] for key in weights if key.startswith("res")})
        return cls(first.shape[0], min(blocks, LARGEST_WIDTH)), weights

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] to the same shape; H and W multiples of 4, at least 8."""
        return (self.unlimited(image) / 255).clamp(0, 1)

    def unlimited(self, image: Tensor) -> Tensor:
        """What the last layer gives, (N, 3, H, W): in 1/255, not yet clipped."""
        y = F.relu(self.in1(self.conv1(image * 255)))
        y = F.relu(self.in2(self.conv2(y)))
        y = F.relu(self.in3(self.conv3(y)))
        for index in range(self.blocks):
            y = self.get_submodule(f"res{index + 1}")(y)
        y = F.relu(self.in4(self.deconv1(y)))
        y = F.relu(self.in5(self.deconv2(y)))
        result: Tensor = self.deconv3(y)
        return result


def without_running_statistics(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The checkpoint without the `running_mean` and `running_var` that PyTorch 0.3 wrote.

    They are unused: instance normalization takes its statistics from the image.
    """
    unused = ("running_mean", "running_var", "num_batches_tracked")
    return {key: value for key, value in weights.items() if key.rpartition(".")[2] not in unused}
