"""Cameras that do what they are told, for tests of what stands behind cameras."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Self

import numpy as np

from streamstyle.errors import InputError
from streamstyle.frames import Frame, StreamInfo
from streamstyle.sources.camera import TIME_BASE

WAIT = 10.0  # seconds that a test waits at most for what must happen


class Scripted:
    """A camera whose world is changed from outside; `open` opens it, as often as it is asked to.

    Attributes:
        there: it can be opened, and is not pulled out.
        frozen: it gives one image over and over.
        silent: it gives nothing, but ends when it is closed from outside (`gate`).
        size: (width, height) of its images.
        opened: how often it was opened.
        closed: how often it was closed.
    """

    freezes = True

    def __init__(self, *, there: bool = True, rate: float = 200.0) -> None:
        self.there, self.frozen, self.silent = there, False, False
        self.size, self.period = (32, 24), 1 / rate
        self.opened = self.closed = self.lost = 0
        self.gate = threading.Event()  # lets a blocked read go on
        self.info = StreamInfo("scripted", "video", *self.size, TIME_BASE, replayable=False)
        self._number = 0

    def open(self) -> Scripted:
        self.opened += 1
        if not self.there:
            raise InputError("camera 7: cannot be opened")
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.closed += 1

    def __iter__(self) -> Iterator[Frame]:
        while True:
            time.sleep(self.period)
            if self.silent:
                self.gate.wait(WAIT)
            if not self.there:
                raise InputError("camera 7: gives no image any more")
            self._number += not self.frozen
            width, height = self.size
            pixels = np.full((height, width, 3), self._number % 256, np.uint8)
            yield Frame(pixels, time.monotonic_ns() // 1000, TIME_BASE)


def until(condition) -> None:  # type: ignore[no-untyped-def]
    """Wait until a condition holds; fails the test where it never does."""
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)
