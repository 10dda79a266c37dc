"""The queue between two threads: waiting, dropping, ending."""

from __future__ import annotations

import threading

import pytest

from streamstyle.pipeline.buffer import Buffer


def test_put_waits_while_the_buffer_is_full() -> None:
    buffer: Buffer[int] = Buffer(2)
    putting = threading.Thread(target=lambda: [buffer.put(number) for number in range(6)])
    putting.start()
    assert [buffer.take() for _ in range(6)] == list(range(6))
    putting.join(5)
    assert not putting.is_alive() and buffer.drops == 0


def test_a_full_buffer_can_drop_new_items() -> None:
    buffer: Buffer[int] = Buffer(2, "drop")
    assert all(buffer.put(number) for number in range(5))
    assert [buffer.take(0), buffer.take(0), buffer.take(0)] == [0, 1, None]
    assert buffer.drops == 3


def test_the_newest_item_can_replace_waiting_ones() -> None:
    buffer: Buffer[int] = Buffer(1, "newest")
    assert all(buffer.put(number) for number in range(5))
    assert buffer.take(0) == 4 and buffer.take(0.01) is None
    assert buffer.drops == 4


def test_the_capacity_can_depend_on_the_item() -> None:
    buffer: Buffer[str] = Buffer(lambda item: 1 if item == "large" else 3, "drop")
    for item in ("large", "large", "small", "small", "small"):
        buffer.put(item)
    assert [buffer.take(0) for _ in range(4)] == ["large", "small", "small", None]


def test_the_error_is_raised_after_the_last_item() -> None:
    buffer: Buffer[int] = Buffer(4)
    buffer.put(1)
    buffer.end(OSError("the camera is gone"))
    assert not buffer.put(2) and buffer.drops == 1
    items = iter(buffer)
    assert next(items) == 1
    with pytest.raises(OSError, match="the camera is gone"):
        next(items)


def test_stop_wakes_up_waiting_threads_on_both_sides() -> None:
    full: Buffer[int] = Buffer(1)
    empty: Buffer[int] = Buffer(1)
    full.put(0)
    results: list[object] = []
    waiting = [
        threading.Thread(target=lambda: results.append(full.put(1))),
        threading.Thread(target=lambda: results.append(empty.take())),
    ]
    for thread in waiting:
        thread.start()
    full.stop()
    empty.stop()
    for thread in waiting:
        thread.join(5)
    assert sorted(map(str, results)) == ["False", "None"]
    assert full.take() is None, "nothing is left"
