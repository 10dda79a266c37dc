"""Reads a camera in a thread of its own: the newest frame wins, and a camera that is lost is opened again.

A camera may end, fail, fall silent, give one picture over and over, or block for ever in a read. The last
cannot be stopped: such a thread is left alone, and another one tries.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Self

import numpy as np

from streamstyle.errors import StreamstyleError
from streamstyle.frames import Frame, StreamInfo
from streamstyle.sources.camera import Camera

SILENCE = 1.0  # seconds without a new picture after which a camera is lost
OPENING = 10.0  # seconds that opening may take
BACK_OFF = 0.25, 2.0  # seconds before the first try to open it again, and at most
MOST_ABANDONED = 8  # threads that hang in a read, until ...
CROWDED = 10.0  # seconds are waited before another one is begun all the same
RATE_SECONDS = 2.0  # over which the rate is measured

STARTING, RUNNING, LOST = "starting", "live", "lost"

_log = logging.getLogger("streamstyle")


class Shot(NamedTuple):
    """A frame and its number, from 1."""

    number: int
    frame: Frame


class Capture:
    """The newest frame of a camera. A context manager.

    Args:
        open: opens the camera; called again whenever it is lost.
        silence: seconds without a new picture after which it is lost.
        opening: seconds that opening may take.
        back_off: seconds before the first try to open it again; doubled with each, up to the second value.

    Attributes:
        state: STARTING, RUNNING or LOST.
        reason: why it is lost, in words; "" while it is not.
        frames: number of frames that came.
        drops: frames that nobody took before the next one came.
        losses: how often the camera was lost.
        size: (width, height) of the last frame; (0, 0) before the first.
    """

    def __init__(
        self,
        open: Callable[[], Camera],
        *,
        silence: float = SILENCE,
        opening: float = OPENING,
        back_off: tuple[float, float] = BACK_OFF,
    ) -> None:
        self._open, self._silence, self._opening, self._back_off = open, silence, opening, back_off
        self.state, self.reason = STARTING, ""
        self.frames = self.drops = self.losses = 0
        self.size = (0, 0)
        self._shot: Frame | None = None  # the newest, until it is taken
        self._last: np.ndarray | None = None
        self._times: deque[float] = deque()
        self._changed = threading.Condition()
        self._stop, self._told = False, ""
        self._reader: _Reader | None = None
        self._abandoned: list[_Reader] = []
        self._watch = threading.Thread(target=self._watched, name="camera watch", daemon=True)

    def __enter__(self) -> Self:
        self._watch.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def rate(self) -> float:
        """Frames a second that came of late; 0 where none did."""
        with self._changed:
            self._forget_times(time.monotonic())
            times = list(self._times)
        return (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 0.0

    def newest(self, timeout: float) -> Shot | None:
        """The newest frame that was not taken yet; waits for one, and gives None where none comes."""
        with self._changed:
            self._changed.wait_for(lambda: self._shot is not None or self._stop, timeout)
            frame, self._shot = self._shot, None
            return None if frame is None else Shot(self.frames, frame)

    def close(self) -> None:
        """Let go of the camera; one that hangs in a read is left to the end of the process."""
        with self._changed:
            self._stop = True
            self._changed.notify_all()
        self._watch.join()

    def _watched(self) -> None:
        wait, longest = self._back_off
        while not self._stop:
            reader = self._reader = _Reader(self._open, self._take, self._opened, self._ended)
            reader.thread.start()  # only now: what it takes is taken from the known reader alone
            came, reason = self.frames, self._watch_over(reader)
            self._lose(reader, reason)
            if self.frames > came:
                wait = self._back_off[0]
            with self._changed:
                self._changed.wait_for(lambda: self._stop, wait)
            wait = min(2 * wait, longest)
            self._wait_for_the_abandoned()

    def _watch_over(self, reader: _Reader) -> str:
        """Waits until the camera is lost; gives the reason."""
        with self._changed:
            while not self._stop:
                if reader.error is not None:
                    return reader.error
                allowed = self._silence if reader.open else self._opening
                left = reader.alive + allowed - time.monotonic()
                if left <= 0:
                    if not reader.open:
                        return f"does not open within {allowed:g} s"
                    what = "the same picture over and over" if reader.frozen else "no picture"
                    return f"gives {what} for {allowed:g} s"
                self._changed.wait(left)
        return "closed"

    def _lose(self, reader: _Reader, reason: str) -> None:
        with self._changed:
            reader.stop = True
            self._reader = None
            if not self._stop:
                self.losses += self.state == RUNNING
                if self.state != LOST or self.reason != reason:
                    _log.warning("camera lost: %s", reason)
                self.state, self.reason = LOST, reason
                self._changed.notify_all()
        reader.thread.join(0.5)
        if reader.thread.is_alive():
            self._abandoned.append(reader)

    def _wait_for_the_abandoned(self) -> None:
        """Too many threads that hang: no other is begun until one of them ends, for a while at least."""
        end = time.monotonic() + CROWDED
        with self._changed:
            self._abandoned = [reader for reader in self._abandoned if reader.thread.is_alive()]
            while not self._stop and len(self._abandoned) >= MOST_ABANDONED and time.monotonic() < end:
                self._changed.wait(min(self._back_off[1], max(end - time.monotonic(), 0.0)))
                self._abandoned = [reader for reader in self._abandoned if reader.thread.is_alive()]

    def _take(self, reader: _Reader, frame: Frame, freezes: bool) -> bool:
        """Takes a frame from a reader; whether that is to go on."""
        last = self._last
        frozen = freezes and last is not None and np.array_equal(last, frame.pixels)
        with self._changed:
            if reader is not self._reader or self._stop:
                return False
            reader.frozen = frozen
            if frozen:
                return True
            if self.state == LOST:
                _log.warning("camera is back")
            self.state, self.reason = RUNNING, ""
            reader.alive = time.monotonic()
            self.drops += self._shot is not None
            self.frames += 1
            self.size = frame.pixels.shape[1], frame.pixels.shape[0]
            self._shot, self._last = frame, frame.pixels
            self._times.append(frame.seconds)
            self._forget_times(frame.seconds)
            self._changed.notify_all()
        return True

    def _forget_times(self, now: float) -> None:
        while self._times and now - self._times[0] > RATE_SECONDS:
            self._times.popleft()

    def _opened(self, info: StreamInfo) -> None:
        """Says what came of the wishes, once."""
        rate = "" if info.rate is None else f" at {float(info.rate):.4g} fps"
        told, self._told = self._told, f"camera {info.name}: {info.width}x{info.height}{rate}"
        if told != self._told:
            _log.info("%s", self._told)
        self._ended()  # the watch looks again: from now on silence counts, not the time to open

    def _ended(self) -> None:
        with self._changed:
            self._changed.notify_all()


class _Reader:
    """One try to read the camera.

    Attributes:
        open: it has been opened.
        alive: when it last gave sign of being alive.
        frozen: the last picture was the one before.
        error: why it has ended; None while it goes on.
        stop: it is to end.
    """

    def __init__(
        self,
        open: Callable[[], Camera],
        take: Callable[[_Reader, Frame, bool], bool],
        opened: Callable[[StreamInfo], None],
        ended: Callable[[], None],
    ) -> None:
        self._opens, self._take, self._opened, self._ended = open, take, opened, ended
        self.open = self.frozen = self.stop = False
        self.alive = time.monotonic()
        self.error: str | None = None
        self.thread = threading.Thread(target=self._read, name="camera", daemon=True)

    def _read(self) -> None:
        error = "has ended"
        try:
            with self._opens() as camera:
                self.alive, self.open = time.monotonic(), True
                self._opened(camera.info)
                for item in camera:
                    if self.stop or (isinstance(item, Frame) and not self._take(self, item, camera.freezes)):
                        break
        except StreamstyleError as exc:
            error = str(exc)
        except Exception as exc:  # a driver's; the camera is lost whatever it was
            error = f"{type(exc).__name__}: {exc}"
        self.error = error
        self._ended()
