"""Cameras and substitutes for them: a file played in real time, a test image, the screen, a URL.

Each frame has its capture time, on the clock of `time.monotonic`, because the rate that a camera reports is
seldom exact.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import ClassVar, Protocol, Self

import cv2
import numpy as np

from streamstyle.errors import InputError
from streamstyle.frames import Frame, Source, StreamInfo
from streamstyle.sources import ReadOptions, open_source
from streamstyle.sources.pacing import looped, paced
from streamstyle.video.live_inputs import ScreenCapture, StreamCapture, device_names, is_screen
from streamstyle.video.opening import is_url

TIME_BASE = Fraction(1, 1_000_000)
SIZE, RATE = (640, 480), 30.0  # requested from cameras by default
LARGEST_SIDE = 1280  # pixels, of inputs other than cameras, unless a size is requested
AHEAD = 0.5  # seconds by which frames of a URL may be early; stored streams arrive faster than real time


class Camera(Source, Protocol):
    """A source without an end.

    Attributes:
        freezes: identical frames for a while mean that it is frozen; true of cameras, as sensors have noise.
    """

    freezes: bool


class CameraInput(Protocol):
    """A live input, opened by its constructor. To add a kind, add one line to CAMERAS.

    Attributes:
        width, height: of its images, in pixels.
        rate: frames per second that it reports, or None.
        freezes: see `Camera`.
        waits: if it cannot be opened, it may become available later, as a camera that is plugged in.
    """

    width: int
    height: int
    rate: Fraction | None
    freezes: bool
    waits: ClassVar[bool]

    def __init__(self, name: str, size: tuple[int, int] | None, fps: float | None) -> None: ...
    @classmethod
    def accepts(cls, name: str) -> bool: ...
    def __iter__(self) -> Iterator[np.ndarray]: ...
    def close(self) -> None: ...


class CameraSource:
    """A camera of this computer, or a substitute for one.

    Args:
        name: number or device path of a camera; a video or image; "testsrc"; "screen", or "screen:N" for
            X display N; or a URL.
        size: (width, height) in pixels: requested from cameras; other inputs are scaled to it.
        fps: requested frame rate.

    Attributes:
        freezes: see `Camera`.
        lost: always 0, as frames that a camera skips cannot be counted.

    Raises:
        InputError: the input is missing or in use, or gives no frame; while iterating, when it ends.
    """

    def __init__(
        self, name: str | int, *, size: tuple[int, int] | None = None, fps: float | None = None
    ) -> None:
        self.lost, self._name = 0, str(name)
        self._input = camera_kind(self._name)(self._name, size, fps)
        self.freezes = self._input.freezes
        self._images = iter(self._input)
        self.info = StreamInfo(
            self._name,
            "video",
            self._input.width,
            self._input.height,
            TIME_BASE,
            rate=self._input.rate,
            replayable=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if hasattr(self._images, "close"):
            self._images.close()
        self._input.close()

    def __iter__(self) -> Iterator[Frame]:
        last = -1
        for pixels in self._images:
            taken = max(time.monotonic_ns() // 1000, last + 1)
            yield Frame(pixels, taken, TIME_BASE, reset=last < 0)
            last = taken
        raise InputError(f"camera {self._name}: the stream has ended")


class Device:
    """A camera, read by OpenCV.

    Attributes:
        width, height, rate: as chosen by the camera, which can differ from the request.
    """

    freezes: bool = True
    waits: ClassVar[bool] = True

    def __init__(self, name: str, size: tuple[int, int] | None, fps: float | None) -> None:
        self._name = name
        size = size or SIZE
        linux = platform.system() == "Linux"
        device: int | str = int(name) if name.isdecimal() else name
        with silenced():
            capture = cv2.VideoCapture(device, cv2.CAP_V4L2 if linux else cv2.CAP_ANY)
        if not capture.isOpened():
            raise InputError(
                f"camera {name}: cannot be opened: not connected, in use by another program, or not "
                f"permitted; `streamstyle live --list` shows {cameras_in_words()}"
            )
        self._capture = capture
        # Compression is set before the size: USB carries only a few large uncompressed frames per second.
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
        capture.set(cv2.CAP_PROP_FPS, fps or RATE)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # otherwise up to four old frames wait in the driver
        self.width = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        self.height = int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        rate = capture.get(cv2.CAP_PROP_FPS)
        self.rate = Fraction(rate).limit_denominator(1001) if 0 < rate < 1000 else None

    @classmethod
    def accepts(cls, name: str) -> bool:
        """The number or path of a camera."""
        return name.isdecimal() or name.startswith("/dev/")

    def __iter__(self) -> Iterator[np.ndarray]:
        while True:
            success, pixels = self._capture.read()
            if not success or pixels is None:
                raise InputError(f"camera {self._name}: gives no more images")
            yield cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)

    def close(self) -> None:
        """Release the camera."""
        self._capture.release()


class ScreenInput(ScreenCapture):
    """An X display."""

    freezes: bool = False
    waits: ClassVar[bool] = True

    def __init__(self, name: str, size: tuple[int, int] | None, fps: float | None) -> None:
        super().__init__(name, size=size, max_size=LARGEST_SIDE, fps=fps)

    @classmethod
    def accepts(cls, name: str) -> bool:
        """The names "screen" and "screen:N"."""
        return is_screen(name)


class StreamInput:
    """A network stream, or FFmpeg's test image."""

    freezes: bool = False
    waits: ClassVar[bool] = True

    def __init__(self, name: str, size: tuple[int, int] | None, fps: float | None) -> None:
        self._capture = StreamCapture(name, size=size, max_size=LARGEST_SIDE, fps=fps)
        self._ahead = AHEAD if is_url(name) else 0.0
        self.width, self.height, self.rate = self._capture.width, self._capture.height, self._capture.rate

    @classmethod
    def accepts(cls, name: str) -> bool:
        """The name "testsrc", and URLs."""
        return name == "testsrc" or is_url(name)

    def __iter__(self) -> Iterator[np.ndarray]:
        return paced(self._capture, ahead=self._ahead)

    def close(self) -> None:
        """Close the stream."""
        self._capture.close()


