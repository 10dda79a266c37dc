"""The report of a batch, report.json: what became of each film, and what a later batch goes on from."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from streamstyle import __version__
from streamstyle.batch import addresses
from streamstyle.batch.films import Film
from streamstyle.errors import UsageError
from streamstyle.files import write_whole

Status = Literal["waiting", "running", "in spans", "done", "damaged", "existed", "failed"]
SHARE_OF_TIME = 20  # saving the report may take a twentieth of the time


@dataclass(frozen=True)
class Entry:
    """What became of a film.

    Attributes:
        input, output, effect: of the film.
        settings: that are not the defaults.
        status: "damaged" is done, but frames of the input were repeated or are missing; "existed": the output
            was there before; "in spans": the spans of this shard are done, and `join` is needed.
        seconds: that its tasks have taken, one after the other.
        frames: of the output.
        concealed, lost: see `Result`.
        tasks: how many it took.
        peak_mb: most memory of one of their processes.
        warnings: in the order in which they came.
        error, exit_code: why it failed.
    """

    input: str
    output: str
    effect: str
    settings: dict[str, Any]
    status: Status = "waiting"
    seconds: float = 0.0
    frames: int | None = None
    concealed: int = 0
    lost: int = 0
    tasks: int = 0
    peak_mb: int = 0
    warnings: tuple[str, ...] = ()
    error: str = ""
    exit_code: int = 0


_ENTRY = TypeAdapter(Entry)


class Report:
    """The entries of a batch, and the file that they are saved in.

    Args:
        path: of the file.
        films: of this batch.

    Attributes:
        entries: by output.
        counts: number of films by status.
        unfinished: outputs of films that an earlier batch, which was interrupted, had finished.

    Raises:
        UsageError: the file is not a report.
    """

    def __init__(self, path: Path, films: Sequence[Film]) -> None:
        self.path = path
        self.entries = {film.output: entry_of(film) for film in films}
        self._saved = self._took = 0.0
        self._changed = True
        self._began = time.time()
        earlier, complete = self._earlier()
        self.unfinished: set[str] = set()
        for output, entry in self.entries.items():
            before = earlier.get(output)
            if before is not None and _same(before, entry):
                self.entries[output] = before
                if not complete and before.status in ("done", "damaged"):
                    self.unfinished.add(output)
        self.counts = Counter(entry.status for entry in self.entries.values())

    def _earlier(self) -> tuple[dict[str, Entry], bool]:
        """The entries of an earlier batch, and whether it came to its end."""
        if not os.path.exists(self.path):
            return {}, True
        try:
            data = json.loads(self.path.read_text("utf-8"))
            entries = [_ENTRY.validate_python(entry) for entry in data["films"]]
            return {entry.output: entry for entry in entries}, bool(data["complete"])
        except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
            raise UsageError(
                f"{self.path}: is not the report of a batch; name another with --report"
            ) from error

    def set(self, film: Film, **changes: Any) -> None:
        """Change the entry of a film."""
        before = self.entries[film.output]
        entry = self.entries[film.output] = replace(before, **changes)
        self.counts[before.status] -= 1
        self.counts[entry.status] += 1
        self._changed = True

    def keep_up(self) -> None:
        """Save the report if it has changed, and the last time is long enough ago.

        Raises:
            OutputError: as `save`.
        """
        if self._changed and time.monotonic() - self._saved > SHARE_OF_TIME * self._took:
            self.save()

    def save(self, *, complete: bool = False) -> None:
        """Write the file.

        Raises:
            OutputError: it cannot be written.
        """
        begin = time.monotonic()
        data = {
            "streamstyle": __version__,
            "complete": complete,
            "seconds": round(time.time() - self._began, 3),
            "summary": {status: count for status, count in self.counts.items() if count},
            "films": [asdict(entry) for entry in self.entries.values()],
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.path, json.dumps(data, indent=1).encode())
        self._saved, self._changed = time.monotonic(), False
        self._took = self._saved - begin


def entry_of(film: Film) -> Entry:
    """The entry of a film that waits."""
    settings = film.settings.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    return Entry(film.source, film.output, film.effect, settings)


def output_exists(film: Film) -> bool:
    """Whether the film's output is there."""
    output = film.output
    return addresses.exists(output) if addresses.is_address(output) else os.path.exists(output)


def _same(before: Entry, now: Entry) -> bool:
    """Whether an entry is that of the same film with the same settings, whatever computes it."""

    def deciding(settings: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in settings.items() if name != "device"}

    return (before.input, before.effect) == (now.input, now.effect) and deciding(before.settings) == deciding(
        now.settings
    )
