"""Efficiency of the pipeline: its speed compared with the bound given by its parts.

    python benchmarks/pipeline.py [VIDEO] [--rounds 3]

Measures in turn, several times: decoding alone, the effect alone, encoding alone, and the whole pipeline.
Each part runs as in the pipeline, with the same frames, sizes, threads and segments.

The parts run in parallel, but on shared cores. No schedule can be faster than its slowest part, nor than the
processor time of all parts divided among all cores:

    bound = max(slowest part's wall time, sum of the parts' processor time / cores)

Last line: `efficiency: …`, the bound divided by the wall time of the whole, by medians.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the program does

import torch
from crashes import repeated

from streamstyle.cores import usable_cores
from streamstyle.device import choose, download, shared_cores, upload
from streamstyle.effects.stylize.effect import Style
from streamstyle.frames import Frame, Moment
from streamstyle.pipeline import run
from streamstyle.sinks.video import VideoSink
from streamstyle.sources.memory import MemorySource
from streamstyle.sources.video import VideoSource

PARTS = ("decode", "effect", "encode")


@dataclass
class Cost:
    """Wall and processor seconds."""

    wall: float
    processor: float


def timed(work: Callable[[], object]) -> Cost:
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return Cost(time.perf_counter() - wall, time.process_time() - processor)


def frames_of(video: Path) -> Iterator[Frame]:
    with VideoSource(str(video)) as source:
        yield from (item for item in source if isinstance(item, Frame))


def stylize(frames: list[Frame], effect: Style, device: torch.device) -> list[Frame]:
    with torch.inference_mode():
        return [
            Frame(download(effect(upload(f.pixels, device), Moment(0, 0.0))), f.pts, f.time_base, f.duration)
            for f in frames
        ]


def encode(frames: list[Frame], target: Path) -> None:
    source = MemorySource(frames)
    with VideoSink(target, source.info, overwrite=True) as sink:
        for frame in frames:
            sink.write(frame)


def whole(video: Path, effect: Style, device: torch.device, target: Path) -> None:
    with VideoSource(str(video)) as source, VideoSink(target, source.info, overwrite=True) as sink:
        run(source, effect, [sink], device=device)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("video", type=Path, nargs="?", help="default: the sample clip, four times")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    device = choose(options.device)
    effect = Style(device=device)
    costs: dict[str, list[Cost]] = {name: [] for name in (*PARTS, "whole")}
    with tempfile.TemporaryDirectory() as folder, shared_cores(device):
        video = options.video or repeated(Path(folder) / "film.mp4", 4)
        target = Path(folder) / "out.mp4"
        frames = list(frames_of(video))
        stylized = stylize(frames, effect, device)
        for _ in range(options.rounds):
            costs["decode"].append(timed(lambda: sum(1 for _ in frames_of(video))))
            costs["effect"].append(timed(lambda: stylize(frames, effect, device)))
            costs["encode"].append(timed(lambda: encode(stylized, target)))
            costs["whole"].append(timed(lambda: whole(video, effect, device, target)))
    print(f"{video.name}: {len(frames)} frames, {usable_cores()} cores, {device}")
    print(f"{'part':<8} {'ms/frame':>9} {'processor ms/frame':>19}")
    wall, processor = {}, {}
    for name, measured in costs.items():
        wall[name] = statistics.median(cost.wall for cost in measured)
        processor[name] = statistics.median(cost.processor for cost in measured)
        per_frame = 1000 / len(frames)
        print(f"{name:<8} {wall[name] * per_frame:9.1f} {processor[name] * per_frame:19.1f}")
    shared = sum(processor[name] for name in PARTS) / usable_cores()
    bound = max(*(wall[name] for name in PARTS), shared)
    print(f"bound    {bound * 1000 / len(frames):9.1f}  ({len(frames) / wall['whole']:.1f} fps reached)")
    print(f"efficiency: {bound / wall['whole']:.2f}")


if __name__ == "__main__":
    main()
