"""Networks whose weights are downloaded once: their URLs, and their files on this machine."""

from __future__ import annotations

from pathlib import Path

import torch

from streamstyle.networks import PRETRAINED
from streamstyle.weights.weights_files import fetch

URLS = {
    **{name: known.url for name, known in PRETRAINED.items()},
    "raft": "https://download.pytorch.org/models/raft_small_C_T_V2-01064c6d.pth",
}


def torchvision_cache() -> Path:
    """The folder in which torchvision caches its downloads."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def downloaded(name: str) -> Path | None:
    """The weights file of that network, or None if it is not on this machine yet."""
    if name not in URLS:
        return None
    path = torchvision_cache() / URLS[name].rpartition("/")[2]
    return path if path.is_file() else None


def download(name: str) -> Path:
    """The weights file of that network, downloaded unless it is already on this machine.

    Raises:
        InputError: the file cannot be downloaded; the message says where to put it manually.
    """
    return fetch(URLS[name], torchvision_cache())
