"""Frame rate and latency of live stylization: python benchmarks/live.py [SECONDS]

A synthetic camera plays the sample clip at 30 fps. First at 640x480 in three styles, frame by frame and
stabilized, at the best quality (`--best`); then as `streamstyle live` does by default, which holds a frame
rate; then at 1280x720 at the best quality, by default, and with a higher rate to hold. The last column says
what was lowered to hold it. As in `streamstyle live`, capture, stylizing and display run in threads of their
own. Dropped frames are camera frames that a newer one replaced before they were stylized. Latency is measured
from the capture of a frame to the display of its result.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the program does, before torch is imported

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from streamstyle.apps.live.session import Live
from streamstyle.apps.live.settings import TARGET_FPS
from streamstyle.apps.live.stylizer import Controls, Stylizer
from streamstyle.effects import StylizeSettings
from streamstyle.frames import Frame, StreamInfo
from streamstyle.sources.camera import TIME_BASE
from streamstyle.sources.options import ReadOptions
from streamstyle.sources.pacing import paced
from streamstyle.sources.video import VideoSource
from streamstyle.weights import STYLES

CLIP = Path(__file__).parents[1] / "samples" / "harbour.mp4"
RATE = 30.0
MEASURED = ("starry_night", "great_wave", "ink")
HIGHER = 25.0  # as `--fps 25`
WARM_UP = 2.0  # seconds before the measurement
SETTLING = 5.0  # the same if a frame rate is to be held


class ClipCamera:
    """Plays the frames of a clip forwards and backwards, at an exact rate."""

    freezes = True

    def __init__(self, frames: list[np.ndarray]) -> None:
        self.lost = 0
        height, width = frames[0].shape[:2]
        self.info = StreamInfo("clip", "video", width, height, TIME_BASE, replayable=False)
        self._frames = [*frames, *frames[-2:0:-1]]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def __iter__(self) -> Iterator[Frame]:
        timed = ((number, number / RATE) for number in range(1_000_000_000))
        for number in paced(timed):
            pixels = self._frames[number % len(self._frames)]
            yield Frame(pixels, time.monotonic_ns() // 1000, TIME_BASE)


def clip(size: tuple[int, int]) -> list[np.ndarray]:
    """All frames of the clip, scaled to (width, height)."""
    with VideoSource(str(CLIP), ReadOptions(size=size)) as source:
        return [item.pixels for item in source if isinstance(item, Frame)]


@dataclass(frozen=True)
class Measurement:
    """Frames per second, share of dropped frames, latencies in ms, and what was lowered at the end."""

    fps: float
    dropped: float
    p50: float
    p95: float
    lowered: str

    def __str__(self) -> str:
        figures = f"{self.fps:>6.1f} {self.dropped:>8.1%} {self.p50:>7.1f} {self.p95:>7.1f}"
        return f"{figures}  {self.lowered or 'nothing'}"


def measured(
    frames: list[np.ndarray], controls: Controls, seconds: float, fps: float | None = None
) -> Measurement:
    """Play the frames in a live session, with a frame rate to hold or at the best quality."""
    stylizer = Stylizer(StylizeSettings(), list(STYLES), controls, fps=fps)
    with Live(lambda: ClipCamera(frames), stylizer) as live:
        watch(live, WARM_UP if fps is None else SETTLING)
        frames_before, drops, received = live.frames, live.capture.drops, live.capture.frames
        begin = time.monotonic()
        latencies = watch(live, seconds)
        out = (live.frames - frames_before) / (time.monotonic() - begin)
        dropped = (live.capture.drops - drops) / max(live.capture.frames - received, 1)
    p50, p95 = np.percentile(latencies, (50, 95))
    return Measurement(out, dropped, p50, p95, stylizer.lowered)


def watch(live: Live, seconds: float) -> list[float]:
    """Display every result for some seconds; returns the latencies in milliseconds."""
    end, number, latencies = time.monotonic() + seconds, 0, []
    while time.monotonic() < end:
        newest = live.newest(number, 0.1)
        if newest is not None:
            number = newest[0]
            latencies.append(1000 * live.shown(number))
    return latencies


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    print(f"{'size':>9}  {'style':<14} {'steady':>6}  {'asked for':<9}", end="")
    print(f" {'fps':>6} {'dropped':>8} {'p50 ms':>7} {'p95 ms':>7}  lowered")

    def row(
        frames: list[np.ndarray], style: str, steady: float, asked: str, fps: float | None
    ) -> Measurement:
        found = measured(frames, Controls(style, steady=steady), seconds, fps)
        size = f"{frames[0].shape[1]}x{frames[0].shape[0]}"
        print(f"{size:>9}  {style:<14} {steady:>6g}  {asked:<9} {found}", flush=True)
        return found

    small, first = clip((640, 480)), MEASURED[0]
    single = [row(small, style, 0.0, "--best", None) for style in MEASURED]
    steady = [row(small, style, 0.7, "--best", None) for style in MEASURED]
    default = row(small, first, 0.0, "default", TARGET_FPS)
    large = clip((1280, 720))
    row(large, first, 0.0, "--best", None)
    large_default = row(large, first, 0.0, "default", TARGET_FPS)
    held = row(large, first, 0.0, f"--fps {HIGHER:g}", HIGHER)
    print(f"fps_640x480_default: {default.fps:.1f}")
    print(f"fps_1280x720_default: {large_default.fps:.1f}")
    print(f"fps_1280x720_held: {held.fps:.1f}")
    print(f"fps_640x480_steady: {min(found.fps for found in steady):.1f}")
    print(f"fps_640x480: {min(found.fps for found in single):.1f}")
    print(f"latency_p95_ms: {max(found.p95 for found in single):.1f}")


if __name__ == "__main__":
    main()
