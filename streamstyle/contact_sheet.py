"""Contact sheets: a grid of captioned images as one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

GAP = 4  # pixels between cells
TEXT = 15  # pixels, font size of captions
CAPTION = TEXT + 9  # pixels below each image


@dataclass(frozen=True)
class Cell:
    """An image, (H, W, 3) uint8 RGB, and the caption below it."""

    pixels: np.ndarray
    caption: str


def sheet(cells: Sequence[Cell], columns: int, side: int = 480) -> np.ndarray:
    """A grid of images, row by row.

    Args:
        cells: images and captions.
        columns: number of images in a row.
        side: longest side of an image on the sheet, in pixels; larger images are scaled down.

    Returns:
        (H, W, 3) uint8, RGB.
    """
    images = [fitted(cell.pixels, side) for cell in cells]
    width = max(image.width for image in images) + GAP
    height = max(image.height for image in images) + GAP + CAPTION
    columns = min(columns, len(cells))
    rows = -(-len(cells) // columns)
    page = Image.new("RGB", (columns * width + GAP, rows * height + GAP), "white")
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(TEXT)
    for index, (cell, image) in enumerate(zip(cells, images, strict=True)):
        left, top = GAP + index % columns * width, GAP + index // columns * height
        page.paste(image, (left, top))
        caption = shortened(cell.caption, width - GAP - 4, font)
        draw.text((left + 2, top + image.height + 3), caption, fill="black", font=font)
    return np.asarray(page)


def fitted(pixels: np.ndarray, side: int) -> Image.Image:
    """The image, scaled down to at most `side` pixels along its longer side."""
    image = Image.fromarray(pixels)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return image


def shortened(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The text, or as much of its end as fits into `width` pixels, since file names differ at the end."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength("…" + text) > width:
        text = text[1:]
    return "…" + text
