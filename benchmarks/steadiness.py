"""How steady styles are without any help: `python benchmarks/steadiness.py STYLE [STYLE ...]`.

Each frame of the sample clip is painted by itself. The clip's flow is exact, and so is where it holds: both
are rendered, not estimated. Reported for each style, a mean over the clip: the change along the motion beyond
what the source changes (`evaluate.warp_error`), as root of the mean square in units of 1/255; sharpness, the
mean square difference of neighbouring pixels as a share of the source's; and how far the painting is, by
the style loss, where `--painting` names one.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from streamstyle.device import upload
from streamstyle.effects import Style
from streamstyle.evaluate import warp_error
from streamstyle.flow import read_flow
from streamstyle.losses import total_variation
from streamstyle.sources import open_source
from streamstyle.stream import Frame, Moment
from streamstyle.train import Recipe, read_painting
from streamstyle.train.contents import to_tensor
from streamstyle.train.judge import Judge
from streamstyle.weights import load_features

ROOT = Path(__file__).parents[1]
CPU = torch.device("cpu")


def frames_of(clip: Path) -> list[Tensor]:
    """The frames, (1, 3, H, W) in [0, 1]."""
    with open_source(clip) as source:
        return [upload(item.pixels, CPU)[None] for item in source if isinstance(item, Frame)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("styles", nargs="+", help="bundled names or weights files")
    parser.add_argument("--painting", type=Path, help="the painting of all of them")
    parser.add_argument("--flow", type=Path, help="folder with the clip's flow; rendered anew by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.flow or Path(temporary)
        if options.flow is None:
            subprocess.run([sys.executable, ROOT / "samples" / "make.py", "--flow", folder], check=True)
        flows = [read_flow(path)[None] for path in sorted(folder.glob("*.flo"))]
        masks = [to_tensor(Image.open(path).convert("RGB"))[:, :1] for path in sorted(folder.glob("*.png"))]
    sources = frames_of(ROOT / "samples" / "harbour.mp4")
    judge = None
    if options.painting:
        plain = Recipe(style_weight=1, content_weight=1, brightness_weight=1)
        judge = Judge(load_features(), plain, read_painting(options.painting, plain))
    print(f"{'style':32}{'warp error':>12}{'sharpness':>12}{'style loss':>12}")
    for name in options.styles:
        effect = Style(name, device="cpu")
        results = [effect(frame[0], Moment(index, index / 24))[None] for index, frame in enumerate(sources)]
        errors = [
            warp_error((sources[t - 1], sources[t]), (results[t - 1], results[t]), flows[t - 1], masks[t - 1])
            for t in range(1, len(sources))
        ]
        error = 255 * max(sum(errors) / len(errors), 0) ** 0.5
        sharpness = sum(total_variation(result).item() for result in results)
        sharpness /= sum(total_variation(source).item() for source in sources)
        style = float("nan")
        if judge is not None:
            with torch.no_grad():
                losses = [
                    judge.style(r, s)["style"] for r, s in zip(results[::10], sources[::10], strict=True)
                ]
            style = torch.stack(losses).mean().item()
        print(f"{Path(name).stem:32}{error:12.2f}{sharpness:12.3f}{style:12.3f}", flush=True)


if __name__ == "__main__":
    main()
