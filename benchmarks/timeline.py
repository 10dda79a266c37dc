"""Smoothness of transitions: `python benchmarks/timeline.py IMAGE|VIDEO -o plot.png --at 4s=great_wave …`.

Stylizes each frame and plots the mean difference of consecutive frames, in units of 1/255, for the result and
the source. With an image, all change comes from the keyframes. For each fade, the largest difference is
compared with that of an even fade: the total difference divided by the number of frames. A cosine fade is at
most pi / 2 times as fast; anything above is a jump.
"""

from __future__ import annotations

import argparse
from itertools import cycle, islice, pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from streamstyle.device import choose, download, upload
from streamstyle.effects.composite import Composite
from streamstyle.effects.stylize.effect import Style
from streamstyle.frames import Frame, Moment
from streamstyle.keyframes import FADE, keyframes_of
from streamstyle.sources import open_source

WIDTH, HEIGHT, MARGIN = 1200, 300, 30  # of the plot, in pixels


def frames_of(path: Path, seconds: float, rate: float) -> list[np.ndarray]:
    """Frames of a video, or an image repeated."""
    with open_source(path) as source:
        frames = [item.pixels for item in source if isinstance(item, Frame)]
        still = source.info.kind == "still"
    return list(islice(cycle(frames), round(seconds * rate))) if still else frames


def plot(path: Path, curves: dict[str, list[float]], times: list[float], rate: float) -> None:
    """Plots curves over the frames, with a line at each of `times` in seconds."""
    page = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(page)
    top = max(max(values) for values in curves.values()) or 1.0
    count = max(len(values) for values in curves.values())

    def place(frame: float, value: float) -> tuple[float, float]:
        return (
            MARGIN + frame * (WIDTH - 2 * MARGIN) / count,
            HEIGHT - MARGIN - value * (HEIGHT - 2 * MARGIN) / top,
        )

    for seconds in times:
        draw.line([place(seconds * rate, 0), place(seconds * rate, top)], fill="#cccccc")
    for (name, values), color, row in zip(curves.items(), ("#c03020", "#2050a0"), (4, 16), strict=False):
        draw.line([place(frame, value) for frame, value in enumerate(values, 1)], fill=color, width=2)
        draw.text((MARGIN, row), f"{name}, at most {max(values):.2f}", fill=color)
    page.save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True, help="PNG for the plot")
    parser.add_argument("--style", default="starry_night")
    parser.add_argument("--at", action="append", default=[], help="as for `streamstyle stylize`")
    parser.add_argument("--fade", type=float, default=FADE)
    parser.add_argument("--mix-by", default="pictures")
    parser.add_argument("--seconds", type=float, default=20.0, help="duration, for an image")
    parser.add_argument("--rate", type=float, default=24.0, help="frames per second")
    options = parser.parse_args()
    keyframes = keyframes_of(options.style, at=options.at, fade=options.fade)
    effect = Composite(Style(keyframes, mix_by=options.mix_by, device=choose()), keyframes)
    frames = frames_of(options.source, options.seconds, options.rate)
    results = [
        download(effect(upload(pixels, choose()), Moment(index, index / options.rate)))
        for index, pixels in enumerate(frames)
    ]
    curves = {
        name: [float(np.abs(b.astype(np.int16) - a).mean()) for a, b in pairwise(video)]
        for name, video in (("stylized", results), ("source", frames))
    }
    begins = [change.seconds for change in keyframes.changes]
    plot(options.output, curves, begins, options.rate)
    ends = [*begins[1:], len(frames) / options.rate]
    for change, end in zip(keyframes.changes, ends, strict=True):
        until = min(change.seconds + change.fade, end)
        first, last = (
            min(round(seconds * options.rate), len(frames) - 1) for seconds in (change.seconds, until)
        )
        whole = float(np.abs(results[last].astype(np.int16) - results[first]).mean())
        step = max(curves["stylized"][first:last], default=0.0)
        even = whole / max(last - first, 1)
        print(f"at {change.seconds:g} s: total {whole:.1f}, largest step {step:.2f}, even steps {even:.2f}")
    print(f"largest_step: {max(curves['stylized']):.2f}")


if __name__ == "__main__":
    main()
