"""Ablation of losses and network: `python benchmarks/style_losses.py --photos DIR --painting FILE -o DIR`.

Each variant changes one thing in the default recipe or the network, and trains for the same time: the first
steps are timed, and a slower variant gets fewer steps. Keep the machine idle otherwise. All variants are then
evaluated on held-out photographs with the same measures, whatever they were trained with, and each gets a
sheet of stylized images. The measures show what improved; only the sheets show whether it looks painted.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from torch import Tensor

from streamstyle import losses
from streamstyle.device import download
from streamstyle.evaluation import warp_error
from streamstyle.losses import luma, total_variation
from streamstyle.networks import StyleNet, style_net
from streamstyle.networks.style_net import Shuffle
from streamstyle.styles import load_style
from streamstyle.training import Photographs, Recipe, Training, painting_for, perceptual_loss as losses_module
from streamstyle.training.data import read_rgb, split, to_tensor
from streamstyle.training.perceptual_loss import PerceptualLoss
from streamstyle.training.recipe import CUT
from streamstyle.training.synthetic_motion import move, random_motion
from streamstyle.weights import load_features

HELD_BACK = 60  # as for the base; the first 40 of them are used for evaluation
EVALUATED, SIDE = 40, 256
PERIOD, RING = 8, 4  # pixels


@dataclass(frozen=True)
class Variant:
    """One change from the default.

    Attributes:
        recipe: what changes in the recipe.
        network: changes the network, which is then trained from random weights.
        padding: padding mode of the network.
        cut: pixels by which the scored crop is smaller than the network's input.
        outlier: style difference above which the loss is linear.
    """

    recipe: Mapping[str, Any] = field(default_factory=dict)
    network: Callable[[StyleNet], None] | None = None
    padding: str = "replicate"
    cut: int = CUT
    outlier: float = losses.OUTLIER


def unchanged(network: StyleNet) -> None:
    """The same network, but from random weights."""


def without_blur(network: StyleNet) -> None:
    """Pixel-shuffles without blur."""
    for shuffle in (network.to_half, network.to_full):
        shuffle.blur.zero_()
        shuffle.blur[..., 1, 1] = 1


def random_phases(network: StyleNet) -> None:
    """Pixel-shuffles whose four phases are initialized independently."""
    for shuffle in (network.to_half, network.to_full):
        shuffle.conv.reset_parameters()


def plain_shuffle(network: StyleNet) -> None:
    """Neither blur nor equal phases: the pixel-shuffle as published."""
    without_blur(network)
    random_phases(network)


def large_kernel(network: StyleNet) -> None:
    """A last convolution of 5x5 instead of 3x3."""
    network.to_full = Shuffle(network.detail, 3, 5)


LAYERS = ("relu1_1", "relu2_2", "relu3_2", "relu4_2")
VARIANTS = {
    "default": Variant(),
    "outliers squared": Variant(outlier=1e9),
    "gram unscaled": Variant({"statistic": "gram", "standardised": False}),
    "gram": Variant({"statistic": "gram"}),
    "covariance unscaled": Variant({"standardised": False}),
    "moments": Variant({"statistic": "moments"}),
    "wasserstein": Variant({"statistic": "wasserstein"}),
    "each by itself": Variant({"style_together": False}),
    "taps shallow": Variant({"style_layers": LAYERS[:3]}),
    "taps deep": Variant({"style_layers": (*LAYERS, "relu4_5")}),
    "taps branches": Variant({"style_layers": (*LAYERS[:2], "texture", "pattern", "part")}),
    "one scale": Variant({"style_scales": 1}),
    "three scales": Variant({"style_scales": 3}),
    "content fine": Variant({"content_layers": {"relu2_2": 1.0, "relu3_2": 1.0}}),
    "content part": Variant({"content_layers": {"part": 1.0}}),
    "content features": Variant({"brightness_weight": 0.0}),
    "content luminance": Variant({"content_weight": 0.3, "brightness_weight": 1.5}),
    "temporal none": Variant({"temporal_weight": 0.0}),
    "temporal strong": Variant({"temporal_weight": 60.0}),
    "scored whole": Variant(cut=0),
    "scored whole, zeros": Variant(cut=0, padding="constant"),
    "padded zeros": Variant(padding="constant"),
    "padded reflect": Variant(padding="reflect"),
    "scratch": Variant(network=unchanged),
    "scratch, plain shuffle": Variant(network=plain_shuffle),
    "scratch, no blur": Variant(network=without_blur),
    "scratch, random phases": Variant(network=random_phases),
    "scratch, 5x5 last": Variant(network=large_kernel),
}


def trained(variant: Variant, painting: Path, photos: Photographs, recipe: Recipe, features: str) -> Training:
    """The finished training of a variant."""
    recipe = replace(recipe, **variant.recipe)
    base = None if variant.network else load_style("base").network
    assert base is None or isinstance(base, StyleNet)
    training = Training(painting_for(painting, recipe), photos, load_features(features), recipe, base=base)
    if variant.network:
        variant.network(training.network)
        training.network.to(memory_format=torch.channels_last)
        training.optimizer.param_groups[0]["params"] = list(training.network.parameters())
    training.run()
    return training


@contextmanager
def patched(variant: Variant) -> Iterator[None]:
    """A context with the variant's padding, cut and outlier threshold."""
    kept = style_net.padded, losses_module.CUT, losses.OUTLIER
    style_net.padded = lambda x, margin: F.pad(x, [margin] * 4, mode=variant.padding)
    losses_module.CUT, losses.OUTLIER = variant.cut, variant.outlier
    try:
        yield
    finally:
        style_net.padded, losses_module.CUT, losses.OUTLIER = kept


