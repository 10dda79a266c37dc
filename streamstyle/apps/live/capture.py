"""Reads a camera: the newest frame wins, and a camera that is lost is opened again.

A camera may end, fail, fall silent, repeat one frame, or block forever in a read. A thread that is blocked
cannot be stopped: it is abandoned, and another one tries.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Self

import numpy as np

from streamstyle.errors import StreamstyleError
from streamstyle.frames import Frame, StreamInfo
from streamstyle.pipeline.buffer import Buffer
from streamstyle.pipeline.reader import Reader
from streamstyle.sources.camera import Camera

SILENCE = 1.0  # seconds without a new frame after which a camera is lost
OPENING = 10.0  # seconds that opening may take
BACK_OFF = 0.25, 2.0  # seconds before the first try to open it again, and at most
MOST_ABANDONED = 8  # abandoned threads, until ...
CROWDED = 10.0  # seconds are waited before another one is started all the same
RATE_SECONDS = 2.0  # over which the rate is measured

STARTING, RUNNING, LOST = "starting", "live", "lost"

_log = logging.getLogger("streamstyle")


class Capture:
    """The newest frame of a camera. A context manager.

    Args:
        open: opens the camera; called again whenever it is lost.
        silence: seconds without a new frame after which it is lost.
        opening: seconds that opening may take.
        back_off: seconds before the first try to open it again; doubled with each, up to the second value.

    Attributes:
        state: STARTING, RUNNING or LOST.
        reason: why it is lost, in words; "" while it is not.
        frames: number of frames that came.
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
        self.frames = self.losses = 0
        self.size = (0, 0)
        self._newest: Buffer[Frame] = Buffer(1, "newest")
        self._last: np.ndarray | None = None
        self._times: deque[float] = deque()
        self._changed = threading.Condition()
        self._stop, self._logged = False, ""
        self._attempt: _Attempt | None = None
        self._abandoned: list[Reader[Frame]] = []
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

    @property
    def drops(self) -> int:
        """Frames that nobody took before the next one came."""
        return self._newest.drops

    def newest(self, timeout: float) -> Frame | None:
        """The newest frame that was not taken yet; waits for one, and gives None where none comes."""
        return self._newest.take(timeout)

    def close(self) -> None:
        """Let go of the camera; one that hangs in a read is left to the end of the process."""
        self._newest.stop()
        with self._changed:
            self._stop = True
            self._changed.notify_all()
        self._watch.join()

    def _watched(self) -> None:
        wait, longest = self._back_off
        while not self._stop:
            attempt = self._attempt = _Attempt()  # before it reads: only the known one may give frames
            came, ended = self.frames, partial(self._ended, attempt)
            reader = Reader(self._frames(attempt), self._newest.put, ended, name="camera")
            self._lose(reader, self._watch_over(attempt))
            if self.frames > came:
                wait = self._back_off[0]
            with self._changed:
                self._changed.wait_for(lambda: self._stop, wait)
            wait = min(2 * wait, longest)
            self._wait_for_the_abandoned()

    def _watch_over(self, attempt: _Attempt) -> str:
        """Waits until the camera is lost; gives the reason."""
        with self._changed:
            while not self._stop:
                if attempt.error is not None:
                    return attempt.error
                allowed = self._silence if attempt.open else self._opening
                left = attempt.alive + allowed - time.monotonic()
                if left <= 0:
                    if not attempt.open:
                        return f"does not open within {allowed:g} s"
                    what = "the same image over and over" if attempt.frozen else "no image"
                    return f"gives {what} for {allowed:g} s"
                self._changed.wait(left)
        return "closed"

    def _lose(self, reader: Reader[Frame], reason: str) -> None:
        with self._changed:
            self._attempt = None
            if not self._stop:
                self.losses += self.state == RUNNING
                if self.state != LOST or self.reason != reason:
                    _log.warning("camera lost: %s", reason)
                self.state, self.reason = LOST, reason
                self._changed.notify_all()
        if not reader.join(0.5):
            self._abandoned.append(reader)

    def _wait_for_the_abandoned(self) -> None:
        """While too many threads hang, wait for one of them to end, for a while at least."""
        end = time.monotonic() + CROWDED
        with self._changed:
            self._abandoned = [reader for reader in self._abandoned if reader.alive]
            while not self._stop and len(self._abandoned) >= MOST_ABANDONED and time.monotonic() < end:
                self._changed.wait(min(self._back_off[1], max(end - time.monotonic(), 0.0)))
                self._abandoned = [reader for reader in self._abandoned if reader.alive]

    def _frames(self, attempt: _Attempt) -> Iterator[Frame]:
        """Opens the camera, and gives its frames as long as the attempt is the known one."""
        with self._open() as camera:
            attempt.alive, attempt.open = time.monotonic(), True
            self._opened(camera.info)
            for item in camera:
                if isinstance(item, Frame) and self._is_new(attempt, item, camera.freezes):
                    yield item
                elif attempt is not self._attempt:
                    return

    def _is_new(self, attempt: _Attempt, frame: Frame, freezes: bool) -> bool:
        """Takes note of a frame; False if the attempt was given up, or the camera repeats itself."""
        last = self._last
        frozen = freezes and last is not None and np.array_equal(last, frame.pixels)
        with self._changed:
            if attempt is not self._attempt or self._stop:
                return False
            attempt.frozen = frozen
            if frozen:
                return False
            if self.state == LOST:
                _log.warning("camera is back")
            self.state, self.reason = RUNNING, ""
            attempt.alive = time.monotonic()
            self.frames += 1
            self.size = frame.pixels.shape[1], frame.pixels.shape[0]
            self._last = frame.pixels
            self._times.append(frame.seconds)
            self._forget_times(frame.seconds)
            self._changed.notify_all()
        return True

    def _forget_times(self, now: float) -> None:
        while self._times and now - self._times[0] > RATE_SECONDS:
            self._times.popleft()

    def _opened(self, info: StreamInfo) -> None:
        """Logs what the camera agreed to, once."""
        rate = "" if info.rate is None else f" at {float(info.rate):.4g} fps"
        logged, self._logged = self._logged, f"camera {info.name}: {info.width}x{info.height}{rate}"
        if logged != self._logged:
            _log.info("%s", self._logged)
        with self._changed:
            self._changed.notify_all()  # from now on silence counts, not the time to open

    def _ended(self, attempt: _Attempt, error: BaseException | None) -> None:
        """The camera is lost, whatever its driver raised."""
        if error is None:
            attempt.error = "has ended"
        elif isinstance(error, StreamstyleError):
            attempt.error = str(error)
        else:
            attempt.error = f"{type(error).__name__}: {error}"
        with self._changed:
            self._changed.notify_all()


@dataclass(eq=False)
class _Attempt:
    """One try to read the camera.

    Attributes:
        open: it has been opened.
        alive: when it last gave a sign of life.
        frozen: the last frame was the same as the one before.
        error: why it has ended; None while it goes on.
    """

    open: bool = False
    alive: float = field(default_factory=time.monotonic)
    frozen: bool = False
    error: str | None = None
