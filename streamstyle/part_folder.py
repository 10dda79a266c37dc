"""The folder NAME.part beside an output: what an unfinished run has done so far.

A manifest in it tells that the folder is ours: JSON objects, one a line, each synced before the next. The
first one holds the version of the format. A folder without it belongs to somebody else and is refused.
In a folder of ours, only files that its owner names are ever deleted.
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


class PartFolder:
    """The folder of an unfinished run; at first only its name.

    Args:
        output: the output, as the user named it.
        manifest: file name of the manifest.

    Attributes:
        output: as given.
        target: the file to write: where `output` is a symbolic link, what it leads to.
        path: of the folder; beside the target, so that a finished file can be moved to its name.

    Raises:
        UsageError, OutputError: as `ordinary_target`.
    """

    def __init__(self, output: Path, manifest: str) -> None:
        self.output = output
        self.target = ordinary_target(output)
        self.path = self.target.with_name(self.target.name + ".part")
        self._manifest = manifest
        self._lock = FileLock(self.path / "lock", timeout=0)

    def is_there(self) -> bool:
        """Whether there is such a folder of ours.

        Raises:
            UsageError: something else has its name. Nothing was touched.
        """
        if not os.path.lexists(self.path):
            return False
        if self.path.is_symlink():
            raise UsageError(f"{self.path}: is a symbolic link, not the folder of a run; move it away")
        if not self.path.is_dir():
            raise UsageError(f"{self.path}: is no folder; move it away")
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
                f"{self.path / self._manifest}: has format {version}, this program reads {VERSION}"
            )
        return True

    def create(self, head: Mapping[str, Any]) -> None:
        """Make the folder with a manifest of one line, and take its lock.

        Raises:
            OutputError: it cannot be made, or another run has just done so.
        """
        # It gets its name with the manifest in it: a crash leaves no folder that nobody knows.
        # The temporary name is short, so that it fits wherever the folder's fits.
        fresh = self.path.with_name(f".{secrets.token_hex(8)}.part")
        try:
            fresh.mkdir()
            try:
                _write_synced(fresh / self._manifest, _as_text([head_line(head)]))
                fresh.rename(self.path)
            except BaseException:
                (fresh / self._manifest).unlink(missing_ok=True)
                fresh.rmdir()
                raise
        except OSError as error:
            raise self.unwritable(error) from error
        self.lock()

    def lock(self) -> None:
        """Take the lock of a folder that is there.

        Raises:
            OutputError: another run has it.
        """
        try:
            self._lock.acquire()
        except Timeout as error:
            raise OutputError(f"{self.output}: another run is writing it") from error
        except OSError as error:
            raise self.unwritable(error) from error

    def release(self) -> None:
        """Give up the lock."""
        with suppress(OSError):  # the folder is gone, and the lock with it
            self._lock.release()

    def lines(self) -> list[Any]:
        """The manifest's JSON values up to the first line that is damaged, as a crash may have cut it.

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
            except (ValueError, RecursionError):  # no JSON, or numbers and nesting beyond all measure
                break
        return values

    def append(self, line: Mapping[str, Any]) -> None:
        """Add a line to the manifest; it outlives a power cut.

        Raises:
            OutputError: it cannot be written, or the folder is gone.
        """
        try:
            handle = os.open(self.path / self._manifest, os.O_WRONLY | os.O_APPEND)  # which must be there
            with os.fdopen(handle, "a", encoding="utf-8") as file:
                file.write(_as_text([line]))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise self.unwritable(error) from error

    def rewrite(self, head: Mapping[str, Any], lines: Iterable[Mapping[str, Any]] = ()) -> None:
        """Replace the manifest in one step.

        Raises:
            OutputError: it cannot be written.
        """
        fresh = self.path / f"{self._manifest}.new"
        try:
            _write_synced(fresh, _as_text([head_line(head), *lines]))
            fresh.replace(self.path / self._manifest)
        except OSError as error:
            raise self.unwritable(error) from error

    def delete(self, names: Iterable[str]) -> None:
        """Delete files of ours; what is missing, or is no file, is left alone.

        Raises:
            OutputError: one cannot be deleted.
        """
        for path in (self.path / name for name in names if is_file_name(name)):
            try:
                if path.is_symlink() or path.is_file():
                    path.unlink(missing_ok=True)
            except OSError as error:
                raise self.unwritable(error) from error

    def remove(self, names: Iterable[str]) -> None:
        """Delete these files, the manifest and the lock; then the folder, unless other files lie in it."""
        if not os.path.lexists(self.path / self._manifest):  # moved away or replaced meanwhile: not ours
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
                _log.warning("%s: stays, as it holds files that are not from this run", self.path)

    def unwritable(self, error: OSError) -> OutputError:
        """The error to raise where the folder or a file in it cannot be written."""
        return OutputError(f"{self.output}: cannot be written ({error.strerror or error})")


def ordinary_target(output: Path) -> Path:
    """The file that `output` names: where it is a symbolic link, what it leads to, even if that is missing.

    Raises:
        UsageError: it is a FIFO, device, socket or folder, or a link that leads to itself.
        OutputError: the name cannot be used.
    """
    target = Path(os.path.realpath(output))
    try:
        mode = target.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return target
    except OSError as error:
        raise OutputError(f"{output}: cannot be written ({error.strerror or error})") from error
    if stat.S_ISLNK(mode):
        raise UsageError(f"{output}: is a symbolic link that leads to itself")
    if stat.S_ISDIR(mode):
        raise UsageError(f"{output}: is a folder")
    if not stat.S_ISREG(mode):
        kind = "a FIFO" if stat.S_ISFIFO(mode) else "a device or socket"
        raise UsageError(f"{output}: is {kind}, not a file; name - as output and redirect it")
    return target


def is_file_name(name: str) -> bool:
    """Whether it names a file in a folder, and nothing outside of it."""
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
