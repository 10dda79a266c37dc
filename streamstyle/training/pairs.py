"""Frames of a video and their versions painted by hand, from which a network learns to paint all frames.

Reference: Texler et al. (2020), Interactive video stylization using few-shot patch-based training,
https://arxiv.org/abs/2004.14489, section 3. Here the network starts as one that reproduces photographs, and
a style loss against the painted patch takes the place of the discriminator.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from streamstyle.errors import InputError
from streamstyle.files import sha256_of
from streamstyle.training.crops import Box, crop
from streamstyle.training.data import read_rgb
from streamstyle.training.recipe import Recipe

LINES = 480  # shorter side in pixels to which frames are reduced: the size at which networks work by default
ALIKE = 0.02  # difference between the shapes of a frame and its painted version that is a cut-off border
SCALES = 0.9, 1.1  # of crops: strokes keep their size, nearly


class Pairs:
    """Frames and their painted versions; also content images, which are the frames.

    Args:
        files: pairs of image files, (frame, painted).

    Attributes:
        identity: changes with the files.

    Raises:
        InputError: a file cannot be read, is smaller than a crop, or both of a pair differ in shape.
    """

    def __init__(self, files: Sequence[tuple[Path, Path]]) -> None:
        hashes = "".join(sha256_of(file) for pair in files for file in pair)
        self.identity = hashlib.sha256(hashes.encode()).hexdigest()
        self.frames, self.painted = [], []
        for frame, painted in files:
            images = read_rgb(frame), read_rgb(painted)
            shapes = [image.width / image.height for image in images]
            if abs(shapes[0] / shapes[1] - 1) > ALIKE:
                sizes = " and ".join(f"{image.width}x{image.height}" for image in images)
                raise InputError(f"{painted}: shows another part than {frame}: {sizes} differ in shape")
            size = _reduced(images[0])
            self.frames.append(images[0].resize(size, Image.Resampling.LANCZOS))
            self.painted.append(images[1].resize(size, Image.Resampling.LANCZOS))

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Image.Image:
        return self.frames[index]

    def crops_of_step(self, step: int, recipe: Recipe) -> tuple[Tensor, Tensor]:
        """Crops of frames and of the same places painted, (batch, 3, crop, crop) float in [0, 1] each."""
        rng = np.random.default_rng((recipe.seed, 2, step))
        frames, painted = [], []
        for _ in range(recipe.batch):
            index = int(rng.integers(len(self)))
            box = _random_box(self.frames[index].size, recipe.crop, rng)
            frames.append(crop(self.frames[index], box, recipe.crop))
            painted.append(crop(self.painted[index], box, recipe.crop))
        return torch.cat(frames), torch.cat(painted)


def _reduced(image: Image.Image) -> tuple[int, int]:
    """Width and height with LINES pixels at most on the shorter side."""
    scale = min(1.0, LINES / min(image.size))
    return max(1, round(image.width * scale)), max(1, round(image.height * scale))


def _random_box(size: tuple[int, int], side: int, rng: np.random.Generator) -> Box:
    length = min(side * rng.uniform(*SCALES), *size)
    x, y = (rng.uniform(0, available - length) for available in size)
    return Box(x, y, length, bool(rng.random() < 0.5))
