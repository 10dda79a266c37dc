"""Synthetic motion: a still image becomes two frames of a video with exactly known optical flow.

The motion is a shift, zoom, rotation and smooth elastic warp; brightness drift and noise are added. So a
network learns temporal consistency without any video.

Reference: Wang et al. (2020), Consistent video style transfer via relaxation and regularization (ReReVST),
section IV-B, who also move still images; their motion has neither zoom nor rotation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

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


class Motion(NamedTuple):
    """A random motion, as tensors float32; they may be copied to another device.

    Attributes:
        similarity: (4,), cosine and sine times the zoom, then the shift to the right and down in pixels.
        cells: (1, 2, CELLS, CELLS), elastic warp in pixels.
        drift: (), change of brightness.
        noise: (1, 3, H, W).
    """

    similarity: Tensor
    cells: Tensor
    drift: Tensor
    noise: Tensor


def move(still: Tensor, motion: Motion, margin: float) -> MovedCrop:
    """A still image after a motion.

    Args:
        still: (1, 3, H, W) in [0, 1].
        motion: on the same device, for images of this size.
        margin: pixels at the border of the still image that are not reliable.
    """
    flow = flow_of(motion)
    warped = warp(still, flow).clamp(0, 1)
    brighter = (warped + motion.drift).clamp(0, 1)
    current = (brighter + motion.noise).clamp(0, 1)
    return MovedCrop(current, flow, luma(brighter - warped), inside(flow, margin))


def flow_of(motion: Motion) -> Tensor:
    """Backward flow, (1, 2, H, W) in pixels, of a motion about the center of the image."""
    (height, width), device = motion.noise.shape[-2:], motion.noise.device
    y = torch.arange(height, dtype=torch.float32, device=device)[:, None] - (height - 1) / 2
    x = torch.arange(width, dtype=torch.float32, device=device) - (width - 1) / 2
    cosine, sine, right, down = motion.similarity.unbind()
    flow = torch.stack((cosine * x - sine * y - x + right, sine * x + cosine * y - y + down))[None]
    return flow + F.interpolate(motion.cells, (height, width), mode="bicubic", align_corners=True)


def random_motion(height: int, width: int, rng: np.random.Generator) -> Motion:
    """A smooth random motion with drift and noise, for images of this size."""
    amount = rng.uniform() ** 2  # most frames of a video hardly move
    shift_x, shift_y = amount * rng.uniform(-SHIFT, SHIFT, 2)
    zoom, turn = float(np.exp(amount * rng.uniform(-ZOOM, ZOOM))), float(amount * rng.uniform(-TURN, TURN))
    numbers = zoom * np.cos(turn), zoom * np.sin(turn), shift_x, shift_y
    cells = rng.normal(0, amount * SWELL, (1, 2, CELLS, CELLS)).astype(np.float32)
    drift = torch.tensor(rng.uniform(-DRIFT, DRIFT), dtype=torch.float32)
    noise = random_noise(height, width, rng)
    return Motion(torch.tensor(numbers, dtype=torch.float32), torch.from_numpy(cells), drift, noise)


def random_noise(height: int, width: int, rng: np.random.Generator) -> Tensor:
    """Noise, (1, 3, height, width) float32, with a random grain size, as from sensors and codecs."""
    size = int(rng.choice(GRAINS))
    deviation = rng.uniform(0, NOISE)
    grain = rng.normal(0, deviation, (1, 3, -(-height // size), -(-width // size))).astype(np.float32)
    noise = F.interpolate(torch.from_numpy(grain), scale_factor=size, mode="nearest")
    return noise[..., :height, :width]
