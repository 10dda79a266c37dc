"""The folder NAME.part next to an output: the state of an unfinished run.

Its manifest holds JSON objects, one per line, each synced before the next. The first line has the version of
the format. A folder without a manifest was not made by streamstyle and is refused. In our own folders, only
files that the caller names are deleted.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from streamstyle import __version__
from streamstyle.errors import OutputError, UsageError

VERSION = 1  # of the manifest's format

_log = logging.getLogger("streamstyle")


class Busy(OutputError):
    """Another process is writing the output."""


class PartFolder:
    """The folder of an unfinished run. The constructor only computes its path.

    Args:
        output: path of the output, as the user entered it.
        manifest: file name of the manifest.
        ending: of the folder's name.

    Attributes:
        output: as passed in.
        target: the file to write: `output`, with symbolic links followed.
        path: of the folder; next to the target, so that a finished file can be renamed to it.

    Raises:
        UsageError, OutputError: as `ordinary_target`.
    """

    def __init__(self, output: Path, manifest: str, ending: str = ".part") -> None:
        self.output = output
        self.target = ordinary_target(output)
        self.path = self.target.with_name(self.target.name + ending)
        self._manifest = manifest
        self._lock = FileLock(self.path / "lock", timeout=0)

    def is_there(self) -> bool:
        """Whether the folder exists and was made by streamstyle.

        Raises:
            UsageError: something else has that name. It is left untouched.
        """
        if not os.path.lexists(self.path):
            return False
        if self.path.is_symlink():
            raise UsageError(f"{self.path}: is a symbolic link, not the folder of a run; move it away")
        if not self.path.is_dir():
            raise UsageError(f"{self.path}: is not a folder; move it away")
        if not os.path.lexists(self.path / self._manifest):
            raise UsageError(
                f"{self.path}: is not the folder of a run ({self._manifest} is missing); move it away"
            )
        first = next(iter(self.lines()), None)
        version = first.get("version") if isinstance(first, dict) else None
        if not isinstance(version, int):
            raise UsageError(
                f"{self.path / self._manifest}: is not the manifest of a run; move {self.path.name} away"
            )
        if version != VERSION:
            raise UsageError(
                f"{self.path / self._manifest}: has format {version}, this version reads {VERSION}"
            )
        return True

    def is_idle(self) -> bool:
        """Whether the folder is there, and no other process is working on it.

        Raises:
            UsageError: as `is_there`.
        """
        if not self.is_there():
            return False
        try:
            self.lock()
        except OutputError:
            return False
        self.release()
        return True

    def create(self, head: Mapping[str, Any]) -> None:
        """Create the folder with a manifest of one line, and lock it.

        Raises:
            OutputError: it cannot be created, or another run has just created it.
        """
        # The folder is renamed once it has its manifest, so a crash leaves no folder without one.
        # The temporary name is short, so that it is valid wherever the folder's name is.
        temporary = self.path.with_name(f".{secrets.token_hex(8)}.part")
        try:
            temporary.mkdir()
            try:
                _write_synced(temporary / self._manifest, _as_text([head_line(head)]))
                temporary.rename(self.path)
            except BaseException:
                (temporary / self._manifest).unlink(missing_ok=True)
                temporary.rmdir()
                raise
        except OSError as error:
            raise self.unwritable(error) from error
        self.lock()

    def lock(self) -> None:
        """Lock the existing folder.

        Raises:
            Busy: another run has locked it.
            OutputError: it cannot be locked.
        """
        try:
            self._lock.acquire()
        except Timeout as error:
            raise Busy(f"{self.output}: another run is writing it") from error
        except OSError as error:
            raise self.unwritable(error) from error

    def release(self) -> None:
        """Release the lock."""
        with suppress(OSError):  # the folder was deleted, and the lock with it
            self._lock.release()

    def lines(self) -> list[Any]:
        """The JSON values of the manifest, up to the first damaged line; a crash can truncate the last one.

        Raises:
            OutputError: it cannot be read.
        """
        try:
            text = (self.path / self._manifest).read_text("utf-8", errors="replace")
        except OSError as error:
            raise OutputError(
                f"{self.path / self._manifest}: cannot be read ({error.strerror or error})"
            ) from error
        values = []
        for line in text.splitlines():
            try:
                values.append(json.loads(line))
            except (ValueError, RecursionError):  # not JSON, or a number or nesting that is too large
                break
        return values

    def append(self, line: Mapping[str, Any]) -> None:
        """Append a line to the manifest and sync it.

        Raises:
            OutputError: it cannot be written, or the folder was deleted.
        """
        try:
            handle = os.open(self.path / self._manifest, os.O_WRONLY | os.O_APPEND)  # it must exist
            with os.fdopen(handle, "a", encoding="utf-8") as file:
                file.write(_as_text([line]))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise self.unwritable(error) from error

    def rewrite(self, head: Mapping[str, Any], lines: Iterable[Mapping[str, Any]] = ()) -> None:
        """Replace the manifest atomically.

        Raises:
            OutputError: it cannot be written.
        """
        temporary = self.path / f"{self._manifest}.new"
        try:
            _write_synced(temporary, _as_text([head_line(head), *lines]))
            temporary.replace(self.path / self._manifest)
        except OSError as error:
            raise self.unwritable(error) from error

    def delete(self, names: Iterable[str]) -> None:
        """Delete these files of the folder; missing ones, and what is not a file, are skipped.

        Raises:
            OutputError: a file cannot be deleted.
        """
        for path in (self.path / name for name in names if is_file_name(name)):
            try:
                if path.is_symlink() or path.is_file():
                    path.unlink(missing_ok=True)
            except OSError as error:
                raise self.unwritable(error) from error

    def remove(self, names: Iterable[str]) -> None:
        """Delete these files, the manifest and the lock, then the folder unless it has other files."""
        if not os.path.lexists(self.path / self._manifest):  # moved or replaced meanwhile: not our folder
            self.release()
            return
        with suppress(OutputError):
            self.delete([*names, f"{self._manifest}.new"])
            self.release()
            self.delete(["lock", self._manifest])
        self.release()
        try:
            self.path.rmdir()
        except OSError:
            if self.path.exists():
                _log.warning("%s: kept, because it has files that are not from this run", self.path)

    def unwritable(self, error: OSError) -> OutputError:
        """An OutputError for a folder, or a file in it, that cannot be written."""
        return OutputError(f"{self.output}: cannot be written ({error.strerror or error})")


def ordinary_target(output: Path) -> Path:
    """The file that `output` refers to, which need not exist; symbolic links are followed.

    Raises:
        UsageError: it is a FIFO, device, socket or folder, or a symbolic link to itself.
        OutputError: the path cannot be used.
    """
    target = Path(os.path.realpath(output))
    try:
        mode = target.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return target
    except OSError as error:
        raise OutputError(f"{output}: cannot be written ({error.strerror or error})") from error
    if stat.S_ISLNK(mode):
        raise UsageError(f"{output}: is a symbolic link to itself")
    if stat.S_ISDIR(mode):
        raise UsageError(f"{output}: is a folder")
    if not stat.S_ISREG(mode):
        kind = "a FIFO" if stat.S_ISFIFO(mode) else "a device or socket"
        raise UsageError(f"{output}: is {kind}, not a file; use - as the output and redirect it")
    return target


def is_file_name(name: str) -> bool:
    """Whether `name` is a plain file name, without a path to another folder."""
    return name not in ("", ".", "..") and Path(name).name == name and "\0" not in name


def head_line(head: Mapping[str, Any]) -> dict[str, Any]:
    """The first line of a manifest."""
    return {"version": VERSION, "streamstyle": __version__, **head}


def _as_text(lines: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


def _write_synced(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
