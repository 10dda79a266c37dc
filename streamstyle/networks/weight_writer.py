"""Writes the weights of a style network: those of a trunk, changed by a vector of numbers.

Every weight is linear in the numbers, so halfway between two vectors lies the network halfway between both
networks, and strength and mixtures by weights work as for networks that were trained one by one.

Reference: normalization parameters that depend on the style after Ghiasi et al. (2017), Exploring the
structure of a real-time, arbitrary neural artistic stylization network, https://arxiv.org/abs/1705.06830;
kernels that do after Chandran et al. (2021), Adaptive convolutions for structure-aware style transfer.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn

from streamstyle.networks.style_net import InstanceNorm, StyleNet

PARTS = ("norms", "gains", "kernels", "output", "mixing")
RANK = 256  # matrices of rank 1 from which the change of a convolution across channels is mixed
KERNELS = 8  # from which the change of each depthwise kernel is mixed
# How much a weight changes with a number: about its deviation among networks trained for single paintings.
SCALES = {"norms": 0.1, "gains": 0.3, "output": 0.08, "biases": 0.07}
SPREAD = 0.09  # the same for the sums of kernels and matrices


class WeightWriter(nn.Module):
    """Vectors of numbers to the weights of style networks.

    Args:
        trunk: the network whose weights are changed; it is copied.
        parts: what the numbers change, names from PARTS. `norms`: scale and shift of the normalizations;
            `gains`: a factor and a bias for each channel of the other convolutions; `kernels`: the depthwise
            kernels, each by a weighted sum of KERNELS learned ones; `output`: the kernels of the last layer
            and of the edges it gets; `mixing`: the convolutions across channels, each by a weighted sum of
            learned matrices of rank 1.
        rank: number of these matrices.

    Attributes:
        count: length of a vector.
    """

    def __init__(self, trunk: StyleNet, parts: Collection[str] = PARTS, rank: int = RANK) -> None:
        super().__init__()
        self.trunk = copy.deepcopy(trunk).requires_grad_(True)
        self.kernels, self.left, self.right = (nn.ParameterDict() for _ in range(3))
        self._slots: list[tuple[str, str, int]] = []  # part, name of the weight, how many numbers
        for name, module in trunk.named_modules():
            if isinstance(module, InstanceNorm) and "norms" in parts:
                self._slots += [
                    ("norms", f"{name}.{each}", len(module.weight)) for each in ("weight", "bias")
                ]
            elif isinstance(module, nn.Conv2d):
                self._add(name, module, parts, rank)
        self.count = sum(count for *_, count in self._slots)

    def _add(self, name: str, convolution: nn.Conv2d, parts: Collection[str], rank: int) -> None:
        weight = convolution.weight
        if convolution.groups > 1:
            if "kernels" in parts:
                self._slots.append(("kernels", f"{name}.weight", len(weight) * KERNELS))
                kernels = torch.randn(len(weight), KERNELS, weight[0].numel()) / KERNELS**0.5
                self.kernels[key_of(name)] = nn.Parameter(SPREAD * kernels)
            return
        if "gains" in parts:
            self._slots.append(("gains", f"{name}.weight", len(weight)))
            self._slots.append(("biases", f"{name}.bias", len(weight)))
        if name in ("edges", "to_full.conv"):
            if "output" in parts:
                self._slots.append(("output", f"{name}.weight", weight.numel()))
        elif "mixing" in parts:
            self._slots.append(("mixing", f"{name}.weight", rank))
            deviation = math.sqrt(SPREAD / math.sqrt(rank))
            key = key_of(name)
            self.left[key] = nn.Parameter(deviation * torch.randn(len(weight), rank))
            self.right[key] = nn.Parameter(deviation * torch.randn(rank, weight[0].numel()))

    @torch.no_grad()
    def learn(self, networks: Sequence[StyleNet]) -> Tensor:
        """Sets kernels and matrices so that the writer can write these networks, nearly.

        Args:
            networks: of the trunk's architecture, trained for single paintings.

        Returns:
            (len(networks), count), the numbers of each.
        """
        count, found = len(networks), []
        for part, name, size in self._slots:
            before, key = self.trunk.get_parameter(name), key_of(name.removesuffix(".weight"))
            changes = torch.stack([network.get_parameter(name) - before for network in networks])
            if part == "gains":
                found.append(torch.zeros(count, size))
            elif part == "kernels":
                left, values, right = torch.linalg.svd(
                    changes.flatten(2).transpose(0, 1), full_matrices=False
                )
                kept = min(KERNELS, count)
                scale = count**0.5  # so that numbers have deviation 1
                self.kernels[key][:, :kept] = values[:, :kept, None] * right[:, :kept] / scale
                numbers = torch.zeros(len(left), count, KERNELS)
                numbers[..., :kept] = left[..., :kept] * scale
                found.append(numbers.transpose(0, 1).flatten(1))
            elif part == "mixing":
                left, values, right = torch.linalg.svd(changes.flatten(2), full_matrices=False)
                kept = min(size // count, values.shape[1])
                root, numbers = values[:, :kept].sqrt(), torch.zeros(count, size)
                for number in range(count):
                    own = slice(number * kept, (number + 1) * kept)
                    self.left[key][:, own] = left[number, :, :kept] * root[number]
                    self.right[key][own] = root[number, :, None] * right[number, :kept]
                    numbers[number, own] = 1
                found.append(numbers)
            else:
                found.append(changes.flatten(1) / SCALES[part])
        return torch.cat(found, dim=1)

    def forward(self, numbers: Tensor) -> dict[str, Tensor]:
        """(N, count) to the weights of N networks by name, (N, *shape) each."""
        weights = {
            name: value.expand(len(numbers), *value.shape) for name, value in self.trunk.named_parameters()
        }
        changes = torch.split(numbers, [count for *_, count in self._slots], dim=1)
        for (part, name, _), change in zip(self._slots, changes, strict=True):
            before = weights[name]
            if part == "gains":
                factors = change.reshape(len(change), -1, *[1] * (before.dim() - 2))
                weights[name] = before + SCALES[part] * factors * self.trunk.get_parameter(name)
            elif part == "mixing":
                key = key_of(name.removesuffix(".weight"))
                matrices = (change[:, None] * self.left[key]) @ self.right[key]
                weights[name] = before + matrices.reshape(before.shape)
            elif part == "kernels":
                kernels = self.kernels[key_of(name.removesuffix(".weight"))]
                shares = change.reshape(len(change), len(kernels), 1, KERNELS)
                weights[name] = before + (shares @ kernels).reshape(before.shape)
            else:
                weights[name] = before + SCALES[part] * change.reshape(before.shape)
        return weights


def key_of(name: str) -> str:
    """The name of a module as that of a parameter, which may have no dots."""
    return name.replace(".", "_")
