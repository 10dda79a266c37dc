"""Holds a frame rate by processing frames at a smaller size, which makes strokes coarser.

The size changes in steps that are hardly visible but save much time. It shrinks quickly, since stutter is
disturbing, and grows slowly, only if there is time to spare; each failed attempt doubles the wait before the
next one.
"""

from __future__ import annotations

import math
import statistics
from collections import deque

COARSENESS_STEP = 2**0.25  # factor in stroke size; time changes by up to its square
MAX_COARSENESS = 4.0  # times coarser
MAX_LOAD = 0.9  # share of a frame's time that processing may take
MEASURED_FRAMES = 12  # whose median duration decides the next step
SKIPPED_FRAMES = 3  # not measured after a step: the first frames of a new size are slow
PATIENCE_FRAMES = 75  # before a finer step is tried, at first
MAX_PATIENCE_FRAMES = 2400


class RateControl:
    """Finds how coarse strokes must be to hold a frame rate.

    Args:
        fps: target frames per second.
        least: the smallest coarseness allowed.

    Attributes:
        coarseness: factor of the stroke size, `least` to MAX_COARSENESS.
    """

    def __init__(self, fps: float, least: float = 1.0) -> None:
        self.fps, self.budget = fps, MAX_LOAD / fps
        self.least = self.coarseness = least
        self._durations: deque[float] = deque(maxlen=MEASURED_FRAMES)
        self._frames, self._patience = 0, PATIENCE_FRAMES
        self._is_trial = False  # the last step was to a finer size

    def add(self, seconds: float) -> None:
        """Record how long a frame took; may change the coarseness for the next one."""
        self._frames += 1
        if self._frames <= SKIPPED_FRAMES:
            return
        self._durations.append(seconds)
        if len(self._durations) < MEASURED_FRAMES:
            return
        median = statistics.median(self._durations)
        if median > self.budget and self.coarseness < MAX_COARSENESS:
            if self._is_trial:  # it was too fine
                self._patience = min(2 * self._patience, MAX_PATIENCE_FRAMES)
            self._step(min(self.coarseness * COARSENESS_STEP, MAX_COARSENESS), trial=False)
        elif self._frames >= self._patience:
            if self._is_trial:
                self._is_trial, self._patience = False, PATIENCE_FRAMES  # the trial succeeded
            if median * COARSENESS_STEP**2 < self.budget and self.coarseness > self.least:
                self._step(max(self.coarseness / COARSENESS_STEP, self.least), trial=True)

    def _step(self, coarseness: float, *, trial: bool) -> None:
        self.coarseness, self._is_trial = coarseness, trial
        self._durations.clear()
        self._frames = 0


class RateLimit:
    """Drops frames of a camera that is faster than a given frame rate."""

    def __init__(self, fps: float) -> None:
        self._step, self._due = 1 / fps, -math.inf

    def __call__(self, seconds: float) -> bool:
        """Whether to keep the frame with this time, in seconds."""
        if seconds < self._due - self._step / 2:
            return False
        late = seconds - self._due > self._step  # missed frames are not made up for
        self._due = (seconds if late else self._due) + self._step
        return True
