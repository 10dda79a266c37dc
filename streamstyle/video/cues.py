"""Cues of subtitles that overlap, as a sequence without overlaps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_TEXT_FIELD = 8  # of a dialogue event in FFmpeg's ASS; the fields before it contain no comma


@dataclass(frozen=True, slots=True)
class Cue:
    """A text that is shown for some time.

    Attributes:
        start, end: times in the track's time base.
        text: a dialogue event in FFmpeg's ASS format.
    """

    start: int
    end: int
    text: bytes


class CueSequence:
    """Cuts cues where others begin or end, and joins the lines of those that are shown at the same time.

    MP4 stores cues as samples, of which each ends where the next one begins (3GPP TS 26.245).
    """

    def __init__(self) -> None:
        self._shown: list[Cue] = []  # begun, perhaps not ended
        self._time = 0  # up to which all cues have been returned

    def add(self, cue: Cue) -> Iterator[Cue]:
        """Add a cue that begins no earlier than the ones before; returns what is complete."""
        yield from self._until(cue.start)
        self._shown.append(cue)
        self._time = max(self._time, cue.start)

    def flush(self) -> Iterator[Cue]:
        """What is left at the end."""
        yield from self._until(max((cue.end for cue in self._shown), default=0))

    def _until(self, time: int) -> Iterator[Cue]:
        while self._shown and self._time < time:
            end = min(time, *(cue.end for cue in self._shown))
            if end > self._time:
                yield Cue(self._time, end, _joined([cue.text for cue in self._shown]))
                self._time = end
            self._shown = [cue for cue in self._shown if cue.end > self._time]


def _joined(events: list[bytes]) -> bytes:
    """One event with the lines of all."""
    first, *others = (event.split(b",", _TEXT_FIELD) for event in events)
    return b",".join([*first[:-1], rb"\N".join([first[-1], *(event[-1] for event in others)])])
