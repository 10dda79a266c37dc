"""Networks that are downloaded once: where their weights lie, on the network and on this machine."""

from __future__ import annotations

from pathlib import Path

import torch

from streamstyle.networks import PRETRAINED
from streamstyle.weights.files import fetch

URLS = {
    **{name: known.url for name, known in PRETRAINED.items()},
    "raft": "https://download.pytorch.org/models/raft_small_C_T_V2-01064c6d.pth",
}


def torchvision_cache() -> Path:
    """The folder in which torchvision keeps what it has downloaded, too."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def downloaded(name: str) -> Path | None:
    """The file of a network of that name, where it is on this machine already."""
    if name not in URLS:
        return None
    path = torchvision_cache() / URLS[name].rpartition("/")[2]
    return path if path.is_file() else None


def download(name: str) -> Path:
    """The file of a network of that name; downloaded unless it is on this machine already.

    Raises:
        InputError: it cannot be downloaded; the message says where to put it by hand.
    """
    return fetch(URLS[name], torchvision_cache())
