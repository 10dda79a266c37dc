"""What a video costs beside the network, and how close the pipeline comes to the bound of its parts.

    python benchmarks/pipeline.py [--lines 360 720 1080 2160] [--frames 48] [--rounds 2] [--against FOLDER]

The sample clip is scaled to each number of lines. Then, in turns:

- beside: milliseconds per frame that the step takes with an effect that costs nothing, on one thread:
  reducing the picture, converting it to RGB and back, enlarging the result.
- transcode: a plain loop that decodes and encodes with the same options, without touching a picture.
- none, steady 0, default: `streamstyle stylize` with `--style none`, `--steady 0`, and without options.
  With `--against`, the same by another checkout of this repository.
- the parts of steady 0, each alone as in the pipeline: decoding, the effect, encoding. They run in parallel
  on shared cores, so no schedule is faster than

      bound = max(slowest part's wall time, sum of the parts' processor time / cores)

Last lines: `name_LINES: figure`, where efficiency is the bound divided by the wall time of the whole, and
none_ratio the wall time of `--style none` divided by that of the transcode.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the program does

import cv2
import torch
from crashes import repeated
from torch import Tensor

from streamstyle.cores import usable_cores
from streamstyle.device import choose, shared_cores
from streamstyle.effects import StylizeSettings
from streamstyle.effects.composite import Composite
from streamstyle.effects.identity import Identity
from streamstyle.frames import Effect, Frame, Moment, StreamInfo
from streamstyle.jobs.build import open_effect
from streamstyle.keyframes import keyframes_of
from streamstyle.pipeline import Step, run
from streamstyle.sinks.video import VideoSink
from streamstyle.sources.options import ReadOptions
from streamstyle.sources.video import VideoSource
from streamstyle.video.codecs import EncodeOptions
from streamstyle.video.encoding import Encoder
from streamstyle.video.video_format import choose_format

import av  # isort: skip

ROOT = Path(__file__).parents[1]
CLIP_FRAMES = 120  # of the sample clip
RUNS = {"none": ["--style", "none"], "steady 0": ["--steady", "0"], "default": []}
FEWER = 1080  # lines above which only half of the frames are measured


@dataclass
class Times:
    """Seconds of each round."""

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def add(self, work: Callable[[], object]) -> None:
        wall, processor = time.perf_counter(), time.process_time()
        work()
        self.wall.append(time.perf_counter() - wall)
        self.processor.append(time.process_time() - processor)


class Painted(Identity):
    """Returns the same painting for every image."""

    def __init__(self) -> None:
        self.painting: Tensor | None = None

    def __call__(self, image: Tensor, moment: Moment) -> Tensor:
        if self.painting is None:
            self.painting = 1 - image
        return self.painting


def frames_of(video: Path) -> Iterator[Frame]:
    with VideoSource(str(video)) as source:
        yield from (item for item in source if isinstance(item, Frame))


def scaled(target: Path, lines: int, frames: int) -> Path:
    """The sample clip with so many lines, repeated for so many frames."""
    film = repeated(target.with_name("film.mp4"), -(-frames // CLIP_FRAMES))
    options = ReadOptions(size=(lines * 16 // 9 // 2 * 2, lines), length=frames / 24)
    with VideoSource(str(film), options) as source:
        run(source, Identity(), [VideoSink(target, source.info, EncodeOptions(quality=20))], device="cpu")
    return target


def beside(frames: list[Frame]) -> float:
    """Milliseconds per frame of the step without the effect, on one thread."""
    step = Step(Composite(Painted(), keyframes_of("a"), bars="video"), torch.device("cpu"))
    threads, opencv_threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    step(frames[0].picture, 0.0)
    begin = time.perf_counter()
    for frame in frames[1:]:
        step(frame.picture, frame.seconds)
    seconds = time.perf_counter() - begin
    torch.set_num_threads(threads)
    cv2.setNumThreads(opencv_threads)
    return 1000 * seconds / (len(frames) - 1)


def transcode(video: Path, target: Path) -> None:
    """Decodes and encodes the video as the program does, in one loop."""
    with VideoSource(str(video)) as source:
        form = choose_format(target, source.info, EncodeOptions(threads=min(usable_cores(), 8)))
    with av.open(str(video)) as container, av.open(str(target), "w") as output:
        encoder = Encoder(output, form.codec, form.options, form.info, form.time_base)
        for frame in container.decode(video=0):
            frame.pict_type = av.video.frame.PictureType.NONE
            output.mux(encoder.stream.encode(frame))
        output.mux(encoder.stream.encode(None))


def stylized(frames: list[Frame], effect: Effect) -> list[Frame]:
    step = Step(effect, choose())
    return [replace(frame, picture=step(frame.picture, frame.seconds, cut=frame.reset)) for frame in frames]


def encode(frames: list[Frame], info: StreamInfo, target: Path) -> None:
    with VideoSink(target, info, overwrite=True) as sink:
        for frame in frames:
            sink.write(frame)


def whole(video: Path, effect: Effect, target: Path) -> None:
    with VideoSource(str(video)) as source, VideoSink(target, source.info, overwrite=True) as sink:
        run(source, effect, [sink])


def efficiency(video: Path, target: Path, rounds: int) -> float:
    """The bound of the parts divided by the wall time of the whole."""
    parts = {name: Times() for name in ("decode", "effect", "encode", "whole")}
    with open_effect(StylizeSettings(steady=0), "video") as effect, shared_cores(choose()):
        with VideoSource(str(video)) as source:
            frames = [item for item in source if isinstance(item, Frame)]
            info = replace(source.info, tracks={}, container=None)
        painted = stylized(frames, effect)
        for _ in range(rounds):
            parts["decode"].add(lambda: sum(1 for _ in frames_of(video)))
            parts["effect"].add(lambda: stylized(frames, effect))
            parts["encode"].add(lambda: encode(painted, info, target))
            parts["whole"].add(lambda: whole(video, effect, target))
    shared = 0.0
    for name, times in parts.items():
        wall, processor = (1000 * statistics.median(t) / len(frames) for t in (times.wall, times.processor))
        print(f"  {name:<10} {wall:8.1f} ms a frame, {processor:8.1f} ms of processor time")
        shared += processor * (name != "whole")
    walls = {name: 1000 * statistics.median(times.wall) / len(frames) for name, times in parts.items()}
    bound = max(*(walls[name] for name in ("decode", "effect", "encode")), shared / usable_cores())
    return bound / walls["whole"]


def rendered(video: Path, target: Path, arguments: list[str], checkout: Path) -> float:
    """Seconds of a render by a checkout, as it reports them, without its start."""
    command = [sys.executable, "-m", "streamstyle", "stylize", str(video), str(target), "-y", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    done = subprocess.run(
        [*command, *arguments], cwd=checkout, env=environment, check=True, capture_output=True, text=True
    )
    return float(json.loads(done.stdout.splitlines()[-1])["seconds"])


def measure(lines: int, frames: int, rounds: int, checkouts: dict[str, Path], folder: Path) -> None:
    """Prints the figures of one size."""
    video, target = scaled(folder / f"{lines}.mp4", lines, frames), folder / "out.mp4"
    decoded = list(frames_of(video))
    print(f"{lines} lines, {len(decoded)} frames")
    beside_ms = statistics.median(beside(decoded[:24]) for _ in range(rounds))
    transcodes = Times()
    seconds: dict[tuple[str, str], list[float]] = {(name, run_): [] for name in checkouts for run_ in RUNS}
    for _ in range(rounds):
        transcodes.add(lambda: transcode(video, target))
        for (name, run_), times in seconds.items():
            times.append(rendered(video, target, RUNS[run_], checkouts[name]))
    plain = statistics.median(transcodes.wall)
    print(f"  {'transcode':<10} {len(decoded) / plain:8.1f} fps")
    for (name, run_), times in seconds.items():
        fps = len(decoded) / statistics.median(times)
        print(
            f"  {run_:<10} {fps:8.1f} fps by {name}, {statistics.median(times) / plain:.2f} of the transcode"
        )
    share = efficiency(video, target, rounds)
    ours = {run_: statistics.median(seconds["this", run_]) for run_ in RUNS}
    print(f"beside_{lines}: {beside_ms:.1f}")
    print(f"none_ratio_{lines}: {ours['none'] / plain:.2f}")
    print(f"fps_unsteadied_{lines}: {len(decoded) / ours['steady 0']:.1f}")
    print(f"fps_{lines}: {len(decoded) / ours['default']:.1f}")
    print(f"efficiency_{lines}: {share:.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--lines", type=int, nargs="+", default=[360, 720, 1080, 2160])
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--against", type=Path, help="another checkout of this repository")
    options = parser.parse_args()
    checkouts = {"this": ROOT} | ({"the other": options.against} if options.against else {})
    with tempfile.TemporaryDirectory() as folder:
        for lines in options.lines:
            frames = options.frames // (1 + (lines > FEWER))
            measure(lines, frames, options.rounds, checkouts, Path(folder))


if __name__ == "__main__":
    main()
