"""Processes one frame: upload to the device, effect, download."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from streamstyle.device import download, out_of_memory, upload, upload_plane
from streamstyle.effects.composite import Composite, Following
from streamstyle.effects.float_image import FloatImage
from streamstyle.frames import Effect, Frame, Moment, NextFrame, OpticalFlow
from streamstyle.pictures import RGB, Picture, YCbCr, each

Pixels = np.ndarray | YCbCr  # of a frame


class Step:
    """Applies an effect to one frame after another.

    A `Composite` is given the frame's picture as it is, any other effect an RGB image in floats; then the
    result is RGB, too.

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
        self._uploaded: tuple[Pixels, Picture] | None = None  # the next frame, uploaded early

    def __call__(
        self,
        pixels: Pixels,
        seconds: float,
        *,
        cut: bool = False,
        motion: OpticalFlow | None = None,
        next_frame: Frame | None = None,
        forward_motion: OpticalFlow | None = None,
        next_motion: OpticalFlow | None = None,
    ) -> Pixels:
        """The processed frame.

        Args:
            pixels: of a frame, see `Frame.picture`; not modified.
            seconds: presentation time.
            cut: the frame does not continue the previous one; the effect is reset.
            motion: optical flow from this frame to the previous one, if known.
            next_frame: the next frame, if it is known and continues this one.
            forward_motion: optical flow from this frame to the next one; given with `next_frame`.
            next_motion: optical flow from the next frame to this one, if known.

        Returns:
            The same, or RGB; `pixels` itself if the effect returns its input.

        Raises:
            OutOfMemoryError: the frame is too large for the device.
        """
        if cut:
            self._effect.reset()
        with torch.inference_mode():
            picture = self._picture(pixels)
            following = None
            if next_frame is not None and forward_motion is not None:
                moment = Moment(self.index + 1, next_frame.seconds, motion=next_motion)
                following = Following(self._picture(next_frame.picture), moment, forward_motion)
                self._uploaded = next_frame.picture, following.picture
            moment = Moment(self.index, seconds, cut, motion)
            self.index += 1
            result = self._processed(picture, moment, following)
            return pixels if result is picture else downloaded(result)

    def _processed(self, picture: Picture, moment: Moment, following: Following | None) -> Picture:
        if isinstance(self._effect, Composite):
            return self._effect.paint(picture, moment, following)
        assert isinstance(picture, FloatImage)
        if following is not None:
            assert isinstance(following.picture, FloatImage)
            following_frame = NextFrame(following.picture.image, following.moment, following.motion)
            moment = replace(moment, next=following_frame)
        result = self._effect(picture.image, moment)
        return picture if result is picture.image else FloatImage(result)

    def _picture(self, pixels: Pixels) -> Picture:
        """The frame on the device; already there if it was the next frame of the previous call."""
        before, self._uploaded = self._uploaded, None
        if before is not None and before[0] is pixels:
            return before[1]
        if isinstance(self._effect, Composite):
            return uploaded(pixels, self._device)
        return FloatImage(upload(pixels if isinstance(pixels, np.ndarray) else pixels.rgb, self._device))

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


def uploaded(pixels: Pixels, device: torch.device) -> Picture:
    """A frame's picture on the device; on the CPU it is not copied.

    Raises:
        OutOfMemoryError: it does not fit into memory.
    """
    if device.type == "cpu":
        return RGB(pixels) if isinstance(pixels, np.ndarray) else pixels
    if isinstance(pixels, np.ndarray):
        return FloatImage(upload(pixels, device))
    height, width = pixels.size
    with out_of_memory(width, height):
        return YCbCr(
            each(lambda plane: upload_plane(plane, device), pixels.planes), pixels.tags, pixels.siting
        )


def downloaded(picture: Picture) -> Pixels:
    """The inverse of `uploaded`."""
    if isinstance(picture, FloatImage):
        return download(picture.image)
    if isinstance(picture, RGB):
        return picture.pixels
    assert isinstance(picture, YCbCr)
    if isinstance(picture.luma, np.ndarray):
        return picture
    return YCbCr(each(lambda plane: plane.cpu().numpy(), picture.planes), picture.tags, picture.siting)
