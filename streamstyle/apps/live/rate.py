"""Holding a frame rate: images are worked on in a size that the machine can keep up with.

Sizes go in steps that are small to see and large in time. It is coarser soon, since an image that stutters
disturbs, and finer late and only where the time will suffice by far; where that fails, the next try waits
twice as long.
"""

from __future__ import annotations

import math
import statistics
from collections import deque

STEP = 2**0.25  # in strokes' size; in time it is up to the square
MOST = 4.0  # times coarser
FULL = 0.9  # share of the time of a frame that may be used
SETTLED = 12  # frames after a step on which nothing is judged but ...
SKIPPED = 3  # ... of which the first are not counted: new sizes are slow once
PATIENCE = 75  # frames before a finer step is tried, at first
MOST_PATIENCE = 2400


class Rate:
    """How coarse strokes must be to hold a rate.

    Args:
        fps: frames a second that are wanted.
        least: the finest there is to be, as a multiple of what is asked for.

    Attributes:
        coarseness: by which strokes are to be multiplied, `least` to MOST.
    """

    def __init__(self, fps: float, least: float = 1.0) -> None:
        self.fps, self.budget = fps, FULL / fps
        self.least = self.coarseness = least
        self._spent: deque[float] = deque(maxlen=SETTLED)
        self._since, self._patience = 0, PATIENCE
        self._tried = False  # the last step was to a finer size

    def spent(self, seconds: float) -> None:
        """Take note of the time that a frame took; may change the coarseness for the next one."""
        self._since += 1
        if self._since <= SKIPPED:
            return
        self._spent.append(seconds)
        if len(self._spent) < SETTLED:
            return
        usual = statistics.median(self._spent)
        if usual > self.budget and self.coarseness < MOST:
            if self._tried:  # it was too fine
                self._patience = min(2 * self._patience, MOST_PATIENCE)
            self._step(min(self.coarseness * STEP, MOST), tried=False)
        elif self._since >= self._patience:
            if self._tried:
                self._tried, self._patience = False, PATIENCE  # the last try has held
            if usual * STEP**2 < self.budget and self.coarseness > self.least:
                self._step(max(self.coarseness / STEP, self.least), tried=True)

    def _step(self, coarseness: float, *, tried: bool) -> None:
        self.coarseness, self._tried = coarseness, tried
        self._spent.clear()
        self._since = 0


class Pace:
    """Lets through as many frames of a faster camera as a rate has."""

    def __init__(self, fps: float) -> None:
        self._step, self._due = 1 / fps, -math.inf

    def __call__(self, seconds: float) -> bool:
        """Whether the frame of that time is one of them."""
        if seconds < self._due - self._step / 2:
            return False
        late = seconds - self._due > self._step  # what was missed is not made up for
        self._due = (seconds if late else self._due) + self._step
        return True
