"""The record of a render in its manifest: input, settings, device and file hashes, for resuming."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError

from streamstyle import __version__
from streamstyle.device import choose
from streamstyle.effects import EFFECTS, RenderSettings
from streamstyle.errors import UsageError
from streamstyle.jobs.provenance import file_hashes, name_of_effect
from streamstyle.options import make_settings
from streamstyle.video.job_folder import MANIFEST, JobFolder


@dataclass(frozen=True)
class Record:
    """What a resumed run needs to know of the first one; stored in the manifest.

    Attributes:
        input: absolute path of the input, as the run may be resumed from another folder; or a URL.
        effect: key into EFFECTS.
        settings: all settings.
        provenance: of the output, for its metadata.
        device: "cpu" or "cuda", as they round differently.
        files: SHA-256 of each file that determines the result, by name.
    """

    input: str
    effect: str
    settings: dict[str, Any]
    provenance: str
    device: str
    files: dict[str, str]


_RECORD = TypeAdapter(Record)


def record_of(source: str, settings: RenderSettings, provenance: str, device: torch.device) -> Record:
    """The record from which a later run can resume this one.

    Raises:
        InputError: a file that determines the result cannot be read.
    """
    return Record(
        input=str(Path(source).absolute()) if os.path.exists(source) else source,
        effect=name_of_effect(settings),
        settings=settings.model_dump(mode="json"),
        provenance=provenance,
        device=device.type,
        files=file_hashes(settings),
    )


def read_record(folder: JobFolder) -> tuple[Record, RenderSettings]:
    """The record of the first run, and its settings.

    Raises:
        UsageError: the record is damaged; or something that determines the result has changed: the version
            of the program, the kind of device, or a file.
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
    settings = make_settings(record.settings, EFFECTS[record.effect], str(manifest))
    device = choose(settings.device).type
    if device != record.device:
        raise UsageError(f"{output}: was started on {record.device}, but would resume on {device}")
    if changed := _first_difference(record.files, file_hashes(settings)):
        raise UsageError(f"{changed}: has changed since {output} was started; start anew with -y")
    return record, settings


def _first_difference(before: Mapping[str, str], now: Mapping[str, str]) -> str | None:
    """The first name whose values differ."""
    return next((name for name in {**before, **now} if before.get(name) != now.get(name)), None)
