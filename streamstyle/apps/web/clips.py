"""Uploaded clips: stored in an unnamed temporary file, decoded by a process that can be killed."""

from __future__ import annotations

import contextlib
import json
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

import numpy as np

from streamstyle.apps.web.clip_reader import (
    FRAME,
    HEADER,
    NEXT,
    OPENED,
    PAUSE,
    REFUSED,
    REQUEST,
    SEEK,
)
from streamstyle.apps.web.renders import RenderJob
from streamstyle.effects import RenderSettings
from streamstyle.errors import InputError

if TYPE_CHECKING:
    from streamstyle.arbitrary_styles import LoadedStyle

OPEN_SECONDS = 30.0  # that opening may take, including the first frame
FRAME_SECONDS = 10.0  # that each further frame may take
MEMORY_BYTES = 2 << 30  # address space of the process, including its libraries
_DESCRIPTORS = Path("/proc/self/fd")


class Store:
    """A file for an upload. It is deleted when it is closed; on Linux also after a crash.

    Args:
        folder: where it is stored.

    Attributes:
        bytes: its size.
        path: opens it; see `descriptors`.
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
        """Append data."""
        self._file.write(data)
        self.bytes += len(data)

    def finish(self) -> None:
        """Complete the upload, so that another process can read it."""
        self._file.flush()
        if not self._nameless:
            self._file.close()

    def close(self) -> None:
        """Delete the file."""
        self._file.close()
        if not self._nameless:
            with contextlib.suppress(OSError):
                Path(self.path).unlink()


class Clip:
    """An uploaded video or image that plays in real time, looped. A context manager.

    Args:
        store: the upload; closed with the clip, also if opening fails.
        memory_bytes: limit for the decoding process.
        begun: called with the clip before it is opened, which may take a while; closing the clip aborts that.

    Attributes:
        about: kind ("video" or "picture"), format ("JPEG", "PNG" …; "" for videos), width and height as it is
            played, fps and seconds (0 if it is still, or unknown), has_sound, and warning ("" if there is
            none).
        store: the upload.
        paused: it does not play.

    Raises:
        InputError: it is damaged, no video or image, or too large; the message contains no path.
    """

    def __init__(
        self,
        store: Store,
        memory_bytes: int = MEMORY_BYTES,
        *,
        begun: Callable[[Clip], None] = lambda _: None,
    ) -> None:
        self.store, self._closing, self._asking = store, threading.Lock(), threading.Lock()
        self.paused = False
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "streamstyle.apps.web.clip_reader", store.path, str(memory_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=store.descriptors,
        )
        begun(self)
        try:
            _, data, _ = self._answer(OPENED, OPEN_SECONDS)
            self.about: dict[str, Any] = json.loads(data)
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Process id of the decoder."""
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def next(self) -> tuple[np.ndarray, float]:
        """Wait for the frame that is due, (H, W, 3) uint8 RGB, and its time in seconds.

        Raises:
            InputError: the clip is damaged from here on, was closed, or its process does not answer.
        """
        self._ask(NEXT)
        (width, height), data, seconds = self._answer(FRAME, FRAME_SECONDS)
        return np.frombuffer(data, np.uint8).reshape(height, width, 3).copy(), seconds

    def pause(self, paused: bool) -> None:
        """Pause, or play on; raises InputError if it was closed."""
        self.paused = paused
        self._ask(PAUSE, float(paused))

    def seek(self, seconds: float) -> None:
        """Play on from a time in seconds; raises InputError if it was closed."""
        self._ask(SEEK, seconds)

    def job(self, settings: RenderSettings, paintings: Mapping[str, LoadedStyle]) -> RenderJob:
        """The job of rendering the whole clip at full size; see `RenderJob`."""
        about = self.about
        ending = ".mp4" if about["kind"] == "video" else ".jpg" if about["format"] == "JPEG" else ".png"
        name = f"stylized{ending}"
        return RenderJob(self.store.path, self.store.descriptors, settings, name, paintings)

    def _ask(self, kind: bytes, number: float = 0.0) -> None:
        assert self._process.stdin is not None
        try:
            with self._asking:
                self._process.stdin.write(REQUEST.pack(kind, number))
                self._process.stdin.flush()
        except (OSError, ValueError) as error:  # ValueError: closed meanwhile
            raise InputError("the clip was closed") from error

    def close(self) -> None:
        """Kill the process and delete the file; may be called repeatedly and from several threads."""
        self._process.kill()
        with self._closing:
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
            self.store.close()

    def _answer(self, kind: bytes, patience: float) -> tuple[tuple[int, int], bytes, float]:
        """(width, height), data and time of the next answer, which must be of the given kind."""
        assert self._process.stdout is not None
        late = threading.Event()

        def give_up() -> None:
            late.set()
            self._process.kill()

        watch = threading.Timer(patience, give_up)
        watch.daemon = True  # so that the program can exit
        watch.start()
        try:
            found, width, height, size, seconds = HEADER.unpack(self._process.stdout.read(HEADER.size))
            data = self._process.stdout.read(size)
            if len(data) < size:
                raise EOFError
        except (struct.error, EOFError, OSError, ValueError) as error:  # ValueError: closed meanwhile
            reason = "the decoder crashed, perhaps because it ran out of memory"
            if late.is_set():
                reason = f"it could not be read within {patience:g} seconds"
            raise InputError(reason) from error
        finally:
            watch.cancel()
        if found == REFUSED:
            raise InputError(data.decode(errors="replace"))
        assert found == kind
        return (width, height), data, seconds
