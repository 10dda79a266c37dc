"""Draws over the image: the status line, the key help, messages, and the slate of a lost camera."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from streamstyle.apps.live.keys import KEYS
from streamstyle.video.scaling import letterboxed

WHITE, GRAY, RED = (245, 245, 245), (176, 180, 186), (235, 87, 87)
DARK = 0.36  # brightness of the background behind text
TEXT_SHARE = 1 / 30  # text height relative to the image height
MIN_TEXT, MAX_TEXT = 13, 30  # text height in pixels


def text_height(height: int) -> int:
    """Text height in pixels on an image of a given height."""
    return int(min(max(round(height * TEXT_SHARE), MIN_TEXT), MAX_TEXT))


@lru_cache(maxsize=32)
def font_of(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font that comes with Pillow."""
    return ImageFont.load_default(size)


def text_width(text: str, size: int) -> int:
    """Width of a text in pixels."""
    return int(np.ceil(font_of(size).getlength(text))) + 2


@lru_cache(maxsize=128)
def text_mask(text: str, size: int) -> np.ndarray:
    """A text as an (h, w) uint8 mask, 255 where it is opaque; h depends only on the size."""
    image = Image.new("L", (text_width(text, size), round(1.3 * size)))
    ImageDraw.Draw(image).text((1, round(0.08 * size)), text, fill=255, font=font_of(size))
    return np.asarray(image)


def draw_text(pixels: np.ndarray, text: str, left: int, top: int, size: int, color: Sequence[int]) -> int:
    """Draw a text onto (H, W, 3) uint8, clipped at the borders; returns its width in pixels."""
    mask = text_mask(text, size)
    x, y = max(left, 0), max(top, 0)
    part = pixels[y : max(top + mask.shape[0], 0), x : max(left + mask.shape[1], 0)]
    cover = mask[y - top :, x - left :][: part.shape[0], : part.shape[1], None] / np.float32(255)
    part[:] = np.rint(part * (1 - cover) + np.asarray(color, np.float32) * cover)
    return int(mask.shape[1])


