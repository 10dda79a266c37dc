"""Videos are written in closed segments of a few seconds, so that a killed run loses one of them at most.

Each segment is an MP4 (or MOV) that plays by itself and begins at time 0; its place in the video stands in
the manifest. Matroska would not do: with reordered frames its first packets come back without a decoding
time, and a reader that skips those loses the key frame.
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
        first: presentation time of the first one in the video, in time base units.
        last_duration: how long the last one is shown, in time base units.
        reorder: how many places a frame may come later in the file than it is shown.
        bytes, sha256: of the file.
    """

    file: str
    frames: int
    first: int
    last_duration: int
    reorder: int
    bytes: int
    sha256: str


class SegmentWriter:
    """Encodes the frames of one segment into a file.

    Raises:
        UsageError: the encoder refuses the size or the options.
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

    def close(self) -> Segment:
        """Finish the file, read it back and describe it."""
        assert self._first is not None and self._last is not None
        try:
            self._container.mux(self._encoder.flush())
            self._container.close()
            sync(self.path)
            times = packet_times(self.path, self._time_base)
        except (*DAMAGE, OSError) as error:
            raise output_error(self.path, error) from error
        if len(times) != self._frames:
            raise output_error(self.path, ValueError(f"{len(times)} of {self._frames} frames came back"))
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
        """End the file where it is, for watching; a run that goes on writes it again."""
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
            pass  # the reason for giving up is reported already
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


def packet_times(path: Path, time_base: Fraction) -> list[int]:
    """Presentation times of the packets of a segment in file order, in units of `time_base`."""
    with av.open(str(path)) as container:
        return [shown_at(packet, time_base) for packet in container.demux(video=0) if packet.size]


def packet_bytes(path: Path) -> tuple[list[int], list[int]]:
    """Sizes of the key packets of a video, and of the others."""
    sizes: tuple[list[int], list[int]] = [], []
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            if packet.size:
                sizes[not packet.is_keyframe].append(packet.size)
    return sizes


def shown_at(packet: av.Packet[VideoStream], time_base: Fraction) -> int:
    """Presentation time of a segment's packet in units of `time_base`."""
    # AVI knows decoding times only, and we write it without reordering; what comes as pts is a guess.
    counts_frames = packet.stream.container.format.name == "avi"
    time = packet.dts if counts_frames or packet.pts is None else packet.pts
    assert time is not None and packet.time_base is not None
    return round(time * packet.time_base / time_base)


def reordering(times: list[int]) -> int:
    """The largest number of places by which a frame lies behind its place in presentation order."""
    rank = {pts: place for place, pts in enumerate(sorted(times))}
    return max((place - rank[pts] for place, pts in enumerate(times)), default=0)
