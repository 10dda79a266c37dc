"""Plays an uploaded clip in real time, in a loop; it can be paused and moved to any time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from streamstyle.errors import InputError
from streamstyle.frames import Frame, Source
from streamstyle.sources.pacing import STILL_SECONDS

if TYPE_CHECKING:
    import numpy as np

PATIENCE_SECONDS = 0.25  # longest wait for the next frame
LATE_SECONDS = 0.04  # a frame later than this is skipped,
MOST_SKIPPED = 8  # but no more than this many in a row; after that, the clip plays slower


class Playback:
    """The frame that is due, whenever it is asked for. A context manager.

    While nothing new is due, the last frame is repeated. The browser plays the sound of the clip along with
    the times that come with the frames.

    Args:
        open: opens the clip at a time in seconds.
        now, sleep: the clock.

    Attributes:
        paused: the same frame is repeated.
    """

    def __init__(
        self,
        open: Callable[[float], Source],
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._open, self._now, self._sleep = open, now, sleep
        self._source = ExitStack()
        self._frames: Iterator[Frame] = iter(())
        self._offset = 0.0  # time of the clip at which the source was opened
        self._clock: float | None = None  # when the clip's time was 0; None if it starts with the next frame
        self._shown: tuple[np.ndarray, float] | None = None
        self._waiting: tuple[np.ndarray, float] | None = None  # the next frame, which is not due yet
        self._is_open = self._is_still = False
        self._count = 0  # frames read since the source was opened
        self.paused = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._source.close()

    def pause(self, paused: bool) -> None:
        """Pause, or play on."""
        self.paused, self._clock = paused, None

    def seek(self, seconds: float) -> None:
        """Go to a time of the clip; its frame is shown next, also during a pause.

        Raises:
            InputError: the clip cannot be read any more.
        """
        if not self._is_still:
            try:
                self._reopen(seconds)
            except InputError:  # there is no frame so late
                self._reopen(0.0)
            self._clock = self._waiting = self._shown = None

    def next(self) -> tuple[np.ndarray, float]:
        """Wait for the frame that is due, (H, W, 3) uint8 RGB, and its time in the clip in seconds.

        Raises:
            InputError: the clip cannot be read, or has no frame.
        """
        if self._shown is not None and (self.paused or self._is_still):
            self._sleep(STILL_SECONDS)
            return self._shown
        self._shown = self._due()
        return self._shown

    def _due(self) -> tuple[np.ndarray, float]:
        for _ in range(MOST_SKIPPED):
            frame = self._waiting or self._read()
            self._waiting = None
            if self._clock is None or self._now() - (self._clock + frame[1]) <= LATE_SECONDS:
                break
        else:
            self._clock = None
        if self._clock is None:
            self._clock = self._now() - frame[1]
        early = self._clock + frame[1] - self._now()
        if early > 0:
            self._sleep(min(early, PATIENCE_SECONDS))
        if early > PATIENCE_SECONDS and self._shown is not None:
            self._waiting = frame
            return self._shown
        return frame

    def _read(self) -> tuple[np.ndarray, float]:
        """The next frame and its time; after the last one the first one again."""
        frame = next(self._frames, None)
        if frame is None:
            # A clip of one frame is an image; what cannot be read at a time is read from its start.
            self._is_still = self._is_open and self._offset == 0.0 and self._count == 1
            if self._is_still and self._shown is not None:
                return self._shown
            self._reopen(0.0)
            self._clock = None
            frame = next(self._frames, None)
            if frame is None:
                raise InputError("contains no frame")
        self._count += 1
        return frame.pixels, self._offset + frame.seconds

    def _reopen(self, seconds: float) -> None:
        self._source.close()
        source = self._source.enter_context(self._open(seconds))
        self._frames = (item for item in source if isinstance(item, Frame))
        self._offset, self._count, self._is_open = seconds, 0, True
