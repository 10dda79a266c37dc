"""Files on disk: hashed, written whole or not at all, never overwritten unasked.

A file is written under a temporary name in its folder, synced, and renamed. So its own name always belongs to
the complete old file or to the complete new one. Standard library only.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from pathlib import Path

from streamstyle.errors import InputError, OutputError, UsageError


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise InputError(f"{path}: cannot be read: {exc.strerror or exc}") from exc


def refuse_overwrite(path: Path, overwrite: bool) -> None:
    """Make sure that nothing is overwritten unless the user allows it.

    Raises:
        UsageError: `path` exists, and `overwrite` is False.
    """
    if not overwrite and os.path.exists(path):  # noqa: PTH110  Path.exists raises where a name is too long
        raise UsageError(f"{path}: exists; -y overwrites it")


def real_target(path: Path) -> Path:
    """The file that writing to `path` would make or replace, symbolic links followed.

    Raises:
        OutputError: its folder does not exist, or the name belongs to a folder, pipe or device.
    """
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise OutputError(f"{path}: cannot be written: the folder {target.parent} does not exist")
    if os.path.exists(target) and not target.is_file():  # noqa: PTH110  as above
        raise OutputError(f"{path}: cannot be written: exists and is not a regular file")
    return target


class PendingFile:
    """A file that is complete and synced, but still has a temporary name.

    Call `publish` or `discard`, at once or later.

    Args:
        path: the name it will have. A symbolic link is followed.
        data: its content.

    Attributes:
        target: the file that `publish` makes or replaces.

    Raises:
        OutputError: as `real_target`, or the file cannot be written; nothing is left behind.
    """

    def __init__(self, path: Path, data: bytes) -> None:
        self._path = path
        self.target = real_target(path)
        # Short, so that it fits wherever the target's name fits; hidden, should a power cut leave it behind.
        self._part = self.target.with_name(f".{secrets.token_hex(8)}.part")
        try:
            with self._part.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as exc:
            self.discard()
            raise write_error(path, exc) from exc
        except BaseException:
            self.discard()
            raise

    def publish(self) -> None:
        """Give the file its name in one step; a former file of that name is replaced.

        Sync the folder afterwards, if the name has to survive a power cut.

        Raises:
            OutputError: it cannot be renamed; the temporary file is removed.
        """
        try:
            self._part.replace(self.target)
        except OSError as exc:
            self.discard()
            raise write_error(self._path, exc) from exc

    def discard(self) -> None:
        """Remove the temporary file; a former file keeps its name."""
        with contextlib.suppress(OSError):
            self._part.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; a former file of that name is replaced, a symbolic link is followed.

    Raises:
        OutputError: it cannot be written; a former file is as it was.
    """
    pending = PendingFile(path, data)
    pending.publish()
    sync(pending.target.parent)


def sync(path: Path) -> None:
    """Make the content of a file, or the names in a folder, survive a power cut.

    Raises:
        OutputError: the file cannot be synced. Some systems cannot sync folders; that is no error.
    """
    try:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as exc:
        if not path.is_dir():
            raise write_error(path, exc) from exc


def write_error(path: Path, exc: OSError) -> OutputError:
    """The error that tells the user why `path` cannot be written."""
    return OutputError(f"{path}: cannot be written: {exc.strerror or exc}")
