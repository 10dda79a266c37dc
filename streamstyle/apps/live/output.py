"""Outputs of a live session: a slow one drops frames, and one that fails does not affect the others."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from streamstyle.errors import OutputError, StreamstyleError
from streamstyle.frames import Frame, Sink, SinkItem, StreamInfo
from streamstyle.pipeline.writer import Writer
from streamstyle.video.scaling import letterboxed

QUEUE_FRAMES = 8
RETRY_SECONDS = 5.0  # before a failed output is opened again
CLOSE_SECONDS = 3.0  # to wait for a receiver at the end

_log = logging.getLogger("streamstyle")


class Output(Writer):
    """Writes frames to a sink that is opened with the first frame. Frames that come too fast are dropped.

    Args:
        name: for messages.
        open: opens the sink.
        again: retry after a failure, for receivers that may disconnect and return.
        pause: seconds before each retry.

    Attributes:
        error: what ended the output; None while it runs.
    """

    error: StreamstyleError | None

    def __init__(
        self,
        name: str,
        open: Callable[[StreamInfo], Sink],
        *,
        again: bool = False,
        pause: float = RETRY_SECONDS,
    ) -> None:
        self.name, self.again = name, again
        sink = LazySink(name, open)
        super().__init__(
            [sink], QUEUE_FRAMES, live=True, retry=pause if again else None, name=f"output {name}"
        )

    def close(self) -> None:
        """Write the queued frames and finish; gives up waiting for a receiver that does not respond."""
        self.end()
        self.join(CLOSE_SECONDS if self.again else None)


class LazySink(Sink):
    """A sink that is opened with its first frame, and opened again after it was aborted.

    All frames are letterboxed to the size of the first one. Failures are raised as StreamstyleError. Each is
    logged once, and again only after a frame has been written.

    Args:
        name: for messages.
        open: opens the sink.
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
            self._sink.write(replace(item, picture=letterboxed(item.pixels, *self._size)))
        except Exception as raised:
            error = self._named(raised)
            if not self._logged:
                _log.warning("%s", error)
            self._logged = True
            raise error from raised
        self._logged = False

    def close(self) -> None:
        """Close the sink, if it was opened."""
        sink, self._sink = self._sink, None
        if sink is not None:
            try:
                sink.close()
            except Exception as error:
                raise self._named(error) from error

    def abort(self) -> None:
        """Abort the sink; the next frame opens a new one."""
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.abort()

    def _named(self, error: Exception) -> StreamstyleError:
        """Any exception of a driver or library as an OutputError, so that it ends only this output."""
        if isinstance(error, StreamstyleError):
            return error
        return OutputError(f"{self._name}: {type(error).__name__}: {error}")


def stream_info(name: str, width: int, height: int, time_base: Fraction) -> StreamInfo:
    """Describes a camera's stream for a sink; it has no constant frame rate."""
    return StreamInfo(name, "video", width, height, time_base, replayable=False)
