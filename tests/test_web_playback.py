"""How an uploaded clip plays: in real time, in a loop, paused, and from any time on."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from streamstyle.apps.web.playback import MOST_SKIPPED, PATIENCE_SECONDS, Playback
from streamstyle.errors import InputError
from streamstyle.frames import Frame, StreamInfo
from streamstyle.sources.memory import MemorySource

RATE, FRAMES = 10, 20


class Clock:
    """Time passes only while somebody sleeps, or works."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def clip(start: float, frames: int = FRAMES) -> MemorySource:
    """A clip whose frames are as bright as their number, from a time on."""
    first = round(start * RATE)
    numbers = range(first, frames)
    if not numbers:
        raise InputError("clip: contains no frames in the range that is read")
    made = [
        Frame(np.full((2, 2, 3), number, np.uint8), number - first, Fraction(1, RATE)) for number in numbers
    ]
    return MemorySource(made, StreamInfo("clip", "video", 2, 2, Fraction(1, RATE)))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def playback(clock: Clock):
    with Playback(clip, now=clock.now, sleep=clock.sleep) as made:
        yield made


def shown(playback: Playback) -> tuple[int, float]:
    pixels, seconds = playback.next()
    return int(pixels[0, 0, 0]), round(seconds, 3)


def test_frames_come_when_they_are_due_and_begin_anew(playback: Playback, clock: Clock) -> None:
    assert [shown(playback) for _ in range(3)] == [(0, 0.0), (1, 0.1), (2, 0.2)]
    assert round(clock.seconds - 100, 3) == 0.2
    assert [shown(playback)[0] for _ in range(FRAMES)] == [*range(3, FRAMES), 0, 1, 2]


def test_late_frames_are_skipped_but_not_without_end(playback: Playback, clock: Clock) -> None:
    shown(playback)
    clock.seconds += 0.52
    assert shown(playback) == (5, 0.5)
    clock.seconds += 10 * MOST_SKIPPED
    assert shown(playback)[0] == 5 + MOST_SKIPPED
    assert shown(playback)[0] == 6 + MOST_SKIPPED, "it goes on from there, at its pace"


def test_a_pause_repeats_the_frame_and_time_does_not_run_on(playback: Playback, clock: Clock) -> None:
    shown(playback), shown(playback)
    playback.pause(True)
    assert [shown(playback) for _ in range(50)] == [(1, 0.1)] * 50
    playback.pause(False)
    assert [shown(playback)[0] for _ in range(2)] == [2, 3]


def test_it_plays_from_any_time_also_in_a_pause(playback: Playback) -> None:
    playback.seek(1.5)
    assert [shown(playback) for _ in range(2)] == [(15, 1.5), (16, 1.6)]
    playback.pause(True)
    playback.seek(0.3)
    assert [shown(playback) for _ in range(2)] == [(3, 0.3), (3, 0.3)]
    playback.seek(99.0)
    assert shown(playback) == (0, 0.0), "there is nothing so late"


def test_an_image_stands_still(clock: Clock) -> None:
    with Playback(lambda start: clip(start, 1), now=clock.now, sleep=clock.sleep) as playback:
        assert [shown(playback) for _ in range(5)] == [(0, 0.0)] * 5
        playback.seek(0.5)
        assert shown(playback) == (0, 0.0)
    assert clock.seconds > 100.1, "without haste"


def test_while_the_next_frame_is_far_the_last_one_is_repeated(clock: Clock) -> None:
    slow = [Frame(np.full((2, 2, 3), n, np.uint8), n, Fraction(1)) for n in range(3)]
    source = MemorySource(slow, StreamInfo("clip", "video", 2, 2, Fraction(1)))
    with Playback(lambda _: source, now=clock.now, sleep=clock.sleep) as playback:
        numbers = [shown(playback)[0] for _ in range(9)]
    assert numbers.count(0) == round(1 / PATIENCE_SECONDS) and numbers[-1] == 2


def test_a_clip_without_a_frame_is_refused(clock: Clock) -> None:
    empty = MemorySource([], StreamInfo("clip", "video", 2, 2, Fraction(1)))
    with Playback(lambda _: empty) as playback, pytest.raises(InputError, match="no frame"):
        playback.next()
