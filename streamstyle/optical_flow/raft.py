"""RAFT: optical flow by a recurrent network, for GPUs; more exact at the edges of moving objects.

Reference: Teed and Deng (2020), RAFT: recurrent all-pairs field transforms for optical flow,
https://arxiv.org/abs/2003.12039, in torchvision's implementation, with its weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.models.optical_flow import raft_large, raft_small

from streamstyle.device import low_precision, upload
from streamstyle.weights.downloads import download
from streamstyle.weights.weights_files import fill, read_checkpoint, read_safetensors

UPDATES = 12
MULTIPLE, SMALLEST_SIDE = 8, 128  # pixels


class Raft:
    """Estimates flow with a network.

    Args:
        weights: a file of torchvision's raft_small or raft_large; by default the small one, fetched once
            into torchvision's cache.
        device: where to compute.

    Raises:
        InputError: the file is missing, damaged or contains other weights; or the download failed, and the
            message says where to put the file.
    """

    def __init__(self, weights: Path | None = None, device: torch.device | None = None) -> None:
        self.device = device or torch.device("cpu")
        path = weights or download("raft")
        tensors: Mapping[str, Tensor]
        tensors = read_safetensors(path)[0] if path.suffix == ".safetensors" else read_checkpoint(path)
        # Only the large network has batch norm in its context encoder.
        large = "context_encoder.convnormrelu.1.weight" in tensors
        network = (raft_large if large else raft_small)(weights=None, progress=False)
        fill(network, tensors, path)
        self.network = network.to(self.device).eval().requires_grad_(False)

    def __call__(self, current: np.ndarray, previous: np.ndarray) -> np.ndarray:
        """The backward flow from `current` to `previous`.

        Args:
            current, previous: (H, W, 3) uint8 RGB, of the same size.

        Returns:
            (H, W, 2) float32: x and y in pixels.
        """
        height, width = current.shape[:2]
        with torch.inference_mode(), low_precision(self.device):
            pair = [padded(upload(frame, self.device)[None] * 2 - 1) for frame in (current, previous)]
            flow: Tensor = self.network(*pair, num_flow_updates=UPDATES)[-1]
            cropped = flow[0, :, :height, :width].float().permute(1, 2, 0)
            return np.ascontiguousarray(cropped.cpu().numpy())


def padded(image: Tensor) -> Tensor:
    """(1, 3, H, W) with its border repeated to the right and below, to a size that the network accepts."""
    height, width = image.shape[-2:]
    right = -(-max(width, SMALLEST_SIDE) // MULTIPLE) * MULTIPLE - width
    below = -(-max(height, SMALLEST_SIDE) // MULTIPLE) * MULTIPLE - height
    return F.pad(image, (0, right, 0, below), mode="replicate")
