"""The grid of frame times in AVI, which stores no times: frame n is shown at n / rate."""

from __future__ import annotations

import logging
import math
from fractions import Fraction

from av.container import InputContainer

from streamstyle.frames import StreamInfo
from streamstyle.video.tracks import MAX_RATE, frame_rate

_log = logging.getLogger("streamstyle")

_FALLBACK_RATE = Fraction(25)
_ROUNDING = Fraction(1, 8)  # ticks by which rounded times differ from a constant rate, as in milliseconds


def grid_rate(info: StreamInfo) -> Fraction:
    """Ticks per second of the grid for a source.

    The times of a variable rate are usually multiples of a shorter step, and a grid of that step keeps them.
    """
    rate = info.rate or _FALLBACK_RATE
    if info.time_base == 1 / rate or not isinstance(info.container, InputContainer):
        return rate
    steps = [stream.base_rate for stream in info.container.streams.video if frame_rate(stream) == rate]
    finest = Fraction(steps[0] or 0) if steps else Fraction(0)
    # Twice the rate is that of the fields of an interlaced video.
    return finest if 0 < finest <= MAX_RATE and finest != 2 * rate else rate


class FrameGrid:
    """Gives every frame a tick of its own, the nearest in time that is free.

    A frame that would be shown more than a tick late is left out, so that sound stays in step. The first
    frame that is moved, and the first that is left out, is reported in a warning.

    Args:
        time_base: seconds per tick.
        name: of the input, for the warnings.
        last: tick of the frame before the first one, or None.
    """

    def __init__(self, time_base: Fraction, name: str, last: int | None = None) -> None:
        self._time_base = time_base
        self._name = name
        self._last = last
        self._warned: set[str] = set()

    def place(self, seconds: Fraction) -> int | None:
        """The tick of the next frame, whose presentation time is `seconds`; None if it has no place."""
        exact = seconds / self._time_base
        tick = math.floor(exact + Fraction(1, 2))
        if self._last is not None and tick <= self._last:
            tick = self._last + 1
        if tick - exact > 1:
            self._warn("frames that are too close for the grid of AVI are left out")
            return None
        if abs(tick - exact) > _ROUNDING:
            rate = float(1 / self._time_base)
            self._warn(
                f"frame times vary; AVI has constant ones, so they move to {rate:.5g} frames per second"
            )
        self._last = tick
        return tick

    def _warn(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            _log.warning("%s: %s", self._name, text)
