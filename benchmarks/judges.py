"""Styles in the eyes of several networks: `python benchmarks/judges.py STYLE … --photos DIR --judge NAME …`.

Each style paints the first photographs of a folder. Printed for each judge, a feature network: the style loss
against the painting that the style was trained on (0 = the painting's, about 1 = unrelated), the content loss
(0 = the photograph, 1 = unrelated), and the style loss of the photographs themselves. The losses are those of
`streamstyle/losses.py`, each picture by itself, at the style's own stroke size. A style is the name of a
bundled one or a file; paintings are found by their hash in the folders of `--paintings` and in samples/.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from PIL import ImageOps

from streamstyle.losses import content_loss, style_loss, style_of
from streamstyle.styles import load_style
from streamstyle.training.bundled import find_painting
from streamstyle.training.data import painting_for, photograph_files, read_rgb, split, to_tensor
from streamstyle.training.recipe import recipe_from
from streamstyle.weights import load_features

SAMPLES = Path(__file__).parents[1] / "samples"
HELD_BACK, SIDE = 60, 256  # photographs held back from training, and the size of their middle squares


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("styles", nargs="+")
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--paintings", type=Path, nargs="*", default=[])
    parser.add_argument("--judge", nargs="+", default=["distilled"])
    parser.add_argument("--count", type=int, default=12, help="number of photographs")
    options = parser.parse_args()
    held_out = split(photograph_files(options.photos), HELD_BACK)[1][: options.count]
    photos = [to_tensor(ImageOps.fit(read_rgb(path), (SIDE, SIDE))) for path in held_out]
    judges = {Path(name).stem: load_features(name) for name in options.judge}
    for name in options.styles:
        loaded = load_style(name)
        recipe = recipe_from(json.loads(loaded.metadata["recipe"]), name)
        file = find_painting(loaded.metadata["painting_sha256"], (*options.paintings, SAMPLES))
        painting = painting_for(file, recipe)
        with torch.inference_mode():
            results = [loaded.network.eval()(photo) for photo in photos]
            for judge, network in judges.items():
                layers = {*network.style_layers, *network.content_layers}
                targets = {
                    layer: style_of(value) for layer, value in network(painting, network.style_layers).items()
                }
                rows = []
                for photo, result in zip(photos, results, strict=True):
                    before, after = network(photo, layers), network(result, layers)
                    content = content_loss(after, before, network.content_layers)
                    rows.append([style_loss(after, targets), content, style_loss(before, targets)])
                style, content, unpainted = np.mean(rows, axis=0)
                print(
                    f"{Path(name).stem:18} {judge:24} style {style:.3f} (photographs {unpainted:.3f})"
                    f"  content {content:.3f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
