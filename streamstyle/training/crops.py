"""Random crops of content images: taken by Pillow on the CPU, and on CUDA from bytes in the device's memory.

Both ways take the same crops, and their pixels are the same up to rounding. Every random choice depends only
on the recipe's seed and the step number, so that training can resume at any step with the same result.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from streamstyle import device as devices
from streamstyle.training.data import CACHED_IMAGES, Images, to_tensor
from streamstyle.training.recipe import Recipe
from streamstyle.training.stored_images import StoredImages


class Box(NamedTuple):
    """A square of an image, in pixels, that becomes a crop.

    Attributes:
        x, y: of its top left corner.
        size: of its sides.
        mirrored: whether the crop is mirrored left to right.
    """

    x: float
    y: float
    size: float
    mirrored: bool


class CropSource(Protocol):
    """Content images of which crops are taken.

    Attributes:
        loading: seconds spent so far on images that are read or rendered on first use.
        unread: number of images after which that ends; infinite if they do not fit into the cache.
    """

    loading: float
    unread: float

    def __len__(self) -> int: ...

    def crops(
        self, indices: Iterable[int], side: int, rng: np.random.Generator, smallest: float | None = None
    ) -> Tensor:
        """Random crops of these images, (N, 3, side, side) float in [0, 1]; see `random_box`."""


def crop_source(images: Images, device: torch.device) -> CropSource:
    """The way to take crops for a training on the device."""
    return HostImages(images) if devices.on_host(device) else DeviceImages(images, device)


class HostImages:
    """See `CropSource`; on the CPU."""

    def __init__(self, images: Images) -> None:
        self.images, self.loading = images, 0.0
        self.unread = len(images) if len(images) <= CACHED_IMAGES else float("inf")

    def __len__(self) -> int:
        return len(self.images)

    def crops(
        self, indices: Iterable[int], side: int, rng: np.random.Generator, smallest: float | None = None
    ) -> Tensor:
        start, found = time.monotonic(), []
        for index in indices:
            image = self.images[index]
            found.append(crop(image, random_box(image.size, side, rng, smallest), side))
        self.loading += time.monotonic() - start
        return torch.cat(found)


class DeviceImages:
    """See `CropSource`; the images lie in the device's memory from the first call on."""

    loading, unread = 0.0, 0.0

    def __init__(self, images: Images, device: torch.device) -> None:
        self.images, self.device = images, device
        self._stored: StoredImages | None = None

    @property
    def stored(self) -> StoredImages:
        """The images on the device."""
        if self._stored is None:
            self._stored = StoredImages(self.images, self.device)
        return self._stored

    def __len__(self) -> int:
        return len(self.stored.sizes)

    def crops(
        self, indices: Iterable[int], side: int, rng: np.random.Generator, smallest: float | None = None
    ) -> Tensor:
        chosen, boxes = [], []
        for index in indices:
            chosen.append(index)
            boxes.append(random_box(self.stored.sizes[index], side, rng, smallest))
        return self.stored.crops(torch.tensor(chosen), torch.tensor(boxes, dtype=torch.float64), side)


def crops_of_step(source: CropSource, side: int, step: int, recipe: Recipe) -> Tensor:
    """The content crops of a step, (batch, 3, side, side) float in [0, 1].

    Each epoch uses every content image once, in random order.
    """
    rng = np.random.default_rng((recipe.seed, step))
    return source.crops(indices_of_step(len(source), step, recipe), side, rng)


def indices_of_step(count: int, step: int, recipe: Recipe) -> Iterator[int]:
    """Which of `count` images are used in a step."""
    for number in range((step - 1) * recipe.batch, step * recipe.batch):
        epoch, index = divmod(number, count)
        order = np.random.default_rng((recipe.seed, 0, epoch)).permutation(count)
        yield int(order[index])


def random_box(
    size: Sequence[int], side: int, rng: np.random.Generator, smallest: float | None = None
) -> Box:
    """A random square of an image, mirrored half of the time.

    Args:
        size: width and height of the image in pixels.
        side: of the crop in pixels.
        rng: source of randomness.
        smallest: minimum side of the square, as a share of the image's shorter side. By default the crop is
            enlarged by at most a tenth.
    """
    shortest = min(size)
    least = min(side, shortest) * 0.9 if smallest is None else shortest * smallest
    length = rng.uniform(least, shortest) if shortest > 1 else shortest
    x, y = (rng.uniform(0, available - length) for available in size)
    return Box(x, y, length, bool(rng.random() < 0.5))


def crop(image: Image.Image, box: Box, side: int) -> Tensor:
    """A square of the image, (1, 3, side, side) float in [0, 1]."""
    corners = (box.x, box.y, box.x + box.size, box.y + box.size)
    resized = image.resize((side, side), Image.Resampling.BILINEAR, box=corners)
    return to_tensor(ImageOps.mirror(resized) if box.mirrored else resized)
