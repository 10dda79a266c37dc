"""Writes to sinks in a thread of its own: every frame of a file, or what there is time for of a camera."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from streamstyle.frames import Frame, Sink, SinkItem
from streamstyle.pipeline.buffer import Buffer


class Writer:
    """Hands items to sinks in a thread of its own.

    Of files nothing is lost: `put` waits for room, an error of a sink reaches its caller, and the caller
    closes or aborts the sinks. A live writer never holds its caller up and never fails in front of it: frames
    for which there is no room are dropped, and the sinks are closed or aborted in the thread.

    Args:
        sinks: open.
        room: how many items may wait when an item is to be added.
        live: see above.
        retry: of live writers: seconds after which an aborted sink gets frames again; None: it never does.

    Attributes:
        frames: number of frames that all sinks have taken.
        seconds: that the sinks took for them.
        error: what ended it, or what it waits to try again after; None while it goes on.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        room: int | Callable[[SinkItem], int],
        *,
        live: bool = False,
        retry: float | None = None,
        name: str = "writer",
    ) -> None:
        self._sinks, self._live, self._retry = sinks, live, retry
        self._waiting: Buffer[SinkItem] = Buffer(room, "drop" if live else "wait")
        self._lost = 0  # frames that a sink failed at
        self.frames, self.seconds = 0, 0.0
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._write, name=name, daemon=True)
        self._thread.start()

    @property
    def drops(self) -> int:
        """Number of frames that were given and not written."""
        return self._waiting.drops + self._lost

    @property
    def ended(self) -> bool:
        """Whether the thread has ended: all is written, or an error ended it."""
        return not self._thread.is_alive()

    def put(self, item: SinkItem) -> None:
        """Give an item. Raises what a sink raised, unless this is a live writer."""
        if not self._waiting.put(item) and not self._live:
            self._check()

    def end(self) -> None:
        """Take no more items; what waits is still written."""
        self._waiting.end()

    def join(self, seconds: float | None = None) -> None:
        """Wait until what was given is written, at most so long: a few frames, and perhaps a segment."""
        self._thread.join(seconds)

    def finish(self) -> None:
        """Wait until everything is written. Raises what a sink raised."""
        self.end()
        while not self.ended:
            self._thread.join(0.5)  # a signal handler can raise in between on every system
        self._check()

    def _check(self) -> None:
        if self.error is not None:
            raise self.error

    def _write(self) -> None:
        for item in self._waiting:
            begin = time.perf_counter()
            try:
                for sink in self._sinks:
                    sink.write(item)
            except BaseException as error:
                self._lost += 1
                if not self._goes_on(error):
                    return
                continue
            self.seconds += time.perf_counter() - begin
            self.frames += isinstance(item, Frame)
        if self._live:
            self._close()

    def _goes_on(self, error: BaseException) -> bool:
        """After an error: whether another try is made, after a while."""
        self.error = error
        if self._retry is None:
            self._waiting.stop()
        if self._live:
            for sink in self._sinks:
                sink.abort()
        if self._retry is None:
            return False
        ended = self._waiting.wait_for_end(self._retry)
        self._waiting.clear()  # what came meanwhile is old
        if not ended:
            self.error = None
        return True

    def _close(self) -> None:
        for sink in self._sinks:
            try:
                sink.close()
            except Exception as error:
                self.error = error
