"""Letterbox and pillarbox bars: found at the borders of an image, kept over time, and left as they are.

An effect must not see them: edges would draw strokes along them, and black would darken its statistics. It is
given the picture alone, mirrored into the bars.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

TOLERANCE = 6 / 255  # of a channel; coding changes a plain color by up to 4 levels
RINGING = 8  # pixels, a block of most codecs: so far, coding may disturb a bar at the edge of the picture
NARROWEST = 0.01  # share of the side, and at least 2 pixels: what is narrower is no bar
WIDEST = 0.4  # share of the side that each bar may take
EDGE = 0.05  # share of the side, and at least 8 pixels: so much after a bar must differ from it …
DIFFERENT = 0.5  # … in this share of its pixels, and at once. Things on white paper have no such edge
UNEVEN = 1.5  # the wider of two bars relative to the other
DARK = 32 / 255  # of a channel; limited range that is taken for full has its black at 16
COVERED = 0.25  # share of a known bar that may be covered, as by subtitles
SAMPLES = 512  # pixels along a line that are compared


@dataclass(frozen=True, slots=True)
class Bars:
    """Widths of the bars at the four borders, in pixels; 0 for none."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0

    def __bool__(self) -> bool:
        return self != Bars()

    def filled(self, image: Tensor) -> Tensor:
        """(3, H, W) with the picture mirrored into the bars."""
        height, width = image.shape[1:]
        if self.top or self.bottom:
            image = image[:, mirrored(height, self.top, self.bottom, image.device)]
        if self.left or self.right:
            image = image[:, :, mirrored(width, self.left, self.right, image.device)]
        return image

    def kept(self, image: Tensor, result: Tensor) -> Tensor:
        """The result with the bars of the image."""
        height, width = image.shape[1:]
        inside = slice(self.top, height - self.bottom), slice(self.left, width - self.right)
        whole = image.to(result.dtype, copy=True)
        whole[:, *inside] = result[:, *inside]
        return whole


def find_bars(image: Tensor, known: Bars | None = None, cut: bool = False) -> Bars:
    """The bars of an image (3, H, W) in [0, 1].

    Bars are lines of one color at opposite borders, at the same color, that end at an edge of the picture. As
    the picture may be dark too, or subtitles may be in a bar, bars that are known remain as long as they can
    still be there; they grow only by the same width at both borders, as where the format changes.

    Args:
        known: the bars of the image before.
        cut: the image does not continue the one before; then only dark bars remain, as others may be the
            paper of something else.
    """
    found = Bars(*opposite(image), *opposite(image.transpose(1, 2)))
    if found.top + found.bottom:
        height = image.shape[1]
        found = Bars(
            found.top,
            found.bottom,
            *opposite(image[:, found.top : height - found.bottom].transpose(1, 2)),
        )
    if not known or not remain(image, known, DARK if cut else 1.0):
        return found
    top, bottom = grown((known.top, known.bottom), (found.top, found.bottom))
    left, right = grown((known.left, known.right), (found.left, found.right))
    return Bars(top, bottom, left, right)


def opposite(image: Tensor) -> tuple[int, int]:
    """The heights of the bars at top and bottom, or zeros."""
    height, width = image.shape[1:]
    most, least = int(height * WIDEST), max(2, round(height * NARROWEST))
    if most < least:
        return 0, 0
    step = max(1, width // SAMPLES)
    color = image[:, 0, ::step].median(dim=1).values[:, None, None]
    if not bool((image[:, :: height - 1, ::step] - color).abs().amax() <= TOLERANCE):
        return 0, 0
    top, top_ends = bar(image[:, : most + 1, ::step] - color, height)
    bottom, bottom_ends = bar(image[:, height - most - 1 :, ::step].flip(1) - color, height)
    if not top_ends and not bottom_ends:
        return 0, 0
    # At a dark edge of the picture a bar seems wider; then the other one tells its width.
    narrow = min(top, bottom)
    if not (top_ends and bottom_ends) or max(top, bottom) > UNEVEN * narrow:
        top = bottom = narrow
    return (top, bottom) if min(top, bottom) >= least else (0, 0)


def bar(difference: Tensor, height: int) -> tuple[int, bool]:
    """How many of the first lines are a bar, and whether the picture's edge follows.

    Args:
        difference: (3, h, W), what differs from the color of the bar.
        height: of the whole image.
    """
    off = difference.abs().amax(dim=0)
    plain = off.amax(dim=1) <= TOLERANCE
    lines = int(plain.cumprod(0).sum())
    if lines == len(off):
        return 0, False
    for line in range(lines, min(lines + RINGING, len(off) - 1)):
        if float(off[line].mean()) > TOLERANCE:
            break
        lines = line + 1
    after = off[lines : lines + max(8, round(height * EDGE))]
    shares = (after > TOLERANCE).float().mean(dim=1)
    # The first line may be half bar, half picture.
    ends = float(torch.minimum(shares[:2].amax(), shares.mean())) >= DIFFERENT
    return lines, ends


def remain(image: Tensor, bars: Bars, brightest: float) -> bool:
    """Whether the bars can still be there: they have one color, though something may cover a part of them.

    Args:
        brightest: value that a channel of that color may have.
    """
    height = image.shape[1]
    for first, last, side in (
        (bars.top, bars.bottom, image),
        (bars.left, bars.right, image[:, bars.top : height - bars.bottom].transpose(1, 2)),
    ):
        if not first + last:
            continue
        if first + last >= side.shape[1]:
            return False
        step = max(1, side.shape[2] // SAMPLES)
        parts = [p[..., ::step].flatten(1) for p in (side[:, :first], side[:, side.shape[1] - last :])]
        color = torch.cat(parts, dim=1).median(dim=1).values[:, None]
        if float(color.amax()) > brightest:
            return False
        if any(float(((p - color).abs().amax(dim=0) > TOLERANCE).float().mean()) > COVERED for p in parts):
            return False
    return True


def grown(known: tuple[int, int], found: tuple[int, int]) -> tuple[int, int]:
    """The known widths, or the found ones if both are wider by the same amount."""
    more = found[0] - known[0], found[1] - known[1]
    return found if min(more) > 0 and abs(more[0] - more[1]) <= 2 else known


def mirrored(length: int, before: int, after: int, device: torch.device) -> Tensor:
    """Indices of `length` lines, of which some before and after are replaced by those inside, mirrored."""
    inside = length - before - after
    places = torch.arange(length, device=device) - before
    period = max(2 * inside - 2, 1)
    places = places % period
    return before + torch.minimum(places, period - places)
