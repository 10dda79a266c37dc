"""Trained weights: what is bundled, and loading, saving and fetching of files.

`table.toml` beside this file is the list of bundled weights; README.md holds their model cards.
Files are safetensors, in half precision, with all they need to be read in their metadata.
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
    """Number of trained values."""
    return sum(math.prod(value.shape) for value in network.parameters())
