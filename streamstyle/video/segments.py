"""Segments: videos are written in separate files of a few seconds, so that a killed run loses at most two:
the one that is written and the one before, if it is still being finished.

Each segment is usually an MP4 (see `Codec.segment`) that is playable by itself and begins at time 0; the
manifest has its position in the video. Matroska is not suitable: with reordered frames its first packets are
read back without a decoding time, and a reader that skips those loses the keyframe.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
from av.video.stream import VideoStream

from streamstyle.files import sha256_of, sync
from streamstyle.frames import Frame, StreamInfo
from streamstyle.video.codecs import Codec, EncodeOptions
from streamstyle.video.encoding import Encoder, output_error
from streamstyle.video.opening import DAMAGE


@dataclass(frozen=True, slots=True)
class Segment:
    """A finished segment.

    Attributes:
        file: name in the job folder.
        frames: number of frames.
        first: presentation time of its first frame in the video, in time base units.
        last_duration: duration of its last frame, in time base units.
        reorder: largest number of positions by which a frame is later in the file than in presentation order.
        bytes, sha256: of the file.
        left_out: number of source frames before its end, since the last segment, that have no place in it.
    """

    file: str
    frames: int
    first: int
    last_duration: int
    reorder: int
    bytes: int
    sha256: str
    left_out: int = 0


class SegmentWriter:
    """Encodes the frames of one segment into a file.

    Raises:
        UsageError: the encoder does not support the size or the options.
        OutputError: the file cannot be written.
    """

    def __init__(
        self,
        path: Path,
        muxer: str,
        codec: Codec,
        options: EncodeOptions,
        info: StreamInfo,
        time_base: Fraction,
    ) -> None:
        self.path = path
        self._time_base = time_base
        self._first: int | None = None
        self._last: Frame | None = None
        self._frames = 0
        self._container = av.open(str(path), "w", format=muxer)
        try:
            self._encoder = Encoder(self._container, codec, options, info, time_base)
        except BaseException:
            self._container.close()
            path.unlink(missing_ok=True)
            raise

    def write(self, frame: Frame) -> None:
        """Encode one frame."""
        if self._first is None:
            self._first = frame.pts
        self._last = frame
        self._frames += 1
        try:
            self._container.mux(self._encoder.encode(replace(frame, pts=frame.pts - self._first)))
        except (*DAMAGE, OSError) as error:
            raise output_error(self.path, error) from error

    @property
    def frames(self) -> int:
        """Number of frames written."""
        return self._frames

    def close(self) -> Segment:
        """Finish the file, check it by reading it back, and describe it."""
        assert self._first is not None and self._last is not None
        try:
            self._container.mux(self._encoder.flush())
            self._container.close()
            sync(self.path)
            times = packet_times(self.path, self._time_base)
        except (*DAMAGE, OSError) as error:
            raise output_error(self.path, error) from error
        if len(times) != self._frames:
            raise output_error(
                self.path, ValueError(f"only {len(times)} of {self._frames} frames were written")
            )
        return Segment(
            file=self.path.name,
            frames=self._frames,
            first=self._first,
            last_duration=max(self._last.duration, 1),
            reorder=reordering(times),
            bytes=self.path.stat().st_size,
            sha256=sha256_of(self.path),
        )

    def give_up(self) -> None:
        """End the file early, so that it is playable; a resumed run writes the segment again."""
        try:
            self._container.mux(self._encoder.flush())
            self._container.close()
        except (*DAMAGE, OSError):
            self.discard()

    def discard(self) -> None:
        """Remove the file, to free its space."""
        try:
            self._container.close()
        except (*DAMAGE, OSError):
            pass  # the cause is already reported
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


def packet_times(path: Path, time_base: Fraction) -> list[int]:
    """Presentation times of the packets of a segment in file order, in units of `time_base`."""
    with av.open(str(path)) as container:
        return [presentation_time(packet, time_base) for packet in container.demux(video=0) if packet.size]


def packet_bytes(path: Path) -> tuple[list[int], list[int]]:
    """Sizes in bytes of the keyframe packets of a video, and of the other packets."""
    sizes: tuple[list[int], list[int]] = [], []
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            if packet.size:
                sizes[not packet.is_keyframe].append(packet.size)
    return sizes


def presentation_time(packet: av.Packet[VideoStream], time_base: Fraction) -> int:
    """Presentation time of a segment's packet in units of `time_base`."""
    # AVI stores only decoding times; its pts are guesses. We write it without reordering, so dts equals pts.
    dts_only = packet.stream.container.format.name == "avi"
    time = packet.dts if dts_only or packet.pts is None else packet.pts
    assert time is not None and packet.time_base is not None
    return round(time * packet.time_base / time_base)


def reordering(times: list[int]) -> int:
    """The largest number of positions by which a frame is later in the file than in presentation order."""
    rank = {pts: place for place, pts in enumerate(sorted(times))}
    return max((place - rank[pts] for place, pts in enumerate(times)), default=0)
