"""How much of a style network has to change from painting to painting.

    python benchmarks/capacity.py PAINTINGS PHOTOS [--styles starry_night great_wave udnie] [--steps 200]

The trunk is the mean of the other bundled styles. From it each of the styles is trained with less and less
held fixed: the normalizations only; gains and biases of the convolutions, too; the depthwise kernels and the
output layer, too; the convolutions across channels, too, by a matrix of rank 4 each; then everything. The
table has the sum of the losses, each averaged over the last fifth of the steps, and the share of the way
from the trunk to training everything. The last lines are these shares, averaged over the styles.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from streamstyle.device import name_of
from streamstyle.networks import StyleNet
from streamstyle.networks.weight_writer import WeightWriter
from streamstyle.styles import load_style
from streamstyle.training import Photographs, Recipe, painting_for, read_recipe
from streamstyle.training.bundled import find_painting
from streamstyle.training.crops import HostImages, crops_of_step
from streamstyle.training.optimization import HostSteps
from streamstyle.training.perceptual_loss import PerceptualLoss, random_choices
from streamstyle.training.synthetic_motion import Motion
from streamstyle.weights import STYLES, load_features

ROOT = Path(__file__).parents[1]
LEVELS = {
    "trunk": (),
    "norms": ("norms",),
    "gains": ("norms", "gains"),
    "kernels": ("norms", "gains", "kernels", "output"),
    "rank_4": ("norms", "gains", "kernels", "output", "mixing"),
    "all": None,
}


def mean_network(names: list[str]) -> StyleNet:
    """The network whose weights are the mean of these styles'."""
    networks = [load_style(name).network for name in names]
    trunk = networks[0]
    assert isinstance(trunk, StyleNet)
    with torch.no_grad():
        for values in zip(*(network.parameters() for network in networks), strict=True):
            values[0].copy_(torch.stack(values).mean(dim=0))
    return trunk


class Written(nn.Module):
    """One network written by numbers that are trained."""

    def __init__(self, trunk: StyleNet, parts: tuple[str, ...]) -> None:
        super().__init__()
        self.writer, self.network = WeightWriter(trunk, parts, rank=4), [trunk]
        self.writer.trunk.requires_grad_(False)
        self.numbers = nn.Parameter(torch.zeros(1, self.writer.count))

    def forward(self, image: Tensor) -> Tensor:
        weights = {name: value[0] for name, value in self.writer(self.numbers).items()}
        result: Tensor = torch.func.functional_call(self.network[0], weights, (image,))
        return result


def losses_of(
    network: nn.Module, loss: PerceptualLoss, photos: HostImages, recipe: Recipe, train: bool
) -> tuple[float, float]:
    """Sum of the losses, and the style loss, both averaged over the last fifth of the steps."""
    sums: dict[str, list[float]] = defaultdict(list)
    parameters = [each for each in network.parameters() if each.requires_grad]
    assert recipe.steps is not None

    def step_losses(crops: Tensor, corner: Tensor, *motion: Tensor) -> dict[str, Tensor]:
        return loss.losses(network, crops, corner, Motion(*motion))

    steps = (
        HostSteps(step_losses, torch.optim.Adam(parameters, lr=0.0, betas=(0.9, 0.99)), 1.0)
        if train
        else None
    )
    for step in range(1, recipe.steps + 1):
        if steps is None and step <= recipe.steps * 0.8:
            continue
        crops = crops_of_step(photos, recipe.crop, step, recipe)
        corner, motion = random_choices(recipe.crop, np.random.default_rng((recipe.seed, 1, step)))
        rate = recipe.learning_rate * min(step / 20, 1, 2 * (1 - (step - 1) / recipe.steps))
        if steps is None:
            with torch.no_grad():
                values = {k: v.item() for k, v in step_losses(crops, corner, *motion).items()}
        else:
            values = steps(rate, crops, corner, *motion)
        if step > recipe.steps * 0.8:
            sums["style"].append(values["style"])
            sums["all"].append(sum(values.values()))
    return float(np.mean(sums["all"])), float(np.mean(sums["style"]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paintings", type=Path, help="folder of the paintings of bundled styles")
    parser.add_argument("photos", type=Path, help="folder of photographs")
    parser.add_argument("--styles", nargs="*", default=["starry_night", "great_wave", "udnie"])
    parser.add_argument("--steps", type=int, default=200)
    options = parser.parse_args()
    print(name_of(torch.device("cpu")))
    trunk = mean_network([name for name in STYLES if name not in options.styles])
    features, photos = load_features().requires_grad_(False), HostImages(Photographs(options.photos))
    shares: dict[str, list[float]] = defaultdict(list)
    for style in options.styles:
        recipe, about = read_recipe(ROOT / "configs" / "styles" / f"{style}.toml")
        recipe = replace(recipe, steps=options.steps, crop=160)
        painting = painting_for(find_painting(about["sha256"], [options.paintings]), recipe)
        loss, found = PerceptualLoss(features, recipe, painting), {}
        for level, parts in LEVELS.items():
            torch.manual_seed(0)
            network = mean_network([name for name in STYLES if name not in options.styles])
            written = network if parts is None else Written(trunk, parts)
            written.to(memory_format=torch.channels_last) if parts is None else None
            found[level] = losses_of(written, loss, photos, recipe, train=level != "trunk")
            if level != "all":
                print(
                    f"{style} {level}: losses {found[level][0]:.3f}, style {found[level][1]:.3f}", flush=True
                )
        print(f"{style} all: losses {found['all'][0]:.3f}, style {found['all'][1]:.3f}")
        bundled = losses_of(load_style(style).network, loss, photos, recipe, train=False)
        print(f"{style} bundled: losses {bundled[0]:.3f}, style {bundled[1]:.3f}", flush=True)
        for level, (value, _) in found.items():
            shares[level].append((found["trunk"][0] - value) / (found["trunk"][0] - found["all"][0]))
    for level, values in shares.items():
        print(f"share_{level}: {np.mean(values):.3f}")


if __name__ == "__main__":
    main()
