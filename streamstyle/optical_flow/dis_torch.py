"""Dense inverse search (DIS) in torch: optical flow both ways at once, for devices.

All patches of a level search at the same time, by a fixed number of operations without a question to the
device, so that it can be captured as a CUDA graph. OpenCV's search, in `streamstyle.optical_flow.dis`, lets a
patch begin where the one before it ended; here a patch begins at the best of its own, its neighbors' and no
displacement. Computed in single precision, as half has too few digits for positions in an image.

Reference: Kroeger et al. (2016), Fast optical flow using dense inverse search,
https://arxiv.org/abs/1603.03590. Departures: patches overlap by half at every level, up to full resolution;
the search is damped; patches take the median of their neighbors' displacements in place of the variational
refinement; in the densification a patch counts by its mean error, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from streamstyle.constants import constant
from streamstyle.optical_flow.comparison_torch import arrays_both_ways
from streamstyle.optical_flow.dis import SMALLEST_SIDE

PATCH, STRIDE = 8, 4  # pixels: side of a patch, distance between patches
BORDER = PATCH // 2  # pixels added around an image, so that as many patches cover its border
SMALLEST_LEVEL = 8  # pixels, the shorter side of the coarsest level at least
FARTHEST = 8.0  # pixels of its level that a patch may move in one round
# Errors of a neighbor's displacement, and of none, count so many times as much as that of the patch's own.
NEIGHBOR, STILL = 1.1, 2.0
PATCH_ERROR = 4.0  # weight of a patch's mean error in the densification, beside that of the pixel


class Search(NamedTuple):
    """How a level is searched.

    Attributes:
        rounds: how often patches choose among displacements and search from the best.
        steps: Gauss-Newton steps in a round.
        damping: squared gray levels, added to the diagonal of the Hessian. As the steps are few, patches
            with little texture stay near where they began.
    """

    rounds: int
    steps: int
    damping: float


# From full resolution to the coarsest level. The coarse ones have to find the way, and cost little.
LEVELS = Search(1, 2, 500), Search(2, 2, 100), Search(2, 3, 50), Search(2, 3, 20), Search(2, 3, 20)


def flow_both_ways(grays: Tensor) -> Tensor:
    """The optical flow between two frames, in both directions.

    Args:
        grays: (2, H, W) float, gray levels from 0 to 255.

    Returns:
        (2, 2, H, W) float32, x and y in pixels: from the first frame into the second one, and from the second
        one into the first one; 0 if the images are too small for the search.
    """
    height, width = grays.shape[-2:]
    if min(height, width) < SMALLEST_SIDE:
        return grays.new_zeros(2, 2, height, width)
    images = pyramid(grays.float()[:, None])
    flow = None
    for image, level in reversed(list(zip(images, LEVELS, strict=False))):
        patches = Patches.of(image, level.damping)
        shifts = patches.none() if flow is None else patches.of_coarser(flow)
        for number in range(level.rounds):
            if flow is not None or number:
                shifts = patches.best(shifts, still=number == 0)
            shifts = patches.searched(shifts, level.steps)
        flow = patches.densified(patches.smoothed(shifts))
    assert flow is not None
    return flow[..., :height, :width].contiguous()


def flow_to_previous(current: np.ndarray, previous: np.ndarray) -> np.ndarray:
    """The backward flow from `current` to `previous`, on the CPU.

    Args:
        current, previous: (H, W, 3) uint8 RGB, of the same size.

    Returns:
        (H, W, 2) float32: x and y in pixels; 0 if the image is too small for the search.
    """
    return arrays_both_ways(flow_both_ways, current, previous)[0]


def pyramid(image: Tensor) -> list[Tensor]:
    """(2, 1, H, W) at each level, from full resolution to the coarsest, enlarged to whole patches."""
    height, width = image.shape[-2:]
    count = 1
    while count < len(LEVELS) and min(height, width) >> count >= SMALLEST_LEVEL:
        count += 1
    whole = STRIDE << (count - 1)
    levels = [F.pad(image, (0, -width % whole, 0, -height % whole), mode="replicate")]
    for _ in range(count - 1):
        levels.append(F.avg_pool2d(levels[-1], 2))
    return levels


@dataclass(frozen=True, slots=True)
class Patches:
    """The patches of a level of both images, and what is computed once for them.

    Displacements are (2, 2, P) for P patches: by direction, then x and y, as shares of half the image's side,
    in which `grid_sample` measures positions.

    Attributes:
        rows, columns: of patches; P is their product.
        size: (h, w) of the images with their borders.
        other: (2, 1, h, w), the image in which each direction searches.
        positions: (1, PATCH², P, 2), of the pixels of each patch, in [-1, 1].
        template: (2, PATCH², P), the patches.
        slopes: (2, 2, PATCH², P), the change of the displacement for a change of each pixel: the inverse
            Hessian times the gradient, without the mean of the patch, so that brightness does not matter.
        start: (2, 2, P), the slopes times the template.
    """

    rows: int
    columns: int
    size: tuple[int, int]
    other: Tensor
    positions: Tensor
    template: Tensor
    slopes: Tensor
    start: Tensor

    @classmethod
    def of(cls, level: Tensor, damping: float) -> Patches:
        """The patches of (2, 1, h, w), with `damping` on the diagonal of their Hessian."""
        wider = F.pad(level, (BORDER + 1,) * 4, mode="replicate")
        image = wider[..., 1:-1, 1:-1]
        height, width = image.shape[-2:]
        across = (wider[..., 1:-1, 2:] - wider[..., 1:-1, :-2]) / 2
        down = (wider[..., 2:, 1:-1] - wider[..., :-2, 1:-1]) / 2
        unfolded = F.unfold(torch.cat((image, across, down), 1), PATCH, stride=STRIDE)
        values = unfolded.view(2, 3, PATCH * PATCH, -1)
        values = values - values.mean(2, keepdim=True)
        template, gradient = values[:, 0], values[:, 1:]
        xx, yy = ((gradient * gradient).sum(2) + damping).unbind(1)
        xy = (gradient[:, 0] * gradient[:, 1]).sum(1)
        adjugate = torch.stack((torch.stack((yy, -xy), 1), torch.stack((-xy, xx), 1)), 1)
        inverse = adjugate / (xx * yy - xy * xy)[:, None, None]
        slopes = (inverse[:, :, :, None] * gradient[:, None]).sum(2)
        slopes *= _half_sides(height, width, level.device).reciprocal()[..., None]
        start = (slopes * template[:, None]).sum(2)
        positions = _positions(height, width, level.device)
        rows, columns = ((side - PATCH) // STRIDE + 1 for side in (height, width))
        return cls(rows, columns, (height, width), image.flip(0), positions, template, slopes, start)

    def none(self) -> Tensor:
        """No displacement."""
        return torch.zeros_like(self.start)

    def of_coarser(self, flow: Tensor) -> Tensor:
        """The displacements at the centers of patches in the coarser level's flow, (2, 2, h / 2, w / 2)."""
        # The four pixels around the center of a patch here, in the middle of its border there.
        around = F.avg_pool2d(F.pad(flow, (1, 1, 1, 1), mode="replicate"), 2)
        return around.flatten(2) * (2 / _half_sides(*self.size, flow.device))

    def best(self, shifts: Tensor, *, still: bool) -> Tensor:
        """The displacement of each patch, or of a neighbor, with the least error.

        Args:
            shifts: the displacements.
            still: no displacement is a choice, too.
        """
        padded = F.pad(self._as_image(shifts), (1, 1, 1, 1), mode="replicate")
        inner = padded[..., 1:-1, 1:-1]
        beside = padded[..., 1:-1, :-2], padded[..., 1:-1, 2:], padded[..., :-2, 1:-1], padded[..., 2:, 1:-1]
        choices = torch.stack((inner, *beside, *[torch.zeros_like(inner)] * still), 1).flatten(3)
        errors = (self._seen(choices) - self.template[:, None]).var(2, correction=0)
        prices = 1.0, *[NEIGHBOR] * 4, *[STILL] * still
        prices_there = constant(prices, lambda: np.array(prices), shifts.device)
        least = (errors * prices_there[:, None]).argmin(1)
        return torch.take_along_dim(choices, least[:, None, None], 1)[:, 0]

    def searched(self, shifts: Tensor, steps: int) -> Tensor:
        """The displacements after some steps of the inverse search (section 2.1), where they are credible."""
        found = shifts
        for _ in range(steps):
            found = found + (self.start - (self.slopes * self._seen(found[:, None])).sum(2))
        way = (found - shifts) * _half_sides(*self.size, shifts.device)
        return torch.where((way * way).sum(1, keepdim=True) > FARTHEST**2, shifts, found)

    def smoothed(self, shifts: Tensor) -> Tensor:
        """The median of the medians of three neighbors in each row, from three rows."""
        padded = F.pad(self._as_image(shifts), (1, 1, 1, 1), mode="replicate")
        across = _median(padded[..., :-2], padded[..., 1:-1], padded[..., 2:])
        return _median(across[..., :-2, :], across[..., 1:-1, :], across[..., 2:, :]).flatten(2)

    def densified(self, shifts: Tensor) -> Tensor:
        """The flow, (2, 2, h, w) without borders: the mean of the patches at each pixel (equation 3)."""
        differences = self._seen(shifts[:, None])[:, 0] - self.template
        errors = (differences - differences.mean(1, keepdim=True)).abs_()
        weights = (errors + PATCH_ERROR * errors.mean(1, keepdim=True)).clamp_min_(1).reciprocal_()[:, None]
        pixels = (shifts * _half_sides(*self.size, shifts.device))[:, :, None]
        sums = F.fold(
            torch.cat((pixels * weights, weights), 1).flatten(1, 2), self.size, PATCH, stride=STRIDE
        )
        inner = sums[..., BORDER:-BORDER, BORDER:-BORDER]
        return inner[:, :2] / inner[:, 2:]

    def _seen(self, choices: Tensor) -> Tensor:
        """The other image at the displaced patches: (2, K, 2, P) to (2, K, PATCH², P)."""
        places = self.positions + choices.transpose(2, 3)[:, :, None]
        seen = F.grid_sample(
            self.other, places.flatten(1, 2), mode="bilinear", padding_mode="border", align_corners=False
        )
        return seen.view(2, choices.shape[1], PATCH * PATCH, -1)

    def _as_image(self, shifts: Tensor) -> Tensor:
        return shifts.view(2, 2, self.rows, self.columns)


def _median(first: Tensor, second: Tensor, third: Tensor) -> Tensor:
    """The median of three values."""
    low, high = torch.minimum(first, second), torch.maximum(first, second)
    return torch.maximum(low, torch.minimum(high, third))


def _half_sides(height: int, width: int, device: torch.device) -> Tensor:
    """(1, 2, 1), half the width and height of an image, in pixels."""
    key = "half sides", height, width
    return constant(key, lambda: np.array([width / 2, height / 2]).reshape(1, 2, 1), device)


def _positions(height: int, width: int, device: torch.device) -> Tensor:
    """`Patches.positions` in an image of that size."""

    def values() -> np.ndarray:
        inside = np.arange(PATCH)
        y = np.arange(0, height - PATCH + 1, STRIDE)[None, None, :, None] + inside[:, None, None, None]
        x = np.arange(0, width - PATCH + 1, STRIDE)[None, None, None, :] + inside[None, :, None, None]
        y, x = np.broadcast_arrays((2 * y + 1) / height - 1, (2 * x + 1) / width - 1)
        return np.stack((x, y), -1).reshape(1, PATCH * PATCH, -1, 2)

    return constant(("patches", height, width), values, device)