class FileInput:
    """A video, image or any other input of SOURCES, played in a loop."""

    freezes: bool = False
    waits: ClassVar[bool] = False

    def __init__(self, name: str, size: tuple[int, int] | None, fps: float | None) -> None:
        self._name = name
        self._options = ReadOptions(size=size, max_size=None if size else LARGEST_SIDE)
        with self._opened() as first:
            self.width, self.height, self.rate = first.info.width, first.info.height, first.info.rate

    @classmethod
    def accepts(cls, name: str) -> bool:
        """Any name that no other kind accepts; opening it reports what is wrong with it."""
        return True

    def _opened(self) -> Source:
        return open_source(self._name, self._options)

    def __iter__(self) -> Iterator[np.ndarray]:
        return paced(looped(self._opened))

    def close(self) -> None:
        """Nothing to close: the file is opened and closed while iterating."""


# The last kind that accepts a name opens it; FileInput accepts every name.
CAMERAS: dict[str, type[CameraInput]] = {
    "file": FileInput,
    "stream": StreamInput,
    "screen": ScreenInput,
    "device": Device,
}


def camera_kind(name: str) -> type[CameraInput]:
    """The class in CAMERAS that opens `name`."""
    return next(kind for kind in reversed(CAMERAS.values()) if kind.accepts(name))


@contextmanager
def silenced() -> Iterator[None]:
    """Keeps OpenCV from writing to stderr; our own errors say what matters."""
    logging = cv2.utils.logging
    before = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(before)


def list_cameras(root: Path = Path("/sys/class/video4linux")) -> dict[str, str]:
    """The cameras of this computer: names for the user by the name that `open_camera` accepts.

    They are listed without being opened, from `root` on Linux and by FFmpeg on other systems.
    """
    found: dict[str, str] = {}
    if platform.system() == "Linux":
        for folder in sorted(root.glob("video*"), key=lambda path: (len(path.name), path.name)):
            with suppress(OSError):
                # A camera has several device nodes: the first gives images, the others metadata.
                if (folder / "index").read_text("utf-8").strip() == "0":
                    found[folder.name.removeprefix("video")] = (folder / "name").read_text("utf-8").strip()
        return found
    names = device_names("avfoundation" if platform.system() == "Darwin" else "dshow")
    return {str(number): name for number, name in enumerate(names)}


def cameras_in_words() -> str:
    """What `list_cameras` finds, for messages."""
    return ", ".join(f"{camera} ({name})" for camera, name in list_cameras().items()) or "no camera"


def open_camera(
    name: str | int, *, size: tuple[int, int] | None = None, fps: float | None = None
) -> CameraSource:
    """Open a camera or a substitute for one; see `CameraSource`."""
    return CameraSource(name, size=size, fps=fps)
