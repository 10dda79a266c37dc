"""Processes one frame: upload to the device, effect, download."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from streamstyle.device import download, upload
from streamstyle.frames import Effect, Frame, Moment, NextFrame, OpticalFlow


class Step:
    """Applies an effect to one frame after another.

    Args:
        effect: on `device`. It may return its input, but not modify it.
        device: of the effect.
        index: number of the first frame.

    Attributes:
        index: number of the next frame.
    """

    def __init__(self, effect: Effect, device: torch.device, index: int = 0) -> None:
        self._effect, self._device = effect, device
        self.index = index
        self._uploaded: tuple[np.ndarray, torch.Tensor] | None = None  # the next frame, uploaded early

    def __call__(
        self,
        pixels: np.ndarray,
        seconds: float,
        *,
        cut: bool = False,
        motion: OpticalFlow | None = None,
        next_frame: Frame | None = None,
        forward_motion: OpticalFlow | None = None,
    ) -> np.ndarray:
        """The processed frame.

        Args:
            pixels: (H, W, 3) uint8 RGB, not modified.
            seconds: presentation time.
            cut: the frame does not continue the previous one; the effect is reset.
            motion: optical flow from this frame to the previous one, if known.
            next_frame: the next frame, if it is known and continues this one.
            forward_motion: optical flow from this frame to the next one; given with `next_frame`.

        Returns:
            (H, W, 3) uint8 RGB; `pixels` itself if the effect returns its input.

        Raises:
            OutOfMemoryError: the frame is too large for the device.
        """
        if cut:
            self._effect.reset()
        with torch.inference_mode():
            image = self._image(pixels)
            ahead = None
            if next_frame is not None and forward_motion is not None:
                next_image = upload(next_frame.pixels, self._device)
                self._uploaded = next_frame.pixels, next_image
                ahead = NextFrame(next_image, Moment(self.index + 1, next_frame.seconds), forward_motion)
            result = self._effect(image, Moment(self.index, seconds, cut, motion, ahead))
            self.index += 1
            return pixels if result is image else download(result)

    def _image(self, pixels: np.ndarray) -> torch.Tensor:
        """The frame on the device; already there if it was the next frame of the previous call."""
        uploaded, self._uploaded = self._uploaded, None
        if uploaded is not None and uploaded[0] is pixels:
            return uploaded[1]
        return upload(pixels, self._device)

    def state(self) -> dict[str, np.ndarray | float | int]:
        """The effect's state for a checkpoint, with tensors as arrays."""
        return {
            key: value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else value
            for key, value in self._effect.state().items()
        }

    def restore(self, state: Mapping[str, np.ndarray | float | int]) -> None:
        """Restore a state that `state` returned."""
        self._effect.restore(
            {
                key: torch.from_numpy(value).to(self._device) if isinstance(value, np.ndarray) else value
                for key, value in state.items()
            }
        )
