"""Letterbox and pillarbox bars: found at the borders of an image, kept over time, and left as they are.

An effect must not see them: edges would draw strokes along them, and black would darken its statistics. It is
given the picture alone, mirrored into the bars.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from streamstyle.pictures import Bars, Picture

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
class Lines:
    """The lines of a picture along two opposite borders.

    Attributes:
        picture: on the host or on a device.
        upright: columns from the left; else rows from the top.
        begin, end: the part of each line that is looked at, in pixels.
    """

    picture: Picture
    upright: bool
    begin: int
    end: int

    def __len__(self) -> int:
        return self.picture.size[self.upright]

    def __getitem__(self, lines: slice) -> Tensor:
        """(3, lines, samples) RGB in [0, 1]."""
        part = slice(self.begin, self.end, max(1, (self.end - self.begin) // SAMPLES))
        if self.upright:
            return torch.as_tensor(self.picture.sampled(part, lines)).permute(2, 1, 0)
        return torch.as_tensor(self.picture.sampled(lines, part)).permute(2, 0, 1)


def find_bars(picture: Picture, known: Bars | None = None, cut: bool = False) -> Bars:
    """The bars of a picture.

    Bars are lines of one color at opposite borders, at the same color, that end at an edge of the picture. As
    the picture may be dark too, or subtitles may be in a bar, bars that are known remain as long as they can
    still be there; they grow only by the same width at both borders, as where the format changes.

    Args:
        picture: on the host or on a device.
        known: the bars of the picture before.
        cut: the picture does not continue the one before; then only dark bars remain, as others may be the
            paper of something else.
    """
    height, width = picture.size
    top, bottom = opposite(Lines(picture, False, 0, width))
    found = Bars(top, bottom, *opposite(Lines(picture, True, top, height - bottom)))
    if not known or not remain(picture, known, DARK if cut else 1.0):
        return found
    top, bottom = grown((known.top, known.bottom), (found.top, found.bottom))
    left, right = grown((known.left, known.right), (found.left, found.right))
    return Bars(top, bottom, left, right)


def opposite(lines: Lines) -> tuple[int, int]:
    """How many lines the bars at both ends have, or zeros."""
    length = len(lines)
    most, least = int(length * WIDEST), max(2, round(length * NARROWEST))
    if most < least:
        return 0, 0
    first = lines[:1]
    color = first.median(dim=2, keepdim=True).values
    if not bool((torch.cat((first, lines[length - 1 :]), dim=1) - color).abs().amax() <= TOLERANCE):
        return 0, 0
    top, top_ends = bar(lines[: most + 1] - color, length)
    bottom, bottom_ends = bar(lines[length - most - 1 :].flip(1) - color, length)
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


def remain(picture: Picture, bars: Bars, brightest: float) -> bool:
    """Whether the bars can still be there: they have one color, though something may cover a part of them.

    Args:
        brightest: value that a channel of that color may have.
    """
    height, width = picture.size
    for first, last, lines in (
        (bars.top, bars.bottom, Lines(picture, False, 0, width)),
        (bars.left, bars.right, Lines(picture, True, bars.top, height - bars.bottom)),
    ):
        if not first + last:
            continue
        if first + last >= len(lines):
            return False
        parts = [part.flatten(1) for part in (lines[:first], lines[len(lines) - last :])]
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
