"""Processes one frame: upload to the device, effect, download."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch

from streamstyle import device as devices
from streamstyle.device import in_bytes, out_of_memory, upload
from streamstyle.effects.composite import Composite, Following
from streamstyle.effects.float_image import FloatImage
from streamstyle.frames import Effect, Frame, Moment, NextFrame, OpticalFlow
from streamstyle.pictures import RGB, Picture, YCbCr, each
from streamstyle.transfers import start_download, upload_plane

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

    @property
    def on_host(self) -> bool:
        """Whether the effect works in main memory."""
        return devices.on_host(self._device)

    def uploaded(self, frame: Frame) -> Frame:
        """A frame whose planes are on the device, where several stages may use them; any thread may ask."""
        if self.on_host or not isinstance(self._effect, Composite) or not isinstance(frame.picture, YCbCr):
            return frame
        return replace(frame, picture=uploaded_planes(frame.picture, self._device))

    def __call__(
        self, pixels: Pixels, seconds: float, *, cut: bool = False, motion: OpticalFlow | None = None
    ) -> Pixels:
        """The processed frame, in main memory, where the next one is not known; see `start`."""
        return self.start(pixels, seconds, cut=cut, motion=motion)()

    def start(
        self,
        pixels: Pixels,
        seconds: float,
        *,
        cut: bool = False,
        motion: OpticalFlow | None = None,
        next_frame: Frame | None = None,
        forward_motion: OpticalFlow | None = None,
        next_motion: OpticalFlow | None = None,
    ) -> Callable[[], Pixels]:
        """Starts to process a frame; a device works on it while the caller goes on.

        Args:
            pixels: of a frame, see `Frame.picture`; not modified.
            seconds: presentation time.
            cut: the frame does not continue the previous one; the effect is reset.
            motion: optical flow from this frame to the previous one, if known.
            next_frame: the next frame, if it is known and continues this one.
            forward_motion: optical flow from this frame to the next one; given with `next_frame`.
            next_motion: optical flow from the next frame to this one, if known.

        Returns:
            A function that waits for the processed frame, and returns it in main memory: a picture like
            `pixels`, or RGB; `pixels` itself, as it was before it was uploaded, if the effect returns its
            input.

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
            return (lambda: on_host(pixels)) if result is picture else start_downloads(result)

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
    if devices.on_host(device):
        return RGB(pixels) if isinstance(pixels, np.ndarray) else pixels
    if isinstance(pixels, np.ndarray):
        return FloatImage(upload(pixels, device))
    return uploaded_planes(pixels, device)


def uploaded_planes(picture: YCbCr, device: torch.device) -> YCbCr:
    """Planes on a device other than the CPU; unchanged if they are there already.

    Raises:
        OutOfMemoryError: they do not fit into memory.
    """
    if not picture.on_host:
        return picture
    height, width = picture.size
    with out_of_memory(width, height):
        planes = each(lambda plane: upload_plane(plane, device), picture.planes)
    return YCbCr(planes, picture.tags, picture.siting, picture)


def on_host(pixels: Pixels) -> Pixels:
    """The same in main memory, from where it was uploaded."""
    return pixels.host if isinstance(pixels, YCbCr) and pixels.host is not None else pixels


def start_downloads(picture: Picture) -> Callable[[], Pixels]:
    """The inverse of `uploaded`, without waiting: a function that waits for the result."""
    if isinstance(picture, FloatImage):
        return start_download(in_bytes(picture.image)).array
    if isinstance(picture, RGB):
        return lambda: picture.pixels
    assert isinstance(picture, YCbCr)
    if picture.on_host:
        return lambda: picture
    downloads = each(start_download, picture.planes)
    return lambda: YCbCr(each(lambda plane: plane.array(), downloads), picture.tags, picture.siting)
