"""Resizing, blurring and padding of images as tensors."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from streamstyle import device as devices


def resized(image: Tensor, height: int, width: int) -> Tensor:
    """(C, H, W) at another size by bicubic interpolation, with antialiasing where it is reduced."""
    # Enlarging needs no antialiasing, but that kernel is separable and takes half the time.
    return F.interpolate(image[None], (height, width), mode="bicubic", antialias=True)[0].clamp_(0, 1)


def blurred(images: Tensor, deviation: float) -> Tensor:
    """(N, C, H, W) blurred by a Gaussian of that standard deviation in pixels; the border is repeated."""
    reach = math.ceil(3 * deviation)
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=images.device) / deviation).square())
    weights = (weights / weights.sum()).to(images.dtype)
    planes = images.flatten(0, 1)[:, None]
    across = F.conv2d(extended(planes, reach, 3), weights[None, None, None])
    down = F.conv2d(extended(across, reach, 2), weights[None, None, :, None])
    return down.reshape(images.shape)


def extended(planes: Tensor, reach: int, dim: int) -> Tensor:
    """(N, C, H, W) with the border repeated `reach` times at both ends of one dimension, 2 or 3."""
    if devices.on_host(planes):
        padding = (reach, reach, 0, 0) if dim == 3 else (0, 0, reach, reach)
        return F.pad(planes, padding, mode="replicate")
    # On CUDA the gradient of `F.pad` adds atomically, so that its sums would differ from run to run.
    last = planes.shape[dim] - 1
    shape = [reach if each == dim else -1 for each in range(4)]
    before, after = (planes.narrow(dim, place, 1).expand(shape) for place in (0, last))
    return torch.cat((before, planes, after), dim)


def lightness(image: Tensor) -> Tensor:
    """(3, H, W) to (1, H, W), weighted as in ITU-R BT.709."""
    return (image.permute(1, 2, 0) @ image.new_tensor((0.2126, 0.7152, 0.0722)))[None]


def padded_to(images: Tensor, multiple: int, minimum: int = 1) -> Tensor:
    """(N, C, H, W) padded on the right and at the bottom to multiples of `multiple`, at least `minimum`.

    The padding is reflected; beyond the size of the image the border is repeated.
    """
    height, width = images.shape[-2:]
    right = -(-max(width, minimum) // multiple) * multiple - width
    below = -(-max(height, minimum) // multiple) * multiple - height
    if right == below == 0:
        return images
    mirrored = min(right, width - 1), min(below, height - 1)
    images = F.pad(images, (0, mirrored[0], 0, mirrored[1]), mode="reflect")
    return F.pad(images, (0, right - mirrored[0], 0, below - mirrored[1]), mode="replicate")
