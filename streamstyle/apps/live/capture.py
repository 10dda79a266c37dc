"""Reads a camera: keeps the newest frame only, and reopens a camera that is lost.

A camera may end, fail, stop sending, repeat one frame, or block forever in a read. A blocked thread cannot be
stopped, so it is abandoned, and a new thread opens the camera again.
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

SILENCE_SECONDS = 1.0  # without a new frame, after which a camera counts as lost
OPEN_SECONDS = 10.0  # that opening may take
BACK_OFF_SECONDS = 0.25, 2.0  # before the first attempt to reopen, and at most
MAX_ABANDONED = 8  # blocked threads; with so many, the next attempt waits ...
CROWDED_SECONDS = 10.0  # ... for one of them to end, but no longer than this
RATE_SECONDS = 2.0  # over which the frame rate is measured

STARTING, RUNNING, LOST = "starting", "live", "lost"

_log = logging.getLogger("streamstyle")


class Capture:
    """The newest frame of a camera. A context manager.

    Args:
        open: opens the camera; called again whenever it is lost.
        silence: seconds without a new frame after which it counts as lost.
        opening: seconds that opening may take.
        back_off: seconds before the first attempt to reopen it; doubled with each attempt, up to the second
            value.

    Attributes:
        state: STARTING, RUNNING or LOST.
        reason: why the camera is lost; "" while it is not.
        frames: number of frames received.
        losses: how often the camera was lost.
        size: (width, height) of the last frame; (0, 0) before the first.
    """

    def __init__(
        self,
        open: Callable[[], Camera],
        *,
        silence: float = SILENCE_SECONDS,
        opening: float = OPEN_SECONDS,
        back_off: tuple[float, float] = BACK_OFF_SECONDS,
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
        self._thread = threading.Thread(target=self._run, name="camera watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def rate(self) -> float:
        """Recent frames per second; 0 if there were none."""
        with self._changed:
            self._forget_times(time.monotonic())
            times = list(self._times)
        return (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 0.0

    @property
    def drops(self) -> int:
        """Number of frames that were replaced by a newer one before they were taken."""
        return self._newest.drops

    def newest(self, timeout: float) -> Frame | None:
        """The newest frame that was not taken yet; waits up to `timeout` seconds, then gives None."""
        return self._newest.take(timeout)

    def close(self) -> None:
        """Release the camera; a thread that is blocked in a read is left until the process ends."""
        self._newest.stop()
        with self._changed:
            self._stop = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        wait, longest = self._back_off
        while not self._stop:
            attempt = self._attempt = _Attempt()  # before it reads: only the current one may deliver frames
            frames_before, ended = self.frames, partial(self._ended, attempt)
            reader = Reader(self._frames(attempt), self._newest.put, ended, name="camera")
            self._report_loss(reader, self._wait_for_loss(attempt))
            if self.frames > frames_before:
                wait = self._back_off[0]
            with self._changed:
                self._changed.wait_for(lambda: self._stop, wait)
            wait = min(2 * wait, longest)
            self._limit_abandoned()

    def _wait_for_loss(self, attempt: _Attempt) -> str:
        """Wait until the camera is lost; returns the reason."""
        with self._changed:
            while not self._stop:
                if attempt.error is not None:
                    return attempt.error
                allowed = self._silence if attempt.open else self._opening
                left = attempt.last_active + allowed - time.monotonic()
                if left <= 0:
                    if not attempt.open:
                        return f"does not open within {allowed:g} s"
                    gives = "the same image over and over" if attempt.frozen else "no image"
                    return f"gives {gives} for {allowed:g} s"
                self._changed.wait(left)
        return "closed"

    def _report_loss(self, reader: Reader[Frame], reason: str) -> None:
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

    def _limit_abandoned(self) -> None:
        """While too many threads are blocked, wait for one to end, up to CROWDED_SECONDS."""
        end = time.monotonic() + CROWDED_SECONDS
        with self._changed:
            self._abandoned = [reader for reader in self._abandoned if reader.alive]
            while not self._stop and len(self._abandoned) >= MAX_ABANDONED and time.monotonic() < end:
                self._changed.wait(min(self._back_off[1], max(end - time.monotonic(), 0.0)))
                self._abandoned = [reader for reader in self._abandoned if reader.alive]

    def _frames(self, attempt: _Attempt) -> Iterator[Frame]:
        """Open the camera, and yield its frames as long as the attempt is the current one."""
        with self._open() as camera:
            attempt.last_active, attempt.open = time.monotonic(), True
            self._opened(camera.info)
            for item in camera:
                if isinstance(item, Frame) and self._is_new(attempt, item, camera.freezes):
                    yield item
                elif attempt is not self._attempt:
                    return

    def _is_new(self, attempt: _Attempt, frame: Frame, freezes: bool) -> bool:
        """Record a frame; False if the attempt was abandoned, or the camera repeats the last frame."""
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
            attempt.last_active = time.monotonic()
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
        """Log the size and rate that the camera delivers, unless already logged."""
        rate = "" if info.rate is None else f" at {float(info.rate):.4g} fps"
        logged, self._logged = self._logged, f"camera {info.name}: {info.width}x{info.height}{rate}"
        if logged != self._logged:
            _log.info("%s", self._logged)
        with self._changed:
            self._changed.notify_all()  # from now on `silence` applies, not `opening`

    def _ended(self, attempt: _Attempt, error: BaseException | None) -> None:
        """Record why reading ended; whatever the driver raised, the camera is lost."""
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
    """One attempt to read the camera.

    Attributes:
        open: the camera has been opened.
        last_active: time of `time.monotonic` of the start, the opening or the last new frame.
        frozen: the last frame was identical to the one before.
        error: why the attempt ended; None while it runs.
    """

    open: bool = False
    last_active: float = field(default_factory=time.monotonic)
    frozen: bool = False
    error: str | None = None
