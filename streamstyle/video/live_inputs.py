"""Live inputs read by FFmpeg: a network stream, a test image, the screen."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path
from typing import NoReturn

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from streamstyle.errors import InputError
from streamstyle.images import fitted_size
from streamstyle.video.chroma import chroma_siting
from streamstyle.video.color import ToRGB
from streamstyle.video.opening import DAMAGE, close_input, open_input, reason
from streamstyle.video.tracks import choose_video, frame_rate

TEST_SIZE, RATE = (640, 480), 30.0


class StreamCapture:
    """Decoded frames of a network stream or of FFmpeg's test image.

    Args:
        name: "testsrc", or a URL.
        size: scale to exactly (width, height), in pixels.
        max_size: scale down so that the longer side is at most this, in pixels.
        fps: rate of the test image, by default 30.

    Attributes:
        width, height: of the scaled frames, in pixels.
        rate: frames per second according to the input; None if unknown.

    Raises:
        InputError: the input cannot be opened.
    """

    def __init__(
        self,
        name: str,
        *,
        size: tuple[int, int] | None = None,
        max_size: int | None = None,
        fps: float | None = None,
    ) -> None:
        self._name = name
        if name == "testsrc":
            width, height = size or TEST_SIZE
            self._container = _open_test_image(width, height, fps or RATE)
        else:
            self._container = open_input(name, low_delay=True)
        try:
            stream = choose_video(self._container, name)
            context = stream.codec_context
            context.thread_type = "SLICE"  # frame threads would each delay output by a frame
            chroma_siting(stream)
            self.width, self.height = fitted_size(context.width, context.height, size, max_size, even=True)
            if not (self.width and self.height):
                raise InputError(f"{name}: does not report its frame size")
        except BaseException:
            self._container.close()
            raise
        self._stream: VideoStream = stream
        self.rate = frame_rate(stream)
        self._to_rgb = ToRGB(name, (self.width, self.height))
        self._frames = self._decode()

    def __iter__(self) -> Iterator[tuple[np.ndarray, float]]:
        """Each frame, (H, W, 3) uint8 RGB, and its presentation time in seconds, 0 if it has none."""
        return self._frames

    def _decode(self) -> Generator[tuple[np.ndarray, float], None, None]:
        try:
            for frame in self._container.decode(self._stream):
                yield self._to_rgb(frame), frame.time or 0.0
        except (*DAMAGE, OSError) as error:
            raise InputError(f"{self._name}: gives no more frames ({reason(error)})") from error

    def close(self) -> None:
        """Close the input."""
        close_input(self._container, self._frames)


def is_screen(name: str) -> bool:
    """Whether `name` is the screen: "screen" or "screen:N"."""
    return re.fullmatch(r"screen(:\d+)?", name) is not None


def _display(name: str) -> str:
    """The X display of "screen" or "screen:N"."""
    _, colon, number = name.partition(":")
    display = colon + number or os.environ.get("DISPLAY", "")
    if not display:
        raise InputError(f"{name}: no X display (DISPLAY is not set); use screen:N for display N")
    return display


def _open_test_image(width: int, height: int, fps: float) -> InputContainer:
    rate = Fraction(fps).limit_denominator(1001)
    container: InputContainer = av.open(f"testsrc2=size={width}x{height}:rate={rate}", "r", format="lavfi")
    return container


class ScreenCapture:
    """Frames of an X display, captured by a separate process.

    Args:
        name: "screen", or "screen:N" for X display N.
        size: scale to exactly (width, height), in pixels.
        max_size: scale down so that the longer side is at most this, in pixels.
        fps: frames per second, by default 30.

    Attributes:
        width, height: of the scaled frames, in pixels.
        rate: frames per second.

    Raises:
        InputError: the display does not exist or cannot be captured.
    """

    def __init__(
        self, name: str, *, size: tuple[int, int] | None = None, max_size: int, fps: float | None = None
    ) -> None:
        self._name = name
        self.rate: Fraction | None = Fraction(fps or RATE).limit_denominator(1001)
        display, scaling = _display(name), (*(size or (0, 0)), max_size)
        program = [sys.executable, "-P", str(Path(__file__).with_name("screen.py"))]
        self._process = subprocess.Popen(
            [*program, display, str(self.rate), *map(str, scaling)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # so that Ctrl-C does not reach it
        )
        assert self._process.stdout is not None
        self._output = self._process.stdout
        head = self._output.readline().split()
        if len(head) != 2:
            self._fail("cannot be captured")
        self.width, self.height = map(int, head)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Each frame, (H, W, 3) uint8 RGB."""
        length = self.height * self.width * 3
        while len(read := self._output.read(length)) == length:
            yield np.frombuffer(read, np.uint8).reshape(self.height, self.width, 3)
        self._fail("gives no more frames")

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def _fail(self, what: str) -> NoReturn:
        self._process.kill()
        _, stderr = self._process.communicate()
        last = stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise InputError(f"{self._name}: {what} ({''.join(last) or 'its process was ended'})")


def device_names(form: str) -> list[str]:
    """The cameras that FFmpeg finds, by their names for users.

    Args:
        form: "dshow" or "avfoundation".
    """
    try:
        from av.device import enumerate_input_devices

        found = enumerate_input_devices(form)
    except (ImportError, *DAMAGE, OSError):
        return []
    return [device.description for device in found]
