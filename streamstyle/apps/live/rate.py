"""Holds a frame rate by lowering the quality, in the order of what is seen least.

How long a frame takes is modelled as a fixed part and a part in proportion to the network's work, which both
are measured: the second one by the difference that a change of quality made. So the quality that holds the
rate is reached in one or two leaps; and where quality is not what takes the time, it is not lowered.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

MAX_LOAD = 0.98  # share of a frame's time that processing may take; more is too slow
AIMED_LOAD = 0.9  # what a lower quality should need, …
SPARE_LOAD = 0.8  # … and what a finer one may need at most; so that small changes of load change nothing
WORTHWHILE = 1.1  # where the rate cannot be held: quality is not lowered to gain less than this factor
SKIPPED_FRAMES, SKIPPED_SECONDS = 3, 0.2  # not measured after a change, as the first frames are slow
MEASURED_FRAMES, MEASURED_SECONDS = 10, 0.5  # whose median decides; whichever comes first
PATIENCE_SECONDS, MAX_PATIENCE_SECONDS = 2.0, 120.0  # before a finer quality is tried; doubled if that fails
UNREACHABLE_PATIENCE = 4  # factor on it before a lower quality is tried again where that had gained nothing
DISTINCT_WORK = 0.2  # difference between two levels from which noise hardly changes what is learned
EASED = 0.8  # share of the time that a frame took, below which the machine has become faster
PROPAGATION = 0.1  # work of estimating flow and warping, relative to painting at full quality


@dataclass(frozen=True, slots=True)
class Quality:
    """What is lowered to save time.

    Attributes:
        coarseness: factor on the stroke size.
        every: every n-th frame is painted, see `Propagate`.
    """

    coarseness: float = 1.0
    every: int = 1

    @property
    def work(self) -> float:
        """Work per frame, relative to full quality; the network's is proportional to the area."""
        return 1 / (self.every * self.coarseness**2) + PROPAGATION * (self.every > 1)

    def lowered(self, least: float = 1.0) -> str:
        """What is lowered, in words, if strokes cannot be finer than `least`; "" if nothing is."""
        parts = [f"strokes {self.coarseness:.2g}x"] if self.coarseness > 1.01 * least else []
        parts += [f"every {('', '2nd', '3rd', '4th')[self.every - 1]} frame"] if self.every > 1 else []
        return ", ".join(parts)


# Slightly larger strokes are hardly noticed; then motion between painted frames is, where something is
# newly exposed. Much larger strokes change the look most.
LEVELS = (
    Quality(),
    Quality(1.2),
    Quality(1.4),
    Quality(1.4, every=2),
    Quality(1.7, every=2),
    Quality(2.0, every=2),
    Quality(2.0, every=3),
    Quality(2.4, every=3),
    Quality(2.8, every=3),
    Quality(3.4, every=3),
    Quality(4.0, every=4),
)
# For those who insist on their stroke size.
EVERY_LEVELS = tuple(Quality(1.0, every) for every in (2, 3, 4))


