"""Redraws the results of a style network: strokes along the forms, outlines where its painting has lines.

Networks that a predictor learned from style losses drew no outlines, repeated one mark where a photograph is
flat, and kept near its colors. Results redrawn by these filters are imitated instead.

References: strokes are averages along the edges, as in Kyprianidis and Kang (2011), Image and video
abstraction by coherence-enhancing filtering; outlines are differences of Gaussians, averaged likewise, after
Kang, Lee and Chui (2007), Coherent line drawing; colors are matched as by Reinhard et al. (2001), Color
transfer between images; flat areas are found by He, Sun and Tang (2010), Guided image filtering.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from streamstyle.constants import constant
from streamstyle.effects.resizing import blurred
from streamstyle.losses import luma
from streamstyle.optical_flow import warp

# All lengths are in pixels.
AXES = ((3**-0.5,) * 3, (2**-0.5, 0.0, -(2**-0.5)), (6**-0.5, -2 * 6**-0.5, 6**-0.5))  # gray, red-blue, green
DARKEST = 0.01  # colors are brought this far from 0 and 1, where the inverse of the sigmoid is infinite
LARGEST_GAIN = 4.0  # how much the contrasts of colors grow or shrink
STROKE, SECOND_STROKE = 8, 3  # reach of the averages along the edges
GUIDED, EPSILON = 14, 5e-4  # radius and regularization of the guided filter
FLAT, ACTIVE = 0.01, 0.06  # deviation of luma within CALM, where a photograph is flat, and where it is not
CALM, LEFT = 4.0, 0.35  # LEFT: share of the marks that flat areas keep
THIN, WIDE, LINE = 1.1, 1.76, 5  # deviations of the two Gaussians of an outline; reach along it
CONTRAST, SURROUNDINGS, LEAST_CONTRAST = 0.2, 8.0, 0.07  # outlines are found in dark places, too
THRESHOLD, STEEPNESS = 0.006, 70.0  # of the difference of Gaussians
INK = 0.7  # how much of the color a full outline takes away
FEWEST, MOST = 0.06, 0.20  # strength of a painting's dark lines for no outlines and for full ones


def redrawn(results: Tensor, photos: Tensor, colors: Tensor, amounts: Tensor) -> Tensor:
    """Results in strokes that follow the forms, with outlines, and with fewer marks in flat areas.

    Args:
        results, photos: (N, 3, H, W) in [0, 1], at least 64 pixels high and wide.
        colors: (N, 2, 3), those of the paintings; see `color_statistics`.
        amounts: (N,), of outlines, 0 to 1; see `amount_of_lines`.

    Returns:
        (N, 3, H, W) in [0, 1].
    """
    gray = luma(photos)
    painted = matched(results, colors)
    along, _ = edges((gray + luma(painted)) / 2, 1.0, 2.5)
    painted = averaged(painted, along, STROKE)
    smooth = guided(gray, guided(gray, painted))
    active = ((deviation(gray, CALM) - FLAT) / (ACTIVE - FLAT)).clamp(0, 1)
    painted = torch.lerp(smooth, painted, LEFT + (1 - LEFT) * active)
    painted = averaged(painted, along, SECOND_STROKE).clamp(0, 1)
    ink = 0.35 * painted.square()  # darker, and of the same hue
    strength = amounts[:, None, None, None] * INK * (1.3 * outlines(gray)).clamp(0, 1)
    return torch.lerp(painted, ink, strength)


def color_statistics(images: Tensor) -> Tensor:
    """(N, 3, H, W) in [0, 1] to (N, 2, 3): mean and deviation of the colors along AXES, before a sigmoid."""
    values = along_axes(images)
    return torch.stack((values.mean(dim=(2, 3)), values.std(dim=(2, 3), correction=0)), dim=1)


def along_axes(images: Tensor) -> Tensor:
    """(N, 3, H, W), the colors before a sigmoid, along AXES."""
    return torch.einsum("ij,njhw->nihw", axes(images.device), torch.logit(images, DARKEST))


def axes(device: torch.device) -> Tensor:
    """(3, 3), AXES on the device."""
    return constant("axes of colors", lambda: np.array(AXES, np.float32), device)


def matched(images: Tensor, wanted: Tensor) -> Tensor:
    """Images (N, 3, H, W) with the colors of paintings, each by itself.

    Args:
        images: in [0, 1].
        wanted: (N, 2, 3), as from `color_statistics`.
    """
    (mean, spread), (goal, contrast) = color_statistics(images).unbind(1), wanted.unbind(1)
    gain = (contrast / spread.clamp_min(1e-3)).clamp(1 / LARGEST_GAIN, LARGEST_GAIN)
    values = along_axes(images) - mean[..., None, None]
    values = gain[..., None, None] * values + goal[..., None, None]
    return torch.einsum("ji,njhw->nihw", axes(images.device), values).sigmoid()


def averaged(values: Tensor, along: Tensor, reach: int) -> Tensor:
    """(N, C, H, W), averages along lines with these directions, (N, 2, H, W) of length 1."""
    total, weights = values, 1.0
    for distance, path in paths(along, reach):
        weight = math.exp(-0.5 * (distance / (0.6 * reach)) ** 2)
        total, weights = total + weight * warp(values, path, "bilinear"), weights + weight
    return total / weights


def paths(along: Tensor, reach: int) -> Iterator[tuple[int, Tensor]]:
    """To both sides, in steps of a pixel: the distance, and where a line from each pixel is then."""
    for sign in (1.0, -1.0):
        step, path = sign * along, torch.zeros_like(along)
        for distance in range(1, reach + 1):
            path = path + step
            yield distance, path
            ahead = warp(along, path, "bilinear")
            turn = (ahead * step).sum(dim=1, keepdim=True)  # directions have no sign
            step = torch.where(turn < 0, -ahead, ahead)


def outlines(gray: Tensor) -> Tensor:
    """(N, 1, H, W) in [0, 1] to the same shape: 1 = on a dark line, 0 = on none."""
    local = (gray - blurred(gray, SURROUNDINGS)) / (deviation(gray, SURROUNDINGS) + LEAST_CONTRAST) * CONTRAST
    along, coherence = edges(gray, 0.7, 2.0)
    difference = averaged(blurred(local, THIN) - 0.99 * blurred(local, WIDE), along, LINE)
    dark = torch.tanh(STEEPNESS * (-difference - THRESHOLD)).clamp_min(0)
    return blurred(dark * (1.6 * coherence - 0.3).clamp(0, 1), 0.6)


def edges(gray: Tensor, fine: float, coarse: float) -> tuple[Tensor, Tensor]:
    """The direction along the edges, (N, 2, H, W) of length 1, and how clear it is, (N, 1, H, W), 0 to 1.

    Args:
        gray: (N, 1, H, W).
        fine, coarse: deviations of the Gaussians that blur it and the structure tensor.
    """
    down, across = torch.gradient(blurred(gray, fine), dim=(2, 3))
    products = blurred(torch.cat((across * across, across * down, down * down), dim=1), coarse)
    xx, xy, yy = products[:, 0:1], products[:, 1:2], products[:, 2:3]
    angle = 0.5 * torch.atan2(2 * xy, xx - yy) + torch.pi / 2
    coherence = ((xx - yy).square() + 4 * xy.square()).sqrt() / (xx + yy + 1e-7)
    return torch.cat((angle.cos(), angle.sin()), dim=1), coherence


def deviation(gray: Tensor, reach: float) -> Tensor:
    """The standard deviation around each pixel."""
    return (blurred(gray.square(), reach) - blurred(gray, reach).square()).clamp_min(0).sqrt()


def guided(guide: Tensor, image: Tensor) -> Tensor:
    """The image, smooth except where the guide, (N, 1, H, W), has edges."""

    side = 2 * GUIDED + 1

    def mean(values: Tensor) -> Tensor:
        # From sums since the start: for windows of this size much faster than pooling.
        sums = F.pad(values, (GUIDED,) * 4, mode="reflect")
        for dim, before in ((2, (0, 0, 1, 0)), (3, (1, 0))):
            sums = F.pad(sums, before).cumsum(dim)
            length = sums.shape[dim] - side
            sums = sums.narrow(dim, side, length) - sums.narrow(dim, 0, length)
        return sums / side**2

    middle, average = mean(guide), mean(image)
    factor = (mean(guide * image) - middle * average) / (mean(guide.square()) - middle.square() + EPSILON)
    return mean(factor) * guide + mean(average - factor * middle)


def amount_of_lines(paintings: Tensor) -> Tensor:
    """(N,) from 0 to 1: how strong the dark lines of paintings, (N, 3, H, W) in [0, 1], are.

    A line is where the luma curves up in one direction, and little in the other.
    """
    gray = blurred(luma(paintings), 1.0)
    xx = smoothed(gray.diff(n=2, dim=3), 2)
    yy = smoothed(gray.diff(n=2, dim=2), 3)
    xy = slope(slope(gray, 3), 2)
    middle, radius = (xx + yy) / 2, (((xx - yy) / 2).square() + xy.square()).sqrt()
    most, least = middle + radius, middle - radius
    lines = torch.where(most > 2 * least.abs(), most.clamp_min(0), 0.0).flatten(1)
    strongest = lines.quantile(0.97, dim=1)
    return ((strongest - FEWEST) / (MOST - FEWEST)).clamp(0, 1)


def slope(values: Tensor, dim: int) -> Tensor:
    """Differences over two pixels; two fewer than the values."""
    return values.narrow(dim, 2, values.shape[dim] - 2) - values.narrow(dim, 0, values.shape[dim] - 2)


def smoothed(values: Tensor, dim: int) -> Tensor:
    """Sums weighted by 1, 2, 1, as in Sobel filters; two fewer than the values."""
    inner = values.shape[dim] - 1
    pairs = values.narrow(dim, 0, inner) + values.narrow(dim, 1, inner)
    return pairs.narrow(dim, 0, inner - 1) + pairs.narrow(dim, 1, inner - 1)
