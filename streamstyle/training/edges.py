"""Edges at full resolution, beside the layers of a feature network, the first of which has half of it.

Without them nothing in a style loss says how sharp lines are: networks paint them softly.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from streamstyle.losses import luma

DISTANCES = 1, 2  # in pixels
DIRECTIONS = (0, 1), (1, 0), (1, 1), (1, -1)  # down and across
CHANNELS = 4 * len(DISTANCES) * len(DIRECTIONS)
GAIN = 8.0  # brings differences of neighboring pixels to the order of 1


def edges(image: Tensor) -> Tensor:
    """Steps and lines of the luma in four directions at two distances: (N, 3, H, W) to (N, CHANNELS, H, W).

    Steps are differences of the neighbors on both sides, lines those of a pixel from the mean of both. Rises
    and falls are separate channels, as if after a ReLU.

    Args:
        image: (N, 3, H, W) in [0, 1].
    """
    margin = max(DISTANCES)
    wide = F.pad(GAIN * luma(image), [margin] * 4, mode="replicate")
    height, width = image.shape[2:]

    def shifted(down: int, across: int) -> Tensor:
        top, left = margin + down, margin + across
        return wide[:, :, top : top + height, left : left + width]

    found = []
    for distance in DISTANCES:
        for down, across in DIRECTIONS:
            before = shifted(-distance * down, -distance * across)
            after = shifted(distance * down, distance * across)
            step, line = after - before, shifted(0, 0) - (before + after) / 2
            found += [step, -step, line, -line]
    return F.relu(torch.cat(found, dim=1))
