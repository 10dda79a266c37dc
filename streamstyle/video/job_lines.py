"""The lines of a job folder's manifest that describe finished segments."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from streamstyle.part_folder import is_file_name
from streamstyle.video.segments import Segment


@dataclass(frozen=True)
class StoredState:
    """The effect's state at the end of a segment.

    Attributes:
        numbers: the values that are not arrays.
        file: name of the file with the arrays, in the folder; "" if there are none.
        sha256: of that file.
    """

    numbers: dict[str, int | float]
    file: str
    sha256: str


@dataclass(frozen=True)
class Line:
    """A finished segment, and the state after it."""

    segment: Segment
    state: StoredState

    @property
    def files(self) -> list[str]:
        return [self.segment.file, *([self.state.file] if self.state.file else [])]


LINE = TypeAdapter(Line)


def files_named_in(lines: Iterable[Any]) -> set[str]:
    """Names of the files listed in a manifest; invalid lines are skipped."""
    names: set[str] = set()
    for line in lines:
        with suppress(ValidationError):
            names.update(LINE.validate_python(line).files)
    return set(filter(is_file_name, names))