class RateControl:
    """Finds the best quality that holds a frame rate.

    Args:
        fps: target frames per second.
        least: the smallest coarseness allowed.
        propagates: frames may be left unpainted.

    Attributes:
        fps: as given; see `aim`.
        least: as given.
    """

    def __init__(self, fps: float, least: float = 1.0, *, propagates: bool = True) -> None:
        self.fps, self.least, self._propagates = fps, least, propagates
        self._most = math.inf
        self._levels = self._allowed()
        self._level = 0
        self._fixed = self._slope = 0.0  # seconds per frame = fixed + slope * work
        # Work and seconds of the level just before that differs most from this one.
        self._reference: tuple[float, float] | None = None
        self._is_new = False  # the level was changed and not measured yet
        self._settled = math.inf  # seconds per frame at the last decision to stay
        self._patience, self._is_trial = PATIENCE_SECONDS, False
        self._durations: list[float] = []  # of frames measured at this level, in seconds
        self._frames, self._elapsed, self._skipped = 0, 0.0, 0.0  # since the level was changed

    @property
    def quality(self) -> Quality:
        """At which the next frame is to be processed."""
        return self._levels[self._level]

    @property
    def lowered(self) -> str:
        """What is lowered, in words; "" if nothing is."""
        return self.quality.lowered(self.least)

    def aim(self, fps: float) -> None:
        """Change the target; small changes are ignored."""
        if abs(fps - self.fps) > 0.05 * self.fps:
            self.fps = fps

    def limit(self, most: float = math.inf) -> None:
        """Change the largest coarseness allowed."""
        work = self.quality.work
        self._most = most
        self._levels = self._allowed()
        finest = [n for n, level in enumerate(self._levels) if level.work <= work * 1.0001]
        self._change(finest[0] if finest else len(self._levels) - 1)
        self._reference = None

    def _allowed(self) -> list[Quality]:
        """The levels with coarseness and `every` in their limits, without those that save nothing."""
        levels: list[Quality] = []
        most = max(self._most, self.least)
        for level in (*LEVELS, *EVERY_LEVELS):
            coarseness = min(max(level.coarseness, self.least), most)
            every = level.every if self._propagates else 1
            if level in EVERY_LEVELS:
                coarseness = min(most, LEVELS[-1].coarseness)
            quality = Quality(coarseness, every)
            if not levels or quality.work < levels[-1].work * 0.999:
                levels.append(quality)
        return levels

    def add(self, seconds: float) -> None:
        """Record how long a frame took; may change the quality for the next one."""
        self._frames += 1
        self._elapsed += max(seconds, 1 / self.fps)
        if self._frames == 1:
            return
        if not self._durations and self._frames <= SKIPPED_FRAMES:
            self._skipped += seconds
            if self._skipped < SKIPPED_SECONDS:
                return
        self._durations.append(seconds)
        count, every = len(self._durations), self.quality.every
        enough = count >= MEASURED_FRAMES or sum(self._durations) >= MEASURED_SECONDS
        if enough and count >= every:
            self._decide(self._median())
            self._durations = []

    def _median(self) -> float:
        """Seconds per frame: the median of means over as many frames as `every` says, one of them painted."""
        every = self.quality.every
        groups = [self._durations[n : n + every] for n in range(len(self._durations) - every + 1)]
        return statistics.median(map(statistics.fmean, groups))

    def _decide(self, seconds: float) -> None:
        is_first, self._is_new = self._is_new, False
        self._learn(seconds, is_first)
        if self._elapsed >= PATIENCE_SECONDS:
            self._reference = None  # the load may have changed since
        if seconds > MAX_LOAD / self.fps:
            self._lower(seconds)
            return
        if self._is_trial and self._elapsed >= self._patience:
            self._is_trial, self._patience = False, PATIENCE_SECONDS  # it succeeded
        if seconds < EASED * self._settled:
            self._patience = PATIENCE_SECONDS
        self._settled = seconds if self._elapsed <= PATIENCE_SECONDS else min(self._settled, seconds)
        finer = self._finest_within(SPARE_LOAD / self.fps)
        # A leap that went too far, on the first guess of what it brings, is corrected at once.
        at_once = is_first and not self._is_trial and self._patience == PATIENCE_SECONDS
        if finer < self._level and (at_once or self._elapsed >= self._patience):
            self._change(finer, seconds, trial=True)

    def _lower(self, seconds: float) -> None:
        """Change to the finest level that holds the rate, or to one that gains what can be gained."""
        if self._is_trial:
            self._patience = min(2 * self._patience, MAX_PATIENCE_SECONDS)
        level = self._finest_within(AIMED_LOAD / self.fps)
        if self._predicted(level) > AIMED_LOAD / self.fps:
            level = self._finest_within(WORTHWHILE * self._predicted(len(self._levels) - 1))
            if level == self._level:
                can_learn = self.quality.work - self._levels[-1].work >= DISTINCT_WORK
                if can_learn and self._elapsed >= UNREACHABLE_PATIENCE * self._patience:
                    # Perhaps quality matters by now.
                    self._patience = min(2 * self._patience, MAX_PATIENCE_SECONDS)
                    self._fixed, self._slope, self._elapsed = 0.0, seconds / self.quality.work, 0.0
                return
        self._change(level, seconds)

    def _finest_within(self, seconds: float) -> int:
        """The finest level that should need no more than so many seconds; the last if there is none."""
        fitting = (n for n in range(len(self._levels)) if self._predicted(n) <= seconds)
        return next(fitting, len(self._levels) - 1)

    def _predicted(self, level: int) -> float:
        return self._fixed + self._slope * self._levels[level].work

    def _learn(self, seconds: float, is_first: bool) -> None:
        """Fit the model to the time at this level, and to that of another one just before, if any."""
        work = self.quality.work
        reference = self._reference if is_first else None
        if reference is not None and abs(reference[0] - work) >= DISTINCT_WORK:
            other_work, other_seconds = reference
            slope = (other_seconds - seconds) / (other_work - work)
            self._slope = min(max(slope, 0.0), seconds / work)
            self._fixed = seconds - self._slope * work
        elif (predicted := self._predicted(self._level)) > 0:
            self._fixed *= seconds / predicted
            self._slope *= seconds / predicted
        else:
            self._slope = seconds / work

    def _change(self, level: int, seconds: float | None = None, *, trial: bool = False) -> None:
        if level == self._level and seconds is not None:
            return
        work = self._levels[level].work
        if seconds is not None and (
            self._reference is None or abs(self.quality.work - work) > abs(self._reference[0] - work)
        ):
            self._reference = self.quality.work, seconds
        self._level, self._is_trial, self._is_new = level, trial, seconds is not None
        self._start_measuring()

    def _start_measuring(self) -> None:
        self._durations, self._frames, self._elapsed, self._skipped = [], 0, 0.0, 0.0


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
