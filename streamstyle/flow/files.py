"""Optical flow: warping by it, and reading it from files.

Flow is backward and lies on the grid of the current frame: (2, H, W) in pixels, channel 0 = x to the right,
1 = y down; at a pixel of the current frame it points to where that came from in the previous one. So
`warp(previous, flow)` lines up with the current frame.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from streamstyle.errors import InputError

FLO_MAGIC = 202021.25  # the first number of a Middlebury file: "PIEH" read as a float
LARGEST_SIDE = 65536  # pixels; a larger one is a damaged header
SUFFIXES = (".flo", ".npy")


def warp(image: Tensor, flow: Tensor, mode: str = "bicubic") -> Tensor:
    """The picture as its flow says that it lies in the next frame.

    Args:
        image: (N, C, H, W), the previous frame.
        flow: (N, 2, H, W) or (1, 2, H, W), backward, in pixels; see above.
        mode: "bicubic" for pictures, which stay sharp; "bilinear" for masks, which stay in their range.

    Returns:
        (N, C, H, W) on the grid of the current frame. Beyond the border the nearest pixel is taken.
    """
    height, width = image.shape[-2:]
    y = torch.arange(height, device=flow.device, dtype=flow.dtype)[:, None] + flow[:, 1]
    x = torch.arange(width, device=flow.device, dtype=flow.dtype) + flow[:, 0]
    # Pixel centres in [-1, 1], where -1 and 1 are the outer edges of the outermost pixels.
    grid = torch.stack(((2 * x + 1) / width - 1, (2 * y + 1) / height - 1), dim=-1)
    grid = grid.expand(image.shape[0], -1, -1, -1)
    return F.grid_sample(image, grid.to(image), mode=mode, padding_mode="border", align_corners=False)


def inside(flow: Tensor, margin: float = 0.0) -> Tensor:
    """1 where the flow points into the picture, at least `margin` pixels from its border, else 0.

    Args:
        flow: (N, 2, H, W) in pixels.
        margin: in pixels, at the border of the previous frame.

    Returns:
        (N, 1, H, W), the type of `flow`.
    """
    height, width = flow.shape[-2:]
    y = torch.arange(height, device=flow.device, dtype=flow.dtype)[:, None] + flow[:, 1]
    x = torch.arange(width, device=flow.device, dtype=flow.dtype) + flow[:, 0]
    within = (x >= margin) & (x <= width - 1 - margin) & (y >= margin) & (y <= height - 1 - margin)
    return within[:, None].to(flow.dtype)


def read_flow(path: Path) -> Tensor:
    """A flow from a file: Middlebury `.flo`, or `.npy` of shape (H, W, 2) or (2, H, W).

    Returns:
        (2, H, W) float32 in pixels. What the file marks as unknown (beyond 1e9) is NaN.

    Raises:
        InputError: it is missing, damaged, or of another format or shape.
    """
    try:
        if path.suffix.lower() == ".flo":
            flow = read_flo(path)
        elif path.suffix.lower() == ".npy":
            flow = np.load(path, allow_pickle=False)
        else:
            raise ValueError(f"expected a name that ends in {' or '.join(SUFFIXES)}")
        if flow.ndim != 3 or 2 not in (flow.shape[0], flow.shape[2]):
            raise ValueError(f"shape {flow.shape}, expected (height, width, 2) or (2, height, width)")
        if flow.dtype.kind not in "fiu":
            raise ValueError(f"numbers of type {flow.dtype}")
    except (OSError, ValueError, EOFError) as exc:
        raise InputError(f"{path}: no flow that can be read: {exc}") from exc
    if flow.shape[2] == 2:
        flow = flow.transpose(2, 0, 1)
    flow = np.ascontiguousarray(flow, np.float32)
    flow[np.abs(flow) > 1e9] = np.nan
    return torch.from_numpy(flow)


def read_flo(path: Path) -> np.ndarray:
    """(H, W, 2) float32 from a Middlebury file: magic, width, height, then x and y of each pixel.

    Reference: Baker et al. (2011), A database and evaluation methodology for optical flow,
    https://vision.middlebury.edu/flow/code/flow-code/README.txt

    Raises:
        ValueError: it is none.
    """
    data = path.read_bytes()
    if len(data) < 12 or np.frombuffer(data, "<f4", 1)[0] != np.float32(FLO_MAGIC):
        raise ValueError("it does not begin as a .flo file")
    width, height = (int(side) for side in np.frombuffer(data, "<i4", 2, offset=4))
    if not (1 <= width <= LARGEST_SIDE and 1 <= height <= LARGEST_SIDE):
        raise ValueError(f"size {width}x{height}")
    if len(data) != 12 + 8 * width * height:
        raise ValueError(f"{len(data)} bytes, expected {12 + 8 * width * height} for {width}x{height} pixels")
    return np.frombuffer(data, "<f4", offset=12).reshape(height, width, 2)
