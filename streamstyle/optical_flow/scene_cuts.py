"""Scene-cut detection: a cut is a single break between frames that otherwise follow from each other.

Everything else that breaks the correspondence of two frames lasts longer: a pan or a shaky camera affects
many frames, a flash breaks it twice, a fade or dissolve changes it gradually. So a cut is one pair of frames
with low continuity between two continuous pairs, together with a histogram change that is not repeated.
Where continuity nearly vanishes between very continuous pairs, no histogram change is required.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from streamstyle.optical_flow.occlusion import in_bounds
from streamstyle.optical_flow.warping import warped_pixels

# A pair breaks below this share of the neighboring pairs' continuity. A cut in half of a split screen
# falls to 0.4, shaky videos to 0.6.
BREAK_RATIO = 0.5
# Below the first share no histogram change is required, where the neighbors' continuity exceeds the second.
CERTAIN_RATIO, CONTINUOUS = 0.15, 0.5
MIN_HISTOGRAM_CHANGE = 0.08  # at a cut, and ...
HISTOGRAM_RATIO = 2.5  # ... at least so many times that of the neighboring pairs
FLAT = 4.0  # standard deviation in gray levels, below which a frame is blank
CLIPPED = 0.75  # share of black and white pixels, above which a frame is blank, as in a flash
BINS, WINDOW = 32, 9  # histogram bins; side in pixels of the local mean that is subtracted


@dataclass(frozen=True, slots=True)
class Similarity:
    """How well a frame follows from the previous one.

    Attributes:
        continuity: 0 to 1, the share of pixels with consistent forward and backward flow, times the
            correlation of the frame's fine structure with that of the warped previous frame. Neither
            depends on brightness.
        histogram_change: 0 to 1, half the sum of the absolute differences of the normalized gray-level
            histograms.
    """

    continuity: float = 1.0
    histogram_change: float = 0.0


UNCHANGED = Similarity()


def similarity(
    current: np.ndarray, previous: np.ndarray, flow: np.ndarray, confidence: np.ndarray
) -> Similarity:
    """Compares two consecutive frames.

    Args:
        current, previous: (H, W, 3) uint8 RGB.
        flow: (H, W, 2), from the current frame into the previous one.
        confidence: (H, W) bool, True where the flow stays in the image and is consistent both ways.
    """
    now, before = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (current, previous))
    change = float(np.abs(histogram(now) - histogram(before)).sum() / 2)
    if is_blank(now) or is_blank(before):
        return Similarity(1.0, change)
    warped = warped_pixels(before, flow)[..., 0]
    correlated = correlation(structure(now), structure(warped), in_bounds(flow))
    return Similarity(float(confidence.mean()) * max(correlated, 0.0), change)


def is_break(pair: Similarity, neighbor: Similarity) -> bool:
    """Whether the continuity of a pair of frames is low compared with a neighboring pair."""
    return pair.continuity < BREAK_RATIO * neighbor.continuity


def is_cut(pair: Similarity, before: Similarity, after: Similarity) -> bool:
    """Whether there is a cut between the two frames of `pair`, given the pairs before and after it."""
    neighbors = min(before.continuity, after.continuity)
    if neighbors > CONTINUOUS and pair.continuity < CERTAIN_RATIO * neighbors:
        return True
    usual = HISTOGRAM_RATIO * max(before.histogram_change, after.histogram_change)
    changed = pair.histogram_change > max(MIN_HISTOGRAM_CHANGE, usual)
    return pair.continuity < BREAK_RATIO * neighbors and changed


def is_blank(gray: np.ndarray) -> bool:
    """Whether a frame is one flat color, as after a fade-out, or almost only black and white."""
    return bool(gray.std() < FLAT or ((gray < 2) | (gray > 253)).mean() > CLIPPED)


def histogram(gray: np.ndarray) -> np.ndarray:
    """Share of the pixels in each of BINS ranges of gray."""
    counts: np.ndarray = cv2.calcHist([gray], [0], None, [BINS], [0, 256])
    return counts.ravel() / gray.size


def structure(gray: np.ndarray) -> np.ndarray:
    """Fine structure: the difference from the local mean."""
    values = gray.astype(np.float32)
    return values - cv2.blur(values, (WINDOW, WINDOW))


def correlation(one: np.ndarray, other: np.ndarray, where: np.ndarray) -> float:
    """Correlation, -1 to 1, of the values at the masked pixels; 0 if there is nothing to compare."""
    one, other = one * where, other * where
    energy = float(np.vdot(one, one)) * float(np.vdot(other, other))
    return float(np.vdot(one, other)) / energy**0.5 if energy > 0 else 0.0
