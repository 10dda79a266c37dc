"""Style transfer by optimization: images with their loss curves, and a video with and without warm start.

    python benchmarks/transfer.py PAINTING [PAINTING ...] [--photo P ...] [--video F] -o sheet.png

The style of every painting is transferred to every photograph (by default a sample image), and the losses of
the last size are plotted over its steps on a logarithmic scale. The first frames of the video (by default the
sample clip, 320 pixels wide) are stylized with the first painting in three ways: frame by frame, with warm
start from the previous result, and with temporal loss as well. Reported for each: excess warp error beyond
the source's (mean squared, and as a share of frame by frame), and milliseconds a frame.

The last line is the remaining share of the warp error.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from streamstyle.contact_sheet import Cell, sheet
from streamstyle.device import choose, download, upload
from streamstyle.effects.transfer.effect import Transfer
from streamstyle.effects.transfer.loss import Optimization
from streamstyle.evaluation import evaluate_frames
from streamstyle.frames import Frame, Moment, OptimizationStep
from streamstyle.keyframes import keyframes_of
from streamstyle.optical_flow import FlowEstimation
from streamstyle.pipeline import run
from streamstyle.sinks.memory import MemorySink
from streamstyle.sources import ReadOptions, first_frame, open_source
from streamstyle.sources.memory import MemorySource
from streamstyle.training import Recipe
from streamstyle.training.data import painting_for

ROOT = Path(__file__).parents[1]
SIDE = 320  # pixels, of the video
COLORS = {"style": "#c0392b", "content": "#2471a3", "variation": "#7d8a2e"}
WAYS = {
    "frame by frame": None,
    "warm start": Optimization(temporal_weight=0.0),
    "and temporal loss": Optimization(),
}


def curves(steps: list[OptimizationStep], size: tuple[int, int]) -> np.ndarray:
    """The losses of the last size over its steps, from 0.001 to 10."""
    page = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(page)
    last = [step for step in steps if step.size == steps[-1].size]
    for power in (-2, -1, 0):
        y = size[1] * (1 - (power + 3) / 4)
        draw.line((0, y, size[0], y), fill="#dddddd")
        draw.text((2, y - 11), f"{10.0**power:g}", fill="#888888")
    for number, (name, color) in enumerate(COLORS.items()):
        values = np.log10(np.clip([step.losses[name] for step in last], 1e-3, 10))
        x = np.linspace(0, size[0] - 1, len(values))
        draw.line(list(zip(x, size[1] * (1 - (values + 3) / 4), strict=True)), fill=color, width=2)
        draw.text((size[0] - 70, 6 + 12 * number), name, fill=color)
    return np.asarray(page)


def pictures(paintings: list[Path], photos: list[Path], side: int) -> list[Cell]:
    """Each photograph in the style of each painting, above the loss curves."""
    cells, plots = [], []
    for path in paintings:
        painting = painting_for(path, Recipe())[0]
        for photo in photos:
            steps: list[OptimizationStep] = []
            effect = Transfer(keyframes_of("a"), {"a": painting}, on_step=steps.append)
            begin = time.perf_counter()
            image = upload(first_frame(photo, max_size=side).pixels, effect.device)
            pixels = download(effect(image, Moment(0, 0.0)))
            seconds = time.perf_counter() - begin
            name = f"{path.stem} on {photo.stem}"
            whole = [sum(step.losses.values()) for step in steps if step.size == steps[-1].size]
            print(
                f"{name:60}{seconds:7.1f} s{len(steps):5} steps, {whole[0]:.3f} to {whole[-1]:.3f}, "
                + ", ".join(f"{part} {value:.3f}" for part, value in steps[-1].losses.items()),
                flush=True,
            )
            cells.append(Cell(pixels, name))
            plots.append(Cell(curves(steps, (pixels.shape[1], pixels.shape[0])), "losses of the last size"))
    columns = len(photos)
    rows = range(0, len(cells), columns)
    return [cell for row in rows for cell in (*cells[row : row + columns], *plots[row : row + columns])]


def video_ways(video: Path, painting: Path, count: int) -> tuple[float, list[Cell]]:
    """Prints the table; returns the remaining share of the warp error, and some frames."""
    with open_source(video, ReadOptions(max_size=SIDE)) as source:
        taken = list(islice((item for item in source if isinstance(item, Frame)), count))
    frames = [replace(frame, reset=index == 0) for index, frame in enumerate(taken)]
    print(f"\n{video.name}: {count} frames\n{'':22}{'warp error':>11}{'share':>8}{'ms':>8}")
    base, share, cells = 0.0, 0.0, []
    picture = painting_for(painting, Recipe())[0]
    for way, how in WAYS.items():
        effect, sink = Transfer(keyframes_of("a"), {"a": picture}, how), MemorySink()
        begin = time.perf_counter()
        motion = None if how is None else FlowEstimation("medium", device=choose())
        run(MemorySource(frames), effect, [sink], motion=motion)
        ms = 1000 * (time.perf_counter() - begin) / count
        found = evaluate_frames(MemorySource(frames), MemorySource(sink.frames), FlowEstimation("medium"))
        error = found.summary["excess_warp_error"]
        base = base or error
        share = error / base
        print(f"{way:22}{error:11.4f}{share:8.3f}{ms:8.0f}", flush=True)
        places = np.linspace(0, count - 1, 4).round().astype(int)
        cells += [Cell(sink.frames[place].pixels, f"{way}, {place}") for place in places]
    return share, cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paintings", nargs="+", type=Path)
    parser.add_argument("--photo", dest="photos", nargs="+", type=Path)
    parser.add_argument("--video", type=Path, default=ROOT / "samples" / "harbour.mp4")
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--side", type=int, default=512, help="longer side of the photographs")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        help="sheet to write; that of the video is written next to it",
    )
    options = parser.parse_args()
    photos = options.photos or [ROOT / "samples" / "lighthouse.png"]
    cells = pictures(options.paintings, photos, options.side)
    Image.fromarray(sheet(cells, len(photos), options.side)).save(options.output)
    share, stills = video_ways(options.video, options.paintings[0], options.frames)
    Image.fromarray(sheet(stills, 4, SIDE)).save(options.output.with_stem(options.output.stem + "_video"))
    print(f"\ntransfer_warp_error: {share:.3f}")


if __name__ == "__main__":
    main()
