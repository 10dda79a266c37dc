"""Trained weights: what is bundled, and loading, saving and fetching of files.

`table.toml` beside this file is the list of bundled weights; README.md holds their model cards.
Files are safetensors, in half precision, with all they need to be read in their metadata.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from streamstyle.errors import InputError, UsageError
from streamstyle.networks import Johnson, StyleNet
from streamstyle.networks.johnson import without_running_statistics
from streamstyle.weights.downloads import downloaded
from streamstyle.weights.features import best_perceptual_network, load_features, save_features
from streamstyle.weights.files import check_sha256, fill, read_checkpoint, read_safetensors, write_network
from streamstyle.weights.table import STYLES, WEIGHTS

__all__ = [
    "DEFAULT_STYLE",
    "STYLES",
    "WEIGHTS",
    "Loaded",
    "best_perceptual_network",
    "downloaded",
    "load",
    "load_features",
    "parameters_of",
    "save_features",
    "save_style",
]

DEFAULT_STYLE = "starry_night"
LARGEST_SIZE = 512  # channels or blocks that a file may ask for


@dataclass(frozen=True)
class Loaded:
    """A style network ready for use.

    Attributes:
        network: in evaluation mode, single precision, on the CPU. Its `multiple` and `minimum` say which
            sizes it takes.
        name: of the style, or of the file.
        metadata: what the file says about itself: architecture, painting, painter, year, recipe …
    """

    network: StyleNet | Johnson
    name: str
    metadata: Mapping[str, str]


def load(name_or_path: str | Path) -> Loaded:
    """The style network of that name, or from that file.

    Args:
        name_or_path: a bundled name, a .safetensors file, or a .pth of pytorch/examples `fast_neural_style`.

    Raises:
        UsageError: no such name; the message lists the known ones.
        InputError: the file is missing, damaged, too large, or no style network.
    """
    text = os.fspath(name_or_path)
    if text in WEIGHTS:
        entry = WEIGHTS[text]
        check_sha256(entry.path, entry.sha256)
        return load_safetensors(entry.path, text)
    path = Path(text)
    if path.suffix.lower() in (".pth", ".pt", ".model"):
        return load_checkpoint(path)
    if path.suffix.lower() == ".safetensors" or path.is_file():
        return load_safetensors(path, path.stem)
    raise UsageError(f"unknown style {text!r}; known: {', '.join(STYLES)}, or a .safetensors or .pth file")


def load_safetensors(path: Path, name: str) -> Loaded:
    """A style network from a file that `save_style` or training wrote.

    Raises:
        InputError: see `load`.
    """
    tensors, metadata = read_safetensors(path)
    architecture = metadata.get("architecture", "")
    network: StyleNet | Johnson
    try:
        if architecture == "style_net":
            sizes = {key: size_of(metadata[key]) for key in ("width", "depth", "blocks", "detail")}
            network = StyleNet(**sizes)
        elif architecture == "johnson":
            network = Johnson(size_of(metadata["width"]), size_of(metadata["blocks"]))
        else:
            raise ValueError(f"architecture {architecture!r}, expected style_net or johnson")
    except (KeyError, ValueError) as exc:
        raise InputError(f"{path}: no style network: {exc}") from exc
    fill(network, tensors, path)
    return Loaded(network.eval(), name, metadata)


def load_checkpoint(path: Path) -> Loaded:
    """A Johnson network from a checkpoint of pytorch/examples, with or without running statistics.

    Raises:
        InputError: see `load`.
    """
    tensors = without_running_statistics(read_checkpoint(path))
    first = tensors.get("conv1.conv2d.weight")
    if first is None or first.ndim != 4 or not 1 <= first.shape[0] <= LARGEST_SIZE:
        raise InputError(f"{path}: no checkpoint of fast_neural_style: conv1.conv2d.weight is missing or odd")
    blocks = len({key.partition(".")[0] for key in tensors if key.startswith("res")})
    network = Johnson(first.shape[0], min(blocks, LARGEST_SIZE))
    fill(network, tensors, path)
    metadata = {"architecture": "johnson", "width": str(network.width), "blocks": str(network.blocks)}
    return Loaded(network.eval(), path.stem, metadata)


def save_style(path: Path, network: StyleNet | Johnson, metadata: Mapping[str, str]) -> None:
    """Writes a network in half precision, whole or not at all.

    Args:
        path: where to; an existing file is replaced.
        network: what to write.
        metadata: painting, painter, year, recipe and the like; the architecture is added.

    Raises:
        OutputError: the file cannot be written.
        ValueError: a weight is not finite in half precision.
    """
    keys = ("width", "depth", "blocks", "detail") if isinstance(network, StyleNet) else ("width", "blocks")
    shape = {key: str(getattr(network, key)) for key in keys}
    architecture = "style_net" if isinstance(network, StyleNet) else "johnson"
    write_network(path, network, {**metadata, "architecture": architecture, **shape})


def size_of(text: str) -> int:
    """A number of channels or blocks from metadata.

    Raises:
        ValueError: no whole number in 1 … LARGEST_SIZE.
    """
    size = int(text)
    if not 1 <= size <= LARGEST_SIZE:
        raise ValueError(f"size {size}, expected 1 to {LARGEST_SIZE}")
    return size


def parameters_of(network: nn.Module) -> int:
    """Number of trained values."""
    return sum(math.prod(value.shape) for value in network.parameters())
