"""Outputs that write beside the painting: a slow one loses frames, a broken one ends alone."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from streamstyle.errors import OutputError, StreamstyleError
from streamstyle.frames import Frame, Sink, StreamInfo
from streamstyle.video.scaling import letterboxed

WAITING = 8  # frames
AGAIN = 5.0  # seconds until a receiver that went away is tried again
UNANSWERED = 3.0  # seconds that are waited for a receiver at the end

_log = logging.getLogger("streamstyle")


class Output:
    """Writes frames to a sink in a thread of its own, which opens it with the first frame.

    All frames get the size of the first one. Frames for which there is no time are dropped and counted.

    Args:
        name: for messages.
        open: makes the sink.
        again: try again after a failure, as with a receiver that comes and goes.
        pause: seconds before that.

    Attributes:
        drops: frames that were not written.
        frames: frames that were.
        error: what ended it; None while it goes on.
    """

    def __init__(
        self, name: str, open: Callable[[StreamInfo], Sink], *, again: bool = False, pause: float = AGAIN
    ) -> None:
        self.name, self._open, self.again = name, open, again
        self._pause_seconds = pause
        self.drops = self.frames = 0
        self.error: StreamstyleError | None = None
        self._waiting: deque[Frame] = deque()
        self._changed = threading.Condition()
        self._done = self._told = False
        self._sink: Sink | None = None
        self._size = (0, 0)
        self._thread = threading.Thread(target=self._write, name=f"output {name}", daemon=True)
        self._thread.start()

    def offer(self, frame: Frame) -> None:
        """Give a frame; never waits."""
        with self._changed:
            if self._done or self.error is not None or len(self._waiting) >= WAITING:
                self.drops += 1
                return
            self._waiting.append(frame)
            self._changed.notify()

    def end(self) -> None:
        """Take no more frames, and finish the output in its thread."""
        with self._changed:
            self._done = True
            self._changed.notify()

    @property
    def ended(self) -> bool:
        """Whether all is written."""
        return not self._thread.is_alive()

    def close(self) -> None:
        """Write what waits, and finish the output; a receiver that does not answer is left alone."""
        self.end()
        self._thread.join(UNANSWERED if self.again else None)

    def _write(self) -> None:
        while (frame := self._next()) is not None:
            try:
                self._put(frame)
            except Exception as error:
                self._fail(self._told_as(error))
                if not self.again:
                    return
                self._pause()
        if self._sink is not None:
            try:
                self._sink.close()
            except Exception as error:
                self.error = self._told_as(error)

    def _told_as(self, error: Exception) -> StreamstyleError:
        """What a driver or library raises ends this output and nothing else."""
        if isinstance(error, StreamstyleError):
            return error
        return OutputError(f"{self.name}: {type(error).__name__}: {error}")

    def _next(self) -> Frame | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._done)
            return self._waiting.popleft() if self._waiting else None

    def _put(self, frame: Frame) -> None:
        if self._sink is None:
            height, width = frame.pixels.shape[:2]
            self._size = self._size if any(self._size) else (width, height)
            self._sink = self._open(stream_info(self.name, *self._size, frame.time_base))
        self._sink.write(replace(frame, pixels=letterboxed(frame.pixels, *self._size)))
        self.frames += 1
        self._told = False

    def _fail(self, error: StreamstyleError) -> None:
        with self._changed:
            if not self._told:
                _log.warning("%s", error)
            self._told = True  # once, until it has worked again
            self.error = error
            self.drops += 1 + len(self._waiting)
            self._waiting.clear()
        if self._sink is not None:
            self._sink.abort()
            self._sink = None

    def _pause(self) -> None:
        """Until it is worth another try; frames that come meanwhile are dropped."""
        with self._changed:
            self._changed.wait_for(lambda: self._done, self._pause_seconds)
            self.error = self.error if self._done else None


def stream_info(name: str, width: int, height: int, time_base: Fraction) -> StreamInfo:
    """What a sink is told of a camera's stream: frames come when they come."""
    return StreamInfo(name, "film", width, height, time_base, replayable=False)
