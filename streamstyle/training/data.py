"""What training looks at: crops of pictures in random order, and one painting.

Every random choice is a function of the recipe's seed and the number of the step alone, so that training
can go on from any step as if it had never stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image, ImageFilter, ImageOps, UnidentifiedImageError
from torch import Tensor

from streamstyle.errors import InputError
from streamstyle.frames import Frame
from streamstyle.sources import open_source
from streamstyle.training.recipe import Recipe
from streamstyle.weights.files import sha256_of

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
PAINTING_SIDE = 640  # long side in pixels at which a painting has strokes of size 1
SMALLEST_PAINTING = 128  # shortest side in pixels; below, there is no stroke to learn
CONTENT_SIDE = 512  # short side in pixels to which contents are scaled down: crops are smaller than that
FILM_FRAMES = 96  # taken evenly from a film
LONG_FILM = 60.0  # seconds; longer ones are not read through, but sought in
KEPT = 600  # decoded pictures, some 0.5 GB


class TrainingImages(Protocol):
    """Pictures to paint while training, each RGB and upright.

    Attributes:
        identity: tells them from others, so that a training goes on with what it began with.
    """

    identity: str

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Image.Image: ...


class Photographs:
    """The pictures of a folder in the order of their names.

    Args:
        folder: where they are; folders in it are not looked at.

    Raises:
        InputError: it is no folder, or holds no pictures; on taking one, that it cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.files = picture_files(folder)
        listing = "".join(f"{path.name} {path.stat().st_size}\n" for path in self.files)
        self.identity = hashlib.sha256(listing.encode()).hexdigest()
        self.picture = lru_cache(KEPT)(self._read)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Image.Image:
        return self.picture(index)

    def _read(self, index: int) -> Image.Image:
        return scaled_down(read_picture(self.files[index]))


class VideoFrames:
    """Frames taken evenly from a film.

    Args:
        path: the film.

    Raises:
        InputError: it cannot be read or holds no frame.
    """

    def __init__(self, path: Path) -> None:
        self.identity = sha256_of(path)
        with open_source(path, max_size=2 * CONTENT_SIDE) as source:
            info = source.info
            seconds = float(info.frames / info.rate) if info.frames and info.rate else 0.0
            if seconds <= LONG_FILM:
                step = max((info.frames or 0) // FILM_FRAMES, 1)
                taken = (item for item in source if isinstance(item, Frame))
                last = step * 2 * FILM_FRAMES  # where the number of frames was not known or wrong
                self.frames = [as_content(frame) for frame in islice(taken, 0, last, step)]
                return
        places = (seconds * (number + 0.5) / FILM_FRAMES for number in range(FILM_FRAMES))
        self.frames = [as_content(frame) for place in places if (frame := frame_at(path, place))]
        if not self.frames:
            raise InputError(f"{path}: no frame could be read at any of {FILM_FRAMES} places")

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Image.Image:
        return self.frames[index]


def frame_at(path: Path, seconds: float) -> Frame | None:
    """The first frame of a film at or after a time, or None where there is none that can be read."""
    try:
        with open_source(path, max_size=2 * CONTENT_SIDE, start=seconds, length=1.0) as source:
            return next((item for item in source if isinstance(item, Frame)), None)
    except InputError:
        return None  # behind the end, which the container may promise to lie later


def as_content(frame: Frame) -> Image.Image:
    """A frame as a picture of the size that contents have."""
    return scaled_down(Image.fromarray(frame.pixels))


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


def split(files: Sequence[Path], held_back: int) -> tuple[list[Path], list[Path]]:
    """Files to train on, and `held_back` others, taken evenly over the sorted whole, to measure on."""
    kept = {round(index * len(files) / held_back) for index in range(held_back)}
    training = [path for index, path in enumerate(files) if index not in kept]
    return training, [path for index, path in enumerate(files) if index in kept]


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


def scaled_down(image: Image.Image) -> Image.Image:
    """The picture with a short side of at most CONTENT_SIDE."""
    scale = CONTENT_SIDE / min(image.size)
    if scale >= 1:
        return image
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BOX)


def to_tensor(image: Image.Image) -> Tensor:
    """(1, 3, H, W) float in [0, 1]."""
    pixels = torch.from_numpy(np.array(image))
    return pixels.permute(2, 0, 1)[None].float() / 255


def read_painting(path: Path, recipe: Recipe) -> Tensor:
    """(1, 3, H, W) in [0, 1], scaled so that its strokes have the size that the recipe asks for.

    Raises:
        InputError: it cannot be read, or its shortest side is below SMALLEST_PAINTING pixels.
    """
    whole = read_picture(path)
    left, right = (round(share * whole.width) for share in recipe.part[::2])
    top, bottom = (round(share * whole.height) for share in recipe.part[1::2])
    image = whole.crop((left, top, right, bottom))
    if min(image.size) < SMALLEST_PAINTING:
        raise InputError(
            f"{path}: the painting is {image.width}x{image.height} pixels; "
            f"its shortest side must have at least {SMALLEST_PAINTING}"
        )
    scale = PAINTING_SIDE * recipe.stroke_size / max(whole.size)
    width, height = (max(64, round(side * scale)) for side in image.size)
    scaled = image.resize((width, height), Image.Resampling.LANCZOS)
    clean = scaled.filter(ImageFilter.MedianFilter(recipe.grain)) if recipe.grain > 1 else scaled
    if recipe.levels:
        clean = ImageOps.autocontrast(clean, recipe.levels, preserve_tone=True)
    return to_tensor(clean)


def random_crops(contents: TrainingImages, side: int, step: int, recipe: Recipe) -> Tensor:
    """The photographs of a step: (batch, 3, side, side) in [0, 1].

    All contents are seen once, in random order, before one is seen again.
    """
    rng = np.random.default_rng((recipe.seed, step))
    crops = []
    for number in range((step - 1) * recipe.batch, step * recipe.batch):
        epoch, index = divmod(number, len(contents))
        order = np.random.default_rng((recipe.seed, 0, epoch)).permutation(len(contents))
        crops.append(random_crop(contents[int(order[index])], side, rng))
    return torch.cat(crops)


def random_crop(
    image: Image.Image, side: int, rng: np.random.Generator, smallest: float | None = None
) -> Tensor:
    """(1, 3, side, side) from a square of the picture, mirrored half of the time.

    Args:
        image: RGB, of any size.
        side: of the crop in pixels.
        rng: decides.
        smallest: side of the square at least, as a share of the picture's short side; by default such
            that it is hardly enlarged.
    """
    shortest = min(image.size)
    least = min(side, shortest) * 0.9 if smallest is None else shortest * smallest
    size = rng.uniform(least, shortest) if shortest > 1 else shortest
    x, y = (rng.uniform(0, length - size) for length in image.size)
    crop = image.resize((side, side), Image.Resampling.BILINEAR, box=(x, y, x + size, y + size))
    return to_tensor(ImageOps.mirror(crop) if rng.random() < 0.5 else crop)
