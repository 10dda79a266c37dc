"""Dreams on videos: carried along the optical flow, compared with frame by frame and with peers' method.

    python benchmarks/dream.py [VIDEO ...] [--frames 100] [--layer thing] [--sheet out.png]

Peers (samim23/DeepDreamAnim and its forks) add the whole dream of the last frame and then take as many steps
as on the first frame; here with our flow and mask. Reported for each method: excess warp error (mean squared,
beyond the source's) relative to frame by frame; passes through the network for each frame, smaller octaves
weighted by their pixels; milliseconds; the strength of the dream (root mean square of result minus source) in
the first, middle and last frame; and how much brighter the last tenth is than the first, beyond the source.
By default the video is the sample clip at 320x180 with its exact flow.

`--speed` measures time instead, at 640x360: milliseconds of a step at full size by backend (single precision,
channels-last memory, bfloat16, and as in the program: on CUDA as a captured graph), and the frame rate of a
video compared with a plain method: all octaves and steps on each frame, in single precision.

The last lines are the ratios of `ours` to frame by frame, of warp error and passes; or with --speed the ratio
of the frame rates.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
import torch
from PIL import Image

from streamstyle.contact_sheet import Cell, sheet
from streamstyle.device import choose, name_of
from streamstyle.effects.dream.ascent import Ascent
from streamstyle.effects.dream.effect import Dream
from streamstyle.effects.dream.objectives import Dreamt, read_objective
from streamstyle.evaluation import evaluate_frames
from streamstyle.frames import Frame, Moment, OpticalFlow
from streamstyle.optical_flow import FlowEstimation
from streamstyle.pipeline import run
from streamstyle.sinks.memory import MemorySink
from streamstyle.sources import ReadOptions, open_source
from streamstyle.sources.memory import MemorySource
from streamstyle.weights import load_features

ROOT = Path(__file__).parents[1]
SIDE = 320  # pixels, the longer side of the videos
STEPS = Ascent().steps
WAYS = {
    "frame by frame": Ascent(carry=0.0),
    "peers' method": Ascent(carry=1.0, later_steps=STEPS, damped=0.0, limit=math.inf),
    "ours": Ascent(),
}


def frames_of(video: Path, count: int) -> list[Frame]:
    """The first frames, as a video of its own."""
    with open_source(video, ReadOptions(max_size=SIDE)) as source:
        taken = islice((item for item in source if isinstance(item, Frame)), count)
        return [replace(frame, reset=index == 0) for index, frame in enumerate(taken)]


def reduced_flow(folder: Path, target: Path, frames: list[Frame]) -> Path:
    """The rendered flow at the size of the frames."""
    from streamstyle.optical_flow.flow_files import FlowFolder, read_flow

    source = FlowFolder(folder)
    height, width = frames[0].pixels.shape[:2]
    for index in range(1, len(frames)):
        full = tuple(read_flow(source.files[index]).shape[1:])
        flow, known = source.at(index, (height, width), (full[0], full[1]))
        np.save(target / f"{index:04}.npy", flow)
        cv2.imwrite(str(target / f"{index:04}.png"), known.astype(np.uint8) * 255)
    return target


def compare(name: str, frames: list[Frame], flow: Path | str, layer: str, page: Path | None) -> list[float]:
    """Prints the table of one video; returns the ratios of warp error and passes of the last method."""
    print(
        f"\n{name}: {len(frames)} frames of {frames[0].pixels.shape[1]}x{frames[0].pixels.shape[0]}, {layer}"
    )
    print(
        f"{'':22}{'warp error':>11}{'passes':>8}{'ms':>7}{'first':>8}{'middle':>8}{'last':>8}{'brighter':>9}"
    )
    base, shares = (0.0, 0.0), [0.0, 0.0]
    cells = []
    for way, ascent in WAYS.items():
        effect, sink = Dream(layer, ascent, device=choose()), MemorySink()
        begin = time.perf_counter()
        run(MemorySource(frames), effect, [sink], motion=FlowEstimation(flow, device=choose()))
        ms = 1000 * (time.perf_counter() - begin) / len(frames)
        results = sink.frames
        pairs = list(zip(results, frames, strict=True))
        changes = [r.pixels.astype(float) - f.pixels for r, f in pairs]
        strength = [np.sqrt(np.square(change).mean()) / 255 for change in changes]
        found = evaluate_frames(MemorySource(frames), MemorySource(results), FlowEstimation(flow)).summary
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


def milliseconds(function: Callable[[], object], device: torch.device, count: int = 8) -> float:
    """The shortest time of `count` calls."""
    times = []
    for _ in range(count):
        begin = time.perf_counter()
        function()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - begin)
    return 1000 * min(times)


def speed(layer: str) -> float:
    """Prints the time of a step by backend; returns how many times faster than the plain method ours is."""
    device = choose()
    network = load_features("distilled").requires_grad_(False).to(device)
    image = torch.rand(1, 3, 360, 640, device=device)
    dreamt = Dreamt(network, {layer: read_objective(layer, load_features("distilled"))})
    single, step = partial(dreamt.computed, image, (layer,)), partial(dreamt.gradients, image, [layer])
    print(f"\na step of {layer} at 640x360 on {name_of(device)}, ms")
    with patch("streamstyle.effects.dream.objectives.low_precision", lambda _: nullcontext()):
        print(f"{'single precision':30}{milliseconds(single, device):8.1f}")
        network.to(memory_format=torch.channels_last)
        print(f"{'… channels last':30}{milliseconds(single, device):8.1f}")
    print(f"{'… and lower precision':30}{milliseconds(single, device):8.1f}")
    print(f"{'as in the program':30}{milliseconds(step, device):8.1f}", flush=True)

    def video(ascent: Ascent, count: int) -> float:
        """Milliseconds of a frame after the first."""
        still = OpticalFlow(torch.zeros(2, 36, 64, device=device), torch.ones(1, 36, 64, device=device))
        effect = Dream(layer, ascent, device=device)
        effect(image[0], Moment(0, 0.0))
        moments = iter(Moment(index, index / 25, motion=still) for index in range(1, count + 1))
        return milliseconds(lambda: effect(image[0], next(moments)), device, count)

    with patch("streamstyle.effects.dream.objectives.low_precision", lambda _: nullcontext()):
        plain = video(Ascent(carry=0.0), 2)
    ours = video(Ascent(), 6)
    print(f"\n{'a video, frames a second':30}{'plain':>8}{1000 / plain:8.2f}{'ours':>8}{1000 / ours:8.2f}")
    return plain / ours


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", nargs="*", type=Path)
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--layer", default="thing")
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--flow", type=Path, help="folder with the clip's flow; rendered anew by default")
    parser.add_argument("--speed", action="store_true", help="measure time, not videos")
    options = parser.parse_args()
    if options.speed:
        print(f"dream_speed: {speed(options.layer):.1f}")
        return
    shares = {}
    with tempfile.TemporaryDirectory() as temporary:
        if not options.videos:
            folder = options.flow or Path(temporary) / "full"
            if options.flow is None:
                subprocess.run([sys.executable, ROOT / "samples" / "make.py", "--flow", folder], check=True)
            frames = frames_of(ROOT / "samples" / "harbour.mp4", options.frames)
            small = Path(temporary) / "small"
            small.mkdir()
            flow = reduced_flow(folder, small, frames)
            shares["harbour"] = compare("harbour", frames, flow, options.layer, options.sheet)
        for video in options.videos:
            frames = frames_of(video, options.frames)
            shares[video.stem] = compare(str(video), frames, "medium", options.layer, options.sheet)
    print()
    for name, (error, passes) in shares.items():
        print(f"dream_warp_error_{name}: {error:.3f}\ndream_passes_{name}: {passes:.3f}")


if __name__ == "__main__":
    main()
