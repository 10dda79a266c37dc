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
    late: float = LATE_SECONDS,
    most_skipped: int = 0,
    gap: float = LONGEST_GAP,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[T]:
    """Yields each frame when it is due. After a pause of the consumer, playback continues where it was.

    If the next frame is not due for a while, the last one is repeated, as a camera would do.

    Args:
        frames: with their presentation times in seconds.
        ahead: seconds by which a frame may be early; above 0 for streams, whose clocks may jump.
        late: seconds by which a frame may be late. Later frames are skipped, or the clock is set to them.
        most_skipped: number of frames in a row that may be skipped; after that, the video plays slower.
        gap: seconds after which the last frame is repeated.
        now, sleep: the clock.
    """
    start: float | None = None
    last: T | None = None
    skipped = 0
    for frame, seconds in frames:
        delay = 0.0 if start is None else now() - (start + seconds)
        if delay > late and skipped < most_skipped:
            skipped += 1
            continue
        # A live stream cannot be this early: its clock has jumped.
        if start is None or delay > late or (ahead > 0 and delay < -JUMP_SECONDS):
            start = now() - seconds
        while (early := start + seconds - now() - ahead) > 0:
            sleep(min(early, gap))
            if early > gap and last is not None:
                yield last
        skipped, last = 0, frame
        yield frame
