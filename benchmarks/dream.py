"""Dreams on films: carried along the motion, against each frame by itself and the peers' carry.

    python benchmarks/dream.py [FILM ...] [--frames 100] [--layer thing] [--sheet out.png]

Peers (samim23/DeepDreamAnim and its children) add the whole of the last frame's dream and then dream as long
as on the first frame; here with our flow and mask. Reported for each way: the change along the motion beyond
what the source changes, as a share of that of each frame by itself (mean squares); passes through the network
for each frame, smaller octaves counted by their pixels; milliseconds; the strength of the dream (root mean
square of result minus source) in the first frame, in the middle and at the end; and how much lighter the last
tenth is than the first, beyond the source. By default the sample clip at 320x180 by its exact flow.

The last lines are shares of `ours` against each frame by itself: warp error and passes.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from streamstyle.device import choose
from streamstyle.effects.dream import Ascent, Dream
from streamstyle.evaluate import evaluate
from streamstyle.flow import MotionEstimation
from streamstyle.pipeline import run
from streamstyle.sheets import Cell, sheet
from streamstyle.sinks.memory import MemorySink
from streamstyle.sources import open_source
from streamstyle.sources.memory import MemorySource
from streamstyle.stream import Frame

ROOT = Path(__file__).parents[1]
SIDE = 320  # pixels, the longer side of the films
STEPS = Ascent().steps
WAYS = {
    "each frame by itself": Ascent(carry=0.0),
    "the peers' carry": Ascent(carry=1.0, later_steps=STEPS, damped=0.0, limit=math.inf),
    "ours": Ascent(),
}


def frames_of(film: Path, count: int) -> list[Frame]:
    """The first frames, as a film of its own."""
    with open_source(film, max_size=SIDE) as source:
        taken = islice((item for item in source if isinstance(item, Frame)), count)
        return [replace(frame, reset=index == 0) for index, frame in enumerate(taken)]


def reduced_flow(folder: Path, target: Path, frames: list[Frame]) -> Path:
    """The rendered flow at the size of the frames."""
    from streamstyle.flow.files import FlowFolder, read_flow

    source = FlowFolder(folder)
    height, width = frames[0].pixels.shape[:2]
    for index in range(1, len(frames)):
        full = tuple(read_flow(source.files[index]).shape[1:])
        flow, known = source.at(index, (height, width), (full[0], full[1]))
        np.save(target / f"{index:04}.npy", flow)
        cv2.imwrite(str(target / f"{index:04}.png"), known.astype(np.uint8) * 255)
    return target


def compare(name: str, frames: list[Frame], flow: Path | str, layer: str, page: Path | None) -> list[float]:
    """Prints the table of one film; gives the shares that are left of warp error and passes."""
    print(
        f"\n{name}: {len(frames)} frames of {frames[0].pixels.shape[1]}x{frames[0].pixels.shape[0]}, {layer}"
    )
    print(
        f"{'':22}{'warp error':>11}{'passes':>8}{'ms':>7}{'first':>8}{'middle':>8}{'last':>8}{'lighter':>9}"
    )
    base, shares = (0.0, 0.0), [0.0, 0.0]
    cells = []
    for way, ascent in WAYS.items():
        effect, sink = Dream(layer, ascent, device=choose()), MemorySink()
        begin = time.perf_counter()
        run(MemorySource(frames), effect, [sink], motion=MotionEstimation(flow, device=choose()))
        ms = 1000 * (time.perf_counter() - begin) / len(frames)
        results = sink.frames
        pairs = list(zip(results, frames, strict=True))
        changes = [r.pixels.astype(float) - f.pixels for r, f in pairs]
        strength = [np.sqrt(np.square(change).mean()) / 255 for change in changes]
        found = evaluate(MemorySource(frames), MemorySource(results), MotionEstimation(flow)).summary
        error, passes = max(found["excess_warp_error"], 0.0), effect.passes / len(frames)
        base = base if base[0] else (error, passes)
        shares = [error / base[0], passes / base[1]]
        print(
            f"{way:22}{shares[0]:11.3f}{passes:8.1f}{ms:7.0f}{strength[0]:8.3f}"
            f"{strength[len(frames) // 2]:8.3f}{strength[-1]:8.3f}{found['drift']:9.3f}",
            flush=True,
        )
        places = np.linspace(0, len(frames) - 1, 6).round().astype(int)
        cells += [Cell(results[place].pixels, f"{way}, {place}") for place in places]
    if page is not None:
        Image.fromarray(sheet(cells, 6, SIDE)).save(page.with_stem(f"{page.stem}_{Path(name).stem}"))
    return shares


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("films", nargs="*", type=Path)
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--layer", default="thing")
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--flow", type=Path, help="folder with the clip's flow; rendered anew by default")
    options = parser.parse_args()
    shares = {}
    with tempfile.TemporaryDirectory() as temporary:
        if not options.films:
            folder = options.flow or Path(temporary) / "full"
            if options.flow is None:
                subprocess.run([sys.executable, ROOT / "samples" / "make.py", "--flow", folder], check=True)
            frames = frames_of(ROOT / "samples" / "harbour.mp4", options.frames)
            small = Path(temporary) / "small"
            small.mkdir()
            flow = reduced_flow(folder, small, frames)
            shares["harbour"] = compare("harbour", frames, flow, options.layer, options.sheet)
        for film in options.films:
            frames = frames_of(film, options.frames)
            shares[film.stem] = compare(str(film), frames, "medium", options.layer, options.sheet)
    print()
    for name, (error, passes) in shares.items():
        print(f"dream_warp_error_{name}: {error:.3f}\ndream_passes_{name}: {passes:.3f}")


if __name__ == "__main__":
    main()
