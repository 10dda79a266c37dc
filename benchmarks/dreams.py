"""Dreams of feature networks: `python benchmarks/dreams.py IMAGE -o sheet.png [--features NAME|FILE ...]`.

Plain gradient ascent on the mean square of one layer (Mordvintsev et al. 2015, Inceptionism), the same for
every network: octaves that pass on detail only, jitter, a gradient smoothed over three scales, and steps
normalized by the gradient's mean. One row for each network: the image, then the dream of each layer. It shows
whether a network's dreams have forms or only grain.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from streamstyle.device import download
from streamstyle.networks import Distilled, FeatureNetwork, MobileNet
from streamstyle.networks.features import BRANCHES
from streamstyle.training.data import read_rgb, to_tensor
from streamstyle.weights import load_features

OCTAVES, OCTAVE_SCALE = 4, 1.4
JITTER = 16  # pixels
SIDE = 448  # long side of the image in pixels
MULTIPLE = 16  # sides are a multiple of the deepest stride


def dream(
    network: FeatureNetwork, layer: str, image: Tensor, *, steps: int, size: float, seed: int = 0
) -> Tensor:
    """The image after gradient ascent on a layer, (1, 3, H, W) in [0, 1]."""
    rng = np.random.default_rng(seed)
    detail = torch.zeros_like(image)
    for octave in reversed(range(OCTAVES)):
        shape = [
            max(round(side / OCTAVE_SCALE**octave / MULTIPLE), 2) * MULTIPLE for side in image.shape[-2:]
        ]
        source = F.interpolate(image, shape, mode="bicubic", antialias=True)
        detail = F.interpolate(detail, shape, mode="bicubic")
        for _ in range(steps):
            shift = [int(value) for value in rng.integers(-JITTER, JITTER + 1, 2)]
            seen = (source + detail).roll(shift, (2, 3)).requires_grad_(True)
            activations = network(seen, [layer])[layer]
            (gradient,) = torch.autograd.grad(activations.square().mean(), seen)
            gradient = smoothed(gradient).roll([-value for value in shift], (2, 3))
            detail = detail + size * gradient / gradient.abs().mean().clamp_min(1e-12)
            detail = (source + detail).clamp(0, 1) - source
    return (image + F.interpolate(detail, image.shape[-2:], mode="bicubic")).clamp(0, 1)


def smoothed(gradient: Tensor) -> Tensor:
    """The sum of the gradient at three scales, so that large forms grow as well as fine ones."""
    total = gradient
    for scale in (2, 4):
        small = F.avg_pool2d(gradient, scale)
        total = total + F.interpolate(small, gradient.shape[-2:], mode="bilinear")
    return total


def layers_of(network: FeatureNetwork) -> list[str]:
    """Layers worth dreaming on, shallow to deep."""
    if isinstance(network, Distilled):
        return [branch for branch, _ in BRANCHES.values()]
    if isinstance(network, MobileNet):
        return ["6", "10", "14", "20"]
    return [*network.style_layers[-2:], network.layers[-1]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True, help="sheet to write, .png")
    parser.add_argument("--features", nargs="+", default=["distilled"])
    parser.add_argument("--steps", type=int, default=12, help="steps at each octave")
    parser.add_argument("--size", type=float, default=0.012, help="mean change of a step")
    options = parser.parse_args()
    source = read_rgb(options.image)
    scale = SIDE / max(source.size)
    width, height = (round(side * scale / MULTIPLE) * MULTIPLE for side in source.size)
    image = to_tensor(source.resize((width, height), Image.Resampling.LANCZOS))
    rows = []
    for name in options.features:
        network = load_features(name).requires_grad_(False)
        start, row = time.perf_counter(), [image]
        for layer in layers_of(network):
            row.append(dream(network, layer, image, steps=options.steps, size=options.size))
        seconds = (time.perf_counter() - start) / (len(row) - 1)
        print(f"{Path(name).name}: {', '.join(layers_of(network))}; {seconds:.1f} s a dream")
        rows.append(torch.cat(row, dim=3))
    longest = max(row.shape[3] for row in rows)
    sheet = torch.cat([F.pad(row, (0, longest - row.shape[3]), value=1) for row in rows], dim=2)
    Image.fromarray(download(sheet[0])).save(options.output)


if __name__ == "__main__":
    main()
