"""Trained weights: the bundled ones, and loading, saving and downloading of weights files.

`table.toml` in this folder lists the bundled weights; README.md contains their model cards.
Files are safetensors, in half precision; their metadata contains everything needed to read them.

The table is read without torch, so that styles are listed, and their names completed, at once.
"""

from __future__ import annotations

import math
from importlib import import_module
from typing import TYPE_CHECKING, Any

from streamstyle.weights.table import STYLES, WEIGHTS

if TYPE_CHECKING:
    from torch import nn

    from streamstyle.weights.downloads import downloaded
    from streamstyle.weights.features import best_perceptual_network, load_features, save_features

__all__ = [
    "STYLES",
    "WEIGHTS",
    "best_perceptual_network",
    "downloaded",
    "load_features",
    "parameters_of",
    "save_features",
]

_MODULES = {  # of each name that needs torch
    "best_perceptual_network": "features",
    "downloaded": "downloads",
    "load_features": "features",
    "save_features": "features",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def parameters_of(network: nn.Module) -> int:
    """Number of parameters."""
    return sum(math.prod(value.shape) for value in network.parameters())
