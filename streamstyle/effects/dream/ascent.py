"""The options of gradient ascent, and what follows from them: sizes of octaves and random shifts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from streamstyle.errors import UsageError

SMALLEST_SIDE = 32  # shorter side in pixels of the smallest octave
EXPOSED = 1 / 3  # total step length where the image is newly exposed, relative to the first frame


@dataclass(frozen=True)
class Ascent:
    """The options of the gradient ascent.

    Attributes:
        octaves: number of sizes at which to dream; the largest is the image's own.
        fit: use fewer octaves for images that are too small.
        octave_scale: ratio of one size to the next.
        steps: gradient steps at each size.
        later_steps: steps at each size for frames that continue the last dream; None: as many as keep the
            dream at the strength of the first frame.
        size: mean change per step, as a share of the full range.
        jitter: largest random shift of the image in each step, in pixels.
        carry: share of a frame's dream that the next frame keeps.
        damped: share of the low frequencies (broad light and color) that is removed from the kept dream.
        limit: largest RMS of the kept dream, relative to that of the first frame's dream.
        near: weight of similarity to the source.
        variation: weight of smoothness (total variation).
        towards: weight of similarity to the target.
        tile: side in pixels of the tiles that are processed one by one to save memory; None: all at once.
        seed: of the random shifts.
    """

    octaves: int = 4
    octave_scale: float = 1.4
    fit: bool = False
    steps: int = 12
    later_steps: int | None = None
    size: float = 0.012
    jitter: int = 16
    carry: float = 0.9
    damped: float = 0.3
    limit: float = 1.0
    near: float = 0.0
    variation: float = 0.0
    towards: float = 0.1
    tile: int | None = None
    seed: int = 0

    @property
    def steps_later(self) -> int:
        """Steps at each size for frames that continue the last dream."""
        if self.later_steps is not None:
            return self.later_steps
        # Replaces the decay per frame, and half as much again for what warping loses.
        return max(1, math.ceil(1.5 * (1 - self.carry) * self.steps - 1e-6))

    @property
    def exposed_length(self) -> float:
        """Factor on the step size where the image is newly exposed."""
        return max(EXPOSED * self.steps / max(self.steps_later, 1), 1.0)


def octave_size(height: int, width: int, octave: int, scale: float) -> tuple[int, int]:
    """Height and width at an octave; 0 is the image's own."""
    return max(round(height / scale**octave), 1), max(round(width / scale**octave), 1)


def octaves_of(height: int, width: int, ascent: Ascent) -> int:
    """The number of octaves for an image: that of the ascent, or, with `fit`, at most as many as fit.

    Raises:
        UsageError: the smallest octave is too small; the message says how many octaves fit.
    """
    room = max(min(height, width) / SMALLEST_SIDE, 1.0)
    most = 1 + int(math.log(room) / math.log(ascent.octave_scale))
    smallest = min(octave_size(height, width, ascent.octaves - 1, ascent.octave_scale))
    if smallest >= SMALLEST_SIDE or ascent.octaves == 1:
        return ascent.octaves
    if ascent.fit:
        return min(most, ascent.octaves)
    raise UsageError(
        f"--octaves {ascent.octaves}: {width}x{height} pixels allow {most} at a scale of "
        f"{ascent.octave_scale:g}"
    )


@lru_cache(maxsize=1024)
def jitter_shift(ascent: Ascent, octave: int, step: int) -> tuple[int, int]:
    """Random shift in rows and columns; the same on every frame, to avoid flicker."""
    rng = np.random.default_rng((ascent.seed, octave, step))
    rows, columns = rng.integers(-ascent.jitter, ascent.jitter + 1, 2)
    return int(rows), int(columns)
