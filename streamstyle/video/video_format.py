"""How a video file is written: container, codec, time base, and the modes of the other tracks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from streamstyle.frames import StreamInfo
from streamstyle.video.codecs import (
    Codec,
    ContainerFormat,
    EncodeOptions,
    choose_codec,
    container_format,
    expected_bits_per_pixel,
)
from streamstyle.video.contents import Contents, Target, plan_contents
from streamstyle.video.encoding import warn_of_padding
from streamstyle.video.frame_grid import grid_rate

_TRACK_BIT_RATE = 192_000  # assumed for tracks with unknown bit rate


@dataclass(frozen=True)
class VideoFormat:
    """How a video is written, decided before its first frame.

    Attributes:
        target: the output: its container, the source's `StreamInfo`, the time base.
        options: of the encoder.
        codec: of its frames.
        contents: its other tracks, tags and chapters.
    """

    target: Target
    options: EncodeOptions
    codec: Codec
    contents: Contents

    @property
    def info(self) -> StreamInfo:
        """Of the source."""
        return self.target.info

    @property
    def container(self) -> ContainerFormat:
        """Of the video."""
        return self.target.form

    @property
    def time_base(self) -> Fraction:
        """Seconds per unit of its presentation times."""
        return self.target.time_base

    @property
    def track_modes(self) -> Mapping[int, str]:
        """The mode of each other track by key; dropped tracks are missing."""
        return self.contents.track_modes

    @property
    def segment_muxer(self) -> str:
        """Muxer of the segments, and the suffix of their files."""
        # AVI needs H.264 with start codes, which MP4 does not store.
        return "avi" if self.container.muxer == "avi" else self.codec.segment

    def expected_bytes(self, done: int = 0) -> int:
        """Expected bytes of segments, tracks and the joined video together.

        Args:
            done: number of frames whose segments already exist.
        """
        info, seconds = self.info, self.info.length or 0.0
        remaining = max((info.frames or 0) - done, 0)
        bits = expected_bits_per_pixel(self.codec, self.options)
        frames = remaining * info.width * info.height * bits / 8
        if self.options.bit_rate is not None:
            frames = self.options.bit_rate * seconds / 8
        rates = (getattr(track, "bit_rate", None) or _TRACK_BIT_RATE for track in info.tracks.values())
        return int(2 * (frames + sum(rates) * seconds / 8))


def choose_format(path: Path, info: StreamInfo, options: EncodeOptions, audio: str = "copy") -> VideoFormat:
    """Decide how to write a video; what cannot be copied is reported in warnings.

    Args:
        path: of the video; its suffix selects the container.
        info: of the source.
        options: of the encoder.
        audio: "copy" or "none".

    Raises:
        UsageError: the suffix is unknown, an option is invalid for the codec, or the encoder or the container
            refuses the video.
    """
    container = container_format(path)
    _, codec = choose_codec(container, options, path.name)
    warn_of_padding(info, options.pixel_format or codec.pixel_format)
    time_base = Fraction(info.time_base)
    if container.muxer == "avi":
        time_base = 1 / grid_rate(info)
    target = Target(path.name, info, container, time_base)
    return VideoFormat(target, options, codec, plan_contents(target, codec, options, audio))
