"""A large network learns a style first, and the style network learns from its results.

A style network has a tenth of the weights. Trained on the losses of a style it may keep soft shapes, where a
large network finds crisp ones (seen with udnie). Asked for the large network's results, it comes closer to
them.

Reference: Hinton, Vinyals, Dean (2015), Distilling the knowledge in a neural network,
https://arxiv.org/abs/1503.02531; here of images instead of classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from streamstyle.device import choose
from streamstyle.networks.johnson import Johnson
from streamstyle.networks.style_network import StyleNetwork
from streamstyle.training.data import Photographs, painting_for
from streamstyle.training.loop import Training, TrainingProgress
from streamstyle.training.recipe import Recipe
from streamstyle.weights import load_features

WARM_UP = Recipe(steps=250, batch=2, crop=192, learning_rate=1e-3)  # until it gives photographs back
LARGEST = 0.59  # how far from the middle colors can be, so that black and white are within reach
SLOPE = 100.0  # values of the last layer by which a color is three quarters of the way there


class LargeNetwork(Johnson):
    """Johnson's network, whose colors end softly: clipped ones would have no gradient."""

    def __init__(self, width: int = 32, blocks: int = 5) -> None:
        super().__init__(width, blocks)
        nn.init.normal_(self.deconv3.conv2d.weight, 0, 0.3)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] to the same shape, in [-0.09, 1.09]; H and W multiples of 4, at least 8."""
        return torch.tanh(self.unlimited(image) / SLOPE) * LARGEST + 0.5


def train_teacher(
    painting: Path,
    photos: Path,
    recipes: Sequence[Recipe],
    on_progress: Callable[[TrainingProgress], None] | None = None,
    network: StyleNetwork | None = None,
) -> StyleNetwork:
    """Trains a large network after a painting, by one recipe after the other.

    Args:
        painting: image file.
        photos: folder of photographs.
        recipes: of the style; before them it learns to give photographs back.
        on_progress: called after each step, see `Training.run`.
        network: to start from; by default it begins at random.

    Raises:
        StreamstyleError: as `Training`, or an image cannot be read.
    """
    if network is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = LargeNetwork()
    images, features, device = Photographs(photos), load_features(), choose("auto")
    for recipe in (WARM_UP, *recipes):
        target = None if recipe is WARM_UP else painting_for(painting, recipe)
        training = Training(target, images, features, recipe, base=network, device=device)
        network = training.run(on_progress)
    return network
