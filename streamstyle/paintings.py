"""Reads style images: cropped, scaled to a stroke size, with grain removed and contrast stretched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image, ImageOps

from streamstyle.errors import InputError
from streamstyle.images import read_image

if TYPE_CHECKING:
    from torch import Tensor

PAINTING_SIDE = 640  # longer side in pixels at which a painting's strokes have size 1
SMALLEST_PAINTING = 128  # shorter side in pixels; smaller paintings have no visible strokes to learn

PLAIN = 3  # of 255: colors that differ by no more than this are one, as artifacts of JPEG do


def read_painting(
    path: Path,
    *,
    stroke_size: float = 1.0,
    part: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0),
    grain: int = 3,
    levels: float = 0.0,
) -> Tensor:
    """Reads a style image as (1, 3, H, W) RGB in [0, 1].

    Args:
        path: of the image.
        stroke_size, part, grain, levels: as for `painting_image`.

    Raises:
        InputError: as `painting_image`.
    """
    image = painting_image(path, stroke_size=stroke_size, part=part, grain=grain, levels=levels)
    return painting_tensor(np.array(image))


def painting_tensor(pixels: np.ndarray) -> Tensor:
    """(1, 3, H, W) RGB in [0, 1] from (H, W, 3) uint8 RGB."""
    import torch  # here, as the page reads images in processes with too little memory for it

    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255


def painting_image(
    path: Path,
    *,
    stroke_size: float = 1.0,
    part: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0),
    grain: int = 3,
    levels: float = 0.0,
) -> Image.Image:
    """Reads a style image, RGB.

    Args:
        path: of the image.
        stroke_size: 1 = scale the painting to PAINTING_SIDE pixels on its longer side.
        part: left, top, right and bottom of the crop, as fractions of the image's sides.
        grain: size in pixels, odd, of the median filter that removes canvas texture, print dots and JPEG
            artifacts; 1 = no filter.
        levels: percent of the pixels clipped to black and to white when the contrast is stretched.

    Raises:
        InputError: the image cannot be read, the crop's shorter side is below SMALLEST_PAINTING pixels, or it
            has one color only.
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
    # OpenCV gives the bytes of Pillow's median filter in a fraction of the time.
    clean = Image.fromarray(cv2.medianBlur(np.asarray(scaled), grain)) if grain > 1 else scaled
    if np.ptp(np.asarray(clean), axis=(0, 1)).max() <= PLAIN:
        raise InputError(f"{path}: the painting has one color only, so there is no style to learn from it")
    if levels:
        clean = ImageOps.autocontrast(clean, levels, preserve_tone=True)
    return clean