@torch.no_grad()
def evaluated(
    network: StyleNet, perceptual_loss: PerceptualLoss, photos: Sequence[Tensor]
) -> dict[str, float]:
    """Measures of a network, averaged over photographs; the same for all variants."""
    found: dict[str, list[float]] = {}
    rings = torch.zeros(3)
    for number, photo in enumerate(photos):
        result = network(photo)
        found_losses = perceptual_loss.style(result, photo)
        motion = random_motion(*photo.shape[-2:], np.random.default_rng(number))
        pair = move(photo, motion, margin=8)
        error = warp_error((photo, pair.current), (result, network(pair.current)), pair.flow, pair.confidence)
        values = {name: found_losses[name].item() for name in ("style", "content", "brightness")}
        values |= {"warp error": 1e4 * error, "grid": 255 * grid_of(result)}
        values["sharpness"] = 1e3 * total_variation(result).item()
        rings += ring_of(result) - ring_of(photo)
        for name, value in values.items():
            found.setdefault(name, []).append(value)
    means = {name: sum(values) / len(values) for name, values in found.items()}
    return means | {"border": 255 * (rings / len(photos)).abs().mean().item()}


def grid_of(result: Tensor) -> float:
    """Strength of a grid pattern: standard deviation of the fine structure that repeats every 8 pixels."""
    fine = luma(result) - F.avg_pool2d(luma(result), 9, 1, 4, count_include_pad=False)
    phases = fine.unfold(2, PERIOD, PERIOD).unfold(3, PERIOD, PERIOD).mean(dim=(0, 1, 2, 3))
    return phases.std().item()


def ring_of(image: Tensor) -> Tensor:
    """Mean color of the outermost ring of pixels minus that of the next ring, (3,)."""
    inner = image[..., RING:-RING, RING:-RING]
    parts = (image, inner, inner[..., RING:-RING, RING:-RING])
    sums = [part.sum(dim=(0, 2, 3)) for part in parts]
    counts = [part[0, 0].numel() for part in parts]
    outer, inside = ((sums[i] - sums[i + 1]) / (counts[i] - counts[i + 1]) for i in (0, 1))
    return outer - inside


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="folder of photographs")
    parser.add_argument("--painting", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for sheets and weights")
    parser.add_argument("--minutes", type=float, default=2.0, help="training time of each variant")
    parser.add_argument("--features", default="distilled")
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="NAME=VALUE", help="changes to the default recipe"
    )
    parser.add_argument("--shown", type=Path, nargs="*", default=[], help="images for the sheets")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    changes = {name: json.loads(value) for name, _, value in (text.partition("=") for text in options.set)}
    recipe = replace(Recipe(minutes=options.minutes), **changes)
    photos = Photographs(options.photos)
    photos.files, held_back = split(photos.files, HELD_BACK)
    validation = [to_tensor(ImageOps.fit(read_rgb(path), (SIDE, SIDE))) for path in held_back[:EVALUATED]]
    shown = [ImageOps.fit(read_rgb(path), (384, 288)) for path in options.shown or held_back[40:45]]
    plain = Recipe(style_weight=1, content_weight=1, brightness_weight=1)
    perceptual_loss = PerceptualLoss(
        load_features(options.features), plain, painting_for(options.painting, recipe)
    )
    for name in options.only:
        with patched(VARIANTS[name]):
            training = trained(VARIANTS[name], options.painting, photos, recipe, options.features)
            network = training.network.eval()
            losses.OUTLIER = Variant.outlier  # the same for all variants
            measures = evaluated(network, perceptual_loss, validation)
            with torch.no_grad():
                stylized = [download(network(to_tensor(picture))[0]) for picture in shown]
        rows = [np.concatenate([np.asarray(picture) for picture in row], 1) for row in (shown, stylized)]
        Image.fromarray(np.concatenate(rows)).save(
            options.output / f"{name.replace(',', '').replace(' ', '_')}.png"
        )
        values = "".join(f"{key} {value:.3f}  " for key, value in measures.items())
        print(f"{name:24}{training.step:5} steps  {values}", flush=True)


if __name__ == "__main__":
    main()
