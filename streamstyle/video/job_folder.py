"""The job folder of a video: NAME.part, with the finished segments and the data to resume the render.

The manifest's first line describes what is rendered, from which input and with which settings. Each further
line is a segment: its file and the effect's state at its end. A line is written before its files are renamed
to their final names, so the manifest lists every finished file.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from streamstyle.errors import InputError, OutputError, UsageError
from streamstyle.files import refuse_overwrite, sha256_of, sync
from streamstyle.frames import StreamInfo
from streamstyle.part_folder import PartFolder, head_line, is_file_name
from streamstyle.video.identity import identity
from streamstyle.video.job_lines import LINE, Line, StoredState, files_named_in
from streamstyle.video.opening import reason
from streamstyle.video.segments import Segment

State = Mapping[str, np.ndarray | float | int]

MANIFEST = "manifest.jsonl"
_NEW_STATE = "state.new"
_UNFINISHED = "unfinished", "unfinished2"  # names of the segments that are being written
_MUXERS = ("mp4", "mov", "nut", "avi")  # of segments

_log = logging.getLogger("streamstyle")


class JobFolder:
    """The locked folder of an unfinished video. A context manager; see `leave`.

    Attributes:
        output: path of the video, as the user entered it.
        path: of the folder.
        head: the first line of the manifest.
    """

    def __init__(self, part: PartFolder, head: Mapping[str, Any]) -> None:
        self.output = part.output
        self.path = part.path
        self.head = head
        self._part = part
        self._lines: list[Line] = []
        self._outdated: set[str] | None = None  # files of an earlier run, which `begin` deletes
        self.started = False  # something was to be written, perhaps sound before the first frame
        self._begun = False
        self._finished = False

    @classmethod
    def start(
        cls, output: Path, info: StreamInfo, record: Mapping[str, Any], overwrite: bool = False
    ) -> JobFolder:
        """Create the folder of a new job. `begin` deletes the files of an earlier unfinished job.

        Args:
            output: the video to be written.
            info: of the source.
            record: what is rendered and how, as JSON values, for the manifest's first line.
            overwrite: replace an existing output and an unfinished job.

        Raises:
            UsageError: the output or an unfinished job exists and may not be overwritten, the folder was not
                made by streamstyle, or the output is not a regular file.
            OutputError: another run is writing this output, or the folder cannot be created.
        """
        part = PartFolder(output, MANIFEST)
        refuse_overwrite(output, overwrite)
        is_there = part.is_there()
        folder = cls(part, head_line({**record, "source": identity(info)}))
        if not is_there:
            part.create(folder.head)
            return folder
        part.lock()
        lines = part.lines()[1:]
        if lines and not overwrite:
            part.release()
            raise UsageError(
                f"{output}: has an unfinished run; `streamstyle resume` continues it, -y starts over"
            )
        folder._outdated = files_named_in(lines)
        return folder

    @classmethod
    def reopen(cls, output: Path) -> JobFolder:
        """Open an unfinished job with its intact segments; `begin` deletes the others.

        Raises:
            UsageError: there is no unfinished job, or its manifest is damaged.
            OutputError: another run is writing it.
        """
        part = PartFolder(output, MANIFEST)
        if not part.is_there():
            raise UsageError(f"{output}: no unfinished run ({part.path.name} does not exist)")
        part.lock()
        try:
            head, *lines = part.lines()
            folder = cls(part, head)
            folder._outdated = files_named_in(lines)
            folder._lines = folder._usable([folder._read(line) for line in lines])
            folder._outdated -= {name for line in folder._lines for name in line.files}
        except BaseException:
            part.release()
            raise
        return folder

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if self.started and kind is not None and issubclass(kind, OutputError):  # as a full disk
            self.keep()
        self.leave()

    @property
    def segments(self) -> list[Segment]:
        """The finished segments in order."""
        return [line.segment for line in self._lines]

    @property
    def frames(self) -> int:
        """Number of source frames that the finished segments cover."""
        return sum(segment.frames + segment.left_out for segment in self.segments)

    @property
    def written(self) -> int:
        """Number of frames in the finished segments."""
        return sum(segment.frames for segment in self.segments)

    @property
    def tracks(self) -> Path:
        """Path of the packets of the other tracks."""
        return self.path / "tracks"

    @property
    def joined(self) -> Path:
        """Path of the file into which the segments are joined."""
        return self.path / f"joined{self.output.suffix}"

    def check_source(self, info: StreamInfo) -> None:
        """Check that the input is the one that the job was started with.

        Raises:
            InputError: the input has changed, or cannot be read again.
        """
        if not info.replayable:
            raise InputError(f"{info.name}: cannot be read again, so the run cannot be resumed")
        if identity(info) != self.head.get("source"):
            raise InputError(f"{info.name}: is not the file that the unfinished run was started with")

    def begin(self) -> None:
        """Delete the files of an earlier run. Call it before the first segment is added.

        Raises:
            OutputError: the folder cannot be written.
        """
        self.keep()
        if self._outdated is None:
            return
        self._part.delete(self._outdated)
        self._part.rewrite(self.head, [asdict(line) for line in self._lines])
        self._outdated = None

    def keep(self) -> None:
        """Keep the folder from here on, so that the run can be resumed even if nothing of it is finished."""
        self._begun = True

    def unfinished(self, muxer: str, number: int = 0) -> Path:
        """Path to which a segment is written until it is added; two can be written at once."""
        return self.path / f"{_UNFINISHED[number % 2]}.{muxer}"

    def add(self, segment: Segment, first_frame: int, state: State) -> None:
        """Record a finished segment in the manifest and give its file its final name.

        Args:
            segment: closed, and written to `unfinished`.
            first_frame: number of its first frame in the video.
            state: the effect's state at its end.

        Raises:
            OutputError: the folder cannot be written.
        """
        self.begin()
        unfinished = self.path / segment.file
        name = self._free_name(f"{first_frame:06d}", unfinished.suffix, segment.sha256)
        try:
            line = Line(replace(segment, file=name), self._store(state, f"{first_frame:06d}"))
            self._part.append(asdict(line))
            unfinished.replace(self.path / name)
            if line.state.file:
                (self.path / _NEW_STATE).replace(self.path / line.state.file)
            sync(self.path)
        except (OSError, SafetensorError) as error:
            raise OutputError(f"{self.path}: cannot be written ({reason(error)})") from error
        self._lines.append(line)

    def state(self, segments: int | None = None) -> State:
        """The effect's state after that many segments; by default after all of them.

        Raises:
            OutputError: the file of the state cannot be read.
        """
        count = len(self._lines) if segments is None else segments
        if count == 0:
            return {}
        stored = self._lines[count - 1].state
        try:
            arrays = load_file(self.path / stored.file) if stored.file else {}
        except (OSError, SafetensorError) as error:
            raise OutputError(f"{self.path / stored.file}: cannot be read ({reason(error)})") from error
        return {**stored.numbers, **arrays}

    def finish(self, joined: Path) -> None:
        """Give the finished video its final name, and remove the folder.

        Raises:
            OutputError: the video cannot be moved.
        """
        try:
            sync(joined)  # before the segments are deleted
            joined.replace(self._part.target)
            sync(self._part.target.parent)
        except OSError as error:
            raise OutputError(f"{self.output}: cannot be written ({reason(error)})") from error
        self._finished = True
        self._part.remove(self._own_files())

    def discard(self) -> None:
        """Remove the folder with all that it has of this job."""
        self._finished = True
        self._part.remove(self._own_files() | (self._outdated or set()))

    def leave(self) -> None:
        """Release the lock. The folder is kept for `resume` if this run or an earlier one has begun."""
        if self._finished:
            return
        is_new = self._outdated is None
        if is_new and not self._begun and not self._lines:
            self._part.remove(self._own_files())
        else:
            self._part.release()

    def free_bytes(self) -> int:
        """Free disk space in bytes, including what `begin` will free.

        Raises:
            OutputError: the folder was deleted.
        """
        outdated = 0
        for name in self._outdated or ():
            with suppress(OSError):
                outdated += (self.path / name).stat().st_size
        try:
            return shutil.disk_usage(self.path).free + outdated
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be written ({reason(error)})") from error

    def _read(self, line: Any) -> Line:
        try:
            read = LINE.validate_python(line)
        except ValidationError as error:
            where = ".".join(str(part) for part in error.errors()[0]["loc"])
            raise UsageError(
                f"{self.path / MANIFEST}: the line of a segment is damaged ({where}); -y starts over"
            ) from error
        if read.segment.frames < 1 or not all(map(is_file_name, read.files)):
            raise UsageError(f"{self.path / MANIFEST}: {read.segment.file!r} is no segment; -y starts over")
        return read

    def _usable(self, lines: list[Line]) -> list[Line]:
        """The leading intact segments, up to the last one whose state is intact too."""
        damaged, count = "", 0
        for line in lines:
            if not self._is_whole(line.segment.file, line.segment.sha256):
                damaged = line.segment.file
                break
            count += 1
        while count > 0 and (state := lines[count - 1].state).file:
            if self._is_whole(state.file, state.sha256):
                break
            damaged, count = state.file, count - 1
        if damaged:
            frames = sum(line.segment.frames + line.segment.left_out for line in lines[:count])
            _log.warning("%s: missing or damaged; going back to frame %d", self.path / damaged, frames)
        return lines[:count]

    def _is_whole(self, name: str, sha256: str) -> bool:
        path = self.path / name
        try:
            return path.is_file() and sha256_of(path) == sha256
        except (InputError, OSError):
            return False

    def _store(self, state: State, name: str) -> StoredState:
        """Write the arrays of a state to the temporary file for a new state."""
        numbers = {key: value for key, value in state.items() if not isinstance(value, np.ndarray)}
        arrays = {key: value for key, value in state.items() if isinstance(value, np.ndarray)}
        if not arrays:
            return StoredState(numbers, "", "")
        path = self.path / _NEW_STATE
        save_file({key: np.ascontiguousarray(value) for key, value in arrays.items()}, path)
        sync(path)
        sha256 = sha256_of(path)
        return StoredState(numbers, self._free_name(name, ".safetensors", sha256), sha256)

    def _free_name(self, stem: str, suffix: str, sha256: str) -> str:
        """An unused name, or that of an existing file with the same content.

        Other files may exist if the manifest was damaged, or if a user put them there.
        """
        name, number = f"{stem}{suffix}", 1
        while os.path.lexists(self.path / name) and not self._is_whole(name, sha256):
            number += 1
            name = f"{stem}-{number}{suffix}"
        return name

    def _own_files(self) -> set[str]:
        """Names of all files of this job in the folder."""
        unfinished = {f"{name}.{muxer}" for name in _UNFINISHED for muxer in _MUXERS}
        segments = {name for line in self._lines for name in line.files}
        return {_NEW_STATE, self.tracks.name, self.joined.name} | unfinished | segments


def unfinished_video(output: Path) -> Path | None:
    """The folder from which a video can be resumed; None if there is none, or another run is writing it.

    Raises:
        UsageError, OutputError: something else has its name, or it cannot be read.
    """
    part = PartFolder(output, MANIFEST)
    if not part.is_idle():
        return None
    head, *segments = part.lines()
    again = "name" not in head.get("source", {"name": ""})  # what is not known by more, such as a pipe
    return part.path if segments and again else None


def finished_frames(output: Path) -> int:
    """Number of frames in the finished segments of an unfinished job, which may be in use; 0 without one.

    Raises:
        UsageError, OutputError: as `PartFolder.is_there`.
    """
    part = PartFolder(output, MANIFEST)
    if not part.is_there():
        return 0
    frames = 0
    for value in part.lines()[1:]:
        try:
            line = LINE.validate_python(value)
        except ValidationError:
            break
        if not all(os.path.isfile(part.path / name) for name in line.files):
            break
        frames += line.segment.frames + line.segment.left_out
    return frames
