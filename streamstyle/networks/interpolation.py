"""Interpolation between the weights of several networks.

Networks that were fine-tuned from one base stay so close to it that every network interpolated between them
stylizes as well. Strength and mixtures by weights therefore cost no additional passes.

Reference: Wang et al. (2019), Deep network interpolation for continuous imagery effect transition,
https://arxiv.org/abs/1811.10515.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Generic, TypeVar

import torch
from torch import nn

AnyNetwork = TypeVar("AnyNetwork", bound=nn.Module)


class Interpolation(Generic[AnyNetwork]):
    """A network whose weights are a weighted sum of those of other networks.

    Args:
        networks: by name, all of one architecture. They are not changed.

    Attributes:
        network: the network with the weights last set.
    """

    def __init__(self, networks: Mapping[str, AnyNetwork]) -> None:
        self._parameters = {name: list(network.parameters()) for name, network in networks.items()}
        self.network = copy.deepcopy(next(iter(networks.values()))).requires_grad_(False)
        self._shares: dict[str, float] = {}

    def add(self, name: str, network: AnyNetwork) -> None:
        """Adds another network of the same architecture."""
        self._parameters[name] = list(network.parameters())

    def remove(self, name: str) -> None:
        """Forgets a network, which must not have a share any more."""
        del self._parameters[name]
        self._shares = {}  # another network may get this name

    def set(self, shares: Mapping[str, float]) -> AnyNetwork:
        """Sets the network's weights to the weighted sum of the others' weights, and returns it.

        Args:
            shares: share of each network by name, adding up to 1; 0 for networks that are not listed.
        """
        shares = {name: share for name, share in shares.items() if share}
        if shares != self._shares:
            self._shares = dict(shares)
            with torch.no_grad():
                for index, parameter in enumerate(self.network.parameters()):
                    parts = [share * self._parameters[name][index] for name, share in shares.items()]
                    parameter.copy_(torch.stack(parts).sum(dim=0))
        return self.network