def darken(pixels: np.ndarray, left: int, top: int, width: int, height: int) -> None:
    """Darken a rectangle of (H, W, 3) uint8, so that text on it is readable."""
    part = pixels[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
    if part.size:  # the rectangle may be outside of a small window
        part[:] = cv2.convertScaleAbs(part, alpha=DARK)


def shortened(text: str, size: int, width: int) -> str:
    """The text, truncated with … if it is wider than `width`."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(text + "…", size) > width:
        text = text[:-1]
    return text + "…"


def draw_status_line(
    pixels: np.ndarray, left: str, details: str, right: str, recording: str = "", note: str = ""
) -> None:
    """Draw a dark bar at the bottom: title and details at the left, figures at the right; a note above it."""
    height, width = pixels.shape[:2]
    size = text_height(height)
    bar = round(1.9 * size)
    top = height - bar
    darken(pixels, 0, top, width, bar)
    y, margin = top + round(0.3 * size), size
    edge = width - margin - text_width(right, size)
    if edge < width // 3:
        right, edge = "", width - margin
    draw_text(pixels, right, edge, y, size, GRAY)
    x = margin
    if recording:
        radius = round(0.3 * size)
        cv2.circle(pixels, (x + radius, top + bar // 2), radius, RED, -1, cv2.LINE_AA)
        x += 3 * radius
        x += draw_text(pixels, recording, x, y, size, WHITE) + size
    x += draw_text(pixels, shortened(left, size, max(edge - x - size, 0)), x, y, size, WHITE) + size
    draw_text(pixels, shortened(details, size, max(edge - x - size, 0)), x, y, size, GRAY)
    if note:
        note = shortened(note, size, width - 2 * margin)
        darken(pixels, 0, top - bar, text_width(note, size) + 2 * margin, bar)
        draw_text(pixels, note, margin, y - bar, size, GRAY)


def draw_message(pixels: np.ndarray, text: str) -> None:
    """Draw a message at the top center."""
    height, width = pixels.shape[:2]
    size = round(1.15 * text_height(height))
    text = shortened(text, size, width - 4 * size)
    across = text_width(text, size)
    left, top = (width - across) // 2, round(3 * size)  # below the labels of a split view
    darken(pixels, left - size, top - size // 3, across + 2 * size, round(2 * size))
    draw_text(pixels, text, left, top, size, WHITE)


def draw_split(result: np.ndarray, source: np.ndarray, left: int, right: int) -> None:
    """Draw the source over the left half of the image, which spans columns `left` to `right`."""
    middle = (left + right) // 2
    result[:, left:middle] = source[:, left:middle]
    cv2.line(result, (middle, 0), (middle, result.shape[0] - 1), WHITE, 2)
    size = text_height(result.shape[0])
    for text, x in (
        ("source", middle - size - text_width("source", size)),
        ("stylized", middle + size),
    ):
        across = text_width(text, size)
        darken(result, x - size // 2, size // 2, across + size, round(1.7 * size))
        draw_text(result, text, x, round(0.75 * size), size, WHITE)


def draw_help(pixels: np.ndarray) -> None:
    """Draw the key help in the center, in two columns."""
    height, width = pixels.shape[:2]
    size = text_height(height)
    while size > 9 and not help_fits(size, width, height):
        size -= 1
    step, column = round(1.55 * size), help_column(size)
    rows = -(-len(KEYS) // 2)
    across, down = 2 * column + 3 * size, (rows + 2) * step + size
    left, top = (width - across) // 2, (height - down) // 2
    darken(pixels, left, top, across, down)
    draw_text(pixels, "Keys", left + size, top + round(0.8 * size), size, WHITE)
    for number, key in enumerate(KEYS):
        x = left + size + (number // rows) * (column + size)
        y = top + round(0.8 * size) + (number % rows + 1) * step + size // 2
        draw_text(pixels, key.label, x, y, size, WHITE)
        draw_text(pixels, key.help, x + 5 * size, y, size, GRAY)


def draw_list(pixels: np.ndarray, title: str, names: Sequence[str], selected: int) -> None:
    """Draw a list at the left, with the selected name bright; of a long one, the part around it."""
    height, width = pixels.shape[:2]
    size = text_height(height)
    step = round(1.55 * size)
    rows = max(min((height - 6 * size) // step - 1, len(names)), 1)
    first = min(max(selected - rows // 2, 0), len(names) - rows)
    shown = names[first : first + rows]
    most = width - 4 * size
    across = min(max(text_width(text, size) for text in (title, *shown)), most)
    left, top = size, 2 * size
    darken(pixels, left, top, across + 2 * size, (rows + 1) * step + size)
    draw_text(pixels, shortened(title, size, most), left + size, top + size // 2, size, GRAY)
    for number, name in enumerate(shown):
        color = WHITE if first + number == selected else GRAY
        y = top + size // 2 + (number + 1) * step
        draw_text(pixels, shortened(name, size, most), left + size, y, size, color)


def help_column(size: int) -> int:
    """Width in pixels of a column of the help."""
    return 5 * size + max(text_width(key.help, size) for key in KEYS)


def help_fits(size: int, width: int, height: int) -> bool:
    """Whether the help at a text size fits on an image."""
    rows = -(-len(KEYS) // 2) + 2
    return 2 * help_column(size) + 3 * size <= width and rows * round(1.55 * size) + size <= height


def slate(size: tuple[int, int], title: str, lines: Sequence[str], behind: np.ndarray | None) -> np.ndarray:
    """A placeholder shown while there are no frames.

    Args:
        size: (width, height) in pixels.
        title: in large letters.
        lines: below it, smaller.
        behind: (H, W, 3) uint8, the last frame, shown faintly in the background; or None.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    width, height = size
    faint: np.ndarray = np.full((height, width), 26, np.uint8)
    if behind is not None:
        gray = cv2.cvtColor(cv2.blur(behind, (15, 15)), cv2.COLOR_RGB2GRAY)
        faint = cv2.convertScaleAbs(letterboxed(gray, width, height), alpha=0.2, beta=12)
    pixels = np.repeat(faint[..., None], 3, axis=2)
    small = text_height(height)
    y = height // 2 - (round(2.2 * small) + round(1.6 * small) * len(lines)) // 2
    for number, text in enumerate((title, *lines)):
        scale = round(1.7 * small) if number == 0 else small
        text = shortened(text, scale, width - 2 * small)
        x = (width - text_width(text, scale)) // 2
        draw_text(pixels, text, x, y, scale, GRAY if number else WHITE)
        y += round(1.6 * scale) + (small // 2 if number == 0 else 0)
    return pixels
