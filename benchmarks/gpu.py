"""Everything that a CUDA device does here, in four minutes: `python benchmarks/gpu.py [--device cuda]`.

Films of the sample clip at 1080 lines are rendered by the program in processes of their own, and compared
with a plain transcode with the same encoder settings in the same run: decoding and encoding, no picture
touched. Their times are those that the program reports, without its start. Then follow the parts: the
networks, eager and as CUDA graphs; optical flow in both directions; dreams, zooms and training; how far
frames from the device are from those of the CPU; and films that were killed and resumed, compared bit by bit.

    --only PART …    of: films networks flow dreams training agreement resume
    --features FILE  weights of a VGG-16 as the judge of a second training, as for `train --features`
    --tests          run the tests marked "cuda" instead; none may fail or skip
    --device cpu     rehearse, with --frames 24 or so

Every result is a line `name: figure`. Ratios are to the plain transcode; "processor" is the processor time
of all cores.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from crashes import contents
from pipeline import scaled, transcode

from streamstyle.cores import usable_cores
from streamstyle.cuda_graphs import Captured
from streamstyle.device import choose, half, name_of
from streamstyle.frames import Frame
from streamstyle.networks import Johnson, StyleNet, StyleNetwork
from streamstyle.optical_flow import FLOWS, FlowEstimation
from streamstyle.pictures import YCbCr
from streamstyle.pipeline.step import uploaded_planes
from streamstyle.sources.options import ReadOptions
from streamstyle.sources.video import VideoSource
from streamstyle.video.codecs import works

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "samples"
LINES = 1080
SIZES = {"640x480": (480, 640), "720p": (720, 1280), "1080p": (1080, 1920), "2160p": (2160, 3840)}
REPEATS = 30  # calls that are timed


def figure(name: str, value: object, digits: int = 2) -> None:
    """Print a result."""
    print(f"{name}: {value:.{digits}f}" if isinstance(value, float) else f"{name}: {value}", flush=True)


def measured(name: str, frames: int, work: Callable[[], float | None]) -> float:
    """Prints frames a second and processor milliseconds a frame; returns seconds, those of `work` if any."""
    begin, processor = time.perf_counter(), _processor_seconds()
    seconds = work() or time.perf_counter() - begin
    figure(f"{name}_fps", frames / seconds, 1)
    figure(f"{name}_processor_ms", 1000 * (_processor_seconds() - processor) / frames, 1)
    return seconds


def _processor_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def streamstyle(*arguments: object) -> float:
    """Runs the program; returns the seconds that it reports."""
    command = [sys.executable, "-m", "streamstyle", *map(str, arguments), "-y", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}")
    return float(json.loads(done.stdout.splitlines()[-1])["seconds"])


def films(folder: Path, device: str, frames: int) -> None:
    """The transcode, and the film without an effect, unsteadied, and as by default."""
    film, target = scaled(folder / "film_1080.mp4", LINES, frames), folder / "out.mp4"
    plain = measured("transcode", frames, lambda: transcode(film, target))
    for name, options in (("none", ["--style", "none"]), ("unsteadied", ["--steady", 0]), ("default", [])):
        command = ["stylize", film, target, "--device", device, *options]
        seconds = measured(name, frames, lambda command=command: streamstyle(*command))
        figure(f"{name}_ratio", seconds / plain)


def milliseconds(call: Callable[[], object], device: torch.device) -> float:
    """The median time of a call, with all that it launches."""
    times = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(1000 * (time.perf_counter() - begin))
    return statistics.median(times[REPEATS // 3 :])


def networks(folder: Path, device: str, frames: int) -> None:
    """Milliseconds of the style networks, eager and captured, without transfers."""
    where = choose(device)
    for name, (height, width) in SIZES.items():
        image = torch.rand(1, 3, height, width, device=where, dtype=half(where))
        for network in (StyleNet(), Johnson()):
            if isinstance(network, Johnson) and name == "2160p":
                continue
            label = type(network).__name__.lower()
            network = network.eval().to(where, half(where)).to(memory_format=torch.channels_last)
            with torch.inference_mode():
                captured = Captured(_named(network))
                figure(f"{label}_{name}_eager_ms", milliseconds(lambda n=network, i=image: n(i), where))
                figure(f"{label}_{name}_graph_ms", milliseconds(lambda c=captured, i=image: c(i), where))
            if captured.refusal:
                figure(f"{label}_{name}_refused", captured.refusal)


def _named(network: StyleNetwork) -> Callable[[torch.Tensor], dict[str, torch.Tensor]]:
    return lambda image: {"result": network(image)}


def flow(folder: Path, device: str, frames: int) -> None:
    """Milliseconds of optical flow in both directions with its checks, for each method without weights."""
    where = choose(device)
    film = scaled(folder / "flow.mp4", LINES, 24)
    with VideoSource(str(film)) as source:
        pictures = [_on(where, item) for item in source if isinstance(item, Frame)]
    for name in FLOWS:
        if name == "raft":
            continue
        estimation = FlowEstimation(name, device=where)
        begin, count = 0.0, 0
        for count, _ in enumerate(estimation(iter(pictures * 3))):
            if count == len(pictures):  # the first ones are for warming up
                begin = time.perf_counter()
        if where.type == "cuda":
            torch.cuda.synchronize(where)
        figure(f"flow_{name}_ms", 1000 * (time.perf_counter() - begin) / (count - len(pictures)))


def _on(device: torch.device, frame: Frame) -> Frame:
    """The frame as the pipeline hands it over: on the device, if it is not the CPU."""
    if device.type == "cpu" or not isinstance(frame.picture, YCbCr):
        return frame
    return replace(frame, picture=uploaded_planes(frame.picture, device))


def dreams(folder: Path, device: str, frames: int) -> None:
    """Frames a second of a dream and a zoom at 720 lines, and seconds of a still."""
    film, target = scaled(folder / "dream.mp4", 720, min(frames, 96)), folder / "out.mp4"
    count = min(frames, 96)
    measured("dream", count, lambda: streamstyle("dream", film, target, "--device", device))
    still = SAMPLES / "lighthouse.png"
    sized = ("--device", device, "--max-size", 1280)
    figure("dream_still_seconds", streamstyle("dream", still, folder / "still.png", *sized))
    zoom = ("zoom", still, target, *sized, "--fps", 24, "--seconds", count / 24)
    measured("zoom", count, lambda: streamstyle(*zoom))


def training(folder: Path, device: str, frames: int, features: str | None = None) -> None:
    """Steps a second with the recipe's batch and crop, from which the start is taken out."""
    for judge in filter(None, ("distilled", features)):
        seconds = [_trained(folder, device, steps, judge) for steps in (frames, 5 * frames)]
        name = "bundled" if judge == "distilled" else "given"
        figure(f"training_{name}_steps_per_second", 4 * frames / (seconds[1] - seconds[0]), 1)


