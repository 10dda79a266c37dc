"""Synthetic motion: a still image becomes two frames of a video with exactly known optical flow.

The motion is a shift, zoom, rotation and smooth elastic warp; brightness drift and noise are added. So a
network learns temporal consistency without any video.

Reference: Wang et al. (2020), Consistent video style transfer via relaxation and regularization (ReReVST),
section IV-B, who also move still images; their motion has neither zoom nor rotation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from streamstyle.losses import luma
from streamstyle.optical_flow import inside, warp

SHIFT = 8.0  # pixels at most
ZOOM = 0.03  # logarithm of the scale at most
TURN = 0.03  # radians at most
SWELL = 1.5  # pixels, the standard deviation of the elastic warp
CELLS = 4  # of the grid from which the elastic warp is interpolated, along each side
DRIFT = 0.03  # of brightness at most, as a share of the full range
GRAINS = (1, 2, 4, 8)  # pixels, sides of the grains of noise
NOISE = 0.03  # standard deviation of the noise at most, as a share of the full range


@dataclass(frozen=True)
class MovedCrop:
    """The second frame of a synthetic video; the first one is the still image itself.

    Attributes:
        current: (1, 3, H, W) in [0, 1].
        flow: (1, 2, H, W), backward; see `streamstyle.optical_flow`.
        change: (1, 1, H, W), change of the source's luma.
        confidence: (1, 1, H, W), 1 where the flow points into the still image, within the margin, else 0.
    """

    current: Tensor
    flow: Tensor
    change: Tensor
    confidence: Tensor


def move(still: Tensor, rng: np.random.Generator, margin: float) -> MovedCrop:
    """A still image after a random motion.

    Args:
        still: (1, 3, H, W) in [0, 1].
        rng: source of randomness.
        margin: pixels at the border of the still image that are not reliable.
    """
    height, width = still.shape[-2:]
    flow = random_flow(height, width, rng).to(still)
    warped = warp(still, flow).clamp(0, 1)
    drift = float(rng.uniform(-DRIFT, DRIFT))
    brighter = (warped + drift).clamp(0, 1)
    current = (brighter + random_noise(height, width, rng).to(still)).clamp(0, 1)
    return MovedCrop(current, flow, luma(brighter - warped), inside(flow, margin))


def random_flow(height: int, width: int, rng: np.random.Generator) -> Tensor:
    """Backward flow of a smooth random motion, (1, 2, height, width) float32 in pixels."""
    y = torch.arange(height, dtype=torch.float32)[:, None] - (height - 1) / 2
    x = torch.arange(width, dtype=torch.float32) - (width - 1) / 2
    amount = rng.uniform() ** 2  # most frames of a video hardly move
    shift_x, shift_y = amount * rng.uniform(-SHIFT, SHIFT, 2)
    zoom, turn = float(np.exp(amount * rng.uniform(-ZOOM, ZOOM))), float(amount * rng.uniform(-TURN, TURN))
    cosine, sine = zoom * np.cos(turn), zoom * np.sin(turn)
    flow = torch.stack(
        (cosine * x - sine * y - x + float(shift_x), sine * x + cosine * y - y + float(shift_y))
    )[None]
    cells = torch.from_numpy(rng.normal(0, amount * SWELL, (1, 2, CELLS, CELLS)).astype(np.float32))
    return flow + F.interpolate(cells, (height, width), mode="bicubic", align_corners=True)


def random_noise(height: int, width: int, rng: np.random.Generator) -> Tensor:
    """Noise, (1, 3, height, width) float32, with a random grain size, as from sensors and codecs."""
    size = int(rng.choice(GRAINS))
    deviation = rng.uniform(0, NOISE)
    grain = rng.normal(0, deviation, (1, 3, -(-height // size), -(-width // size))).astype(np.float32)
    noise = F.interpolate(torch.from_numpy(grain), scale_factor=size, mode="nearest")
    return noise[..., :height, :width]
