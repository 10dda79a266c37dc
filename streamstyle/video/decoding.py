"""Decodes packet by packet and reports missing frames.

`container.decode()` ends at the first damaged packet; a loop over packets continues after it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
from av.container import InputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from streamstyle.cores import usable_cores
from streamstyle.video.chroma import chroma_siting
from streamstyle.video.clock import Clock
from streamstyle.video.opening import DAMAGE, open_input
from streamstyle.video.tracks import beginning_of, choose_video

# A demuxer that fails this often in a row will not recover.
_MAX_READ_ERRORS = 64
_MANY_CORES = 8  # with fewer, encoder and effect use all of them while one thread decodes
_THREADS = 4
_SAFE_WITH_THREADS = ("h264",)  # damage that hevc does not notice looks different each time
_LATEST_FRAME = 40  # packets after which a packet's frame must have appeared: reordered, and some per thread


def decoding_threads() -> int:
    """How many frames may be decoded at once, so that decoding does not bound the speed on this machine."""
    return _THREADS if usable_cores() >= _MANY_CORES else 1


class PacketReader:
    """The packets of some tracks in file order, including those after damage, with the times of a `Clock`.

    Args:
        container: to read; iterate only once.
        streams: the tracks to read.
        name: of the input, for warnings.

    Attributes:
        error: the error at which reading ended, or None if it ended at the end of the input.
        end: when the latest packet read so far ends, in seconds.
    """

    def __init__(self, container: InputContainer, streams: list[Stream], name: str) -> None:
        self._container, self._streams = container, streams
        self._clock = Clock(container, name)
        self.error: BaseException | None = None

    @property
    def end(self) -> Fraction:
        return self._clock.now()

    def __iter__(self) -> Iterator[av.Packet[Stream]]:
        """The packets."""
        return self._clock.correct(self._read())

    def _read(self) -> Iterator[av.Packet[Stream]]:
        errors = 0
        while errors < _MAX_READ_ERRORS:
            try:
                for packet in self._container.demux(self._streams):
                    if packet.size:  # the last ones are empty
                        errors, self.error = 0, None
                        yield packet
                return
            except (*DAMAGE, OSError) as error:
                errors, self.error = errors + 1, error
                if isinstance(error, TimeoutError | av.error.ExitError):  # a server that has fallen silent
                    errors = _MAX_READ_ERRORS


def measured_seconds(name: str) -> float:
    """The duration of a video, measured by reading all of its packets, without decoding them.

    Raises:
        InputError: it cannot be opened.
    """
    with open_input(name) as container:
        video = choose_video(container, name)
        reader = PacketReader(container, [video], name)
        for _ in reader:
            pass
        return float(reader.end - beginning_of(container, video))


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded frame, or a placeholder for a lost one.

    Attributes:
        frame: the decoded frame, or None if it is lost.
        pts: its presentation time from the stream, or None.
        damaged: the decoder flagged the frame as corrupt.
        duration: how long it is shown, in units of `pts`; 0 if unknown.
    """

    frame: av.VideoFrame | None
    pts: int | None
    damaged: bool = False
    duration: int = 0


class Decoder:
    """Decodes the packets of one video track into frames, in presentation order.

    If a packet cannot be decoded and its frame does not appear, a lost frame is reported at its time. Several
    threads report that late, and not at all at the end of the stream; see `is_doubtful`.

    Args:
        stream: the track.
        threads: frames that are decoded at once, if the codec can.

    Attributes:
        is_doubtful: with several threads: something is damaged, or a packet's frame has not appeared, which
            some streams do not mean to show. What was reported before is right.
        packets: number of packets seen.
        errors: number of packets that could not be decoded.
        siting: where chroma lies, see `chroma_siting`.
    """

    def __init__(self, stream: VideoStream, threads: int = 1) -> None:
        self._is_checked = threads > 1 and stream.codec_context.name in _SAFE_WITH_THREADS
        # Never slice threads: those of h264 lose the flag of corrupt frames. dav1d has its own threads, and
        # reports all errors in time.
        if stream.codec_context.name == "libdav1d":
            stream.thread_type = "AUTO"
        elif self._is_checked:
            stream.thread_type, stream.thread_count = "FRAME", threads
        else:
            stream.thread_type = "NONE"
        self.siting = chroma_siting(stream)
        self._stream = stream
        self._lost: list[int] = []
        self._latest: int | None = None
        self._dts_only = stream.container.format.name == "avi"
        self._last_pts: int | None = None
        self._last_dts: int | None = None
        self._unsteady_pts = self._unsteady_dts = 0  # number of times that do not increase
        self._expected: dict[
            int, int
        ] = {}  # presentation times of packets without a frame so far, and numbers
        self.packets = 0
        self.errors = 0
        self.is_doubtful = False

    def decode(self, packet: av.Packet[Stream]) -> Iterator[Decoded]:
        """The frames that `packet` completes."""
        self.packets += 1
        if self._is_checked:
            self._expect(packet)
        try:
            frames = self._stream.codec_context.decode(packet)
        except (*DAMAGE, OSError):
            self.errors += 1
            self.is_doubtful = self._is_checked
            yield from self._missing(packet)
            return
        yield from self._decoded(frames)

    def flush(self) -> Iterator[Decoded]:
        """The frames still buffered at the end of the stream."""
        try:
            frames = self._stream.codec_context.decode(None)
        except (*DAMAGE, OSError):
            frames = []
        yield from self._decoded(frames)
        self.is_doubtful |= bool(self._expected)
        yield from self._lost_before(None)

    def _decoded(self, frames: list[av.VideoFrame]) -> Iterator[Decoded]:
        for frame in frames:
            if self._is_checked:
                self.is_doubtful |= frame.is_corrupt
                self._expected.pop(frame.pts if frame.pts is not None else -1, None)
            pts = self._time(frame)
            yield from self._lost_before(pts)
            self._latest = pts
            yield Decoded(frame, pts, frame.is_corrupt, frame.duration or 0)

    def _expect(self, packet: av.Packet[Stream]) -> None:
        """Remember a packet until its frame appears."""
        oldest = next(iter(self._expected.values()), self.packets)
        self.is_doubtful |= packet.pts is None or self.packets - oldest > _LATEST_FRAME
        if packet.pts is not None and not packet.is_discard:
            self._expected[packet.pts] = self.packets

    def _time(self, frame: av.VideoFrame) -> int | None:
        """The presentation time of a frame.

        Decoding times increase from frame to frame as presentation times do. They are used if they increase
        more reliably; in AVI always, as it stores no others and FFmpeg guesses presentation times.
        """
        pts, dts = frame.pts, frame.dts
        if pts is not None:
            self._unsteady_pts += self._last_pts is not None and pts <= self._last_pts
            self._last_pts = pts
        if dts is not None:
            self._unsteady_dts += self._last_dts is not None and dts <= self._last_dts
            self._last_dts = dts
        prefers_dts = self._dts_only or self._unsteady_pts > self._unsteady_dts
        return dts if dts is not None and (prefers_dts or pts is None) else pts

    def _missing(self, packet: av.Packet[Stream]) -> Iterator[Decoded]:
        if packet.is_discard:
            return
        if packet.pts is None:
            yield Decoded(None, None)
        elif self._latest is None or packet.pts > self._latest:
            heapq.heappush(self._lost, packet.pts)

    def _lost_before(self, pts: int | None) -> Iterator[Decoded]:
        """Report the lost frames before `pts`, or all of them if it is None."""
        while self._lost and (pts is None or self._lost[0] <= pts):
            lost = heapq.heappop(self._lost)
            if lost != pts:
                yield Decoded(None, lost)