def _trained(folder: Path, device: str, steps: int, judge: str) -> float:
    begin = time.perf_counter()
    arguments = ["--steps", str(steps), "--device", device, "--features", judge, "-q", "-y"]
    command = [sys.executable, "-m", "streamstyle", "train", str(SAMPLES / "painting.png"), *arguments]
    subprocess.run([*command, "-o", str(folder / "trained.safetensors")], check=True, cwd=ROOT)
    return time.perf_counter() - begin


def agreement(folder: Path, device: str, frames: int) -> None:
    """The mean difference, of 255, between frames from the device and from the CPU."""
    film = scaled(folder / "short.mp4", 360, 24)
    for name, options in (("style", ["--steady", 0]), ("steadied", []), ("coarse", ["--stroke-size", 2])):
        outputs = []
        for where in (device, "cpu"):
            outputs.append(folder / f"{name}_{where.replace(':', '_')}.mp4")
            quality = ("--crf", 0, "--pix-fmt", "yuv444p", "--flow", "fast")
            streamstyle("stylize", film, outputs[-1], "--device", where, *quality, *options)
        difference = [np.abs(a - b).mean() for a, b in zip(*map(_pixels, outputs), strict=True)]
        figure(f"difference_{name}", float(max(difference)))


def _pixels(video: Path) -> Iterator[np.ndarray]:
    with VideoSource(str(video), ReadOptions()) as source:
        yield from (item.pixels.astype(np.float32) for item in source if isinstance(item, Frame))


def resume(folder: Path, device: str, frames: int) -> None:
    """How many of three killed films are the same, bit by bit, after `resume`."""
    film, target, same = scaled(folder / "film_1080.mp4", LINES, frames), folder / "killed.mp4", 0
    streamstyle("stylize", film, target, "--device", device)
    expected = contents(target)
    for turn in range(3):
        command = [sys.executable, "-m", "streamstyle", "stylize", str(film), str(target), "-y", "-q"]
        process = subprocess.Popen([*command, "--device", device], cwd=ROOT)
        _wait_for_segments(target, process, 1 + turn % 2)
        process.send_signal(signal.SIGKILL)
        process.wait()
        subprocess.run([sys.executable, "-m", "streamstyle", "resume", str(target), "-q"], cwd=ROOT)
        same += contents(target) == expected
    figure("resumed_identical_of_3", same)


def _wait_for_segments(target: Path, process: subprocess.Popen[bytes], segments: int) -> None:
    """Wait until a film has so many finished segments, or is complete."""
    manifest = target.with_name(f"{target.name}.part") / "manifest.jsonl"
    while process.poll() is None:
        if manifest.exists() and len(manifest.read_text().splitlines()) > segments:
            return
        time.sleep(0.02)


PARTS = {
    "films": films,
    "networks": networks,
    "flow": flow,
    "dreams": dreams,
    "training": training,
    "agreement": agreement,
    "resume": resume,
}


def run_tests() -> int:
    """Runs the tests marked "cuda"; none may skip."""
    environment = {**os.environ, "FAIL_WITHOUT_CUDA": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-m", "cuda", "-rs", "tests"]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    print(done.stdout)
    return done.returncode or int(" skipped" in done.stdout.splitlines()[-1])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--features", help="weights of a second judge")
    parser.add_argument("--tests", action="store_true")
    options = parser.parse_args(arguments)
    if options.tests:
        return run_tests()
    device = choose(options.device)
    figure("device", name_of(device))
    figure("cores", usable_cores())
    figure("torch", torch.__version__)
    figure("encoder_h264_nvenc", "yes" if works("h264_nvenc") else "no")
    with tempfile.TemporaryDirectory() as name:
        for part in options.only:
            begin = time.perf_counter()
            if part == "training":
                training(Path(name), options.device, options.frames, options.features)
            else:
                PARTS[part](Path(name), options.device, options.frames)
            figure(f"seconds_for_{part}", time.perf_counter() - begin, 0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
