"""Paintings for which the predictor is shown the results: those of bundled styles.

A bundled style was trained for one painting alone, for thousands of steps, and looks better than what the
losses alone teach a predictor. There are few of them, so halves of two paintings are put side by side and
colors are changed: then the results are those of the network between the two, changed alike.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from streamstyle.errors import InputError
from streamstyle.files import sha256_of
from streamstyle.networks import StyleNet
from streamstyle.networks.interpolation import Interpolation
from streamstyle.paintings import painting_image
from streamstyle.styles import load_style
from streamstyle.training.data import photograph_files, to_tensor
from streamstyle.weights import STYLES


@dataclass(frozen=True)
class KnownStyle:
    """A bundled style with its painting.

    Attributes:
        name: of the style.
        painting: as a predictor is given it.
        network: trained for the painting.
    """

    name: str
    painting: Image.Image
    network: StyleNet


class KnownStyles:
    """Random parts of the paintings of styles, and networks for them.

    Args:
        styles: at least one.
        device: of the networks.
    """

    def __init__(self, styles: Sequence[KnownStyle], device: torch.device) -> None:
        self.styles = styles
        networks = {style.name: copy.deepcopy(style.network).to(device) for style in styles}
        self.interpolation = Interpolation(networks)

    def painting(self, side: int, rng: np.random.Generator) -> tuple[Tensor, dict[str, float]]:
        """A part of one painting, or of two side by side.

        Paintings are not scaled, as the strokes of their networks have one size.

        Args:
            side: in pixels.
            rng: source of randomness.

        Returns:
            (3, side, side) in [0, 1], and the share of each style in it by name.
        """
        first, second = (self.styles[index] for index in rng.integers(0, len(self.styles), 2))
        share = float(rng.choice((0.0, rng.random())))
        part, other = (square_of(style.painting, side, rng) for style in (first, second))
        width = round(share * side)
        if first is not second:
            part[:, :, :width] = other[:, :, :width]
        shares = dict.fromkeys((first.name, second.name), 0.0)
        shares[first.name] += 1 - width / side
        shares[second.name] += width / side
        return part, shares

    def results(self, photos: Tensor, shares: dict[str, float]) -> Tensor:
        """Photographs (N, 3, H, W) in the style between these."""
        with torch.no_grad():
            result: Tensor = self.interpolation.set(shares)(photos)
        return result


def square_of(image: Image.Image, side: int, rng: np.random.Generator) -> Tensor:
    """A random square, (3, side, side) in [0, 1]; images that are too small are enlarged."""
    scale = max(side / min(image.size), 1)
    size = [max(round(length * scale), side) for length in image.size]
    left, top = (int(rng.integers(0, length - side + 1)) for length in size)
    enlarged = image.resize(size, Image.Resampling.BILINEAR) if scale > 1 else image
    return to_tensor(enlarged.crop((left, top, left + side, top + side)))[0]


def read_known_styles(folders: Sequence[Path], left_out: Collection[str]) -> list[KnownStyle]:
    """The bundled styles whose painting lies in one of the folders, found by its SHA-256.

    Args:
        folders: with images.
        left_out: names of styles that are not used.

    Raises:
        InputError: a folder or an image cannot be read, or no painting of a bundled style is in a folder.
    """
    found = []
    by_sha256 = {
        load_style(name).metadata["painting_sha256"]: name for name in STYLES if name not in left_out
    }
    for folder in folders:
        named = [(by_sha256.get(sha256_of(path)), path) for path in photograph_files(folder)]
        if not any(name for name, _ in named):
            raise InputError(f"{folder}: none of its images is the painting of a bundled style")
        for name, path in named:
            network = None if name is None else load_style(name).network
            if name is not None and isinstance(network, StyleNet):
                found.append(KnownStyle(name, painting_image(path), network))
    return found
