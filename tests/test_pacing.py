"""Playing a file as a camera: in real time, in a loop."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice

import numpy as np
import pytest

from streamstyle.errors import InputError
from streamstyle.frames import Frame
from streamstyle.sources.memory import MemorySource
from streamstyle.sources.pacing import STILL_SECONDS, looped, paced


class Clock:
    """A fake clock, advanced only by `sleep` and by simulated work."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def source(frames: int, duration: int = 2) -> MemorySource:
    pixels = [np.full((2, 2, 3), number, np.uint8) for number in range(frames)]
    return MemorySource([Frame(pixels[n], n, Fraction(1, 10), duration) for n in range(frames)])


def test_a_video_loops_with_increasing_times():
    frames = list(islice(looped(lambda: source(3)), 7))
    assert [int(pixels[0, 0, 0]) for pixels, _ in frames] == [0, 1, 2, 0, 1, 2, 0]
    assert [seconds for _, seconds in frames] == pytest.approx([0, 0.1, 0.2, 0.4, 0.5, 0.6, 0.8])


def test_a_still_image_is_read_once():
    opened = []

    def read() -> MemorySource:
        opened.append(1)
        return source(1, duration=0)

    frames = list(islice(looped(read), 4))
    assert len(opened) == 1
    assert [seconds for _, seconds in frames] == pytest.approx([n * STILL_SECONDS for n in range(4)])


def test_a_file_without_a_frame_is_refused():
    with pytest.raises(InputError, match="contains no frame"):
        next(looped(lambda: MemorySource([], source(1).info)))


def test_frames_come_when_they_are_due():
    clock, given = Clock(), []
    for frame in paced([("a", 5.0), ("b", 5.5), ("c", 5.75)], now=clock.now, sleep=clock.sleep):
        given.append((frame, clock.time))
    assert given == [("a", 1000.0), ("b", 1000.5), ("c", 1000.75)]


def test_a_stream_is_delayed_only_if_it_is_too_early():
    clock, given = Clock(), []
    for _ in paced([(n, n / 10) for n in range(10)], ahead=0.5, now=clock.now, sleep=clock.sleep):
        given.append(clock.time - 1000)
    assert given[:6] == [0] * 6 and given[6:] == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_a_stream_whose_clock_jumps_ahead_continues_at_once():
    """An encoder that was started anew may count from elsewhere; its frame must not stand for minutes."""
    clock = Clock()
    frames = [("a", 0.0), ("b", 3600.0), ("c", 3600.1)]
    given = list(paced(frames, ahead=0.5, now=clock.now, sleep=clock.sleep))
    assert given == ["a", "b", "c"] and clock.time < 1001


def test_playback_does_not_catch_up_after_a_long_stop():
    clock = Clock()
    frames = paced([(n, n / 10) for n in range(4)], now=clock.now, sleep=clock.sleep)
    next(frames)
    clock.time += 5
    times = [clock.time for _ in frames]
    assert times == pytest.approx([1005.0, 1005.1, 1005.2])


def test_the_last_frame_is_repeated_in_a_long_gap():
    """A long gap in a video must not look like a camera without frames."""
    clock, given = Clock(), []
    for frame in paced([("a", 0.0), ("b", 1.7)], now=clock.now, sleep=clock.sleep):
        given.append((frame, round(clock.time - 1000, 3)))
    assert given == [("a", 0), ("a", 0.5), ("a", 1.0), ("a", 1.5), ("b", 1.7)]
