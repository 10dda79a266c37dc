"""Content images as bytes in the memory of a device, where crops are taken by matrix products."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import torch
from torch import Tensor

from streamstyle.cores import usable_cores
from streamstyle.cuda_graphs import CapturedVariants
from streamstyle.training.data import Images, scaled_down
from streamstyle.transfers import upload

MOST_BYTES = 2 * 2**30  # about 1800 photographs of 512x768 pixels
READ_AT_ONCE = 64  # images

_log = logging.getLogger("streamstyle")


class StoredImages:
    """Images on a device, MOST_BYTES of them at most; of more, a random choice that is always the same.

    Args:
        images: content images; scaled down to CONTENT_SIDE.
        device: where to store them.

    Attributes:
        sizes: width and height of each image in pixels.

    Raises:
        InputError: an image cannot be read.
    """

    def __init__(self, images: Images, device: torch.device) -> None:
        parts: list[Tensor] = []
        places: dict[int, tuple[int, int, int]] = {}  # the first pixel of each image, its width and height
        start = 0
        for index, pixels in in_random_order(images):
            height, width = pixels.shape[:2]
            if 3 * (start + height * width) > MOST_BYTES and parts:
                _log.warning(
                    "training on %d of %d images: no more fit into %.1f GiB of the device's memory",
                    *(len(parts), len(images), MOST_BYTES / 2**30),
                )
                break
            parts.append(upload(torch.from_numpy(pixels).flatten(0, 1), device))
            places[index] = start, width, height
            start += height * width
        self.sizes = [places[index][1:] for index in sorted(places)]
        self.largest = max(map(min, self.sizes))
        self.pixels = torch.cat(parts)  # (all pixels, 3)
        self.places = upload(torch.tensor([places[index] for index in sorted(places)]), device)
        self._captured = CapturedVariants()

    def crops(self, indices: Tensor, boxes: Tensor, side: int) -> Tensor:
        """Squares of images, scaled by a triangle filter as `PIL.Image.resize` does, which rounds twice.

        Args:
            indices: (N,) of the images.
            boxes: (N, 4) float64: x, y, side in pixels, and 1 if the crop is mirrored; see `crops.Box`.
            side: of the crops in pixels.

        Returns:
            (N, 3, side, side) float in [0, 1], in channels-last memory.
        """
        inputs = (upload(each, self.pixels.device) for each in (indices, boxes))
        return self._captured(side, partial(self._cut, side), *inputs)["crops"]

    def _cut(self, side: int, indices: Tensor, boxes: Tensor) -> dict[str, Tensor]:
        start, width, height = self.places[indices].unbind(1)
        x, y, size, mirrored = boxes.unbind(1)
        reach = math.ceil(max(self.largest / side, 1))  # of the filter, in pixels of the image
        taps = self.largest + 2 * reach + 2
        columns, across = filter_matrices(x, size, width, side, taps, reach)
        across = torch.where(mirrored[:, None, None] > 0, across.flip(1), across)
        rows, down = filter_matrices(y, size, height, side, taps, reach)
        positions = start[:, None, None] + rows[:, :, None] * width[:, None, None] + columns[:, None]
        planes = self.pixels[positions].permute(0, 3, 1, 2).float()
        scaled = (planes @ across.transpose(1, 2)[:, None] + 0.5).floor()
        result = (down[:, None] @ scaled + 0.5).floor().clamp(0, 255) / 255
        return {"crops": result.contiguous(memory_format=torch.channels_last)}


def in_random_order(images: Images) -> Iterator[tuple[int, np.ndarray]]:
    """Numbers and pixels, (H, W, 3) uint8, of all images, in an order that is always the same."""
    order = np.random.default_rng(0).permutation(len(images)).tolist()

    def pixels_of(index: int) -> np.ndarray:
        return np.array(scaled_down(images[index]))

    with ThreadPoolExecutor(usable_cores()) as pool:
        for first in range(0, len(order), READ_AT_ONCE):
            some = order[first : first + READ_AT_ONCE]
            yield from zip(some, pool.map(pixels_of, some), strict=True)


def filter_matrices(
    start: Tensor, size: Tensor, length: Tensor, side: int, taps: int, reach: int
) -> tuple[Tensor, Tensor]:
    """Triangle filters that scale a stretch of a line of pixels to `side` pixels.

    Args:
        start, size: (N,) float64 of the stretches, in pixels; single precision would change some roundings.
        length: (N,) of the lines.
        side: number of pixels to scale to.
        taps: number of pixels to read, enough for the largest stretch.
        reach: of the widest filter to each side, in pixels.

    Returns:
        (N, taps) indices of the pixels to read, and (N, side, taps) their weights, which sum to 1.
    """
    device = start.device
    scale = size / side
    places = (start.floor().long() - reach)[:, None] + torch.arange(taps, device=device)
    centers = start[:, None] + (torch.arange(side, device=device) + 0.5) * scale[:, None]
    offsets = places[:, None] + 0.5 - centers[:, :, None]
    weights = (1 - offsets.abs() / scale.clamp_min(1)[:, None, None]).clamp_min(0)
    weights = weights * ((places >= 0) & (places < length[:, None]))[:, None]
    inside = torch.minimum(places.clamp_min(0), length[:, None] - 1)
    return inside, (weights / weights.sum(dim=2, keepdim=True)).float()
