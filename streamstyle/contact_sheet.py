"""Images side by side with their names, as one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

GAP = 4  # pixels between cells
TEXT = 15  # pixels, the height of captions
CAPTION = TEXT + 9  # pixels below each image


@dataclass(frozen=True)
class Cell:
    """An image, (H, W, 3) uint8 RGB, and what is written below it."""

    pixels: np.ndarray
    caption: str


def sheet(cells: Sequence[Cell], columns: int, side: int = 480) -> np.ndarray:
    """A grid of images, row by row.

    Args:
        cells: what to show.
        columns: images in a row.
        side: longest side of an image on the sheet, in pixels; larger ones are reduced.

    Returns:
        (H, W, 3) uint8, RGB.
    """
    pictures = [fitted(cell.pixels, side) for cell in cells]
    width = max(picture.width for picture in pictures) + GAP
    height = max(picture.height for picture in pictures) + GAP + CAPTION
    columns = min(columns, len(cells))
    rows = -(-len(cells) // columns)
    page = Image.new("RGB", (columns * width + GAP, rows * height + GAP), "white")
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(TEXT)
    for index, (cell, picture) in enumerate(zip(cells, pictures, strict=True)):
        left, top = GAP + index % columns * width, GAP + index // columns * height
        page.paste(picture, (left, top))
        caption = shortened(cell.caption, width - GAP - 4, font)
        draw.text((left + 2, top + picture.height + 3), caption, fill="black", font=font)
    return np.asarray(page)


def fitted(pixels: np.ndarray, side: int) -> Image.Image:
    """An image of at most `side` pixels along its longer side."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return picture


def shortened(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The text, or as much of its end as fits into `width` pixels: file names differ there."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength("…" + text) > width:
        text = text[1:]
    return "…" + text
