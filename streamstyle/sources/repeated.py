"""One image as a video in which nothing moves, for effects that make it move."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Self

from streamstyle.frames import Item
from streamstyle.sources.images import StillSource
from streamstyle.video.audio import Sound


class RepeatedSource:
    """A still image, shown for so many seconds.

    Args:
        path: the image.
        seconds: length of the video.
        rate: frames a second.
        size: exact (width, height) in pixels.
        max_size: longest side at most, in pixels.
        sound: video or sound file whose sound goes with it.

    Attributes:
        lost: always 0.

    Raises:
        InputError: it cannot be read.
    """

    def __init__(
        self,
        path: Path,
        *,
        seconds: float,
        rate: Fraction = Fraction(25),
        size: tuple[int, int] | None = None,
        max_size: int | None = None,
        sound: str | None = None,
    ) -> None:
        still = StillSource(path, size=size, max_size=max_size)
        (self._frame,) = list(still)
        self._count = max(round(seconds * rate), 1)
        self.lost = 0
        self._sound = None if sound is None else Sound(sound)
        self.info = replace(
            still.info,
            kind="video",
            time_base=1 / rate,
            rate=rate,
            frames=self._count,
            length=float(self._count / rate),
            has_alpha=False,
            tracks={} if self._sound is None else self._sound.tracks,
            start=Fraction(0) if self._sound is None else self._sound.start,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._sound is not None:
            self._sound.close()

    def __iter__(self) -> Iterator[Item]:
        base = self.info.time_base
        packets = iter(()) if self._sound is None else self._sound.packets(float(self._count * base))
        waiting = next(packets, None)
        for index in range(self._count):
            while waiting is not None and waiting[0] <= index * base:
                yield waiting[1]
                waiting = next(packets, None)
            yield replace(
                self._frame, pts=index, time_base=base, duration=1, alpha=None, reset=index == 0, name=""
            )
        if waiting is not None:
            yield waiting[1]
        yield from (packet for _, packet in packets)
