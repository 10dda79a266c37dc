"""The job folder beside an output: its segments, a manifest, a lock.

NAME.part/manifest.jsonl holds one JSON object a line: a head (settings and source), then one segment after
the other, each synced before the next begins. A line that was cut short by a crash is ignored.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from streamstyle import __version__
from streamstyle.errors import InputError, OutputError, UsageError
from streamstyle.frames import StreamInfo
from streamstyle.video.opening import reason
from streamstyle.video.segments import Segment, file_hash, sync

State = Mapping[str, np.ndarray | float | int]

_MANIFEST = "manifest.jsonl"


class Job:
    """An unfinished film.

    Attributes:
        output: where the film will lie.
        folder: where its parts lie.
        settings: what the run was started with, as JSON values.
        segments: the finished ones.
    """

    def __init__(self, output: Path) -> None:
        self.output = output
        self.folder = output.with_name(output.name + ".part")
        self.settings: dict[str, Any] = {}
        self.segments: list[Segment] = []
        self._source: dict[str, Any] = {}
        self._state: dict[str, Any] = {}
        self._lock = FileLock(self.folder / "lock", timeout=0)

    @property
    def frames(self) -> int:
        """Number of frames in the finished segments."""
        return sum(segment.frames for segment in self.segments)

    @classmethod
    def start(cls, output: Path, info: StreamInfo, settings: dict[str, Any], overwrite: bool = False) -> Job:
        """Make the folder of a new job and take its lock.

        Raises:
            UsageError: the output or an unfinished run is there and is not to be overwritten.
            OutputError: another run writes this output, or the folder cannot be made.
        """
        job = cls(output)
        if output.exists() and not overwrite:
            raise UsageError(f"{output}: exists; -y overwrites it")
        unfinished = job.folder.exists()
        try:
            job.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise OutputError(f"{output}: cannot be written ({reason(error)})") from error
        job._take()
        if unfinished and not overwrite and job._has_segments():
            job.release()
            raise UsageError(
                f"{output}: an unfinished run is there; `streamstyle resume` goes on with it, -y starts anew"
            )
        job._clear()
        job.settings = settings
        job._source = identity(info)
        job._append({"streamstyle": __version__, "settings": settings, "source": job._source})
        return job

    @classmethod
    def reopen(cls, output: Path) -> Job:
        """Take up an unfinished job: its settings and whole segments.

        Raises:
            UsageError: there is none.
            OutputError: another run is at it.
        """
        job = cls(output)
        if not (job.folder / _MANIFEST).exists():
            raise UsageError(f"{output}: no unfinished run ({job.folder.name} is not there)")
        job._take()
        lines = job._read()
        if not lines:
            raise UsageError(f"{output}: the run stopped before its first frame; start it anew with -y")
        job.settings, job._source = lines[0]["settings"], lines[0]["source"]
        for line in lines[1:]:
            segment = Segment(**line["segment"])
            if not job._is_whole(segment):
                break
            job.segments.append(segment)
            job._state = line["state"]
        job._rewrite(lines[: 1 + len(job.segments)])
        return job

    def check_source(self, info: StreamInfo) -> None:
        """Make sure that the input is the one the job began with.

        Raises:
            InputError: it has changed, or cannot be read a second time.
        """
        if not info.replayable:
            raise InputError(f"{info.name}: cannot be read a second time, so the run cannot be resumed")
        if identity(info) != self._source:
            raise InputError(f"{info.name}: is not the file that the unfinished run began with")

    def add(self, segment: Segment, state: State) -> None:
        """Record a finished segment and the effect's state behind it."""
        numbers = {key: value for key, value in state.items() if not isinstance(value, np.ndarray)}
        arrays = {key: value for key, value in state.items() if isinstance(value, np.ndarray)}
        held: dict[str, Any] = {"numbers": numbers, "arrays": None}
        try:
            if arrays:
                path = (self.folder / segment.file).with_suffix(".safetensors")
                save_file({key: np.ascontiguousarray(value) for key, value in arrays.items()}, path)
                sync(path)
                held["arrays"] = path.name
            self._append({"segment": asdict(segment), "state": held})
        except (OSError, SafetensorError) as error:
            raise OutputError(f"{self.folder}: cannot be written ({reason(error)})") from error
        self.segments.append(segment)
        self._state = held

    def state(self) -> State:
        """The effect's state behind the last finished segment."""
        if not self._state:
            return {}
        arrays = self._state["arrays"]
        return {**self._state["numbers"], **(load_file(self.folder / arrays) if arrays else {})}

    def finish(self, joined: Path) -> None:
        """Move the finished film to its name and remove the folder."""
        try:
            joined.replace(self.output)
        except OSError as error:
            raise OutputError(f"{self.output}: cannot be written ({reason(error)})") from error
        self.remove()

    def remove(self) -> None:
        """Give up the lock and remove the folder with all that is in it."""
        self.release()
        shutil.rmtree(self.folder, ignore_errors=True)

    def release(self) -> None:
        """Give up the lock; the folder stays."""
        self._lock.release()

    def free_bytes(self) -> int:
        """Free space where the job lies."""
        return shutil.disk_usage(self.folder).free

    def _take(self) -> None:
        try:
            self._lock.acquire()
        except Timeout as error:
            raise OutputError(f"{self.output}: another run is writing it") from error
        except OSError as error:
            raise OutputError(f"{self.output}: cannot be written ({reason(error)})") from error

    def _has_segments(self) -> bool:
        return len(self._read()) > 1

    def _clear(self) -> None:
        for path in self.folder.iterdir():
            if path.name != "lock":
                path.unlink()

    def _is_whole(self, segment: Segment) -> bool:
        path = self.folder / segment.file
        return path.exists() and path.stat().st_size == segment.bytes and file_hash(path) == segment.sha256

    def _read(self) -> list[dict[str, Any]]:
        """The manifest's lines up to the first one that is damaged."""
        lines: list[dict[str, Any]] = []
        path = self.folder / _MANIFEST
        for text in path.read_text("utf-8", errors="replace").splitlines() if path.exists() else ():
            try:
                lines.append(json.loads(text))
            except json.JSONDecodeError:
                break
        return lines

    def _append(self, line: dict[str, Any]) -> None:
        with (self.folder / _MANIFEST).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _rewrite(self, lines: list[dict[str, Any]]) -> None:
        path = self.folder / _MANIFEST
        fresh = path.with_suffix(".new")
        fresh.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
        sync(fresh)
        fresh.replace(path)


def identity(info: StreamInfo) -> dict[str, Any]:
    """What tells an input from another: its bytes where it is a file, its name otherwise."""
    if info.kind == "folder" or not info.replayable or info.bytes is None:
        return {"name": info.name}
    return {"bytes": info.bytes, "sha256": file_hash(Path(info.name))}
