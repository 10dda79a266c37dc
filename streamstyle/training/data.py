"""Training data: content images, and the style painting. Crops of them are taken in `crops`."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from streamstyle.errors import InputError
from streamstyle.files import sha256_of
from streamstyle.frames import Frame
from streamstyle.image_recognition import images_in, supported_format
from streamstyle.images import Notices, read_image
from streamstyle.paintings import read_painting
from streamstyle.sources import ReadOptions, open_source
from streamstyle.training.recipe import Recipe

CONTENT_SIDE = 512  # shorter side in pixels to which content images are scaled down; crops are smaller
VIDEO_FRAMES = 96  # taken evenly from a video
LONG_VIDEO = 60.0  # seconds; longer videos are sampled by seeking
CACHED_IMAGES = 600  # decoded images, about 0.5 GB

_log = logging.getLogger("streamstyle")


class Images(Protocol):
    """Images, each RGB and upright; a list of Pillow's images is one such."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Image.Image: ...


class TrainingImages(Images, Protocol):
    """Content images for training.

    Attributes:
        identity: changes with the images, so that an unfinished training resumes only with the same images.
    """

    identity: str


class Photographs:
    """The photographs of a folder, sorted by name.

    Args:
        folder: their folder, without subfolders.

    Raises:
        InputError: as `photograph_files`; or, when a photograph is accessed, its file cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.files = photograph_files(folder)
        self._notices = Notices()
        listing = "".join(f"{path.name} {path.stat().st_size}\n" for path in self.files)
        self.identity = hashlib.sha256(listing.encode()).hexdigest()
        self._decoded = lru_cache(CACHED_IMAGES)(self._read)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Image.Image:
        return self._decoded(index)

    def _read(self, index: int) -> Image.Image:
        return scaled_down(read_rgb(self.files[index], self._notices))


class VideoFrames:
    """Frames taken evenly from a video.

    Args:
        path: the video.

    Raises:
        InputError: the video cannot be read or has no frame.
    """

    def __init__(self, path: Path) -> None:
        self.identity = sha256_of(path)
        with open_source(path, ReadOptions(max_size=2 * CONTENT_SIDE)) as source:
            info = source.info
            seconds = float(info.frames / info.rate) if info.frames and info.rate else 0.0
            if seconds <= LONG_VIDEO:
                step = max((info.frames or 0) // VIDEO_FRAMES, 1)
                taken = (item for item in source if isinstance(item, Frame))
                last = step * 2 * VIDEO_FRAMES  # a limit, if the number of frames is unknown or wrong
                self.frames = [as_content(frame) for frame in islice(taken, 0, last, step)]
                return
        times = (seconds * (number + 0.5) / VIDEO_FRAMES for number in range(VIDEO_FRAMES))
        self.frames = [as_content(frame) for time in times if (frame := frame_at(path, time))]
        if not self.frames:
            raise InputError(f"{path}: no frame could be read at any of {VIDEO_FRAMES} positions")

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Image.Image:
        return self.frames[index]


def frame_at(path: Path, seconds: float) -> Frame | None:
    """The first frame of a video at or after a time, or None if none can be read."""
    try:
        with open_source(path, ReadOptions(max_size=2 * CONTENT_SIDE, start=seconds, length=1.0)) as source:
            return next((item for item in source if isinstance(item, Frame)), None)
    except InputError:
        return None  # beyond the end: containers may state too long a duration


def as_content(frame: Frame) -> Image.Image:
    """A frame as a content image."""
    return scaled_down(Image.fromarray(frame.pixels))


def photograph_files(folder: Path) -> list[Path]:
    """The photographs of a folder, sorted by name. Images of unsupported formats are skipped with a warning.

    Raises:
        InputError: it is not a folder, or contains no image that can be read.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of photographs")
    files = []
    for path in images_in(folder):
        try:
            supported_format(path)
        except InputError as exc:
            _log.warning("skipped: %s", exc)
        else:
            files.append(path)
    if not files:
        raise InputError(f"{folder}: no image of a supported format in this folder")
    return files


def split(files: Sequence[Path], held_back: int) -> tuple[list[Path], list[Path]]:
    """Files to train on, and `held_back` others for validation, taken evenly from all of them."""
    held_out = {round(index * len(files) / held_back) for index in range(held_back)}
    training = [path for index, path in enumerate(files) if index not in held_out]
    return training, [path for index, path in enumerate(files) if index in held_out]


def read_rgb(path: Path, notices: Notices | None = None) -> Image.Image:
    """An image file as a Pillow image: upright, in sRGB, with a white background.

    Args:
        path, notices: as for `read_image`.

    Raises:
        InputError: as `read_image`.
    """
    return Image.fromarray(read_image(path, notices=notices).on_white())


def scaled_down(image: Image.Image) -> Image.Image:
    """The image with a shorter side of at most CONTENT_SIDE pixels."""
    scale = CONTENT_SIDE / min(image.size)
    if scale >= 1:
        return image
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BOX)


def to_tensor(image: Image.Image) -> Tensor:
    """(1, 3, H, W) float in [0, 1]."""
    pixels = torch.from_numpy(np.array(image))
    return pixels.permute(2, 0, 1)[None].float() / 255


def painting_for(path: Path, recipe: Recipe) -> Tensor:
    """The style painting, prepared according to the recipe; see `paintings.read_painting`."""
    return read_painting(
        path, stroke_size=recipe.stroke_size, part=recipe.part, grain=recipe.grain, levels=recipe.levels
    )
