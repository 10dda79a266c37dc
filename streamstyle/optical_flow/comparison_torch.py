"""Comparing frames on a device: reduction, flow both ways, confidence and similarity, in two CUDA graphs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
import torch
from torch import Tensor

from streamstyle.cuda_graphs import Captured, CapturedVariants
from streamstyle.frames import OpticalFlow
from streamstyle.optical_flow.occlusion_torch import (
    color_consistent,
    flow_consistent,
    gray_levels,
    similarity,
    soft_confidence,
)
from streamstyle.optical_flow.warping import inside, sampled_along
from streamstyle.pictures import YCbCr, decoding
from streamstyle.planes_torch import in_bytes, merged, resampled, transformed
from streamstyle.transfers import Download, start_download, upload_plane

BothWays = Callable[[Tensor], Tensor]


class DeviceComparison:
    """Compares frames where they lie, without a question to the device.

    Args:
        both_ways: estimates flow; see `FlowMethod.both_ways`.
        device: of frames that are on the host.
    """

    def __init__(self, both_ways: BothWays, device: torch.device) -> None:
        self._both_ways, self._device = both_ways, device
        self._reduce, self._compare = CapturedVariants(), Captured(self._compared)

    def reduced(self, picture: YCbCr, height: int, width: int) -> Tensor:
        """A picture on the device, smaller or not: (height, width, 3) uint8 RGB."""

        tags, siting = picture.tags, picture.siting

        def pixels(luma: Tensor, cb: Tensor, cr: Tensor) -> dict[str, Tensor]:
            whole = YCbCr((luma, cb, cr), tags, siting)
            same = whole.size == (height, width)
            return {"pixels": rgb(whole if same else whole.resized(height, width))}

        key = tags, siting, height, width
        with torch.no_grad():
            return self._reduce(key, pixels, *picture.planes)["pixels"]

    def uploaded(self, pixels: np.ndarray) -> Tensor:
        """(H, W, 3) uint8 on the device."""
        return upload_plane(pixels, self._device)

    def __call__(self, current: Tensor, previous: Tensor) -> tuple[OpticalFlow, OpticalFlow, Download]:
        """Compares two frames of the same shape.

        Args:
            current, previous: (H, W, 3) uint8 RGB.

        Returns:
            Flow from the current frame to the previous one, flow from the previous frame to the current one,
            and numbers on their way to the host, of which the first two are those of `Similarity`.
        """
        with torch.no_grad():
            found = self._compare(current, previous)
        numbers = start_download(found["numbers"])

        def mean_confidence(place: int) -> float:
            return float(numbers.array()[place])

        back, forth = (
            OpticalFlow(found["flow"][way], found["confidence"][way], partial(mean_confidence, 2 + way))
            for way in (0, 1)
        )
        return back, forth, numbers

    def _compared(self, current: Tensor, previous: Tensor) -> dict[str, Tensor]:
        """Flow, (2, 2, H, W), and confidence, (2, 1, H, W), in both directions, and the numbers, (4,)."""
        colors = torch.stack((current, previous)).permute(0, 3, 1, 2).float().contiguous()
        grays = gray_levels(colors)
        flow = self._both_ways(grays[:, 0])
        stays = inside(flow)
        trusted = (stays > 0) & flow_consistent(flow, flow.flip(0))
        similar = similarity(grays, flow[:1], trusted[:1], stays[:1])
        trusted = trusted & color_consistent(colors, sampled_along(colors.flip(0), flow).round_())
        confidence = soft_confidence(trusted)
        numbers = torch.cat((similar, confidence.mean(dim=(1, 2, 3))))
        return {"flow": flow, "confidence": confidence, "numbers": numbers}


def arrays_both_ways(
    both_ways: BothWays, current: np.ndarray, previous: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Backward flow, from the current to the previous frame, and forward flow, estimated on the CPU.

    Args:
        both_ways: estimates flow; see `FlowMethod.both_ways`.
        current, previous: (H, W, 3) uint8 RGB, of the same size.

    Returns:
        (H, W, 2) float32 each: x and y in pixels.
    """
    grays = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (current, previous)])
    with torch.no_grad():
        back, forth = both_ways(torch.from_numpy(grays)).permute(0, 2, 3, 1).contiguous().numpy()
    return back, forth


def rgb(picture: YCbCr) -> Tensor:
    """(H, W, 3) uint8 RGB on the device; as `YCbCr.rgb` on the host."""
    cb, cr = (resampled(plane, picture.chroma_grids, picture.grids) for plane in picture.chroma)
    return in_bytes(transformed(merged((picture.luma, cb, cr)), 255 * decoding(picture.tags)))
