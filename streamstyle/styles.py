"""Styles by name: whatever `--style` takes resolves to a style network here.

A style is a bundled name, a weights file of `train`, or a checkpoint of another program.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from streamstyle.errors import InputError, UsageError
from streamstyle.networks import STYLE_NETWORKS, StyleNetwork
from streamstyle.weights.files import check_sha256, fill, read_checkpoint, read_safetensors, write_network
from streamstyle.weights.table import STYLES, WEIGHTS

DEFAULT_STYLE = "starry_night"
LARGEST_SIZE = 512  # channels or blocks that a file may ask for
CHECKPOINTS = (".pth", ".pt", ".model")


@dataclass(frozen=True)
class LoadedStyle:
    """A style network ready for use.

    Attributes:
        network: in evaluation mode, single precision, on the CPU.
        name: of the style, or of the file.
        metadata: what the file says about itself: architecture, painting, painter, year, recipe …
    """

    network: StyleNetwork
    name: str
    metadata: Mapping[str, str]


def load_style(name_or_path: str | Path) -> LoadedStyle:
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
    if path.suffix.lower() in CHECKPOINTS:
        return load_checkpoint(path)
    if path.suffix.lower() == ".safetensors" or path.is_file():
        return load_safetensors(path, path.stem)
    raise UsageError(f"unknown style {text!r}; known: {', '.join(STYLES)}, or a .safetensors or .pth file")


def load_safetensors(path: Path, name: str) -> LoadedStyle:
    """A style network from a file that `save_style` or training wrote.

    Raises:
        InputError: see `load_style`.
    """
    tensors, metadata = read_safetensors(path)
    architecture = metadata.get("architecture", "")
    try:
        if architecture not in STYLE_NETWORKS:
            raise ValueError(f"architecture {architecture!r}, expected {' or '.join(STYLE_NETWORKS)}")
        kind = STYLE_NETWORKS[architecture]
        network = kind(**{size: size_of(metadata[size]) for size in kind.SIZES})
    except (KeyError, ValueError) as exc:
        raise InputError(f"{path}: no style network: {exc}") from exc
    fill(network, tensors, path)
    return LoadedStyle(network.eval(), name, metadata)


def load_checkpoint(path: Path) -> LoadedStyle:
    """A style network from a checkpoint of another program.

    Raises:
        InputError: see `load_style`.
    """
    tensors = read_checkpoint(path)
    for architecture, kind in STYLE_NETWORKS.items():
        if (found := kind.from_checkpoint(tensors)) is not None:
            network, own = found
            fill(network, own, path)
            return LoadedStyle(network.eval(), path.stem, {"architecture": architecture, **sizes_of(network)})
    raise InputError(f"{path}: no checkpoint of fast_neural_style: conv1.conv2d.weight is missing or odd")


def save_style(path: Path, network: StyleNetwork, metadata: Mapping[str, str]) -> None:
    """Writes a network in half precision, whole or not at all.

    Args:
        path: where to; an existing file is replaced.
        network: what to write.
        metadata: painting, painter, year, recipe and the like; the architecture is added.

    Raises:
        OutputError: the file cannot be written.
        ValueError: a weight is not finite in half precision.
    """
    architecture = next(name for name, kind in STYLE_NETWORKS.items() if type(network) is kind)
    write_network(path, network, {**metadata, "architecture": architecture, **sizes_of(network)})


def sizes_of(network: StyleNetwork) -> dict[str, str]:
    """The sizes of a network, as metadata holds them."""
    return {size: str(getattr(network, size)) for size in network.SIZES}


def size_of(text: str) -> int:
    """A number of channels or blocks from metadata.

    Raises:
        ValueError: no whole number in 1 … LARGEST_SIZE.
    """
    size = int(text)
    if not 1 <= size <= LARGEST_SIZE:
        raise ValueError(f"size {size}, expected 1 to {LARGEST_SIZE}")
    return size
