"""The student of a distillation while it learns: with normalization, identity branches and adapters.

Reference: identity branches after Ding et al. (2021), RepVGG, https://arxiv.org/abs/2101.03697.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from streamstyle.networks import Distilled
from streamstyle.networks.features import BRANCHES, TRUNK


class Branched(nn.Module):
    """A convolution with batch normalization, and a parallel identity branch where shapes allow.

    Together they are equivalent to one convolution, which `folded` returns.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        inputs, outputs = convolution.in_channels, convolution.out_channels
        self.conv = copy.deepcopy(convolution)
        self.conv.bias = None  # the normalization would remove it
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")
        self.norm = nn.BatchNorm2d(outputs)
        straight = inputs == outputs and convolution.stride == (1, 1)
        self.identity = nn.BatchNorm2d(inputs) if straight else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H', W')."""
        y: Tensor = self.norm(self.conv(x))
        return y if self.identity is None else y + self.identity(x)

    @torch.no_grad()
    def folded(self) -> nn.Conv2d:
        """The single convolution that is equivalent to this module in evaluation mode."""
        result = copy.deepcopy(self.conv)
        scale, shift = scale_and_shift(self.norm)
        weight, bias = self.conv.weight * scale[:, None, None, None], shift
        if self.identity is not None:
            scale, shift = scale_and_shift(self.identity)
            middle = weight.shape[-1] // 2
            weight[:, :, middle, middle] += torch.diag(scale)
            bias = bias + shift
        result.weight, result.bias = nn.Parameter(weight), nn.Parameter(bias)
        return result


def scale_and_shift(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Batch normalization in evaluation mode as scale and shift of each channel: x * scale + shift."""
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    return scale, norm.bias - norm.running_mean * scale


class Pupil(nn.Module):
    """The student while it learns, with an adapter to each layer of the second teacher.

    Args:
        student: with trainable convolutions.
        channels: number of channels of the second teacher's layer, by layer of the student's trunk.
    """

    def __init__(self, student: Distilled, channels: Mapping[str, int]) -> None:
        super().__init__()
        self.student = student
        self.adapters = nn.ModuleDict(
            {layer: nn.Conv2d(TRUNK[layer][0], count, 1) for layer, count in channels.items()}
        )

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Branches and adapters before the ReLU, so that errors below zero have a gradient."""
        trunk = self.student(images, {*BRANCHES, *self.adapters})
        branches = {
            branch: self.student.heads[branch](trunk[layer]) for layer, (branch, _) in BRANCHES.items()
        }
        return branches | {layer: adapter(trunk[layer]) for layer, adapter in self.adapters.items()}

    def folded(self) -> Distilled:
        """The student alone, as plain convolutions, on the CPU."""
        student = copy.deepcopy(self.student).cpu().eval()
        for name in TRUNK:
            branched = student.trunk[name]
            assert isinstance(branched, Branched)
            student.trunk[name] = branched.folded()
        return student.to(memory_format=torch.contiguous_format).requires_grad_(False)


def new_student() -> Distilled:
    """A student whose convolutions are trainable, with random weights."""
    student = Distilled()
    for name in TRUNK:
        convolution = student.trunk[name]
        assert isinstance(convolution, nn.Conv2d)
        student.trunk[name] = Branched(convolution)
    return student
