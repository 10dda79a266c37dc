"""Blank areas and bars with and without `--keep-blank`: `python benchmarks/blanks.py [STYLE …]`.

Every bundled style stylizes short videos that are drawn here: a dot that moves over white, a title card that
is faded in, a drawing that grows on white paper, and the sample clip between letterbox bars.

Reported for each, without and with the option: excess warp error beyond the source's, as root mean square,
and flicker, as in `streamstyle evaluate`; and in the blank, which is what never changes in the source and has
one color for 50 pixels around, or the bars: the root mean square change between frames, and the standard
deviation of the pixels of a frame. All in units of 1/255.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import ExitStack
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from streamstyle.device import choose
from streamstyle.effects import EffectContext, StylizeSettings
from streamstyle.evaluation import evaluate_frames
from streamstyle.frames import Frame
from streamstyle.optical_flow import FlowEstimation
from streamstyle.pipeline import run
from streamstyle.sinks.memory import MemorySink
from streamstyle.sources import ReadOptions, open_source
from streamstyle.sources.memory import MemorySource
from streamstyle.weights import STYLES

SAMPLE = Path(__file__).parents[1] / "samples" / "harbour.mp4"
HEIGHT, WIDTH = 360, 640
BAR = 45  # pixels
AROUND = 101  # pixels, side of the window in which a blank pixel's surroundings have one color
INK = (40, 40, 60)


def plain(color: int) -> np.ndarray:
    return np.full((HEIGHT, WIDTH, 3), color, np.uint8)


def dot(index: int) -> np.ndarray:
    """A dot that moves over white."""
    return cv2.circle(plain(255), (70 + 12 * index, 180), 24, (200, 30, 40), -1, cv2.LINE_AA)


def card(index: int) -> np.ndarray:
    """A title that is faded in."""
    light = (min(40 * index, 240),) * 3
    return cv2.putText(
        plain(0), "The Harbour", (150, 190), cv2.FONT_HERSHEY_DUPLEX, 1.6, light, 2, cv2.LINE_AA
    )


def paper(index: int) -> np.ndarray:
    """A line that grows on white paper."""
    line = np.array([[60 + 20 * i, 240 - 12 * (i % 5) ** 2 + 6 * i] for i in range(index + 4)], np.int32)
    return cv2.polylines(plain(250), [line], False, INK, 3, cv2.LINE_AA)


def bars() -> Callable[[int], np.ndarray]:
    """The sample clip between letterbox bars."""
    with open_source(str(SAMPLE), ReadOptions(size=(WIDTH, HEIGHT), length=2)) as source:
        pictures = [item.pixels.copy() for item in source if isinstance(item, Frame)]
    for pixels in pictures:
        pixels[:BAR] = pixels[-BAR:] = 0
    return pictures.__getitem__


def blank_in(frames: list[Frame]) -> np.ndarray:
    """(H, W) bool, where nothing ever changes and all around has one color; or the bars."""
    pictures = np.stack([frame.pixels for frame in frames]).astype(int)
    same = (np.ptp(pictures, axis=0).max(axis=2) == 0) & (
        np.abs(pictures[0] - pictures[0, 0, 0]).max(axis=2) == 0
    )
    rows = same.all(axis=1)
    if 0 < rows.sum() < HEIGHT and rows[0] and rows[-1] and not same[~rows].any():
        return same
    return cv2.erode(same.astype(np.uint8), np.ones((AROUND, AROUND), np.uint8)) > 0


def measured(style: str, frames: list[Frame], keep: bool) -> list[float]:
    """Warp error, flicker, change and texture of a video that is stylized."""
    settings = StylizeSettings(style=style, keep_blank=keep)
    device, sink = choose(), MemorySink()
    with ExitStack() as files:
        effect = settings.compose(EffectContext("video", settings.keyframes(), device, files))
        run(MemorySource(frames), effect, [sink], motion=FlowEstimation("fast", device=device))
    found = evaluate_frames(
        MemorySource(frames), MemorySource(sink.frames), FlowEstimation("fast", device=device)
    )
    summary, blank = found.summary, blank_in(frames)
    results = [frame.pixels[blank].astype(float) for frame in sink.frames]
    change = np.mean([np.square(b - a).mean() ** 0.5 for a, b in pairwise(results)])
    texture = np.mean([pixels.std(axis=0).mean() for pixels in results])
    error = max(summary["excess_warp_error"], 0.0) ** 0.5
    return [255 * error, 255 * summary["flicker"], float(change), float(texture)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("styles", nargs="*", default=list(STYLES))
    parser.add_argument("--frames", type=int, default=10)
    options = parser.parse_args()
    cases = {"moving dot": dot, "title card": card, "paper": paper, "bars": bars()}
    columns = ("warp error", "flicker", "change", "texture")
    print(f"{'':28}" + "".join(f"{name:>18}" for name in columns))
    for name, draw in cases.items():
        frames = [
            Frame(draw(index), index, Fraction(1, 25), 1, reset=index == 0) for index in range(options.frames)
        ]
        for style in options.styles:
            before, after = (measured(style, frames, keep) for keep in (False, True))
            cells = [f"{one:8.2f} ->{other:7.2f}" for one, other in zip(before, after, strict=True)]
            print(f"{name:12}{style:16}" + "".join(f"{cell:>18}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
