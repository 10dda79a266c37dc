"""A file that stands in for a camera: it plays over and over, each frame when it is due."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from streamstyle.errors import InputError
from streamstyle.frames import Frame, Source

if TYPE_CHECKING:
    import numpy as np

STILL_SECONDS = 0.04  # for which a frame is shown that does not say it
LATE_SECONDS = 1.0  # behind its time playing goes on from the current frame; what was missed stays missed
JUMP_SECONDS = 2.0  # by which frames of a stream come too early if its clock has jumped
LONGEST_GAP = 0.5  # seconds between two frames that are given

T = TypeVar("T")


def looped(open: Callable[[], Source]) -> Iterator[tuple[np.ndarray, float]]:
    """The frames of a file over and over, with times in seconds that go on. A still image is read once.

    Args:
        open: opens the file; called again whenever it has ended.

    Raises:
        InputError: it cannot be read.
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
            raise InputError(f"{source.info.name}: holds no frame")
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
    """Gives frames when they are due. Whoever asks for none for a while finds the next one where it was.

    If the next frame is far away, the last one is given again, as a camera would do.

    Args:
        frames: with the times at which they are to be seen, in seconds.
        ahead: seconds that they may come too early; above 0 for streams, whose clocks may jump.
        late: seconds that they may come too late. Then they are skipped, or time goes on from there.
        most_skipped: frames in a row that are skipped: if the machine is too slow, the video plays slower.
        gap: seconds after which the last frame is given again.
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
        # A stream that comes as it is made does not come minutes early: its clock has jumped.
        if start is None or delay > late or (ahead > 0 and delay < -JUMP_SECONDS):
            start = now() - seconds
        while (early := start + seconds - now() - ahead) > 0:
            sleep(min(early, gap))
            if early > gap and last is not None:
                yield last
        skipped, last = 0, frame
        yield frame
