"""Uploaded clips: stored in a file without a name, read by a process that can be killed."""

from __future__ import annotations

import contextlib
import json
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Self

import numpy as np

from streamstyle.apps.web.clip_reader import HEADER, OPENED, PICTURE, REFUSED
from streamstyle.errors import InputError

OPEN_SECONDS = 30.0  # until the first frame has been read,
PICTURE_SECONDS = 10.0  # and between two of them, before a clip is given up
MEMORY_BYTES = 2 << 30  # of address space; the libraries alone take a part of it
_DESCRIPTORS = Path("/proc/self/fd")


class Store:
    """A file for an upload. It is deleted when it is closed; on most systems even after a crash.

    Args:
        folder: where it is stored.
    """

    def __init__(self, folder: str | Path) -> None:
        self.bytes = 0
        self._nameless = _DESCRIPTORS.is_dir()
        self._file: IO[bytes]
        if self._nameless:
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
            self.path = str(_DESCRIPTORS / str(self._file.fileno()))
        else:
            self._file = tempfile.NamedTemporaryFile(dir=folder, delete=False)  # noqa: SIM115
            self.path = self._file.name

    @property
    def descriptors(self) -> tuple[int, ...]:
        """File descriptors that a process must inherit to open `path`."""
        return (self._file.fileno(),) if self._nameless else ()

    def write(self, data: bytes) -> None:
        """Append."""
        self._file.write(data)
        self.bytes += len(data)

    def finish(self) -> None:
        """The upload is complete; others may read it."""
        self._file.flush()
        if not self._nameless:
            self._file.close()

    def close(self) -> None:
        """Remove it."""
        self._file.close()
        if not self._nameless:
            with contextlib.suppress(OSError):
                Path(self.path).unlink()


class Clip:
    """An uploaded video or image that plays at its own pace, over and over. A context manager.

    Args:
        store: the upload, which is closed with the clip, also if this fails.
        memory_bytes: that the process may take.
        begun: called with the clip before it is opened, which may take a while; closing it ends that.

    Attributes:
        about: kind ("video" or "image"), width and height.

    Raises:
        InputError: it is damaged, no video or image, or too large; the message names no file.
    """

    def __init__(
        self,
        store: Store,
        memory_bytes: int = MEMORY_BYTES,
        *,
        begun: Callable[[Clip], None] = lambda _: None,
    ) -> None:
        self._store, self._closing = store, threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "streamstyle.apps.web.clip_reader", store.path, str(memory_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=store.descriptors,
        )
        begun(self)
        try:
            _, data = self._answer(OPENED, OPEN_SECONDS)
            self.about: dict[str, Any] = json.loads(data)
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Of the process that reads it."""
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def next(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB: the frame that is due; waits for it.

        Raises:
            InputError: the clip is damaged from here on, or its process does not answer.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(b"?")
            self._process.stdin.flush()
        except (OSError, ValueError) as error:  # ValueError: closed meanwhile
            raise InputError("the clip is no longer there") from error
        (width, height), data = self._answer(PICTURE, PICTURE_SECONDS)
        return np.frombuffer(data, np.uint8).reshape(height, width, 3).copy()

    def close(self) -> None:
        """Kill what reads it, and remove it; twice does no harm, nor does it from two threads."""
        self._process.kill()
        with self._closing:
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
            self._store.close()

    def _answer(self, kind: bytes, seconds: float) -> tuple[tuple[int, int], bytes]:
        """(width, height) and data of the next answer, which is to be of that kind."""
        assert self._process.stdout is not None
        late = threading.Event()

        def give_up() -> None:
            late.set()
            self._process.kill()

        watch = threading.Timer(seconds, give_up)
        watch.daemon = True  # the program may end
        watch.start()
        try:
            found, width, height, size = HEADER.unpack(self._process.stdout.read(HEADER.size))
            data = self._process.stdout.read(size)
            if len(data) < size:
                raise EOFError
        except (struct.error, EOFError, OSError, ValueError) as error:  # ValueError: closed meanwhile
            reason = "what reads it gave up, perhaps for want of memory"
            if late.is_set():
                reason = f"nothing came of it for {seconds:g} seconds"
            raise InputError(reason) from error
        finally:
            watch.cancel()
        if found == REFUSED:
            raise InputError(data.decode(errors="replace"))
        assert found == kind
        return (width, height), data
