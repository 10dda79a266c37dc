"""Speed of training on a device, and its losses there against those on the CPU.

    python benchmarks/training.py [--device cuda] [--photos FOLDER] [--seconds 10]

Steps of four crops of 256 pixels, with the bundled feature network and with VGG-16, whose random weights do
not matter for the time. Content images are rendered scenes, or the photographs of a folder; the time to
prepare them is given apart. Then the same 60 steps at 64 pixels on the device and on the CPU, with three
seeds: the sum of the losses in the last 20 steps.

The last lines are the steps a second, the seconds of preparation, and the ratio of the losses.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from streamstyle.device import choose, name_of
from streamstyle.networks import FeatureNetwork, StyleNet
from streamstyle.networks.pretrained import Pretrained
from streamstyle.styles import load_style
from streamstyle.training import Photographs, Recipe, Training, TrainingImages, painting_for
from streamstyle.training.scenes import Scenes
from streamstyle.weights import load_features

ROOT = Path(__file__).parents[1]
PAINTING = ROOT / "samples" / "painting.png"
FAST = Recipe(steps=10**6, batch=4, crop=256)
LIKE = Recipe(steps=60, batch=2, crop=64)
SEEDS = 3


def a_training(
    images: TrainingImages, features: FeatureNetwork, recipe: Recipe, device: torch.device
) -> Training:
    """A training as `streamstyle train` starts it."""
    base = load_style("base").network
    assert isinstance(base, StyleNet)
    return Training(painting_for(PAINTING, recipe), images, features, recipe, base=base, device=device)


def speed(training: Training, seconds: float) -> tuple[float, float]:
    """Steps a second once steps take alike, and the seconds that the first step took."""
    start = time.monotonic()
    training.advance()
    first = time.monotonic() - start
    while training.step < training.steps.settling:
        training.advance()
    training.finish()
    start, before = time.monotonic(), training.step
    while time.monotonic() - start < seconds:
        training.advance()
    training.finish()
    return (training.step - before) / (time.monotonic() - start), first


def last_losses(images: TrainingImages, features: FeatureNetwork, seed: int, device: torch.device) -> float:
    """The sum of all losses of the last third of the steps of LIKE."""
    recipe = Recipe(steps=LIKE.steps, batch=LIKE.batch, crop=LIKE.crop, seed=seed)
    training, total = a_training(images, features, recipe, device), 0.0
    assert recipe.steps is not None
    for step in range(recipe.steps):
        training.advance()
        if step >= recipe.steps * 2 // 3:
            total += sum(training.finish().values())
    return total


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--photos", type=Path, help="photographs instead of rendered scenes")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each network")
    options = parser.parse_args()
    device = choose(options.device)
    print(f"torch {torch.__version__} on {name_of(device)}")
    images: TrainingImages = Photographs(options.photos) if options.photos else Scenes()
    figures = {}
    judges = {"distilled": load_features(), "vgg16": Pretrained("vgg16").eval()}
    for name, features in judges.items():
        training = a_training(images, features, FAST, device)
        figures[f"steps_per_second_{name}"], first = speed(training, options.seconds)
        figures.setdefault("preparation_seconds", first)
        refusal = getattr(training.steps, "refusal", "")
        print(f"{name}: {type(training.steps).__name__}{', not captured: ' + refusal if refusal else ''}")
    sums = {
        where: [last_losses(images, judges["distilled"], seed, where) for seed in range(SEEDS)]
        for where in (device, torch.device("cpu"))
    }
    for where, values in sums.items():
        print(f"losses on {where}:", *(f"{value:.2f}" for value in values))
    figures["loss_ratio"] = sum(sums[device]) / sum(sums[torch.device("cpu")])
    for name, value in figures.items():
        print(f"{name}: {value:.3g}")


if __name__ == "__main__":
    main()
