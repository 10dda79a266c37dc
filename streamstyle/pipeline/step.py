"""The step that each frame takes: upload, effect, download."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from streamstyle.device import download, upload
from streamstyle.frames import Effect, Frame, Moment, Motion, Next


class Step:
    """Sends frames through an effect, one after the other.

    Args:
        effect: on `device`. It may give back the image it was given, but not change it.
        device: where it computes.
        index: number of the first frame.

    Attributes:
        index: number of the next frame.
    """

    def __init__(self, effect: Effect, device: torch.device, index: int = 0) -> None:
        self._effect, self._device = effect, device
        self.index = index
        self._uploaded: tuple[np.ndarray, torch.Tensor] | None = None  # the frame that was seen ahead

    def __call__(
        self,
        pixels: np.ndarray,
        seconds: float,
        *,
        cut: bool = False,
        motion: Motion | None = None,
        next_frame: Frame | None = None,
        forward_motion: Motion | None = None,
    ) -> np.ndarray:
        """The stylized frame.

        Args:
            pixels: (H, W, 3) uint8 RGB, not changed.
            seconds: presentation time.
            cut: the frame does not continue the one before it; the effect is reset.
            motion: how it moved since then, if that is known.
            next_frame: the next one, if it is known and continues this one, and ...
            forward_motion: ... how this one moves to it.

        Returns:
            (H, W, 3) uint8 RGB; `pixels` itself where the effect leaves the image as it is.

        Raises:
            OutOfMemoryError: the frame is too large for the device.
        """
        if cut:
            self._effect.reset()
        with torch.inference_mode():
            image = self._image(pixels)
            ahead = None
            if next_frame is not None and forward_motion is not None:
                coming = upload(next_frame.pixels, self._device)
                self._uploaded = next_frame.pixels, coming
                ahead = Next(coming, Moment(self.index + 1, next_frame.seconds), forward_motion)
            result = self._effect(image, Moment(self.index, seconds, cut, motion, ahead))
            self.index += 1
            return pixels if result is image else download(result)

    def _image(self, pixels: np.ndarray) -> torch.Tensor:
        """The frame on the device: there already, if it was the next one a moment ago."""
        uploaded, self._uploaded = self._uploaded, None
        if uploaded is not None and uploaded[0] is pixels:
            return uploaded[1]
        return upload(pixels, self._device)

    def state(self) -> dict[str, np.ndarray | float | int]:
        """The state of the effect, its tensors as arrays, for a checkpoint."""
        return {
            key: value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else value
            for key, value in self._effect.state().items()
        }

    def restore(self, state: Mapping[str, np.ndarray | float | int]) -> None:
        """Go on from a state that `state` gave."""
        self._effect.restore(
            {
                key: torch.from_numpy(value).to(self._device) if isinstance(value, np.ndarray) else value
                for key, value in state.items()
            }
        )
