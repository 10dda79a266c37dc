"""Blank areas stay calm: where an image has one color, the effect's result is one color too.

On white paper, plain walls and title cards, a style network draws strokes out of nothing, which depend on
what moves elsewhere and travel with it. Here the result's mean color of the areas of that color takes their
place, so the style's palette remains.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from streamstyle import device as devices
from streamstyle.cuda_graphs import Captured
from streamstyle.effects.resizing import blurred
from streamstyle.frames import Effect, Moment
from streamstyle.optical_flow import blended, resized_map

CELL = 8  # side in pixels of the cells whose darkest and brightest values are compared
REACH = 3  # cells around a cell that must be blank, too, for it to be blank
BLANK, DRAWN = 2.5 / 255, 6 / 255  # range of values up to which an area is blank, and from which it is not
FADE = 1.5  # cells, standard deviation with which blank areas fade in
TAIL = 0.1  # share of the blank below which an area is drawn
GROUP = 4  # cells a side, at least, over which colors are averaged before they are compared …
GROUPS = 1024  # … as so many colors at most are compared with each other
ALIKE = 0.06  # difference of color at which areas share little of their mean


class Calm:
    """An effect whose result is one color where the image is.

    Args:
        effect: processes each frame by itself, at its own size.
    """

    def __init__(self, effect: Effect) -> None:
        self.effect = effect
        self._captured = Captured(lambda image, result: {"calm": calmed(image, result)})

    def __call__(self, image: Tensor, moment: Moment) -> Tensor:
        """The effect's result, calm in blank areas; (3, H, W) in [0, 1] as `image`."""
        result = self.effect(image, moment)
        if result is image:
            return image
        with torch.inference_mode():
            return self._captured(image, result)["calm"]

    def reset(self) -> None:
        """Makes the effect forget earlier frames."""
        self.effect.reset()

    def state(self) -> dict[str, Tensor | float | int]:
        """The effect's state."""
        return self.effect.state()

    def restore(self, state: Mapping[str, Tensor | float | int]) -> None:
        """Restores a result of `state`."""
        self.effect.restore(state)


def calmed(image: Tensor, result: Tensor) -> Tensor:
    """The result, (3, H, W) as the image, with blank areas in one color."""
    blank = blankness(image)
    if devices.on_host(image) and not bool(blank.any()):  # a device would have to be waited for
        return result
    height, width = image.shape[1:]
    maps = torch.cat((mean_colors(image, result, blank), blank))
    maps = resized_map(maps, height, width)
    return blended(result, maps[:3], maps[3:])


def blankness(image: Tensor) -> Tensor:
    """(1, h, w) for cells of an image (3, H, W): 1 where it has one color all around, 0 where it has not."""
    # Rows first, then columns: many times as fast as pooling both at once.
    lines = in_cells(image, 1)
    brightest, darkest = (
        in_cells(lines.amax(dim=2), 2).amax(dim=3),
        in_cells(lines.amin(dim=2), 2).amin(dim=3),
    )
    spread = around(brightest) + around(-darkest)
    blank = ((DRAWN - spread.amax(dim=0, keepdim=True)) / (DRAWN - BLANK)).clamp(0, 1)
    if devices.on_host(image) and not bool(blank.any()):
        return blank
    # What is left of the blur's tail must not reach what is drawn.
    return ((blurred(blank[None], FADE)[0] - TAIL) / (1 - TAIL)).clamp(0, 1)


def around(maps: Tensor) -> Tensor:
    """(C, h, w), the largest value up to REACH cells away."""
    side = 2 * REACH + 1
    upright: Tensor = F.max_pool2d(maps, (side, 1), 1, (REACH, 0))
    return F.max_pool2d(upright, (1, side), 1, (0, REACH))


def in_cells(image: Tensor, dim: int) -> Tensor:
    """The image with a dimension split into cells and places within them; the last line is repeated."""
    missing = -image.shape[dim] % CELL
    if missing:
        last = image.narrow(dim, image.shape[dim] - 1, 1)
        image = torch.cat((image, *[last] * missing), dim=dim)
    return image.reshape(*image.shape[:dim], -1, CELL, *image.shape[dim + 1 :])


def cell_means(image: Tensor) -> Tensor:
    """(C, h, w), means over the cells of an image (C, H, W)."""
    return in_cells(in_cells(image, 1).mean(dim=2), 2).mean(dim=3)


def mean_colors(image: Tensor, result: Tensor, blank: Tensor) -> Tensor:
    """(3, h, w) for cells: the result's mean color in all blank areas that have their color.

    Args:
        image, result: (3, H, W).
        blank: (1, ceil(H / CELL), ceil(W / CELL)), the weights of cells.
    """
    both = torch.cat((cell_means(image), cell_means(result)))
    group = max(GROUP, math.ceil((blank.numel() / GROUPS) ** 0.5))
    pooled = F.avg_pool2d(torch.cat((both * blank, blank))[None], group, ceil_mode=True)[0]
    size = pooled.shape[1:]
    flat = pooled.flatten(1)
    source, painted, weight = flat[:3], flat[3:6], flat[6:]
    colors = (source / weight.clamp_min(1e-6)).T
    alike = torch.exp(-0.5 * (torch.cdist(colors, colors) / ALIKE).square())
    total = (alike @ weight.T).clamp_min(1e-6)
    means = (alike @ painted.T / total).T
    # Groups without anything blank have no color, which must not bleed into the others.
    maps = torch.cat((means * weight, weight)).reshape(1, 4, *size)
    maps = F.interpolate(maps, blank.shape[1:], mode="bilinear")[0]
    return maps[:3] / maps[3:].clamp_min(1e-6)
