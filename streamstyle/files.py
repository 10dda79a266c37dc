"""Files on disk: hashing, atomic writing, and overwriting only if the user allows it.

A file is written under a temporary name in its folder, synced, and renamed. Its name therefore always refers
to the complete old file or the complete new one. This module uses only the standard library.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import tomllib
from pathlib import Path
from typing import Any

from streamstyle.errors import InputError, OutputError, UsageError


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise InputError(f"{path}: cannot be read: {exc.strerror or exc}") from exc


def places_after_move(file: str, before: str, now: Path) -> list[Path]:
    """The paths that a file may have after a folder was moved, perhaps together with it.

    Args:
        file: absolute path as of then.
        before, now: the folder's former and present absolute path.

    Returns:
        Its former path, the same relative path from the folder, and the same name in the folder.
    """
    relative = os.path.relpath(file, before) if Path(file).is_absolute() else file
    return [Path(file), Path(os.path.normpath(now / relative)), now / Path(file).name]


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """The values of a TOML file in UTF-8, also with a byte order mark.

    Args:
        path: of the file.
        what: it should be, for messages.

    Raises:
        InputError: it cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: cannot be read as {what}: not UTF-8 text; save it as UTF-8") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as {what}: {error}") from error


def refuse_overwrite(path: Path, overwrite: bool) -> None:
    """Refuse to overwrite a file unless the user allows it.

    Raises:
        UsageError: `path` exists, and `overwrite` is False.
    """
    if not overwrite and os.path.exists(path):
        raise UsageError(f"{path}: exists; -y overwrites it")


def refuse_same_file(source: str | Path, output: str | Path) -> None:
    """Check that the output does not overwrite an input, even under another name.

    Raises:
        UsageError: both are the same file or folder.
    """
    with contextlib.suppress(OSError):  # one of them is missing, so they cannot be the same
        if Path(source).samefile(output):
            what = "the folder of the input images" if Path(source).is_dir() else "the input itself"
            raise UsageError(f"{output}: is {what}; choose another output")


def real_target(path: Path) -> Path:
    """The file that writing to `path` would create or replace; symbolic links are followed.

    Raises:
        OutputError: its folder does not exist, or the name belongs to a folder, pipe or device.
    """
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise OutputError(f"{path}: cannot be written: the folder {target.parent} does not exist")
    if os.path.exists(target) and not target.is_file():
        raise OutputError(f"{path}: cannot be written: exists and is not a regular file")
    return target


class PendingFile:
    """A complete, synced file that still has a temporary name; call `publish` or `discard`.

    Args:
        path: the final name. A symbolic link is followed.
        data: the content.

    Attributes:
        target: the file that `publish` creates or replaces.

    Raises:
        OutputError: as `real_target`, or the file cannot be written; no temporary file remains.
    """

    def __init__(self, path: Path, data: bytes) -> None:
        self._path = path
        self.target = real_target(path)
        # Short, so that it is valid wherever the target's name is; hidden, in case a crash leaves it behind.
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
        """Rename the file atomically to its final name; an existing file of that name is replaced.

        Sync the folder afterwards if the name has to survive a power cut.

        Raises:
            OutputError: the file cannot be renamed; the temporary file is removed.
        """
        try:
            self._part.replace(self.target)
        except OSError as exc:
            self.discard()
            raise write_error(self._path, exc) from exc

    def discard(self) -> None:
        """Remove the temporary file; an existing file of the final name is kept."""
        with contextlib.suppress(OSError):
            self._part.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file atomically; an existing file is replaced, a symbolic link is followed.

    Raises:
        OutputError: it cannot be written; a former file is as it was.
    """
    pending = PendingFile(path, data)
    pending.publish()
    sync(pending.target.parent)


def sync(path: Path) -> None:
    """Make the content of a file, or the names in a folder, survive a power cut.

    Raises:
        OutputError: the file cannot be synced. Folders that the system cannot sync are no error.
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
    """An OutputError that says why `path` cannot be written."""
    return OutputError(f"{path}: cannot be written: {exc.strerror or exc}")
