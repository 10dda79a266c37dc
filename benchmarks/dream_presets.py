"""Every dream preset on some photographs: `python benchmarks/dream_presets.py PHOTO … -o sheet.png`.

One row for each preset, and above them the photographs. Printed for each preset: mean and least of the
cosine between the luma gradients of photograph and dream, both blurred by BLUR pixels: 1 = every edge is
where it was, 0 = nothing of the photograph is left.

The last line is `least_left: N`, over all presets and photographs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from streamstyle.device import choose, download, upload
from streamstyle.effects import DreamSettings
from streamstyle.frames import Moment
from streamstyle.jobs.build import open_effect
from streamstyle.options import bundled_presets, load_preset, make_settings
from streamstyle.training.data import read_rgb

SIDE = 384  # longer side of the photographs, in pixels
BLUR = 1.5  # standard deviation in pixels


def photograph(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB with SIDE pixels on the longer side."""
    image = read_rgb(path)
    scale = SIDE / max(image.size)
    width, height = (round(side * scale) for side in image.size)
    return np.array(image.resize((width, height), Image.Resampling.LANCZOS))


def edges(pixels: np.ndarray) -> np.ndarray:
    """The gradient of the blurred luma, (2, H, W)."""
    luma = cv2.GaussianBlur(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), BLUR)
    return np.stack(np.gradient(luma))


def left(photo: np.ndarray, dream: np.ndarray) -> float:
    """The cosine between the edges of both."""
    one, other = edges(photo).ravel(), edges(dream).ravel()
    return float(one @ other / np.sqrt((one @ one) * (other @ other)))


def dreamed(photo: np.ndarray, values: dict[str, object]) -> np.ndarray:
    """The photograph with a preset's dream."""
    settings = make_settings({**values, "device": "cpu"}, DreamSettings)
    with open_effect(settings, "image") as effect:
        return download(effect(upload(photo, choose("cpu")), Moment(0, 0.0, cut=True)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True, help="sheet to write, .png")
    parser.add_argument("--presets", nargs="+", help="by default all")
    parser.add_argument("--depth", type=float, help="instead of that of the preset")
    options = parser.parse_args()
    photos = [photograph(path) for path in options.photos]
    rows, least = [photos], 1.0
    for name in options.presets or bundled_presets(DreamSettings):
        values = dict(load_preset(name, DreamSettings))
        if options.depth is not None:
            values["depth"] = options.depth
        dreams = [dreamed(photo, values) for photo in photos]
        shares = [left(photo, dream) for photo, dream in zip(photos, dreams, strict=True)]
        print(f"{name:<10} {np.mean(shares):.2f} {min(shares):.2f}", flush=True)
        rows.append(dreams)
        least = min(least, *shares)
    height, width = (max(image.shape[side] for image in photos) for side in (0, 1))
    sheet = Image.new("RGB", (width * len(photos), height * len(rows)), "white")
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            sheet.paste(Image.fromarray(image), (x * width, y * height))
    sheet.save(options.output)
    print(f"least_left: {least:.2f}")


if __name__ == "__main__":
    main()
