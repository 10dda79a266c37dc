"""Takes a camera away from a live session, again and again: `python benchmarks/camera_loss.py [--losses 50]`.

A synthetic camera of 15 frames a second is stylized and recorded, as by `streamstyle live --record`. It is
lost for five seconds at a time, in four ways in turn: pulled out, so that reads fail and opening fails until
it is there again; frozen on one image; silent, so that a read blocks; and ended, as a stream. A loss counts
as survived if the session noticed it, stylized new images within `LIMIT` seconds of the return, and did not
gain threads. In the end the recording must hold frames from before and after each loss.

Last lines: `longest_return_seconds: …`, `recording: …`, `50 of 50 came back`.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the program does, before torch is imported

import argparse
import tempfile
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Self

import cv2  # noqa: F401 - before av
import numpy as np

import av  # isort: skip

from streamstyle.apps.live.capture import LOST, RUNNING
from streamstyle.apps.live.session import Live
from streamstyle.apps.live.setup import recorder
from streamstyle.apps.live.stylizer import Controls, Stylizer
from streamstyle.effects import StylizeSettings
from streamstyle.errors import InputError
from streamstyle.frames import Frame, StreamInfo
from streamstyle.sources.camera import TIME_BASE

RATE = 15.0
WIDTH, HEIGHT = 160, 120
LIMIT = 5.0  # seconds from the return of the camera to a new image; it is looked for every two
RUNNING_SECONDS = 1.0  # between two losses
WAYS = ("pulled out", "frozen", "silent", "ended")


class LossyCamera:
    """A camera that can be lost; `Live` opens it again and again.

    Attributes:
        way: how it is lost, one of WAYS; "" while it is there.
    """

    freezes = True

    def __init__(self) -> None:
        self.lost, self.way = 0, ""
        self.info = StreamInfo("lossy", "video", WIDTH, HEIGHT, TIME_BASE, replayable=False)
        self._back = threading.Event()
        self._number = 0

    def open(self) -> LossyCamera:
        """Open it; fails while it is pulled out."""
        if self.way in ("pulled out", "ended"):
            raise InputError("camera 0: cannot be opened")
        return self

    def lose(self, way: str) -> None:
        """Take it away."""
        self._back.clear()
        self.way = way

    def give_back(self) -> None:
        """It is there again; blocked reads go on."""
        self.way = ""
        self._back.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def __iter__(self) -> Iterator[Frame]:
        while True:
            time.sleep(1 / RATE)
            if self.way == "pulled out":
                raise InputError("camera 0: gives no image any more")
            if self.way == "ended":
                return
            if self.way == "silent":
                self._back.wait()
            self._number += self.way != "frozen"
            pixels = np.full((HEIGHT, WIDTH, 3), self._number % 251, np.uint8)
            pixels[:, self._number % WIDTH] = 255
            yield Frame(pixels, time.monotonic_ns() // 1000, TIME_BASE)


def reaches(live: Live, state: str, seconds: float) -> bool:
    """Wait until the camera is in a state, at most some seconds."""
    end = time.monotonic() + seconds
    while live.capture.state != state and time.monotonic() < end:
        time.sleep(0.02)
    return live.capture.state == state


def survives(live: Live, camera: LossyCamera, way: str, seconds: float) -> tuple[bool, float]:
    """(whether the session survives a loss, seconds from the camera's return to a new result)."""
    begin = time.monotonic()
    camera.lose(way)
    noticed = reaches(live, LOST, seconds)
    time.sleep(max(begin + seconds - time.monotonic(), 0))
    stayed = live.capture.state == LOST
    before, back = live.frames, time.monotonic()
    camera.give_back()
    while live.frames == before and time.monotonic() - back < LIMIT:
        time.sleep(0.01)
    took = time.monotonic() - back
    runs = live.frames > before and reaches(live, RUNNING, LIMIT)
    time.sleep(RUNNING_SECONDS)
    return noticed and stayed and runs, took


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--losses", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=5.0, help="for which it is lost; above 1.5")
    options = parser.parse_args()
    camera = LossyCamera()
    stylizer = Stylizer(StylizeSettings(), ["starry_night"], Controls("starry_night"))
    survived, longest = 0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "record.mp4"
        begin = time.monotonic()
        with Live(camera.open, stylizer, [recorder(path, False)]) as live:
            if not reaches(live, RUNNING, 60):
                raise SystemExit("the camera did not start")
            time.sleep(RUNNING_SECONDS)
            threads = threading.active_count()
            for number in range(options.losses):
                way = WAYS[number % len(WAYS)]
                good, took = survives(live, camera, way, options.seconds)
                grown = threading.active_count() - threads
                good = good and grown <= 0
                survived, longest = survived + good, max(longest, took)
                verdict = f"back after {took:.2f} s" if good else "NOT back"
                print(f"{number + 1:3} {way:<10} {verdict}, {grown:+} threads", flush=True)
            losses = live.capture.losses
        lasted = time.monotonic() - begin
        with av.open(str(path)) as container:
            times = [float(frame.time) for frame in container.decode(video=0)]
    gaps = sum(b - a > options.seconds / 2 for a, b in pairwise(times))
    print(f"losses noticed: {losses}")
    print(f"longest_return_seconds: {longest:.2f}")
    print(f"recording: {len(times)} frames over {times[-1] - times[0]:.0f} of {lasted:.0f} s, {gaps} gaps")
    print(f"{survived} of {options.losses} came back")


if __name__ == "__main__":
    main()
