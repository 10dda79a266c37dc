"""Loads and saves styles: the values of `--style` are resolved to style networks here.

A style is a bundled name, a weights file written by `train`, a checkpoint of another program, or an image of
a painting, for which a network is predicted at once (see `arbitrary_styles`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from streamstyle.arbitrary_styles import PREDICTED, Arbitrary, LoadedStyle
from streamstyle.errors import InputError, UsageError, did_you_mean
from streamstyle.image_recognition import is_image
from streamstyle.networks import STYLE_NETWORKS, StyleNetwork
from streamstyle.weights.table import STYLES, WEIGHTS
from streamstyle.weights.weights_files import (
    check_sha256,
    fill,
    read_checkpoint,
    read_safetensors,
    write_network,
)

DEFAULT_STYLE = "starry_night"
LARGEST_SIZE = 512  # largest number of channels or blocks accepted from a file
CHECKPOINTS = (".pth", ".pt", ".model")


def load_style(name_or_path: str | Path, arbitrary: Arbitrary = PREDICTED) -> LoadedStyle:
    """Loads a style network by name or from a file, or makes one for a painting.

    Args:
        name_or_path: a bundled name, a .safetensors file, a .pth of pytorch/examples `fast_neural_style`, or
            an image.
        arbitrary: how the network of an image is made.

    Raises:
        UsageError: the name is unknown; the message lists the known ones.
        InputError: the file is missing, damaged, too large, or neither a style network nor a painting.
    """
    text = os.fspath(name_or_path)
    if text in WEIGHTS:
        entry = WEIGHTS[text]
        check_sha256(entry.path, entry.sha256)
        return load_safetensors(entry.path, text)
    path = Path(text)
    if path.suffix.lower() in CHECKPOINTS:
        return load_checkpoint(path)
    if is_image(path):
        return arbitrary.style_of(path)
    if path.suffix.lower() == ".safetensors" or os.path.isfile(path):
        return load_safetensors(path, path.stem)
    if path.suffix:  # no style has one
        raise InputError(f"{path}: no such file")
    hint = did_you_mean(text, STYLES)
    raise UsageError(
        f"unknown style {text!r}{hint}; known: {', '.join(STYLES)}, a .safetensors or .pth file, or an image"
    )


def load_safetensors(path: Path, name: str) -> LoadedStyle:
    """Loads a style network from a file written by `save_style` or by training.

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
        raise InputError(f"{path}: not a style network: {exc}") from exc
    fill(network, tensors, path)
    return LoadedStyle(network.eval(), name, metadata)


def load_checkpoint(path: Path) -> LoadedStyle:
    """Loads a style network from a checkpoint of another program.

    Raises:
        InputError: see `load_style`.
    """
    tensors = read_checkpoint(path)
    for architecture, kind in STYLE_NETWORKS.items():
        if (found := kind.from_checkpoint(tensors)) is not None:
            network, weights = found
            fill(network, weights, path)
            return LoadedStyle(network.eval(), path.stem, {"architecture": architecture, **sizes_of(network)})
    raise InputError(
        f"{path}: not a fast_neural_style checkpoint: conv1.conv2d.weight is missing or has a wrong shape"
    )


def save_style(path: Path, network: StyleNetwork, metadata: Mapping[str, str]) -> None:
    """Saves a network in half precision; the file is replaced atomically.

    Args:
        path: of the file; an existing one is replaced.
        network: to save.
        metadata: painting, painter, year, recipe and the like; architecture and sizes are added.

    Raises:
        OutputError: the file cannot be written.
        ValueError: a weight is not finite in half precision.
    """
    architecture = next(name for name, kind in STYLE_NETWORKS.items() if type(network) is kind)
    write_network(path, network, {**metadata, "architecture": architecture, **sizes_of(network)})


def sizes_of(network: StyleNetwork) -> dict[str, str]:
    """The sizes of a network, as they are stored in metadata."""
    return {size: str(getattr(network, size)) for size in network.SIZES}


def size_of(text: str) -> int:
    """Parses a number of channels or blocks from metadata.

    Raises:
        ValueError: the text is not an integer in 1 … LARGEST_SIZE.
    """
    size = int(text)
    if not 1 <= size <= LARGEST_SIZE:
        raise ValueError(f"size {size}, expected 1 to {LARGEST_SIZE}")
    return size
