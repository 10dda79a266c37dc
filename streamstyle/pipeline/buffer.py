"""What waits between two threads: bounded, so that memory does not grow with the video."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, Literal, TypeVar

T = TypeVar("T")

_WAKE_SECONDS = 0.5  # a thread that waits looks up so often: signal handlers run in between on every system


class Buffer(Generic[T]):
    """Items on their way from one thread to another, first in, first out. Items are never None.

    Args:
        room: how many items may wait; or a function that says it for the item that is to be added.
        when_full: "wait": `put` waits for room. "drop": it drops the item that it is given.
            "newest": it drops what waits in favor of that item.

    Attributes:
        drops: items that were put in and can no longer be taken out.
    """

    def __init__(
        self,
        room: int | Callable[[T], int],
        when_full: Literal["wait", "drop", "newest"] = "wait",
    ) -> None:
        self._room: Callable[[T], int] = room if callable(room) else lambda _: room
        self._when_full = when_full
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._error: BaseException | None = None
        self.drops = 0

    def put(self, item: T) -> bool:
        """Add an item; False if nothing more is taken, so that the item is dropped."""
        with self._changed:
            room = self._room(item)
            if self._when_full == "newest" and len(self._items) >= room:
                self._drop_waiting()
            while len(self._items) >= room and self._when_full == "wait" and not self._ended:
                self._changed.wait(_WAKE_SECONDS)
            if self._ended or len(self._items) >= room:
                self.drops += 1
                return not self._ended
            self._items.append(item)
            self._changed.notify_all()
            return True

    def take(self, timeout: float | None = None) -> T | None:
        """The next item; waits for it.

        Args:
            timeout: seconds to wait; None: as long as an item may come.

        Returns:
            None if no item comes in that time, or none will ever come.

        Raises:
            BaseException: the error with which the items ended, in its place behind them.
        """
        due = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not self._items and not self._ended:
                left = _WAKE_SECONDS if due is None else min(due - time.monotonic(), _WAKE_SECONDS)
                if left <= 0:
                    return None
                self._changed.wait(left)
            if self._items:
                item = self._items.popleft()
                self._changed.notify_all()
                return item
            if self._error is not None:
                raise self._error
            return None

    def __iter__(self) -> Iterator[T]:
        """Take all items, until they end."""
        while (item := self.take()) is not None:
            yield item

    def end(self, error: BaseException | None = None) -> None:
        """No more items come. Those that wait can still be taken, and behind them the error."""
        with self._changed:
            if not self._ended:
                self._ended, self._error = True, error
            self._changed.notify_all()

    def stop(self) -> None:
        """Nobody takes items any more: whoever puts or takes one is let go, and what waits is dropped."""
        with self._changed:
            self._ended, self._error = True, None
            self._drop_waiting()
            self._changed.notify_all()

    def clear(self) -> None:
        """Drop what waits."""
        with self._changed:
            self._drop_waiting()
            self._changed.notify_all()

    def wait_for_end(self, seconds: float) -> bool:
        """Wait until no more items come, at most so long; whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: self._ended, seconds)

    def _drop_waiting(self) -> None:
        self.drops += len(self._items)
        self._items.clear()
