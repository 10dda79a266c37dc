"""A network whose weights lie between those of others.

Networks that were fine-tuned from one base stay close enough to it that every network between them stylizes
as well: strength and mixtures cost nothing while painting.

Reference: Wang et al. (2019), Deep network interpolation for continuous imagery effect transition,
https://arxiv.org/abs/1811.10515.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import nn


class Interpolation:
    """One network whose weights follow shares of others.

    Args:
        networks: by name, of one architecture. They are not changed.

    Attributes:
        network: has the weights that were asked for last.
    """

    def __init__(self, networks: Mapping[str, nn.Module]) -> None:
        self._parameters = {name: list(network.parameters()) for name, network in networks.items()}
        self.network = copy.deepcopy(next(iter(networks.values()))).requires_grad_(False)
        self._shares: dict[str, float] = {}

    def set(self, shares: Mapping[str, float]) -> nn.Module:
        """Gives the network the weighted sum of the others' weights; returns it.

        Args:
            shares: of each network, which add up to 1; those left out have none.
        """
        shares = {name: share for name, share in shares.items() if share}
        if shares != self._shares:
            self._shares = dict(shares)
            with torch.no_grad():
                for index, parameter in enumerate(self.network.parameters()):
                    parts = [share * self._parameters[name][index] for name, share in shares.items()]
                    parameter.copy_(torch.stack(parts).sum(dim=0))
        return self.network
