"""Scene cuts: a frame that its predecessor does not explain, between frames that explain each other.

Whatever else breaks the correspondence of two frames does so for longer: a pan or a shaken camera over many
frames, a flash once when it comes and once when it goes, a fade or dissolve little by little. So a cut is a
collapse of one pair of frames beside two that hold, with a leap of the histogram that is not repeated; where
hardly anything is left between pairs that hold well, the histogram need not leap.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from streamstyle.optical_flow.occlusion import in_bounds
from streamstyle.optical_flow.warping import warped_pixels

COLLAPSE = (
    0.5  # of the neighboring pairs' likeness; halves of split screens fall to 0.4, shaken videos to 0.6
)
SURE, HOLDS = 0.15, 0.5  # a collapse that needs no leap, and the likeness beside it
LEAP = 0.08  # least distance of the histograms at a cut
ALONE = 2.5  # how many times the neighboring pairs' distance it is at least
FLAT = 4.0  # gray levels of deviation below which an image shows nothing that could be cut from or to
BLIND = 0.75  # share of black and white from which on an image shows nothing either, as in a flash
BINS, WINDOW = 32, 9  # gray levels of the histogram; pixels, side of the surrounding that is taken off


@dataclass(frozen=True, slots=True)
class Similarity:
    """How well a frame follows from the one before.

    Attributes:
        kept: 0 to 1, the share of pixels whose flow leads there and back, times the correlation of the fine
            structure that was carried along it with what is there. Neither depends on brightness.
        leap: 0 to 1, half the sum of the differences of the gray-level histograms' shares.
    """

    kept: float = 1.0
    leap: float = 0.0


AS_BEFORE = Similarity()


def similarity(current: np.ndarray, previous: np.ndarray, flow: np.ndarray, holds: np.ndarray) -> Similarity:
    """Compares two frames in sequence.

    Args:
        current, previous: (H, W, 3) uint8 RGB.
        flow: (H, W, 2), from the current frame into the previous one.
        holds: (H, W) bool, where it stays in the image and leads there and back.
    """
    now, before = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (current, previous))
    leap = float(np.abs(histogram(now) - histogram(before)).sum() / 2)
    if shows_nothing(now) or shows_nothing(before):
        return Similarity(1.0, leap)
    carried = warped_pixels(before, flow)[..., 0]
    alike = correlation(structure(now), structure(carried), in_bounds(flow))
    return Similarity(float(holds.mean()) * max(alike, 0.0), leap)


def collapsed(pair: Similarity, beside: Similarity) -> bool:
    """Whether hardly anything goes on from one frame to the next, measured by another pair."""
    return pair.kept < COLLAPSE * beside.kept


def is_cut(pair: Similarity, before: Similarity, after: Similarity) -> bool:
    """Whether there is a cut between the two frames of `pair`, given the pairs before and after it."""
    beside = min(before.kept, after.kept)
    if beside > HOLDS and pair.kept < SURE * beside:
        return True
    return pair.kept < COLLAPSE * beside and pair.leap > max(LEAP, ALONE * before.leap, ALONE * after.leap)


def shows_nothing(grey: np.ndarray) -> bool:
    """An image that is one color, as when a video has faded out, or black and white alone."""
    return bool(grey.std() < FLAT or ((grey < 2) | (grey > 253)).mean() > BLIND)


def histogram(grey: np.ndarray) -> np.ndarray:
    """Share of the pixels in each of BINS ranges of gray."""
    counts: np.ndarray = cv2.calcHist([grey], [0], None, [BINS], [0, 256])
    return counts.ravel() / grey.size


def structure(grey: np.ndarray) -> np.ndarray:
    """What stands out from its surroundings."""
    values = grey.astype(np.float32)
    return values - cv2.blur(values, (WINDOW, WINDOW))


def correlation(one: np.ndarray, other: np.ndarray, where: np.ndarray) -> float:
    """-1 to 1, of the values at the marked pixels; 0 where there is nothing to compare."""
    one, other = one * where, other * where
    energy = float(np.vdot(one, one)) * float(np.vdot(other, other))
    return float(np.vdot(one, other)) / energy**0.5 if energy > 0 else 0.0
