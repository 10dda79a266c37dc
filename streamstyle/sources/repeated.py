"""One image as a static video, for effects that animate it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Self

from streamstyle.frames import Item
from streamstyle.sources.images import StillSource
from streamstyle.video.audio import AudioTracks


class RepeatedSource:
    """A still image, repeated as the frames of a video.

    Args:
        path: the image.
        seconds: length of the video.
        rate: frames per second.
        size: scale to exactly (width, height), in pixels.
        max_size: scale down to at most this on the longer side, in pixels.
        sound: video or audio file whose audio is added.

    Attributes:
        lost: always 0.

    Raises:
        InputError: the image or the audio cannot be read.
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
        self._audio = None if sound is None else AudioTracks(sound)
        self.info = replace(
            still.info,
            kind="video",
            time_base=1 / rate,
            rate=rate,
            frames=self._count,
            length=float(self._count / rate),
            has_alpha=False,
            tracks={} if self._audio is None else self._audio.tracks,
            start=Fraction(0) if self._audio is None else self._audio.start,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._audio is not None:
            self._audio.close()

    def __iter__(self) -> Iterator[Item]:
        base = self.info.time_base
        packets = iter(()) if self._audio is None else self._audio.packets(float(self._count * base))
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
