"""Draws on the results of a style network: outlines where its painting has lines, and calm flat areas.

Networks that learn from style losses alone leave out lines, as thin ones count little, and repeat one mark
where a photograph is flat. A network that imitates results that are drawn on learns both.

Reference: lines from differences of Gaussians, averaged along the edges, after Kang, Lee and Chui (2007),
Coherent line drawing; He, Sun and Tang (2010), Guided image filtering.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from streamstyle.effects.resizing import blurred
from streamstyle.losses import luma
from streamstyle.optical_flow import warp

# All lengths are in pixels.
THIN, WIDE = 1.1, 1.76  # deviations of the two Gaussians; their ratio is that of Kang et al.
ALONG, STEPS = 3.0, 5  # deviation of the average along an edge, and its reach in steps of a pixel
CONTRAST, SURROUNDINGS, LEAST_CONTRAST = 0.2, 8.0, 0.07  # lines are found in dark places, too
THRESHOLD, STEEPNESS = 0.006, 70.0  # of the difference of Gaussians
INK = 0.8  # how much of the color a full line takes away
GUIDED, EPSILON = 14, 5e-4  # radius and regularization of the guided filter
FLAT, ACTIVE = 0.01, 0.06  # deviation of luma within CALM, where a photograph is flat, and where it is not
CALM, LEFT = 4.0, 0.25  # LEFT: share of the marks that flat areas keep
SHARPENED = 0.6
FEWEST, MOST = 0.06, 0.20  # strength of a painting's dark lines for no lines and for full ones


def drawn(results: Tensor, photos: Tensor, amounts: Tensor) -> Tensor:
    """Results with outlines of what the photographs show, and with fewer marks where these are flat.

    Args:
        results, photos: (N, 3, H, W) in [0, 1], at least 64 pixels high and wide.
        amounts: (N,), of outlines, 0 to 1; see `amount_of_lines`.

    Returns:
        (N, 3, H, W) in [0, 1].
    """
    gray = luma(photos)
    smooth = guided(gray, guided(gray, results))
    active = ((deviation(gray, CALM) - FLAT) / (ACTIVE - FLAT)).clamp(0, 1)
    marks = (LEFT + (1 - LEFT) * active) * (results - smooth)
    painted = smooth + marks
    painted = (painted + SHARPENED * (painted - blurred(painted, 2.0))).clamp(0, 1)
    ink = 0.35 * painted.square()  # darker, and of the same hue
    strength = amounts[:, None, None, None] * INK * (1.3 * outlines(gray)).clamp(0, 1)
    return torch.lerp(painted, ink, strength)


def outlines(gray: Tensor) -> Tensor:
    """(N, 1, H, W) in [0, 1] to the same shape: 1 = on a line, 0 = on none."""
    local = (gray - blurred(gray, SURROUNDINGS)) / (deviation(gray, SURROUNDINGS) + LEAST_CONTRAST) * CONTRAST
    difference = blurred(local, THIN) - 0.99 * blurred(local, WIDE)
    along, coherence = edges(gray)
    total, weights = difference, 1.0
    for sign in (1.0, -1.0):
        step, path = sign * along, torch.zeros_like(along)
        for number in range(1, STEPS + 1):
            path = path + step
            weight = math.exp(-0.5 * (number / ALONG) ** 2)
            total, weights = total + weight * warp(difference, path, "bilinear"), weights + weight
            ahead = warp(along, path, "bilinear")
            turn = (ahead * step).sum(dim=1, keepdim=True)  # directions have no sign
            step = torch.where(turn < 0, -ahead, ahead)
    dark = torch.tanh(STEEPNESS * (-total / weights - THRESHOLD)).clamp_min(0)
    return blurred(dark * (1.6 * coherence - 0.3).clamp(0, 1), 0.6)


def edges(gray: Tensor) -> tuple[Tensor, Tensor]:
    """The direction along the edges, (N, 2, H, W) of length 1, and how clear it is, (N, 1, H, W), 0 to 1."""
    down, across = torch.gradient(blurred(gray, 0.7), dim=(2, 3))
    products = blurred(torch.cat((across * across, across * down, down * down), dim=1), 2.0)
    xx, xy, yy = products[:, 0:1], products[:, 1:2], products[:, 2:3]
    angle = 0.5 * torch.atan2(2 * xy, xx - yy) + torch.pi / 2
    coherence = ((xx - yy).square() + 4 * xy.square()).sqrt() / (xx + yy + 1e-7)
    return torch.cat((angle.cos(), angle.sin()), dim=1), coherence


def deviation(gray: Tensor, reach: float) -> Tensor:
    """The standard deviation around each pixel."""
    return (blurred(gray.square(), reach) - blurred(gray, reach).square()).clamp_min(0).sqrt()


def guided(guide: Tensor, image: Tensor) -> Tensor:
    """The image, smooth except where the guide, (N, 1, H, W), has edges."""

    def mean(values: Tensor) -> Tensor:
        sums = F.pad(values, (GUIDED,) * 4, mode="reflect")
        for dim in (2, 3):  # sums of windows as differences of sums from the start
            ends = F.pad(sums, (0, 0, 1, 0) if dim == 2 else (1, 0)).cumsum(dim)
            sums = ends.narrow(dim, side, ends.shape[dim] - side) - ends.narrow(
                dim, 0, ends.shape[dim] - side
            )
        return sums / side**2

    side = 2 * GUIDED + 1
    middle, average = mean(guide), mean(image)
    slope = (mean(guide * image) - middle * average) / (mean(guide.square()) - middle.square() + EPSILON)
    return mean(slope) * guide + mean(average - slope * middle)


def amount_of_lines(paintings: Tensor) -> Tensor:
    """(N,) from 0 to 1: how strong the dark lines of paintings, (N, 3, H, W) in [0, 1], are.

    A line is where the luma curves up in one direction, and little in the other.
    """
    gray = blurred(luma(paintings), 1.0)
    xx = smoothed(curvature(gray, 3), 2)
    yy = smoothed(curvature(gray, 2), 3)
    xy = slope(slope(gray, 3), 2)
    middle, radius = (xx + yy) / 2, (((xx - yy) / 2).square() + xy.square()).sqrt()
    most, least = middle + radius, middle - radius
    lines = torch.where(most > 2 * least.abs(), most.clamp_min(0), 0.0).flatten(1)
    strongest = lines.quantile(0.97, dim=1)
    return ((strongest - FEWEST) / (MOST - FEWEST)).clamp(0, 1)


def slope(values: Tensor, dim: int) -> Tensor:
    """Differences over two pixels; shorter by two, as are those below."""
    return values.narrow(dim, 2, values.shape[dim] - 2) - values.narrow(dim, 0, values.shape[dim] - 2)


def curvature(values: Tensor, dim: int) -> Tensor:
    """Second differences."""
    return values.diff(n=2, dim=dim)


def smoothed(values: Tensor, dim: int) -> Tensor:
    """Sums weighted by 1, 2, 1, as in Sobel filters."""
    inner = values.shape[dim] - 1
    pairs = values.narrow(dim, 0, inner) + values.narrow(dim, 1, inner)
    return pairs.narrow(dim, 0, inner - 1) + pairs.narrow(dim, 1, inner - 1)
