"""A source of frames that are in memory already: for tests, and for images made by a program."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Self

from streamstyle.frames import Frame, Item, StreamInfo


class MemorySource:
    """Gives the items it was given, as often as it is iterated.

    Args:
        frames: frames, and packets between them where wanted.
        info: what to say about them; told from the frames where it is left out, with the first frame's
            size and duration.

    Raises:
        ValueError: there is neither a frame nor `info`.
    """

    def __init__(self, frames: Iterable[Item], info: StreamInfo | None = None) -> None:
        self.lost = 0
        self._items = list(frames)
        self.info = info or _told_from([item for item in self._items if isinstance(item, Frame)])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def __iter__(self) -> Iterator[Item]:
        yield from self._items


def _told_from(frames: list[Frame]) -> StreamInfo:
    if not frames:
        raise ValueError("no frame was given, expected at least one, or info")
    first = frames[0]
    height, width = first.pixels.shape[:2]
    ticks = first.duration or (frames[1].pts - first.pts if len(frames) > 1 else 0)
    return StreamInfo(
        name="memory",
        kind="video",
        width=width,
        height=height,
        time_base=first.time_base,
        rate=Fraction(1) / (ticks * first.time_base) if ticks else None,
        frames=len(frames),
        has_alpha=any(frame.alpha is not None for frame in frames),
    )
