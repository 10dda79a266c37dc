"""Styles of any painting, without training: the networks for images that are named as styles."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from streamstyle.errors import InputError, UsageError
from streamstyle.files import sha256_of
from streamstyle.networks import AdaIN, StyleNet, StyleNetwork
from streamstyle.networks.adain import parts_of_checkpoints
from streamstyle.networks.palette import match_palette
from streamstyle.networks.style_predictor import moments_of
from streamstyle.paintings import read_painting
from streamstyle.weights.features import load_features
from streamstyle.weights.predictor import PREDICTOR, load_predictor
from streamstyle.weights.table import WEIGHTS
from streamstyle.weights.weights_files import fill, read_checkpoint

LARGEST_ENCODER = 128 * 2**20  # bytes
METHODS = ("predicted", "adain")


@dataclass(frozen=True)
class LoadedStyle:
    """A style network ready for use.

    Attributes:
        network: in evaluation mode, single precision, on the CPU.
        name: of the style; the file's stem for files.
        metadata: stored in the file: architecture, painting, painter, year, recipe …
        base: the network that strength 0 leads to, if it is not the bundled base.
    """

    network: StyleNetwork
    name: str
    metadata: Mapping[str, str]
    base: StyleNetwork | None = None


@dataclass(frozen=True)
class Arbitrary:
    """How the network of a painting is made.

    Attributes:
        method: "predicted": the bundled predictor writes the weights of a `StyleNet`, see
            `networks.style_predictor`. "adain": the painting's statistics are set in an `AdaIN`.
        weights: for "adain", the files of its encoder and decoder, in any order.

    Raises:
        UsageError: the method is unknown, or the number of files is not what it needs.
    """

    method: str = "predicted"
    weights: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UsageError(f"arbitrary is {self.method!r}, expected {' or '.join(METHODS)}")
        if len(self.weights) != (expected := 2 if self.method == "adain" else 0):
            needed = (
                "needs --weights twice, for vgg_normalised.pth and decoder.pth" if expected else "has none"
            )
            raise UsageError(f"weights are {len(self.weights)} files; --arbitrary {self.method} {needed}")

    def style_of(self, path: Path) -> LoadedStyle:
        """The style of a painting.

        Raises:
            InputError: the image cannot be read, is too small or has one color only; or the weights are not
                those of the method.
        """
        return predicted_style(path) if self.method == "predicted" else adain_style(path, *self.weights)


PREDICTED = Arbitrary()


def predicted_style(path: Path) -> LoadedStyle:
    """The style network that is predicted for a painting, rounded as in a weights file.

    Raises:
        InputError: as `Arbitrary.style_of`.
    """
    return predicted_style_of(read_painting(path), path.stem, sha256_of(path))


def predicted_style_of(painting: torch.Tensor, name: str, sha256: str) -> LoadedStyle:
    """The style network that is predicted for a painting which was read already.

    Args:
        painting: (1, 3, H, W) in [0, 1], from `read_painting`.
        name: of the style.
        sha256: of the painting's file.
    """
    network = predicted_network(painting)
    metadata = {
        "architecture": "style_net",
        **{size: str(getattr(network, size)) for size in network.SIZES},
        "painting": name,
        "painter": "",
        "year": "0",
        "painting_sha256": sha256,
        "base_sha256": WEIGHTS["base"].sha256,
        "predictor_sha256": WEIGHTS[PREDICTOR].sha256,
        "licence": "that of whoever predicted it; mind the rights in the painting",
    }
    return LoadedStyle(network, name, metadata)


def predicted_network(painting: torch.Tensor) -> StyleNet:
    """The style network for a painting, (1, 3, H, W) in [0, 1], both sides at least 64 pixels."""
    with torch.no_grad():
        network = load_predictor().network(moments_of(painting, load_features()))
        match_palette(network, painting)
        return network.half().float()


def adain_style(path: Path, *weights: str) -> LoadedStyle:
    """The AdaIN network for a painting.

    Raises:
        InputError: as `Arbitrary.style_of`.
    """
    base = adain_network(*weights)
    network = copy.deepcopy(base)
    network.set_style(read_painting(path, grain=1))
    identity = " ".join(sorted(sha256_of(Path(file)) for file in weights))
    metadata = {"architecture": "adain", "painting": path.stem, "base_sha256": identity}
    return LoadedStyle(network, path.stem, metadata, base)


@lru_cache(1)
def adain_network(*weights: str) -> AdaIN:
    """The network without a style, from the files of encoder and decoder; do not change it.

    Raises:
        InputError: a file is missing, damaged or of another network.
    """
    names = " and ".join(weights)
    network = AdaIN()
    network.set_plain()
    try:
        tensors = parts_of_checkpoints(*(read_checkpoint(Path(file), LARGEST_ENCODER) for file in weights))
    except ValueError as exc:
        raise InputError(f"{names}: expected an encoder and a decoder of AdaIN, {exc}") from exc
    style = {key: value for key, value in network.state_dict().items() if "." not in key}
    fill(network, tensors | style, Path(names))
    return network.requires_grad_(False).eval()
