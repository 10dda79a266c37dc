"""Trained weights: the bundled ones, and loading, saving and downloading of weights files.

`table.toml` in this folder lists the bundled weights; README.md contains their model cards.
Files are safetensors, in half precision; their metadata contains everything needed to read them.
"""

from __future__ import annotations

import math

from torch import nn

from streamstyle.weights.downloads import downloaded
from streamstyle.weights.features import best_perceptual_network, load_features, save_features
from streamstyle.weights.table import STYLES, WEIGHTS

__all__ = [
    "STYLES",
    "WEIGHTS",
    "best_perceptual_network",
    "downloaded",
    "load_features",
    "parameters_of",
    "save_features",
]


def parameters_of(network: nn.Module) -> int:
    """Number of parameters."""
    return sum(math.prod(value.shape) for value in network.parameters())
