"""Moving images along a flow."""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

OPENCV_LARGEST = 32767  # pixels, a side of what OpenCV can sample
_OPENCV_MODES = {"bicubic": cv2.INTER_CUBIC, "bilinear": cv2.INTER_LINEAR}


def warp(image: Tensor, flow: Tensor, mode: str = "bicubic") -> Tensor:
    """The image as its flow says that it lies in the next frame.

    Args:
        image: (N, C, H, W), the previous frame.
        flow: (N, 2, H, W) or (1, 2, H, W), backward, in pixels; see `streamstyle.optical_flow`.
        mode: "bicubic" for images, which stay sharp; "bilinear" for masks, which stay in their range.

    Returns:
        (N, C, H, W) on the grid of the current frame. Beyond the border the nearest pixel is taken.
    """
    # Where nothing is learned, OpenCV does the same in a fifth of the time, to a 64th of a pixel.
    learns = torch.is_grad_enabled() and (image.requires_grad or flow.requires_grad)
    alone = len(image) == len(flow) == 1 and image.shape[1] <= 4 and max(image.shape[2:]) <= OPENCV_LARGEST
    if image.device.type == "cpu" and image.dtype == torch.float32 and alone and not learns:
        pixels = image[0].detach().permute(1, 2, 0).numpy()
        warped = warped_pixels(pixels, flow[0].detach().permute(1, 2, 0).numpy(), mode)
        return torch.from_numpy(warped).permute(2, 0, 1)[None]
    height, width = image.shape[-2:]
    x, y = origins(flow)
    # Pixel centres in [-1, 1], where -1 and 1 are the outer edges of the outermost pixels.
    grid = torch.stack(((2 * x + 1) / width - 1, (2 * y + 1) / height - 1), dim=-1)
    grid = grid.expand(image.shape[0], -1, -1, -1)
    return F.grid_sample(image, grid.to(image), mode=mode, padding_mode="border", align_corners=False)


def warped_pixels(pixels: np.ndarray, flow: np.ndarray, mode: str = "bilinear") -> np.ndarray:
    """`warp` for arrays in the order of pixels: (H, W, C) or (H, W) by (H, W, 2), to (H, W, C)."""
    height, width = flow.shape[:2]
    # OpenCV takes both channels in one, and nothing but single precision.
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    places = np.empty((height, width, 2), np.float32)
    np.add(flow[..., 0], x, out=places[..., 0], casting="unsafe")
    np.add(flow[..., 1], y, out=places[..., 1], casting="unsafe")
    moved: np.ndarray = cv2.remap(  # type: ignore[call-overload]
        pixels, places, None, _OPENCV_MODES[mode], borderMode=cv2.BORDER_REPLICATE
    )
    return moved if moved.ndim == 3 else moved[..., None]


def origins(flow: Tensor) -> tuple[Tensor, Tensor]:
    """x and y, (N, H, W) each, in the previous frame, of what lies at each pixel of the current one."""
    height, width = flow.shape[-2:]
    y = torch.arange(height, device=flow.device, dtype=flow.dtype)[:, None] + flow[:, 1]
    x = torch.arange(width, device=flow.device, dtype=flow.dtype) + flow[:, 0]
    return x, y


def inside(flow: Tensor, margin: float = 0.0) -> Tensor:
    """1 where the flow points into the image, at least `margin` pixels from its border, else 0.

    Args:
        flow: (N, 2, H, W) in pixels.
        margin: in pixels, at the border of the previous frame.

    Returns:
        (N, 1, H, W), the type of `flow`.
    """
    height, width = flow.shape[-2:]
    x, y = origins(flow)
    within = (x >= margin) & (x <= width - 1 - margin) & (y >= margin) & (y <= height - 1 - margin)
    return within[:, None].to(flow.dtype)


def resized_flow(flow: Tensor, height: int, width: int) -> Tensor:
    """(2, h, w) in its own pixels to (2, height, width) in those of the new size."""
    scale = flow.new_tensor((width / flow.shape[2], height / flow.shape[1]))[:, None, None]
    return resized_map(flow, height, width) * scale


def cell_means(values: Tensor, height: int, width: int) -> Tensor:
    """(C, H, W) reduced to (C, height, width), each the mean of what lies there; C at most 4."""
    if values.device.type == "cpu":
        pixels = values.permute(1, 2, 0).numpy()
        reduced = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
        return torch.from_numpy(reduced.reshape(height, width, -1)).permute(2, 0, 1)
    return F.interpolate(values[None], (height, width), mode="area")[0]


def resized_map(values: Tensor, height: int, width: int) -> Tensor:
    """(C, h, w) at another size, bilinear; C at most 4."""
    if tuple(values.shape[1:]) == (height, width):
        return values
    if values.device.type == "cpu":  # a quarter of the time
        resized = cv2.resize(values.permute(1, 2, 0).numpy(), (width, height))
        return torch.from_numpy(resized.reshape(height, width, -1)).permute(2, 0, 1)
    return F.interpolate(values[None], (height, width), mode="bilinear")[0]
