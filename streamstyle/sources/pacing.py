"""Plays a file or stream in real time, as a substitute for a camera."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from streamstyle.errors import InputError
from streamstyle.frames import Frame, Source

if TYPE_CHECKING:
    import numpy as np

STILL_SECONDS = 0.04  # duration of a frame whose duration is unknown
LATE_SECONDS = 1.0  # playback that is later than this continues from the current frame without catching up
JUMP_SECONDS = 2.0  # frames of a stream that are earlier than this mean that its clock has jumped
LONGEST_GAP = 0.5  # seconds between two frames that are yielded

T = TypeVar("T")


def looped(open: Callable[[], Source]) -> Iterator[tuple[np.ndarray, float]]:
    """The frames of a file in a loop, with times in seconds that keep increasing. A still image is read once.

    Args:
        open: opens the file; called again at each end.

    Raises:
        InputError: the file cannot be read, or has no frame.
    """
    begin = 0.0
    while True:
        end, count = begin, 0
        with open() as source:
            for item in source:
                if isinstance(item, Frame):
                    pixels, seconds = item.pixels, begin + item.seconds
                    yield pixels, seconds
                    end = seconds + (float(item.duration * item.time_base) or STILL_SECONDS)
                    count += 1
        if not count:
            raise InputError(f"{source.info.name}: contains no frame")
        while count == 1:
            yield pixels, end
            end += STILL_SECONDS
        begin = end


def paced(
    frames: Iterable[tuple[T, float]],
    *,
    ahead: float = 0.0,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[T]:
    """Yields each frame when it is due. After a pause of the consumer, playback continues where it was.

    If the next frame is not due for a while, the last one is repeated, as a camera would do.

    Args:
        frames: with their presentation times in seconds.
        ahead: seconds by which a frame may be early; above 0 for streams, whose clocks may jump.
        now, sleep: the clock.
    """
    start: float | None = None
    last: T | None = None
    for frame, seconds in frames:
        delay = 0.0 if start is None else now() - (start + seconds)
        # A live stream cannot be this early: its clock has jumped.
        if start is None or delay > LATE_SECONDS or (ahead > 0 and delay < -JUMP_SECONDS):
            start = now() - seconds
        while (early := start + seconds - now() - ahead) > 0:
            sleep(min(early, LONGEST_GAP))
            if early > LONGEST_GAP and last is not None:
                yield last
        last = frame
        yield frame
