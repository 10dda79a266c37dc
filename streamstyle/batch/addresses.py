"""Inputs and outputs at addresses that fsspec understands, such as s3://bucket/film.mp4.

Such a film is fetched into a temporary folder, rendered there as a whole, and stored under a temporary name,
which is then changed to the final one.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from streamstyle.errors import InputError, OutputError, UsageError

_STREAMS = ("http", "https", "rtsp", "rtmp", "udp", "tcp")  # which sources and sinks open themselves


def is_address(name: str) -> bool:
    """Whether a name is for fsspec: it has a scheme, other than those of streams."""
    scheme, separator, _ = name.partition("://")
    return bool(separator) and scheme.lower() not in _STREAMS


def matching(address: str) -> Iterator[tuple[str, str]]:
    """(address, name) of the files that an address with a pattern stands for; of itself without one.

    Raises:
        UsageError: nothing matches.
    """
    if not any(sign in address for sign in "*?["):
        yield address, address.rpartition("/")[2]
        return
    system, path = _opened(address)
    scheme = address.partition("://")[0]
    found = sorted(system.glob(path))
    if not found:
        raise UsageError(f"{address}: matches no file")
    for entry in found:
        yield f"{scheme}://{str(entry).removeprefix(f'{scheme}://')}", str(entry).rpartition("/")[2]


def exists(address: str) -> bool:
    """Whether there is something at the address."""
    system, path = _opened(address)
    return bool(system.exists(path))


def fetch(address: str, folder: Path) -> Path:
    """Copy the file at an address into a folder.

    Raises:
        InputError: it cannot be read.
    """
    target = folder / address.rpartition("/")[2]
    try:
        system, path = _opened(address)
        system.get_file(path, str(target))
    except (OSError, ValueError) as error:
        raise InputError(f"{address}: cannot be read ({error})") from error
    return target


def store(file: Path, address: str) -> None:
    """Copy a file to an address; what was there is replaced once the copy is complete.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        system, path = _opened(address)
        folder, _, name = path.rpartition("/")
        temporary = f"{folder}/.{secrets.token_hex(8)}.{name}"
        with suppress(OSError):
            system.makedirs(folder, exist_ok=True)
        system.put_file(str(file), temporary)
        if system.exists(path):
            system.rm_file(path)
        system.mv(temporary, path)
    except (OSError, ValueError) as error:
        raise OutputError(f"{address}: cannot be written ({error})") from error


def _opened(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path there."""
    try:
        import fsspec
    except ImportError as error:
        raise UsageError(f"{address}: needs fsspec: pip install 'streamstyle[cluster]'") from error
    try:
        system, path = fsspec.core.url_to_fs(address)
    except (ImportError, ValueError) as error:
        raise UsageError(f"{address}: cannot be opened by fsspec ({error})") from error
    return system, str(path)
