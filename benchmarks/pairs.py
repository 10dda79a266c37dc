"""`train --pair` beside `transfer` of each frame: `python benchmarks/pairs.py PAINTING VIDEO … -o DIR`.

From each video's beginning, PAIRS frames taken evenly are painted by `transfer`, instead of by an artist.
From them a style is trained in some minutes, and the video is stylized with it. Beside it the video is
painted by `transfer`, each frame from the one before. Printed for both: the style loss against the painting,
mean of every tenth frame (that of the video itself is about 1), and the warp error that `evaluate` measures.
DIR keeps the videos, the painted frames, which are used again, and a sheet for each: source, transfer and the
trained style at four times.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from streamstyle.frames import Frame
from streamstyle.losses import style_loss, style_of
from streamstyle.paintings import read_painting
from streamstyle.sources import ReadOptions, open_source
from streamstyle.weights import load_features

PAIRS = 5
SIDE = 320  # longer side of the videos, in pixels
SHOWN = 4


def run(*words: object) -> str:
    """The output of a streamstyle command, which is printed with its time."""
    begin = time.monotonic()
    command = [sys.executable, "-m", "streamstyle", *map(str, words)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    print(f"{words[0]}: {time.monotonic() - begin:.0f} s", flush=True)
    return done.stdout


def frames_of(video: Path, seconds: float) -> list[np.ndarray]:
    """Its frames, (H, W, 3) uint8, from the beginning."""
    with open_source(video, ReadOptions(max_size=SIDE, length=seconds)) as source:
        return [item.pixels for item in source if isinstance(item, Frame)]


def style_losses(painting: Path, frames: list[np.ndarray]) -> float:
    """The mean style loss of every tenth frame."""
    network = load_features("distilled")
    with torch.inference_mode():
        found = network(read_painting(painting), network.style_layers)
        targets = {name: style_of(value) for name, value in found.items()}
        images = (torch.from_numpy(frame).permute(2, 0, 1)[None] / 255 for frame in frames[::10])
        losses = [float(style_loss(network(image, network.style_layers), targets)) for image in images]
    return float(np.mean(losses))


def painted_pairs(painting: Path, frames: list[np.ndarray], folder: Path) -> list[object]:
    """Words of the command line: frames, and what `transfer` makes of them."""
    words: list[object] = []
    for index in np.linspace(0, len(frames) - 1, PAIRS).round().astype(int):
        frame, painted = folder / f"frame_{index}.png", folder / f"painted_{index}.png"
        Image.fromarray(frames[index]).save(frame)
        if not painted.exists():
            run("transfer", frame, painting, painted)
        words += ["--pair", frame, painted]
    return words


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("painting", type=Path)
    parser.add_argument("videos", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each video")
    parser.add_argument("--steps", type=int, default=800, help="of training")
    options = parser.parse_args()
    for video in options.videos:
        folder = options.output / video.stem
        folder.mkdir(parents=True, exist_ok=True)
        frames = frames_of(video, options.seconds)
        style = folder / "style.safetensors"
        pairs = painted_pairs(options.painting, frames, folder)
        run("train", *pairs, "-o", style, "--steps", options.steps, "-y")
        common = ("--max-size", SIDE, "-t", options.seconds, "-y")
        run("stylize", video, folder / "pairs.mp4", "--style", style, *common)
        run("transfer", video, options.painting, folder / "transfer.mp4", *common)
        rows = [frames]
        print(f"{video.name}: source: style loss {style_losses(options.painting, frames):.3f}")
        for name in ("transfer", "pairs"):
            result = folder / f"{name}.mp4"
            rows.append(frames_of(result, options.seconds))
            measured = json.loads(run("evaluate", video, result, "-t", options.seconds, "--json"))
            print(f"{video.name}: {name}: style loss {style_losses(options.painting, rows[-1]):.3f}")
            print(f"  {json.dumps(measured['summary'])}", flush=True)
        shown = np.linspace(0, len(frames) - 1, SHOWN).round().astype(int)
        sheet = np.concatenate([np.concatenate([row[index] for index in shown], axis=1) for row in rows])
        Image.fromarray(sheet).save(folder / "sheet.png")


if __name__ == "__main__":
    main()
