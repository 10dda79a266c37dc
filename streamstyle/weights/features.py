"""Loading and saving feature networks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from streamstyle.errors import InputError, UsageError, did_you_mean
from streamstyle.networks import FEATURE_NETWORKS, PRETRAINED, Distilled, FeatureNetwork
from streamstyle.networks.pretrained import HEADS, NAMING, Pretrained
from streamstyle.weights.downloads import download, downloaded
from streamstyle.weights.table import WEIGHTS
from streamstyle.weights.weights_files import (
    check_sha256,
    fill,
    read_checkpoint,
    read_safetensors,
    write_network,
)

LARGEST_CHECKPOINT = 2**30  # bytes; VGG-19 has 0.55 GB


def load_features(name_or_path: str | Path = "distilled", *, head: bool = False) -> FeatureNetwork:
    """A feature network in evaluation mode, on the CPU.

    Args:
        name_or_path: "distilled", the bundled one; a name from PRETRAINED, downloaded once into
            torchvision's cache; or a .safetensors or .pth file of any network in FEATURE_NETWORKS.
        head: keep the classification head, the layer `class`, if the network has one.

    Raises:
        InputError: the file is missing, damaged or of an unknown network, and the message names the tensors
            that are missing or wrong; or the download failed, and the message says where to put the file.
        UsageError: `name_or_path` is neither a known name nor a file.
    """
    text = os.fspath(name_or_path)
    if text == "distilled":
        entry = WEIGHTS["features"]
        check_sha256(entry.path, entry.sha256)
        return filled(text, read_safetensors(entry.path)[0], entry.path)
    if text in PRETRAINED:
        path = download(text)
        return filled(text, read_checkpoint(path, largest=LARGEST_CHECKPOINT), path, head)
    path = Path(text)
    if path.suffix.lower() not in (".safetensors", ".pth", ".pt") and not os.path.isfile(path):
        hint = did_you_mean(text, FEATURE_NETWORKS)
        raise UsageError(
            f"unknown feature network {text!r}{hint}; known: distilled, {', '.join(PRETRAINED)}, or a file "
            f"of weights of {', '.join(name for name in FEATURE_NETWORKS if name != 'distilled')}"
        )
    if path.suffix.lower() == ".safetensors":
        tensors = read_safetensors(path, largest=LARGEST_CHECKPOINT)[0]
    else:
        tensors = read_checkpoint(path, largest=LARGEST_CHECKPOINT)
    return filled(network_of(tensors, path), tensors, path, head)


def best_perceptual_network() -> str:
    """The best network for a perceptual loss whose weights are on this machine: "vgg19" or "distilled"."""
    return "vgg19" if downloaded("vgg19") else "distilled"


def filled(name: str, tensors: Mapping[str, Tensor], path: Path, head: bool = False) -> FeatureNetwork:
    """The network of that name with these weights; without `head`, the weights of the head are ignored.

    Raises:
        InputError: tensors are missing or wrong; the message names them.
    """
    head = head and name in PRETRAINED and any(key.partition(".")[0] in NAMING for key in tensors)
    with torch.device("meta"):  # initializing random weights would take seconds for nothing
        network = Pretrained(name, head=True) if head else FEATURE_NETWORKS[name]()
    _allocate(network)
    left_out = set(HEADS).difference(NAMING if head else ())
    used = {key: value for key, value in tensors.items() if key.partition(".")[0] not in left_out}
    # Pretrained wraps torchvision's network, so the tensors belong to its attribute `model`.
    fill(network.model if name in PRETRAINED else network, used, path)  # type: ignore[arg-type]
    return network.eval()


def _allocate(network: nn.Module) -> None:
    """Move a network from "meta" to the CPU, without values.

    `Module.to_empty` does so, too, but imports half a thousand modules first, which takes a second.
    """
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            empty = torch.empty(parameter.shape, dtype=parameter.dtype)
            setattr(module, name, nn.Parameter(empty, requires_grad=parameter.requires_grad))
        for name, buffer in module.named_buffers(recurse=False):
            setattr(module, name, torch.empty(buffer.shape, dtype=buffer.dtype))


def network_of(tensors: Mapping[str, Tensor], path: Path) -> str:
    """The name of the network that has the most tensors in common with these, by name and shape.

    Raises:
        InputError: no network has any in common.
    """
    given = {(key, tuple(value.shape)) for key, value in tensors.items()}
    shared = {}
    for name in FEATURE_NETWORKS:
        with torch.device("meta"):  # shapes only
            network = FEATURE_NETWORKS[name]()
        prefix = "model." if name in PRETRAINED else ""
        known = {
            (key.removeprefix(prefix), tuple(value.shape)) for key, value in network.state_dict().items()
        }
        shared[name] = len(given & known) / len(known)
    best = max(shared, key=lambda name: shared[name])
    if not shared[best]:
        raise InputError(f"{path}: not the weights of a known feature network: {', '.join(FEATURE_NETWORKS)}")
    return best


def save_features(path: Path, network: Distilled, metadata: Mapping[str, str]) -> None:
    """Writes the bundled feature network in half precision, atomically.

    Raises:
        OutputError: the file cannot be written.
    """
    write_network(path, network, {**metadata, "architecture": "distilled"})
