"""Where the samples of planes lie, such as chroma between luma, and the filters to resample them.

Planes are reduced by area averages (a little by linear interpolation), and enlarged or moved by bicubic
interpolation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

# Slopes of the bicubic kernel at distance 1: to enlarge, those of OpenCV; to move, that of Keys (1981),
# which keeps ramps.
ENLARGE, MOVE = -0.75, -0.5
NEAR = 1e-3  # samples; smaller distances are not resampled
LITTLE = 1.5  # factor of reduction below which areas are not averaged
# Of the guided filter by which pictures are enlarged: side in pixels of the cells in which it is fitted, with
# their neighbors, and the contrast, as a share of the full range, below which little detail is added.
CELL, EDGE = 4, 0.02


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the samples of a plane lie along one side of a picture, in pixels of that picture.

    Attributes:
        length: of the picture's side.
        samples: number of samples along it.
        step: from one sample to the next.
        first: position of the first sample; 0 is the first pixel.
    """

    length: int
    samples: int
    step: int = 1
    first: float = 0.0

    @property
    def last_from_end(self) -> float:
        """Distance of the last sample from the last pixel."""
        return self.length - 1 - (self.first + self.step * (self.samples - 1))

    @classmethod
    def of(cls, length: int) -> Grid:
        """One sample for each pixel."""
        return cls(length, length)

    def seen_from(self, other: Grid) -> tuple[float, float]:
        """(factor, offset): sample k lies at index factor * k + offset of a grid of another resolution."""
        scale = other.length / self.length
        factor = self.step * scale / other.step
        return factor, ((self.first + 0.5) * scale - 0.5 - other.first) / other.step


Grids = tuple[Grid, Grid]  # for rows and columns


def reduces_little(before: Sequence[int], after: Sequence[int]) -> bool:
    """Whether a plane is reduced by so little that linear interpolation does, which is faster than areas."""
    return max(old / new for old, new in zip(before, after, strict=True)) < LITTLE


def matrices(source: Grids, target: Grids, sharp: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """What resamples rows and columns.

    Args:
        source, target: for rows and columns.
        sharp: enlarge by bicubic instead of linear interpolation.

    Returns:
        (target.samples, source.samples) float32 for each side.
    """
    smaller = [min(a.samples, b.samples) for a, b in zip(source, target, strict=True)]
    little = reduces_little([grid.samples for grid in source], smaller)
    covered = all(covers(a, b) for a, b in zip(source, target, strict=True))
    rows, columns = (matrix(a, b, sharp, little, covered) for a, b in zip(source, target, strict=True))
    return rows, columns


@lru_cache(maxsize=64)
def matrix(source: Grid, target: Grid, sharp: bool, little: bool, covered: bool) -> np.ndarray:
    """One of `matrices`; `little`: reduced by linear interpolation; `covered`: both sides, see `covers`."""
    if not covered:
        factor, offset = target.seen_from(source)
        whole = _interpolation(factor * np.arange(target.samples) + offset, source.samples, ENLARGE, sharp)
        return whole.astype(np.float32)
    smaller = min(source.samples, target.samples)
    shift = shift_between(source, target, smaller)
    moved = _interpolation(np.arange(smaller) + shift, smaller, MOVE)
    enlarged = _interpolation(_centers(target.samples, smaller), smaller, ENLARGE, sharp)
    if little:
        reduced = _interpolation(_centers(smaller, source.samples), source.samples, ENLARGE, sharp=False)
    else:
        reduced = _areas(smaller, source.samples)
    whole = enlarged @ moved @ reduced
    return np.asarray(whole, np.float32)


def cubic_taps(shift: float) -> np.ndarray:
    """The weights of five samples that give the value `shift` samples after the middle one, at most 1."""
    distances = np.abs(np.arange(-2, 3) - shift)
    return _kernel(distances, MOVE).astype(np.float32)


def covers(source: Grid, target: Grid) -> bool:
    """Whether the samples of both grids stand for the same area, apart from a shift."""
    return abs(target.seen_from(source)[0] - source.samples / target.samples) < 1e-6


def shift_between(source: Grid, target: Grid, samples: int) -> float:
    """How much further on the target reads than for grids with the same area, in samples of `samples`."""
    factor, offset = target.seen_from(source)
    shift = (offset - (factor / 2 - 0.5)) * samples / source.samples
    return 0.0 if abs(shift) < NEAR else shift


def _kernel(distance: np.ndarray, slope: float) -> np.ndarray:
    """The bicubic kernel with a slope at distance 1.

    Reference: Keys (1981), https://doi.org/10.1109/TASSP.1981.1163711, equation 15.
    """
    near = ((slope + 2) * distance - (slope + 3)) * distance**2 + 1
    far = slope * (((distance - 5) * distance + 8) * distance - 4)
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))


def _interpolation(positions: np.ndarray, samples: int, slope: float, sharp: bool = True) -> np.ndarray:
    """(positions, samples), the weights of the samples at each position; the border is repeated."""
    weights = np.zeros((len(positions), samples))
    rows = np.arange(len(positions))
    for tap in (-1, 0, 1, 2):
        places = np.floor(positions) + tap
        distance = np.abs(positions - places)
        share = _kernel(distance, slope) if sharp else np.maximum(1 - distance, 0)
        np.add.at(weights, (rows, np.clip(places, 0, samples - 1).astype(int)), share)
    return weights


def _centers(target: int, source: int) -> np.ndarray:
    """Where the centers of `target` equal parts lie among `source` samples."""
    return (np.arange(target) + 0.5) * source / target - 0.5


def _areas(target: int, source: int) -> np.ndarray:
    """(target, source), the share of each source sample in the means over `target` equal parts."""
    edges = np.arange(target + 1) * source / target
    begin, end = edges[:-1, None], edges[1:, None]
    places = np.arange(source)
    covered = np.minimum(end, places + 1) - np.maximum(begin, places)
    return np.asarray(np.maximum(covered, 0) * target / source)
