"""Writes to sinks in a thread of its own: all frames of a file, or as many of a camera as time allows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from streamstyle.cores import lower_priority
from streamstyle.frames import Frame, Sink, SinkItem
from streamstyle.pipeline.buffer import Buffer


class Writer:
    """Writes items to sinks in a thread of its own.

    For files nothing is lost: `put` waits while the queue is full and raises the errors of the sinks, and the
    caller closes or aborts the sinks. A live writer never blocks its caller and never raises: frames that do
    not fit into the queue are dropped, and the thread closes or aborts the sinks.

    Args:
        sinks: open.
        capacity: number of items that may wait, as for `Buffer`.
        live: see above.
        retry: for live writers: seconds after an error until frames are written again; None for never.

    Attributes:
        frames: number of frames that all sinks have written.
        seconds: time that the sinks took for them.
        error: the error that ended the writer or after which it waits to retry; None while it works.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        capacity: int | Callable[[SinkItem], int],
        *,
        live: bool = False,
        retry: float | None = None,
        name: str = "writer",
    ) -> None:
        self._sinks, self._live, self._retry = sinks, live, retry
        self._queue: Buffer[SinkItem] = Buffer(capacity, "drop" if live else "wait")
        self._lost = 0  # items at which a sink failed
        self.frames, self.seconds = 0, 0.0
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._write, name=name, daemon=True)
        self._thread.start()

    @property
    def drops(self) -> int:
        """Number of items that were put in but not written."""
        return self._queue.drops + self._lost

    @property
    def ended(self) -> bool:
        """Whether the thread has ended: everything is written, or an error ended it."""
        return not self._thread.is_alive()

    def put(self, item: SinkItem) -> None:
        """Add an item to the queue. Raises what a sink raised, except for live writers."""
        if not self._queue.put(item) and not self._live:
            self._check()

    def end(self) -> None:
        """Accept no more items; waiting ones are still written."""
        self._queue.end()

    def join(self, seconds: float | None = None) -> None:
        """Wait at most `seconds` until all items are written: a few frames, and perhaps a segment."""
        self._thread.join(seconds)

    def finish(self) -> None:
        """Wait until everything is written. Raises what a sink raised."""
        self.end()
        while not self.ended:
            self._thread.join(0.5)  # with a timeout, so that signal handlers can run on every system
        self._check()

    def _check(self) -> None:
        if self.error is not None:
            raise self.error

    def _write(self) -> None:
        lower_priority()  # the effect is the bound more often than encoders are, and frames may wait for them
        for item in self._queue:
            begin = time.perf_counter()
            try:
                for sink in self._sinks:
                    sink.write(item)
            except BaseException as error:
                self._lost += 1
                if not self._retries(error):
                    return
                continue
            self.seconds += time.perf_counter() - begin
            self.frames += isinstance(item, Frame)
        if self._live:
            self._close()

    def _retries(self, error: BaseException) -> bool:
        """Handle an error; returns whether writing is retried, after waiting."""
        self.error = error
        if self._retry is None:
            self._queue.stop()
        if self._live:
            for sink in self._sinks:
                sink.abort()
        if self._retry is None:
            return False
        ended = self._queue.wait_for_end(self._retry)
        self._queue.clear()  # what arrived meanwhile is outdated
        if not ended:
            self.error = None
        return True

    def _close(self) -> None:
        for sink in self._sinks:
            try:
                sink.close()
            except Exception as error:
                self.error = error
