"""Frames that come at their own pace through FFmpeg: a network stream, a test image, the screen."""

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
from streamstyle.video.color import ToRGB
from streamstyle.video.opening import DAMAGE, close_input, open_input, reason
from streamstyle.video.tracks import choose_video, frame_rate

TEST_SIZE, RATE = (640, 480), 30.0


class Grabbed:
    """Decoded frames of one of these inputs.

    Args:
        name: "testsrc", or a URL.
        size: scale to exactly (width, height).
        max_size: scale down so that the longer side is at most this.
        fps: rate of the test image; 30.

    Attributes:
        width, height: of the frames as they are given.
        rate: frames a second, as the input claims; None where it says nothing.

    Raises:
        InputError: it cannot be opened.
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
            self._container = _test_picture(width, height, fps or RATE)
        else:
            self._container = open_input(name, low_delay=True)
        try:
            stream = choose_video(self._container, name)
            context = stream.codec_context
            context.thread_type = "SLICE"  # threads for whole frames would each hold one back
            self.width, self.height = fitted_size(context.width, context.height, size, max_size, even=True)
            if not (self.width and self.height):
                raise InputError(f"{name}: does not tell the size of its images")
        except BaseException:
            self._container.close()
            raise
        self._stream: VideoStream = stream
        self.rate = frame_rate(stream)
        self._to_rgb = ToRGB(name, (self.width, self.height))
        self._pictures = self._decoded()

    def __iter__(self) -> Iterator[tuple[np.ndarray, float]]:
        """Each frame, (H, W, 3) uint8 RGB, and its presentation time in seconds; 0 where it has none."""
        return self._pictures

    def _decoded(self) -> Generator[tuple[np.ndarray, float], None, None]:
        try:
            for picture in self._container.decode(self._stream):
                yield self._to_rgb(picture), picture.time or 0.0
        except (*DAMAGE, OSError) as error:
            raise InputError(f"{self._name}: gives nothing any more ({reason(error)})") from error

    def close(self) -> None:
        """Let go of the input."""
        close_input(self._container, self._pictures)


def is_screen(name: str) -> bool:
    """Whether a name asks for the screen."""
    return re.fullmatch(r"screen(:\d+)?", name) is not None


def _display(name: str) -> str:
    """The X display of a screen."""
    _, colon, number = name.partition(":")
    display = colon + number or os.environ.get("DISPLAY", "")
    if not display:
        raise InputError(f"{name}: no X display here (DISPLAY is not set); screen:N names one")
    return display


def _test_picture(width: int, height: int, fps: float) -> InputContainer:
    rate = Fraction(fps).limit_denominator(1001)
    container: InputContainer = av.open(f"testsrc2=size={width}x{height}:rate={rate}", "r", format="lavfi")
    return container


class Screen:
    """Frames of an X display, grabbed by a process of its own.

    Args:
        name: "screen", or "screen:N" for X display N.
        size: scale to exactly (width, height).
        max_size: scale down so that the longer side is at most this.
        fps: frames a second; 30.

    Attributes:
        width, height: of the frames as they are given.
        rate: frames a second.

    Raises:
        InputError: there is no such display.
    """

    def __init__(
        self, name: str, *, size: tuple[int, int] | None = None, max_size: int, fps: float | None = None
    ) -> None:
        self._name = name
        self.rate: Fraction | None = Fraction(fps or RATE).limit_denominator(1001)
        display, wanted = _display(name), (*(size or (0, 0)), max_size)
        program = [sys.executable, "-P", str(Path(__file__).with_name("screen.py"))]
        self._process = subprocess.Popen(
            [*program, display, str(self.rate), *map(str, wanted)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for us
        )
        assert self._process.stdout is not None
        self._pictures = self._process.stdout
        head = self._pictures.readline().split()
        if len(head) != 2:
            self._fail("cannot be captured")
        self.width, self.height = map(int, head)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Each frame, (H, W, 3) uint8 RGB."""
        length = self.height * self.width * 3
        while len(read := self._pictures.read(length)) == length:
            yield np.frombuffer(read, np.uint8).reshape(self.height, self.width, 3)
        self._fail("gives nothing any more")

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def _fail(self, what: str) -> NoReturn:
        self._process.kill()
        _, said = self._process.communicate()
        last = said.decode(errors="replace").strip().splitlines()[-1:]
        raise InputError(f"{self._name}: {what} ({''.join(last) or 'its process was ended'})")


def device_names(form: str) -> dict[str, str]:
    """Names of the cameras that FFmpeg sees, by how they are opened there.

    Args:
        form: "v4l2", "dshow" or "avfoundation".
    """
    try:
        from av.device import enumerate_input_devices

        found = enumerate_input_devices(form)
    except (ImportError, *DAMAGE, OSError):
        return {}
    return {device.name: device.description for device in found}
