"""Cameras, and what stands in for one: a file that plays at its own pace, a test image, the screen, a URL.

Frames carry the time at which they were taken, on the clock of `time.monotonic`: the rate that a camera
claims is seldom true.
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
from streamstyle.video.live_inputs import Grabbed, Screen, device_names, is_screen
from streamstyle.video.opening import is_url

TIME_BASE = Fraction(1, 1_000_000)
SIZE, RATE = (640, 480), 30.0  # what cameras are asked for
LARGEST_SIDE = 1280  # pixels, of what is no camera, unless a size is asked for
AHEAD = 0.5  # seconds by which a stream that is stored somewhere may run ahead of its own times


class Camera(Source, Protocol):
    """A source that never ends by itself.

    Attributes:
        freezes: it is lost if it repeats one frame for a while: sensors have noise.
    """

    freezes: bool


class CameraInput(Protocol):
    """Something that gives images live. Its constructor opens it; a new one is one line in CAMERAS.

    Attributes:
        width, height: of its images, in pixels.
        rate: images a second that it claims to give, or None.
        freezes: see `Camera`.
        waits: where it cannot be opened it may come later, as a camera that is still to be plugged in.
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
    """A camera of this computer, or what stands in for one.

    Args:
        name: number or device path of a camera; a video or image; "testsrc"; "screen", or "screen:N" for
            X display N; or a URL.
        size: (width, height): cameras are asked for it, all else is scaled to it.
        fps: rate that is asked for.

    Attributes:
        freezes: see `Camera`.
        lost: always 0: what a camera does not give cannot be known.

    Raises:
        InputError: it is missing, is in use, or gives no frame; also while iterating, when it ends.
    """

    def __init__(
        self, name: str | int, *, size: tuple[int, int] | None = None, fps: float | None = None
    ) -> None:
        self.lost, self._name = 0, str(name)
        self._input = camera_kind(self._name)(self._name, size, fps)
        self.freezes = self._input.freezes
        self._pictures = iter(self._input)
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
        if hasattr(self._pictures, "close"):
            self._pictures.close()
        self._input.close()

    def __iter__(self) -> Iterator[Frame]:
        last = -1
        for pixels in self._pictures:
            taken = max(time.monotonic_ns() // 1000, last + 1)
            yield Frame(pixels, taken, TIME_BASE, reset=last < 0)
            last = taken
        raise InputError(f"camera {self._name}: has ended")


class Device:
    """A camera through OpenCV.

    Attributes:
        width, height, rate: what the camera agreed to.
    """

    freezes: bool = True
    waits: ClassVar[bool] = True

    def __init__(self, name: str, size: tuple[int, int] | None, fps: float | None) -> None:
        self._name = name
        size = size or SIZE
        linux = platform.system() == "Linux"
        which: int | str = int(name) if name.isdecimal() else name
        with silent():
            capture = cv2.VideoCapture(which, cv2.CAP_V4L2 if linux else cv2.CAP_ANY)
        if not capture.isOpened():
            raise InputError(
                f"camera {name}: cannot be opened: not there, in use by another program, or not allowed; "
                "`streamstyle live --list` shows what there is"
            )
        self._capture = capture
        # Compression before the size: uncompressed, USB carries large frames at a few a second only.
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
        capture.set(cv2.CAP_PROP_FPS, fps or RATE)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # else up to four old frames wait in the driver
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
            read, pixels = self._capture.read()
            if not read or pixels is None:
                raise InputError(f"camera {self._name}: gives no image any more")
            yield cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)

    def close(self) -> None:
        """Let go of the camera."""
        self._capture.release()


class ScreenInput(Screen):
    """An X display."""

    freezes: bool = False
    waits: ClassVar[bool] = True

    def __init__(self, name: str, size: tuple[int, int] | None, fps: float | None) -> None:
        super().__init__(name, size=size, max_size=LARGEST_SIDE, fps=fps)

    @classmethod
    def accepts(cls, name: str) -> bool:
        """The names screen and screen:N."""
        return is_screen(name)


class StreamInput:
    """A network stream, or FFmpeg's test image."""

    freezes: bool = False
    waits: ClassVar[bool] = True

    def __init__(self, name: str, size: tuple[int, int] | None, fps: float | None) -> None:
        self._grabbed = Grabbed(name, size=size, max_size=LARGEST_SIDE, fps=fps)
        self._ahead = AHEAD if is_url(name) else 0.0
        self.width, self.height, self.rate = self._grabbed.width, self._grabbed.height, self._grabbed.rate

    @classmethod
    def accepts(cls, name: str) -> bool:
        """The name testsrc, and URLs."""
        return name == "testsrc" or is_url(name)

    def __iter__(self) -> Iterator[np.ndarray]:
        return paced(self._grabbed, ahead=self._ahead)

    def close(self) -> None:
        """Close the stream."""
        self._grabbed.close()


class FileInput:
    """A video or image, or whatever else SOURCES opens, which plays over and over."""

    freezes: bool = False
    waits: ClassVar[bool] = False

    def __init__(self, name: str, size: tuple[int, int] | None, fps: float | None) -> None:
        self._name = name
        self._options = ReadOptions(size=size, max_size=None if size else LARGEST_SIDE)
        with self._opened() as first:
            self.width, self.height, self.rate = first.info.width, first.info.height, first.info.rate

    @classmethod
    def accepts(cls, name: str) -> bool:
        """All that nothing else accepts; opening it says what is wrong with it."""
        return True

    def _opened(self) -> Source:
        return open_source(self._name, self._options)

    def __iter__(self) -> Iterator[np.ndarray]:
        return paced(looped(self._opened))

    def close(self) -> None:
        """Nothing is left open."""


# The last one that accepts a name opens it; files accept every name.
CAMERAS: dict[str, type[CameraInput]] = {
    "file": FileInput,
    "stream": StreamInput,
    "screen": ScreenInput,
    "device": Device,
}


def camera_kind(name: str) -> type[CameraInput]:
    """Which of CAMERAS opens that name."""
    return next(kind for kind in reversed(CAMERAS.values()) if kind.accepts(name))


@contextmanager
def silent() -> Iterator[None]:
    """Keeps OpenCV from writing to stderr; our errors say what matters."""
    logging = cv2.utils.logging
    before = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(before)


def list_cameras(root: Path = Path("/sys/class/video4linux")) -> dict[str, str]:
    """What `open_camera` opens of this computer's cameras, with their names.

    Only those of a Linux system, and on others those that FFmpeg sees, are found; nothing is opened for it.
    """
    found: dict[str, str] = {}
    if platform.system() == "Linux":
        for folder in sorted(root.glob("video*"), key=lambda path: (len(path.name), path.name)):
            with suppress(OSError):
                # A camera shows several nodes; images come from the first, the others are for metadata.
                if (folder / "index").read_text("utf-8").strip() == "0":
                    found[folder.name.removeprefix("video")] = (folder / "name").read_text("utf-8").strip()
        return found
    names = device_names("avfoundation" if platform.system() == "Darwin" else "dshow")
    return {str(number): name for number, name in enumerate(names.values())}


def open_camera(
    name: str | int, *, size: tuple[int, int] | None = None, fps: float | None = None
) -> CameraSource:
    """A camera, or what stands in for one; see `CameraSource`."""
    return CameraSource(name, size=size, fps=fps)
