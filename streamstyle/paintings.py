"""Reads a style image: scaled to the size of its strokes, freed of grain, its tones stretched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter, ImageOps
from torch import Tensor

from streamstyle.errors import InputError
from streamstyle.images import read_image

PAINTING_SIDE = 640  # long side in pixels at which a painting has strokes of size 1
SMALLEST_PAINTING = 128  # shorter side in pixels; smaller paintings show no strokes to learn


def read_painting(
    path: Path,
    *,
    stroke_size: float = 1.0,
    part: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0),
    grain: int = 3,
    levels: float = 0.0,
) -> Tensor:
    """(1, 3, H, W) in [0, 1], RGB.

    Args:
        path: of the image.
        stroke_size: 1 = strokes as the painting has them at PAINTING_SIDE pixels on its long side.
        part: left, top, right and bottom of the part to read, as shares of its sides.
        grain: side in pixels, odd, of the median filter that removes canvas, print and JPEG; 1 = none.
        levels: percent of the pixels that become black at the dark end and white at the light end.

    Raises:
        InputError: it cannot be read, or its shorter side is below SMALLEST_PAINTING pixels.
    """
    whole = Image.fromarray(read_image(path).on_white())
    left, right = (round(share * whole.width) for share in part[::2])
    top, bottom = (round(share * whole.height) for share in part[1::2])
    image = whole.crop((left, top, right, bottom))
    if min(image.size) < SMALLEST_PAINTING:
        raise InputError(
            f"{path}: the painting is {image.width}x{image.height} pixels; "
            f"its shorter side must have at least {SMALLEST_PAINTING}"
        )
    scale = PAINTING_SIDE * stroke_size / max(whole.size)
    width, height = (max(64, round(side * scale)) for side in image.size)
    scaled = image.resize((width, height), Image.Resampling.LANCZOS)
    clean = scaled.filter(ImageFilter.MedianFilter(grain)) if grain > 1 else scaled
    if levels:
        clean = ImageOps.autocontrast(clean, levels, preserve_tone=True)
    return torch.from_numpy(np.array(clean)).permute(2, 0, 1)[None].float() / 255
