"""Decoded frames as pictures: their planes where an effect and the encoder can use them, else RGB."""

from __future__ import annotations

import av
import numpy as np
from av.video.plane import VideoPlane

from streamstyle.pictures import YCbCr
from streamstyle.video.chroma import Siting
from streamstyle.video.color import ToRGB, is_wide, resolve_tags
from streamstyle.video.orientation import Orientation, turn

# Formats of 8 bits in three planes; yuvj… have the full range.
PLANAR = ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p")


class ToPicture:
    """Converts decoded frames to upright pictures of one size.

    Frames in PLANAR formats are not converted, and not even copied unless they are turned or resized. All
    others become RGB.

    Args:
        name: of the input, for warnings.
        size: (width, height) of the result in pixels.
        orientation: makes frames upright.
        siting: where chroma lies; None if unknown.
    """

    def __init__(
        self, name: str, size: tuple[int, int], orientation: Orientation, siting: Siting | None
    ) -> None:
        self._size, self._orientation, self._siting = size, orientation, siting
        self._to_rgb = ToRGB(name, size[::-1] if orientation[0] else size)

    def __call__(self, frame: av.VideoFrame) -> np.ndarray | YCbCr:
        """(H, W, 3) uint8 RGB, C-contiguous, or the planes."""
        picture = self._planes(frame)
        if picture is None:
            return turn(self._to_rgb(frame), self._orientation)
        if any(self._orientation):
            picture = picture.turned(*self._orientation)
        width, height = self._size
        return picture if picture.size == (height, width) else picture.resized(height, width)

    def _planes(self, frame: av.VideoFrame) -> YCbCr | None:
        """The picture of the planes, not upright; None if they cannot be used."""
        tags = resolve_tags(frame)
        name = frame.format.name
        if self._siting is None or name not in (*PLANAR, "nv12") or is_wide(tags):
            return None
        if any(plane.line_size <= 0 for plane in frame.planes):  # stored upside down
            return None
        if name == "nv12":  # as NVDEC gives it: both chroma planes in one
            whole, pairs = frame.planes
            return YCbCr((samples(whole), *separated(pairs, frame.width)), tags, self._siting)
        luma, cb, cr = map(samples, frame.planes)
        return YCbCr((luma, cb, cr), tags, self._siting)


def separated(plane: VideoPlane, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Cb and Cr from a plane in which their samples alternate, for a picture of that width."""
    pairs = lines_of(plane)[:, : 2 * -(-width // 2)]
    return np.ascontiguousarray(pairs[:, 0::2]), np.ascontiguousarray(pairs[:, 1::2])


def samples(plane: VideoPlane) -> np.ndarray:
    """(height, width) uint8, a view of the plane's memory."""
    return lines_of(plane)[:, : plane.width]


def lines_of(plane: VideoPlane) -> np.ndarray:
    """(height, bytes of a line) uint8, a view of the plane's memory with its padding."""
    lines = np.frombuffer(memoryview(plane), np.uint8, plane.line_size * plane.height)
    return lines.reshape(plane.height, plane.line_size)


def to_video_frame(picture: YCbCr, pixel_format: str) -> av.VideoFrame:
    """A frame with a copy of the planes, whose last row and column are repeated where it is larger.

    Args:
        picture: with the subsampling of the format, and chroma at LEFT.
        pixel_format: of the frame, one of PLANAR.
    """
    height, width = picture.size
    down, across = picture.subsampling
    frame = av.VideoFrame(-(-width // across) * across, -(-height // down) * down, pixel_format)
    for target, plane in zip(frame.planes, picture.planes, strict=True):
        whole = samples(target)
        rows, columns = plane.shape
        whole[:rows, :columns] = plane
        whole[:rows, columns:] = plane[:, -1:]
        whole[rows:] = whole[rows - 1]
    return frame
