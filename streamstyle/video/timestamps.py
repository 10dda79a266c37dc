"""Presentation times: kept unchanged, but repaired if they are missing or decrease."""

from __future__ import annotations

import logging
from fractions import Fraction

_log = logging.getLogger("streamstyle")

_FALLBACK_RATE = Fraction(25)


class PresentationTimes:
    """Gives every frame a presentation time later than that of the previous frame.

    A valid time is returned unchanged. A missing or decreasing one is extrapolated from the last valid one at
    the constant rate, in decoding order; the first repair is reported in a warning.

    Args:
        time_base: seconds per unit.
        rate: nominal frames per second; 25 where unknown.
        name: of the input, for the warning.
    """

    def __init__(self, time_base: Fraction, rate: Fraction | None, name: str) -> None:
        self._step = 1 / ((rate or _FALLBACK_RATE) * time_base)
        self._anchor: int | None = None
        self._since_anchor = 0
        self._last: int | None = None
        self._name = name
        self._warned = False

    def place(self, pts: int | None) -> int:
        """The presentation time of the next frame, whose time in the stream is `pts`, or None if missing."""
        if pts is not None and (self._last is None or pts > self._last):
            self._anchor, self._since_anchor = pts, 0
            self._last = pts
            return pts
        if not self._warned:
            problem = "missing" if pts is None else "out of order"
            _log.warning("%s: presentation times are %s; repaired at constant rate", self._name, problem)
            self._warned = True
        if self._last is None:
            self._anchor, self._last = 0, 0
            return 0
        assert self._anchor is not None
        self._since_anchor += 1
        extrapolated = self._anchor + round(self._since_anchor * self._step)
        self._last = max(self._last + 1, extrapolated)
        return self._last

    @property
    def step(self) -> int:
        """Duration of a frame at the constant rate, in time base units, at least 1."""
        return max(1, round(self._step))
