"""A queue between two threads, bounded so that memory does not grow with the length of the video."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, Literal, TypeVar

T = TypeVar("T")

_WAKE_SECONDS = 0.5  # waiting threads wake up this often, so that signal handlers can run on every system


class Buffer(Generic[T]):
    """A first-in, first-out queue from one thread to another. Items are never None.

    Args:
        capacity: number of items that may wait, or a function that returns it for the item to be added.
        when_full: what `put` does. "wait": wait for space. "drop": drop the new item. "newest": drop all
            waiting items and add the new one.

    Attributes:
        drops: number of items that were put in but dropped.
    """

    def __init__(
        self,
        capacity: int | Callable[[T], int],
        when_full: Literal["wait", "drop", "newest"] = "wait",
    ) -> None:
        self._capacity: Callable[[T], int] = capacity if callable(capacity) else lambda _: capacity
        self._when_full = when_full
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._error: BaseException | None = None
        self.drops = 0

    def put(self, item: T) -> bool:
        """Add an item; returns False, and drops it, if the buffer has ended."""
        with self._changed:
            capacity = self._capacity(item)
            if self._when_full == "newest" and len(self._items) >= capacity:
                self._drop_waiting()
            while len(self._items) >= capacity and self._when_full == "wait" and not self._ended:
                self._changed.wait(_WAKE_SECONDS)
            if self._ended or len(self._items) >= capacity:
                self.drops += 1
                return not self._ended
            self._items.append(item)
            self._changed.notify_all()
            return True

    def take(self, timeout: float | None = None) -> T | None:
        """Wait for the next item and remove it.

        Args:
            timeout: seconds to wait; None waits until an item arrives or the buffer ends.

        Returns:
            The item, or None if none arrived in time or the buffer has ended.

        Raises:
            BaseException: the error passed to `end`, after the last item.
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
        """Take all items until the buffer ends."""
        while (item := self.take()) is not None:
            yield item

    def end(self, error: BaseException | None = None) -> None:
        """Accept no more items. Waiting ones can still be taken; after them, `take` raises `error`."""
        with self._changed:
            if not self._ended:
                self._ended, self._error = True, error
            self._changed.notify_all()

    def stop(self) -> None:
        """End the buffer at once: drop all waiting items and wake up threads blocked in `put` or `take`."""
        with self._changed:
            self._ended, self._error = True, None
            self._drop_waiting()
            self._changed.notify_all()

    def clear(self) -> None:
        """Drop all waiting items."""
        with self._changed:
            self._drop_waiting()
            self._changed.notify_all()

    def wait_for_end(self, seconds: float) -> bool:
        """Wait at most `seconds` for the buffer to end; returns whether it has ended."""
        with self._changed:
            return self._changed.wait_for(lambda: self._ended, seconds)

    def _drop_waiting(self) -> None:
        self.drops += len(self._items)
        self._items.clear()
