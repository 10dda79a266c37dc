"""Temporal consistency, by each method alone and all combined: `python benchmarks/steadiness.py [VIDEO …]`.

The methods are training (the same style with and without temporal loss), slow statistics of the network's
normalization (`--inertia`), and blending with the previous and next result (`--steady`). By default the
sample clip is stylized, and measured with its exact rendered flow. Other videos are measured with estimated
flow, at a finer setting than blending uses.

Reported for each: excess warp error beyond the source's, as root mean square in units of 1/255, and squared
as a share of the first line; flicker, the mean absolute change where the source is static; lasting sharpness,
relative to the same style frame by frame; and, with `--painting`, the style loss. The last lines are the
shares of all methods combined.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

from streamstyle.contact_sheet import Cell, sheet
from streamstyle.device import choose, upload
from streamstyle.effects.stabilize import Stabilize
from streamstyle.effects.stylize.effect import Style
from streamstyle.evaluation import evaluate_frames
from streamstyle.frames import Effect, Frame
from streamstyle.optical_flow import FlowEstimation
from streamstyle.pipeline import run
from streamstyle.sinks.memory import MemorySink
from streamstyle.sources import ReadOptions, open_source
from streamstyle.sources.memory import MemorySource
from streamstyle.training import Recipe, painting_for
from streamstyle.training.perceptual_loss import PerceptualLoss
from streamstyle.weights import load_features

ROOT = Path(__file__).parents[1]
CPU = torch.device("cpu")
LARGEST = 640  # pixels, the longer side of what is stylized
EVERY = 10  # frames; the style loss is measured on every tenth
SHEET_FRAMES = 5  # consecutive ones


def frames_of(video: Path, start: int, count: int) -> list[Frame]:
    """Some frames, as a video of its own."""
    with open_source(video, ReadOptions(max_size=LARGEST)) as source:
        taken = islice((item for item in source if isinstance(item, Frame)), start, start + count)
        return [replace(frame, reset=index == 0) for index, frame in enumerate(taken)]


def measures(unsteady: str, steady: str, inertia: float, steadiness: float) -> dict[str, tuple[str, Effect]]:
    """The effects by method, with the style of each."""

    def style(name: str, kept: float = 0.0) -> Effect:
        return Style(name, inertia=kept, device=choose())

    return {
        "frame by frame": (unsteady, style(unsteady)),
        "statistics": (unsteady, style(unsteady, inertia)),
        "blend": (unsteady, Stabilize(style(unsteady), steadiness)),
        "training": (steady, style(steady)),
        "training and blend": (steady, Stabilize(style(steady), steadiness)),
        "all together": (steady, Stabilize(style(steady, inertia), steadiness)),
    }


def stylized(frames: list[Frame], effect: Effect, flow: str) -> list[Frame]:
    """The video, stylized; results are blended along that flow."""
    sink = MemorySink()
    run(MemorySource(frames), effect, [sink], motion=FlowEstimation(flow, device=choose()))
    return sink.frames


def style_distance(
    frames: list[Frame], sources: list[Frame], perceptual_loss: PerceptualLoss | None
) -> float:
    """Style loss of every tenth frame against the painting."""
    if perceptual_loss is None:
        return float("nan")
    pairs = zip(frames[::EVERY], sources[::EVERY], strict=True)
    with torch.no_grad():
        losses = [
            perceptual_loss.style(*(upload(f.pixels, CPU)[None] for f in pair))["style"] for pair in pairs
        ]
    return torch.stack(losses).mean().item()


def compare(name: str, frames: list[Frame], flow: Path | str, options: argparse.Namespace) -> float:
    """Prints the table of one video; returns the share of warp error with all methods combined."""
    perceptual_loss = None
    if options.painting:
        plain = Recipe(style_weight=1, content_weight=1, brightness_weight=1, levels=1.0)
        perceptual_loss = PerceptualLoss(load_features(), plain, painting_for(options.painting, plain))
    print(f"\n{name}: {len(frames)} frames of {frames[0].pixels.shape[1]}x{frames[0].pixels.shape[0]}")
    print(f"{'':24}{'warp error':>12}{'share':>8}{'flicker':>9}{'sharpness':>11}{'style loss':>12}")
    alone: dict[str, float] = {}
    first = share = 0.0
    shown: dict[str, list[Frame]] = {"source": frames}
    for what, (style, effect) in measures(
        options.unsteady, options.style, options.inertia, options.steady
    ).items():
        results = stylized(frames, effect, options.blend_flow)
        found = evaluate_frames(
            MemorySource(frames), MemorySource(results), FlowEstimation(flow, size=LARGEST)
        )
        summary = found.summary
        error = max(summary["excess_warp_error"], 0.0)
        first = first or error
        sharp = summary["sharpness"] / alone.setdefault(style, summary["sharpness"])
        share = error / first
        print(
            f"{what:24}{255 * error**0.5:12.2f}{share:8.3f}{255 * summary['flicker']:9.2f}{sharp:11.3f}"
            f"{style_distance(results, frames, perceptual_loss):12.3f}",
            flush=True,
        )
        shown[what] = results
    if options.sheet:
        draw(shown, options.sheet.with_stem(f"{options.sheet.stem}_{Path(name).stem}"))
    return share


def draw(videos: dict[str, list[Frame]], path: Path) -> None:
    """Consecutive frames of each video, above four times the difference between them."""
    cells = []
    for name, frames in videos.items():
        middle = len(frames) // 2
        part = [frame.pixels for frame in frames[middle : middle + SHEET_FRAMES]]
        cells += [Cell(pixels, f"{name}, {middle + index}") for index, pixels in enumerate(part)]
        cells.append(Cell(np.zeros_like(part[0]), ""))
        cells += [
            Cell(np.clip(4 * cv2.absdiff(later, earlier).astype(int), 0, 255).astype(np.uint8), "4 x change")
            for earlier, later in pairwise(part)
        ]
    Image.fromarray(sheet(cells, SHEET_FRAMES, 320)).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", nargs="*", help="VIDEO or VIDEO@FIRST, with the number of the first frame")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--style", default="starry_night")
    parser.add_argument("--unsteady", default=str(ROOT / "benchmarks" / "starry_night_unsteady.safetensors"))
    parser.add_argument("--inertia", type=float, default=0.5)
    parser.add_argument("--steady", type=float, default=0.7)
    parser.add_argument("--blend-flow", default="fast", help="flow along which results are blended")
    parser.add_argument("--painting", type=Path, help="painting of both styles")
    parser.add_argument("--sheet", type=Path, help="PNG for consecutive frames and their differences")
    parser.add_argument("--flow", type=Path, help="folder with the clip's flow; by default it is rendered")
    options = parser.parse_args()
    shares = {}
    with tempfile.TemporaryDirectory() as temporary:
        if not options.videos:
            folder = options.flow or Path(temporary)
            if options.flow is None:
                subprocess.run([sys.executable, ROOT / "samples" / "make.py", "--flow", folder], check=True)
            frames = frames_of(ROOT / "samples" / "harbour.mp4", 0, options.frames)
            shares["harbour"] = compare("harbour", frames, folder, options)
        for video in options.videos:
            path, _, first = video.partition("@")
            frames = frames_of(Path(path), int(first or 0), options.frames)
            shares[Path(path).stem] = compare(path, frames, "medium", options)
    print()
    for name, share in shares.items():
        print(f"warp_error_{name}: {share:.3f}")


if __name__ == "__main__":
    main()
