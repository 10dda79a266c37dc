"""The record of a render in its manifest: input, settings, device and file hashes, for resuming."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from pydantic import TypeAdapter, ValidationError

from streamstyle import __version__
from streamstyle.device import choose
from streamstyle.effects import EFFECTS, RenderSettings
from streamstyle.errors import InputError, UsageError
from streamstyle.files import places_after_move
from streamstyle.inference import described
from streamstyle.jobs.provenance import file_hashes, hash_of, name_of_effect
from streamstyle.options import make_settings
from streamstyle.video.identity import identity_of_files
from streamstyle.video.job_folder import MANIFEST

_log = logging.getLogger("streamstyle")


@dataclass(frozen=True)
class Record:
    """What a resumed run needs to know of the first one; stored in the manifest.

    Attributes:
        input: absolute path of the input, as the run may be resumed from another folder; or a URL.
        folder: absolute path of the output's folder, to find the other files if they are moved with it.
        effect: key into EFFECTS.
        settings: all settings.
        provenance: of the output, for its metadata.
        device: "cpu" or "cuda", as they round differently.
        files: SHA-256 of each file that determines the result, by name.
        computed_by: library, version, instruction set and threads, as they round differently, too; "" if that
            is unknown.
    """

    input: str
    folder: str
    effect: str
    settings: dict[str, Any]
    provenance: str
    device: str
    files: dict[str, str]
    computed_by: str = ""


_RECORD = TypeAdapter(Record)


class Recorded(Protocol):
    """A folder whose manifest begins with a record: a `JobFolder` or `SpanFolder`."""

    @property
    def output(self) -> Path: ...
    @property
    def path(self) -> Path: ...
    @property
    def head(self) -> Mapping[str, Any]: ...


def record_of(
    source: str, folder: Path, settings: RenderSettings, provenance: str, device: torch.device
) -> Record:
    """The record from which a later run can resume this one.

    Raises:
        InputError: a file that determines the result cannot be read.
    """
    return Record(
        input=str(Path(source).absolute()) if os.path.exists(source) else source,
        folder=str(folder),
        effect=name_of_effect(settings),
        settings=settings.model_dump(mode="json"),
        provenance=provenance,
        device=device.type,
        files=file_hashes(settings),
        computed_by=computation(settings, device),
    )


def computation(settings: RenderSettings, device: torch.device) -> str:
    """What computes an effect with these settings; effects without a choice are computed by PyTorch."""
    return described(getattr(settings, "runner", "torch"), device)


def warn_of_rounding(record: Record, output: Path, settings: RenderSettings, device: torch.device) -> None:
    """Log a warning if later frames are computed by something else than those before."""
    now = computation(settings, device)
    if record.computed_by not in ("", now):
        _log.warning(
            "%s: was started with %s, goes on with %s: later frames may differ by a rounding",
            output,
            record.computed_by,
            now,
        )


def read_record(folder: Recorded, *, any_device: bool = False) -> tuple[Record, RenderSettings]:
    """The record of the first run, and its settings.

    Args:
        folder: of the unfinished run.
        any_device: accept another kind of device, where nothing is left to be computed.

    Raises:
        UsageError: the record is damaged; or something that determines the result is missing or has changed:
            the version of the program, the kind of device, or a file.
    """
    output, manifest = folder.output, folder.path / MANIFEST
    version = folder.head.get("streamstyle")
    if version != __version__:
        raise UsageError(f"{output}: was started by version {version} of streamstyle, this is {__version__}")
    try:
        record = _RECORD.validate_python(folder.head)
    except ValidationError as error:
        name = ".".join(map(str, error.errors()[0]["loc"]))
        raise UsageError(f"{manifest}: {name} is missing or damaged; start anew with -y") from error
    if record.effect not in EFFECTS:
        known = ", ".join(EFFECTS)
        raise UsageError(f"{manifest}: unknown effect {record.effect}; known are {known}")
    record = _with_moved_files(record, folder)
    settings = make_settings(record.settings, EFFECTS[record.effect], str(manifest))
    device = record.device if any_device else choose(settings.device).type
    if device != record.device:
        raise UsageError(f"{output}: was started on {record.device}, but would resume on {device}")
    if changed := _first_difference(record.files, file_hashes(settings)):
        raise UsageError(f"{changed}: has changed since {output} was started; start anew with -y")
    return record, settings


def input_of(record: Record, folder: Recorded) -> str:
    """Where the input is now: at its former place, or moved along with the job folder.

    Raises:
        InputError: it is not found.
    """
    if not Path(record.input).is_absolute():
        return record.input
    places = _existing(record.input, record, folder)
    for place in places:
        if identity_of_files(place) == folder.head.get("source"):
            return str(place)
    if places:
        return str(places[0])  # the caller refuses it, as it has changed
    raise InputError(f"{record.input}: no such file; if it was moved, name it with --input FILE")


def _with_moved_files(record: Record, folder: Recorded) -> Record:
    """The record with the present paths of files that were moved along with the job folder.

    Raises:
        UsageError: a file is missing.
    """
    present: dict[str, str] = {}
    for name in (name for name in record.files if Path(name).is_absolute() and not os.path.exists(name)):
        places = _existing(name, record, folder)
        if not places:
            raise UsageError(f"{name}: no such file; move it back, or beside {folder.output}")
        same = (place for place in places if hash_of(str(place)) == record.files[name])
        present[name] = str(next(same, places[0]))
    if not present:
        return record
    # Mixtures and keyframes name several files each. Longer names come first, as one may begin another.
    names = re.compile("|".join(re.escape(name) for name in sorted(present, key=len, reverse=True)))

    def renamed(value: Any) -> Any:
        if isinstance(value, list):
            return [renamed(part) for part in value]
        return names.sub(lambda match: present[match[0]], value) if isinstance(value, str) else value

    return replace(
        record,
        settings={key: renamed(value) for key, value in record.settings.items()},
        files={present.get(name, name): sha256 for name, sha256 in record.files.items()},
    )


def _existing(file: str, record: Record, folder: Recorded) -> list[Path]:
    """The places of `places_after_move` that exist."""
    return [
        place for place in places_after_move(file, record.folder, folder.path.parent) if os.path.exists(place)
    ]


def _first_difference(before: Mapping[str, str], now: Mapping[str, str]) -> str | None:
    """The first name whose values differ."""
    return next((name for name in {**before, **now} if before.get(name) != now.get(name)), None)
