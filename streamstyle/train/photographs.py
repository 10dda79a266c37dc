"""What training looks at: crops of photographs in random order, and one painting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from streamstyle.errors import InputError
from streamstyle.train.recipe import CUT, Recipe

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
STEP = 8  # pixels by which the moved copy of a photograph is shifted at most
NOISE = 0.03  # standard deviation at most of the noise on it, in units of the full range
PAINTING_SIDE = 640  # long side in pixels at which a painting has strokes of size 1
SMALLEST_PAINTING = 128  # shortest side in pixels; below, there is no stroke to learn


@dataclass(frozen=True)
class Batch:
    """Photographs with the random choices that go with them.

    Attributes:
        photos: (N, 3, crop + STEP, crop + STEP) in [0, 1].
        shift: (y, x) in [0, STEP], where the moved copy begins.
        cut: (y, x) in [0, CUT], where the scored part begins.
        noise: (1, 3, crop, crop), added to the moved copy.
    """

    photos: Tensor
    shift: tuple[int, int]
    cut: tuple[int, int]
    noise: Tensor


def picture_files(folder: Path) -> list[Path]:
    """The pictures of a folder in the order of their names.

    Raises:
        InputError: it is no folder, or holds no pictures.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of photographs")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not files:
        raise InputError(f"{folder}: holds no pictures ({', '.join(sorted(SUFFIXES))})")
    return files


def read_picture(path: Path) -> Image.Image:
    """A picture as RGB, upright.

    Raises:
        InputError: it is missing, damaged or too large to be safe.
    """
    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError) as exc:
        raise InputError(f"{path}: cannot read this picture: {exc}") from exc


def to_tensor(image: Image.Image) -> Tensor:
    """(1, 3, H, W) float in [0, 1]."""
    pixels = torch.from_numpy(np.array(image))
    return pixels.permute(2, 0, 1)[None].float() / 255


def read_painting(path: Path, recipe: Recipe) -> Tensor:
    """(1, 3, H, W) in [0, 1], scaled so that its strokes have the size that the recipe asks for.

    Raises:
        InputError: it cannot be read, or its shortest side is below SMALLEST_PAINTING pixels.
    """
    image = read_picture(path)
    if min(image.size) < SMALLEST_PAINTING:
        raise InputError(
            f"{path}: the painting is {image.width}x{image.height} pixels; "
            f"its shortest side must have at least {SMALLEST_PAINTING}"
        )
    scale = PAINTING_SIDE * recipe.stroke_size / max(image.size)
    width, height = (max(64, round(side * scale)) for side in image.size)
    return to_tensor(image.resize((width, height), Image.Resampling.LANCZOS))


def photo_batches(files: Sequence[Path], recipe: Recipe) -> Iterator[Batch]:
    """Endless batches of crops at random places and scales, mirrored half of the time.

    Raises:
        InputError: a photograph cannot be read.
    """
    rng = np.random.default_rng(recipe.seed)
    order: list[int] = []
    while True:
        crops = []
        for _ in range(recipe.batch):
            order = order or rng.permutation(len(files)).tolist()
            crops.append(random_crop(read_picture(files[order.pop()]), recipe.crop + STEP, rng))
        shift_y, shift_x, cut_y, cut_x = (int(rng.integers(0, end + 1)) for end in (STEP, STEP, CUT, CUT))
        noise = rng.normal(0, rng.uniform(0, NOISE), (1, 3, recipe.crop, recipe.crop)).astype(np.float32)
        yield Batch(torch.cat(crops), (shift_y, shift_x), (cut_y, cut_x), torch.from_numpy(noise))


def random_crop(image: Image.Image, side: int, rng: np.random.Generator) -> Tensor:
    """(1, 3, side, side) from a square of the picture, of a random size from its short side down."""
    shortest = min(image.size)
    size = rng.uniform(min(side, shortest) * 0.9, shortest) if shortest > 1 else shortest
    x, y = (rng.uniform(0, length - size) for length in image.size)
    crop = image.resize((side, side), Image.Resampling.BILINEAR, box=(x, y, x + size, y + size))
    return to_tensor(ImageOps.mirror(crop) if rng.random() < 0.5 else crop)
