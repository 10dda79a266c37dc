"""Training data of the style predictor: paintings and photographs of each step.

Every random choice depends only on the recipe's seed and the number of the step.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from streamstyle.errors import InputError
from streamstyle.paintings import painting_image
from streamstyle.training.crops import CropSource, crop_source
from streamstyle.training.data import TrainingImages, photograph_files
from streamstyle.training.known_styles import KnownStyle, KnownStyles
from streamstyle.training.patterns import Patterns
from streamstyle.training.perceptual_loss import random_choices
from streamstyle.training.prediction_loss import recolored
from streamstyle.training.prediction_recipe import PredictionRecipe

TO_GRAY = np.full((3, 3), 1 / 3)
LOG = logging.getLogger("streamstyle")


class Paintings:
    """The paintings of a folder, sorted by name, without those that are held out.

    Args:
        folder: without subfolders; a file's name starts with its painter, followed by "_".
        held_out: painters whose paintings are left out.
        most: number of paintings at most, taken evenly; None: all.

    Attributes:
        identity: changes with the files.
    """

    def __init__(self, folder: Path, held_out: tuple[str, ...] = (), most: int | None = None) -> None:
        files = [path for path in photograph_files(folder) if painter_of(path) not in held_out]
        if most is not None and most < len(files):
            files = [files[number * len(files) // most] for number in range(most)]
        self.files = files
        self._images: dict[int, Image.Image] = {}
        listing = "".join(f"{path.name} {path.stat().st_size}\n" for path in files)
        self.identity = hashlib.sha256(listing.encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Image.Image:
        if index not in self._images:
            try:
                self._images[index] = painting_image(self.files[index])
            except InputError as exc:
                LOG.warning("another painting instead: %s", exc)
                self._images[index] = self[(index + 1) % len(self.files)]
        return self._images[index]


def painter_of(path: Path) -> str:
    """The painter, as in the file's name."""
    return path.stem.partition("_")[0]


class PredictionData:
    """The inputs of `PredictionLoss` for each step, and of the statistics before the first.

    Args:
        paintings: to learn from.
        photos: content images.
        recipe: how many of each, and how they are changed.
        device: where the images are kept.
        known: styles for whose paintings the results are known.

    Attributes:
        images: the paintings.
    """

    def __init__(
        self,
        paintings: Paintings,
        photos: TrainingImages,
        recipe: PredictionRecipe,
        device: torch.device,
        known: Sequence[KnownStyle] = (),
    ) -> None:
        self.images, self.recipe, self.device = paintings, recipe, device
        self.known = KnownStyles(known, device) if known else None
        self.paintings, self.photos = crop_source(paintings, device), crop_source(photos, device)
        self.patterns = crop_source(Patterns(), device)

    def inputs_of_step(self, step: int) -> tuple[Tensor, ...]:
        """The arguments of `PredictionLoss`; images are on the device, all others on the host."""
        recipe, rng = self.recipe, np.random.default_rng((self.recipe.seed, step))
        count = recipe.styles
        kinds = rng.random(count)
        identity = kinds < recipe.identity
        rendered = ~identity & (kinds < recipe.identity + recipe.patterns)
        paintings = self.crops(self.paintings, count, recipe.painting_crop, rng)
        photos = self.crops(self.photos, count * recipe.photos, recipe.crop, rng, whole=True)
        photos = photos.reshape(count, recipe.photos, *photos.shape[1:])
        kept = (recipe.painting_crop - recipe.crop) // 2
        for number in range(count):
            if rendered[number]:
                paintings[number] = self.crops(self.patterns, 1, recipe.painting_crop, rng)[0]
            if identity[number]:
                photo = self.crops(self.photos, 1, recipe.painting_crop, rng, whole=True)[0]
                paintings[number] = photo
                photos[number] = photo[:, kept : kept + recipe.crop, kept : kept + recipe.crop]
        changes = np.stack([random_colors(rng, 0 if each else recipe.recolored) for each in identity])
        colors = torch.from_numpy(changes.astype(np.float32))
        imitated = kinds >= (1 - recipe.imitated if self.known else 1)
        expected = photos.clone()
        for number in np.flatnonzero(imitated).tolist():
            paintings[number], results = self.known_results(photos[number], rng)
            expected[number] = recolored(results, colors[number].to(results).expand(len(results), 3, 4))
        mixed = (rng.random(count) < recipe.mixed) & ~identity & ~imitated
        shares = np.where(mixed, rng.random(count), 0.0)
        corner, motion = random_choices(recipe.crop, rng)
        numbers = (torch.from_numpy(each.astype(np.float32)) for each in (shares, identity | imitated))
        shares_, known = numbers
        return paintings, colors, shares_, photos, expected, known, corner, *motion

    def known_results(self, photos: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """A part of known styles' paintings, (3, side, side), and the results for photographs."""
        assert self.known is not None
        part, shares = self.known.painting(self.recipe.painting_crop, rng)
        return part, self.known.results(photos, shares)

    def crops(
        self, source: CropSource, count: int, side: int, rng: np.random.Generator, *, whole: bool = False
    ) -> Tensor:
        """Crops of randomly chosen images, (count, 3, side, side); `whole`: as for content images."""
        indices = rng.integers(0, len(source), count).tolist()
        return source.crops(indices, side, rng, None if whole else self.recipe.smallest)

    def sample(self, count: int) -> Tensor:
        """Crops of paintings for statistics, (count, 3, side, side); always the same."""
        rng = np.random.default_rng((self.recipe.seed, 0))
        return self.crops(self.paintings, count, self.recipe.painting_crop, rng)


def random_colors(rng: np.random.Generator, share: float) -> np.ndarray:
    """(3, 4): a change of hue, saturation, contrast and the order of channels; mostly none.

    Args:
        rng: source of randomness.
        share: of paintings whose colors are changed.
    """
    matrix, offset = np.eye(3), np.zeros((3, 1))
    if rng.random() < share:
        if rng.random() < 0.3:
            matrix = matrix[rng.permutation(3)]
        matrix = turned(rng.normal(0, 0.6)) @ matrix
        saturation, contrast = rng.uniform(0.4, 1.4), rng.uniform(0.7, 1.3)
        matrix = contrast * (TO_GRAY + saturation * (matrix - TO_GRAY))
        offset += 0.5 * (1 - contrast) + rng.normal(0, 0.05)
    return np.concatenate((matrix, offset), axis=1)


def turned(angle: float) -> np.ndarray:
    """The rotation of colors about the gray axis, which changes their hue."""
    axis = np.full(3, 3**-0.5)
    cross = np.cross(np.eye(3), axis)
    result: np.ndarray = (
        np.cos(angle) * np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * np.outer(axis, axis)
    )
    return result
