"""Warping of images along optical flow."""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from streamstyle import device as devices

OPENCV_LARGEST = 32767  # pixels, the longest side that OpenCV can sample
_OPENCV_MODES = {"bicubic": cv2.INTER_CUBIC, "bilinear": cv2.INTER_LINEAR}


def warp(image: Tensor, flow: Tensor, mode: str = "bicubic") -> Tensor:
    """The previous frame warped onto the current one.

    Args:
        image: (N, C, H, W), the previous frame.
        flow: (N, 2, H, W) or (1, 2, H, W), backward, in pixels; see `streamstyle.optical_flow`.
        mode: "bicubic" keeps images sharp; "bilinear" keeps masks in their range.

    Returns:
        (N, C, H, W) on the grid of the current frame. Beyond the border the nearest pixel is repeated.
    """
    # Without gradients, OpenCV does the same in a fifth of the time, exact to a 64th of a pixel.
    gradients = torch.is_grad_enabled() and (image.requires_grad or flow.requires_grad)
    single = len(image) == len(flow) == 1 and image.shape[1] <= 4 and max(image.shape[2:]) <= OPENCV_LARGEST
    if devices.on_host(image) and image.dtype == torch.float32 and single and not gradients:
        pixels = image[0].detach().permute(1, 2, 0).numpy()
        warped = warped_pixels(pixels, flow[0].detach().permute(1, 2, 0).numpy(), mode)
        return torch.from_numpy(warped).permute(2, 0, 1)[None]
    return sampled_along(image, flow, mode)


def sampled_along(image: Tensor, flow: Tensor, mode: str = "bilinear") -> Tensor:
    """`warp` by torch, on any device."""
    height, width = image.shape[-2:]
    x, y = source_positions(flow)
    # Pixel centers in [-1, 1], where -1 and 1 are the outer edges of the outermost pixels.
    grid = torch.stack(((2 * x + 1) / width - 1, (2 * y + 1) / height - 1), dim=-1)
    grid = grid.expand(image.shape[0], -1, -1, -1)
    return F.grid_sample(image, grid.to(image), mode=mode, padding_mode="border", align_corners=False)


def warped_pixels(pixels: np.ndarray, flow: np.ndarray, mode: str = "bilinear") -> np.ndarray:
    """`warp` for channels-last arrays: image (H, W, C) or (H, W) and flow (H, W, 2) to (H, W, C)."""
    height, width = flow.shape[:2]
    # OpenCV expects both coordinates in one array, in single precision.
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    positions = np.empty((height, width, 2), np.float32)
    np.add(flow[..., 0], x, out=positions[..., 0], casting="unsafe")
    np.add(flow[..., 1], y, out=positions[..., 1], casting="unsafe")
    warped: np.ndarray = cv2.remap(  # type: ignore[call-overload]
        pixels, positions, None, _OPENCV_MODES[mode], borderMode=cv2.BORDER_REPLICATE
    )
    return warped if warped.ndim == 3 else warped[..., None]


def source_positions(flow: Tensor) -> tuple[Tensor, Tensor]:
    """x and y, (N, H, W) each, of the position in the previous frame that each pixel's flow points to."""
    height, width = flow.shape[-2:]
    y = torch.arange(height, device=flow.device, dtype=flow.dtype)[:, None] + flow[:, 1]
    x = torch.arange(width, device=flow.device, dtype=flow.dtype) + flow[:, 0]
    return x, y


def inside(flow: Tensor, margin: float = 0.0) -> Tensor:
    """Mask, 1 where the flow points into the image, at least `margin` pixels from its border, else 0.

    Args:
        flow: (N, 2, H, W) in pixels.
        margin: in pixels, at the border of the previous frame.

    Returns:
        (N, 1, H, W), of the same dtype as `flow`.
    """
    height, width = flow.shape[-2:]
    x, y = source_positions(flow)
    within = (x >= margin) & (x <= width - 1 - margin) & (y >= margin) & (y <= height - 1 - margin)
    return within[:, None].to(flow.dtype)


def resized_flow(flow: Tensor, height: int, width: int) -> Tensor:
    """Flow, (2, h, w), resized to (2, height, width) and scaled to pixels of the new size."""
    x, y = flow[0] * (width / flow.shape[2]), flow[1] * (height / flow.shape[1])
    return resized_map(torch.stack((x, y)), height, width)


def blended(image: Tensor, other: Tensor, share: Tensor) -> Tensor:
    """(3, H, W) from an image (share 0) to another one (share 1); shares are (1, H, W)."""
    if not devices.on_host(image) or image.dtype != torch.float32:
        return torch.lerp(image, other, share)
    first, second = (each.permute(1, 2, 0).numpy() for each in (image, other))
    change = cv2.subtract(second, first)  # OpenCV takes half of the time
    change = cv2.multiply(change, cv2.merge([share[0].numpy()] * 3), dst=change)
    return torch.from_numpy(cv2.add(first, change, dst=change)).permute(2, 0, 1)


def cell_means(values: Tensor, height: int, width: int) -> Tensor:
    """(C, H, W) reduced to (C, height, width) by area averaging; C at most 4."""
    if devices.on_host(values):
        pixels = values.permute(1, 2, 0).numpy()
        reduced = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
        return torch.from_numpy(reduced.reshape(height, width, -1)).permute(2, 0, 1)
    return F.interpolate(values[None], (height, width), mode="area")[0]


def resized_map(values: Tensor, height: int, width: int) -> Tensor:
    """(C, h, w) resized bilinearly to (C, height, width); C at most 4."""
    if tuple(values.shape[1:]) == (height, width):
        return values
    if devices.on_host(values):  # OpenCV takes a quarter of the time
        resized = cv2.resize(values.permute(1, 2, 0).numpy(), (width, height))
        return torch.from_numpy(resized.reshape(height, width, -1)).permute(2, 0, 1)
    return F.interpolate(values[None], (height, width), mode="bilinear")[0]
