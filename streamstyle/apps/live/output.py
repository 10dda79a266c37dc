"""Outputs of a live session: a slow one loses frames, a broken one ends alone."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from streamstyle.errors import OutputError, StreamstyleError
from streamstyle.frames import Frame, Sink, SinkItem, StreamInfo
from streamstyle.pipeline.writer import Writer
from streamstyle.video.scaling import letterboxed

WAITING = 8  # frames
AGAIN = 5.0  # seconds until a receiver that went away is tried again
UNANSWERED = 3.0  # seconds to wait for a receiver at the end

_log = logging.getLogger("streamstyle")


class Output(Writer):
    """Writes frames to a sink that is opened with the first frame. Frames it has no time for are dropped.

    Args:
        name: for messages.
        open: makes the sink.
        again: try again after a failure, as with a receiver that comes and goes.
        pause: seconds before that.

    Attributes:
        error: what ended it; None while it goes on.
    """

    error: StreamstyleError | None

    def __init__(
        self, name: str, open: Callable[[StreamInfo], Sink], *, again: bool = False, pause: float = AGAIN
    ) -> None:
        self.name, self.again = name, again
        sink = OpenedLater(name, open)
        super().__init__([sink], WAITING, live=True, retry=pause if again else None, name=f"output {name}")

    def close(self) -> None:
        """Write what waits, and finish the output; a receiver that does not answer is left alone."""
        self.end()
        self.join(UNANSWERED if self.again else None)


class OpenedLater(Sink):
    """A sink that is opened with its first frame, and anew after it was aborted.

    All frames get the size of the first one. Whatever goes wrong is an OutputError; it is logged once, until
    a frame has been written again.

    Args:
        name: for messages.
        open: makes the sink.
    """

    checkpoint_seconds = None

    def __init__(self, name: str, open: Callable[[StreamInfo], Sink]) -> None:
        self._name, self._open = name, open
        self._sink: Sink | None = None
        self._size = (0, 0)
        self._logged = False

    def write(self, item: SinkItem) -> None:
        """Write a frame, letterboxed to the size of the first one."""
        assert isinstance(item, Frame)
        try:
            if self._sink is None:
                height, width = item.pixels.shape[:2]
                self._size = self._size if any(self._size) else (width, height)
                self._sink = self._open(stream_info(self._name, *self._size, item.time_base))
            self._sink.write(replace(item, pixels=letterboxed(item.pixels, *self._size)))
        except Exception as raised:
            error = self._named(raised)
            if not self._logged:
                _log.warning("%s", error)
            self._logged = True
            raise error from raised
        self._logged = False

    def close(self) -> None:
        """Finish the sink, if it was opened."""
        sink, self._sink = self._sink, None
        if sink is not None:
            try:
                sink.close()
            except Exception as error:
                raise self._named(error) from error

    def abort(self) -> None:
        """Give the sink up; the next frame opens another one."""
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.abort()

    def _named(self, error: Exception) -> StreamstyleError:
        """What a driver or library raises concerns this output alone."""
        if isinstance(error, StreamstyleError):
            return error
        return OutputError(f"{self._name}: {type(error).__name__}: {error}")


def stream_info(name: str, width: int, height: int, time_base: Fraction) -> StreamInfo:
    """What a sink is told of a camera's stream: frames come when they come."""
    return StreamInfo(name, "video", width, height, time_base, replayable=False)
