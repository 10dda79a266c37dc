"""Reads in a thread of its own: ahead of whoever uses the items, or only the newest of them.

Which of both is a matter of the buffer that the items go into; see `Buffer`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class Reader(Generic[T]):
    """Hands on items, one after the other, from a thread of its own.

    A thread that hangs in a read cannot be stopped. It is a daemon, so the program can end without it;
    what it reads from must stay open as long as it lives (see `streamstyle.video.opening.close_input`).

    Args:
        items: iterated over in the thread, and closed there if it is a generator.
        put: takes an item, and says whether it takes more; as `Buffer.put`.
        end: called once, with the error that ended the items, or None; as `Buffer.end`.
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
        """Whether the thread still runs."""
        return self._thread.is_alive()

    def join(self, seconds: float) -> bool:
        """Wait for the end of the thread, at most so long; whether it has ended."""
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
