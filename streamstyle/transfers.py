"""Copies between main memory and a device that neither side waits for.

All stages of a pipeline launch their work in one stream, the current one, so that a copy is in order with the
work before and after it. Pinned memory comes from torch's pool, which reuses it only after the copies in it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from streamstyle import device as devices


def upload_plane(plane: np.ndarray, device: torch.device) -> Tensor:
    """Samples (H, W) uint8 on a device; afterwards the array may be changed."""
    if devices.on_host(device):
        return torch.from_numpy(np.array(plane))
    staged = torch.empty(plane.shape, dtype=torch.uint8, pin_memory=device.type == "cuda")
    np.copyto(staged.numpy(), plane)
    return staged.to(device, non_blocking=True)


def upload(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor on a device; it may be changed afterwards if it was not there already."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


class Download:
    """A tensor on its way to main memory; see `start_download`."""

    def __init__(self, tensor: Tensor) -> None:
        self._event: torch.cuda.Event | None = None
        self._array: np.ndarray | None = None
        if tensor.device.type != "cuda":
            self._target = tensor
            return
        self._target = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        self._target.copy_(tensor, non_blocking=True)
        with torch.cuda.device(tensor.device):
            self._event = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
            self._event.record()

    def array(self) -> np.ndarray:
        """The tensor as an array of its own shape; waits until it has arrived, leaving the core to others."""
        if self._array is None:
            if self._event is not None:
                self._event.synchronize()
            self._array = self._target.numpy()
        return self._array


def start_download(tensor: Tensor) -> Download:
    """Start copying a tensor to main memory; the device goes on with what is launched meanwhile.

    On the CPU nothing is copied.
    """
    return Download(tensor.detach().contiguous())
