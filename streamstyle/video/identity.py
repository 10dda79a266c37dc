"""What identifies an input, so that a run goes on only with the one that it was started with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streamstyle.files import sha256_of
from streamstyle.frames import StreamInfo


def identity(info: StreamInfo) -> dict[str, Any]:
    """What identifies an input: the hash of a file or of each file of a folder, else the name."""
    if not info.replayable or not (Path(info.name).is_dir() or info.bytes is not None):
        return {"name": info.name}
    return identity_of_files(Path(info.name))


def identity_of_files(path: Path) -> dict[str, Any]:
    """What identifies a file, or a folder with its visible files.

    Raises:
        InputError: a file cannot be read.
    """
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
        return {"files": {file.name: sha256_of(file) for file in files}}
    return {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
