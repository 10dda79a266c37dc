"""How a source is read."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How a source is read; each kind of source uses the options that apply to it.

    Attributes:
        size: scale to exactly (width, height), in pixels.
        max_size: scale down so that the longer side is at most this, in pixels.
        start, length: part of a video to read, in seconds.
        fps: constant frame rate of a video, or images per second of a folder.
        deinterlace: deinterlace interlaced videos.
        decoder: "cpu", or "nvdec" for that of an NVIDIA card, which hides damage.
        as_video: the images of a folder are consecutive frames of a video.
    """

    size: tuple[int, int] | None = None
    max_size: int | None = None
    start: float = 0.0
    length: float | None = None
    fps: Fraction | None = None
    deinterlace: bool = True
    decoder: str = "cpu"
    as_video: bool = False
