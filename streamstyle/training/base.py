"""Training of the base network, which reproduces photographs and from which styles are fine-tuned.

Run it with `python -m streamstyle.training.base PHOTOS RECIPE OUTPUT`.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from streamstyle.device import choose
from streamstyle.styles import save_style
from streamstyle.training.data import Photographs, read_rgb, split, to_tensor
from streamstyle.training.loop import Training, TrainingProgress
from streamstyle.training.recipe import read_recipe
from streamstyle.weights import load_features

HELD_BACK = 60  # photographs held out for validation; the same as for the feature network
LOG = logging.getLogger("streamstyle")


@torch.no_grad()
def peak_signal_to_noise(network: nn.Module, photos: list[Path]) -> float:
    """Mean PSNR over photographs, -10 log10 of the mean squared error, in decibels."""
    values = []
    for path in photos:
        image = to_tensor(read_rgb(path))
        height, width = (side // 8 * 8 for side in image.shape[-2:])
        image = image[..., :height, :width]
        values.append(-10 * math.log10((network(image) - image).square().mean().item()))
    return sum(values) / len(values)


def main() -> None:
    """The command line: train, validate on the held-out photographs, save."""
    parser = argparse.ArgumentParser(description="Train the base of all styles.")
    for name, text in (
        ("photos", "folder of photographs"),
        ("recipe", "TOML file, such as configs/styles/base.toml"),
        ("output", "weights file to write"),
    ):
        parser.add_argument(name, type=Path, help=text)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    recipe = read_recipe(options.recipe)[0]
    photos = Photographs(options.photos)
    photos.files, held_back = split(photos.files, HELD_BACK)

    def log(progress: TrainingProgress) -> None:
        if progress.step % 100 == 0:
            losses = " ".join(f"{name} {value:.4f}" for name, value in progress.losses.items())
            LOG.info("step %d of %s, %.0f s: %s", progress.step, progress.steps, progress.seconds, losses)

    training = Training(None, photos, load_features(), recipe, device=choose(options.device))
    network = training.run(log)
    decibels = peak_signal_to_noise(network, held_back)
    LOG.info("%d held-out photographs: %.2f dB", len(held_back), decibels)
    about = {"painting": "", "painter": "", "year": "0", "licence": "MIT", "decibels": f"{decibels:.2f}"}
    save_style(options.output, network, {**about, "recipe": json.dumps(asdict(training.recipe))})


if __name__ == "__main__":
    main()
