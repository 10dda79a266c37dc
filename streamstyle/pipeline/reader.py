"""Reads items in a thread of its own.

The buffer that receives them decides whether the thread reads ahead or keeps only the newest; see `Buffer`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class Reader(Generic[T]):
    """Iterates over items in a thread of its own and passes them on.

    A thread that is blocked in a read cannot be stopped. It is a daemon, so it does not keep the program
    alive, but its input must stay open while it runs (see `streamstyle.video.opening.close_input`).

    Args:
        items: iterated over in the thread, and closed there if it is a generator.
        put: receives each item and returns False to stop; as `Buffer.put`.
        end: called once, with the error that ended the iteration, or None; as `Buffer.end`.
    """

    def __init__(
        self,
        items: Iterable[T],
        put: Callable[[T], bool],
        end: Callable[[BaseException | None], None],
        *,
        name: str = "reader",
    ) -> None:
        self._items, self._put, self._end = items, put, end
        self._thread = threading.Thread(target=self._read, name=name, daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread is still running."""
        return self._thread.is_alive()

    def join(self, seconds: float) -> bool:
        """Wait at most `seconds` for the thread to end; returns whether it has ended."""
        self._thread.join(seconds)
        return not self.alive

    def _read(self) -> None:
        error: BaseException | None = None
        try:
            for item in self._items:
                if not self._put(item):
                    break
            if isinstance(self._items, Generator):
                self._items.close()
        except BaseException as raised:
            error = raised
        self._end(error)
