"""The folder OUT.spans: the spans of a video that several processes or machines render.

The first line of its manifest has the record of the render, as that of a job folder; the others are the
spans, and the last one closes the list. Each span has a job folder in it, NNNN.mp4.part, with its segments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from streamstyle.errors import InputError, StreamstyleError, UsageError
from streamstyle.frames import StreamInfo
from streamstyle.jobs.spans import Span
from streamstyle.part_folder import PartFolder, head_line
from streamstyle.video.identity import identity
from streamstyle.video.job_folder import MANIFEST, JobFolder, State, finished_frames

ENDING = ".spans"


@dataclass(frozen=True)
class Search:
    """What a search for spans has found.

    Attributes:
        frames: number of frames of the video.
        concealed: how many of them repeat the one before.
        lost: frames that are missing at its end.
    """

    frames: int
    concealed: int
    lost: int


class SpanFolder:
    """The folder of a video that is rendered in spans. A context manager while it is locked.

    Any number of processes read it; one that writes the list of spans or joins them locks it.

    Attributes:
        output: path of the video.
        path: of the folder.
        head: the first line of the manifest.
        spans: in order; empty before they were found.
        found: by the search.
    """

    def __init__(self, part: PartFolder) -> None:
        self.output, self.path, self._part = part.output, part.path, part
        self._read()

    @classmethod
    def at(cls, output: Path) -> Self | None:
        """The folder of an output, not locked; None if there is none.

        Raises:
            UsageError: something else has its name.
        """
        part = PartFolder(output, MANIFEST, ENDING)
        return cls(part) if part.is_there() else None

    @classmethod
    def locked(cls, output: Path, info: StreamInfo, record: Mapping[str, Any]) -> Self:
        """The folder of an output, new or as it was left; locked.

        Raises:
            Busy: another process searches for its spans or joins them.
            UsageError: something else has its name, or it was started with other settings or another input.
        """
        part = PartFolder(output, MANIFEST, ENDING)
        head = head_line({**record, "source": identity(info)})
        if not part.is_there():
            part.create(head)
            return cls(part)
        part.lock()
        try:
            folder = cls(part)
            if changed := folder.difference(head):
                raise UsageError(f"{output}: was started with another {changed}; -y starts over")
        except BaseException:
            part.release()
            raise
        return folder

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._part.release()

    def _read(self) -> None:
        head, *lines = self._part.lines() or [{}]
        self.head: Mapping[str, Any] = head
        self.spans: list[Span] = []
        self.found: Search | None = None
        with suppress(KeyError, TypeError, ValueError):  # a list that was cut off, or damaged, is made again
            *spans, last = lines
            self.spans, self.found = [_span_of(line) for line in spans], Search(**last)

    def difference(self, head: Mapping[str, Any]) -> str:
        """What of a record differs: "version", "source" …; "" if nothing does that decides the result."""
        names = ("streamstyle", "source", "effect", "settings", "provenance", "device", "files")
        for name in names:
            before, now = (_without_device(line.get(name)) for line in (self.head, head))
            if before != now:
                return {"streamstyle": "version", "source": "input"}.get(name, name)
        return ""

    def lock(self) -> Self:
        """Lock it, to join the spans.

        Raises:
            Busy: another process joins them.
        """
        self._part.lock()
        return self

    def write(self, spans: Sequence[Span], found: Search) -> None:
        """Store the list of spans."""
        self._part.rewrite(self.head, [*map(_line_of, spans), asdict(found)])
        self._read()

    def own(self, number: int) -> Path:
        """The path whose job folder receives the segments of a span."""
        return self.path / f"{number:04d}{self.output.suffix}"

    def length(self, number: int) -> int:
        """Number of frames of a span."""
        assert self.found is not None
        span = self.spans[number]
        return (self.found.frames if span.end is None else span.end) - span.first

    def missing(self) -> list[int]:
        """Numbers of the spans that are not finished."""
        return [
            number
            for number in range(len(self.spans))
            if finished_frames(self.own(number)) < self.length(number)
        ]

    def check_source(self, info: StreamInfo) -> None:
        """Check that the input is the one that was searched.

        Raises:
            InputError: it is not.
        """
        if identity(info) != self.head.get("source"):
            raise InputError(f"{info.name}: is not the file that {self.output} was started with")

    def remove(self) -> None:
        """Remove the folder with all of its spans; what is not ours stays."""
        for number in range(len(self.spans)):
            with suppress(StreamstyleError):  # it was not begun, or is kept because it has other files
                JobFolder.reopen(self.own(number)).discard()
        self._part.remove([])


def _without_device(value: Any) -> Any:
    return {**value, "device": ""} if isinstance(value, dict) and "device" in value else value


def _line_of(span: Span) -> dict[str, Any]:
    return {**asdict(span), "state": {name: _in_json(value) for name, value in span.state.items()}}


def _in_json(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    return {"dtype": str(value.dtype), "shape": list(value.shape), "values": value.ravel().tolist()}


def _span_of(line: Mapping[str, Any]) -> Span:
    state: State = {name: _value_of(value) for name, value in line["state"].items()}
    return Span(int(line["first"]), line["end"], state, line["begin"])


def _value_of(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return np.array(value["values"], value["dtype"]).reshape(value["shape"])


def spans_in(outputs: Iterable[Path]) -> list[Path]:
    """The outputs of which there is a folder of spans: these, and those in the folders among them.

    Raises:
        UsageError: an output has none.
    """
    found: list[Path] = []
    for output in outputs:
        if output.is_dir():
            inside = sorted(path for path in output.rglob(f"*{ENDING}") if path.is_dir())
            found += [path.with_name(path.name.removesuffix(ENDING)) for path in inside]
        elif output.with_name(output.name + ENDING).is_dir():
            found.append(output)
        elif not output.exists():  # else it is joined already
            raise UsageError(f"{output}: has no rendered spans ({output.name}{ENDING} does not exist)")
    return found
