"""Decodes packet by packet and reports missing frames.

`container.decode()` ends at the first damaged packet; a loop over packets continues after it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

import av
from av.container import InputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from streamstyle.video.opening import DAMAGE

# A demuxer that fails this often in a row will not recover.
_MAX_READ_ERRORS = 64


def read_packets(container: InputContainer, streams: list[Stream]) -> Iterator[av.Packet[Stream]]:
    """The packets of `streams` in file order, including those after damage; an empty one comes last."""
    errors = 0
    while errors < _MAX_READ_ERRORS:
        try:
            for packet in container.demux(streams):
                errors = 0
                yield packet
            return
        except (*DAMAGE, OSError):
            errors += 1


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded frame, or a placeholder for a lost one.

    Attributes:
        frame: the decoded frame, or None if it is lost.
        pts: its presentation time from the stream, or None.
        damaged: the decoder flagged the frame as corrupt.
    """

    frame: av.VideoFrame | None
    pts: int | None
    damaged: bool = False


class Decoder:
    """Decodes the packets of one video track into frames, in presentation order.

    If a packet cannot be decoded and its frame does not appear, a lost frame is reported at its time.

    Attributes:
        packets: number of packets seen.
        errors: number of packets that could not be decoded.
    """

    def __init__(self, stream: VideoStream) -> None:
        # One thread: with frame threads an error is reported some packets later, and slice threads of h264
        # lose the flag of corrupt frames. dav1d reports both correctly and has its own threads.
        stream.thread_type = "AUTO" if stream.codec_context.name == "libdav1d" else "NONE"
        self._stream = stream
        self._lost: list[int] = []
        self._latest: int | None = None
        self.packets = 0
        self.errors = 0

    def decode(self, packet: av.Packet[Stream]) -> Iterator[Decoded]:
        """The frames that `packet` completes. The empty packet at the end flushes the decoder."""
        flush = not packet.size
        self.packets += not flush
        try:
            frames = self._stream.codec_context.decode(None if flush else packet)
        except (*DAMAGE, OSError):
            frames = []
            if not flush:
                self.errors += 1
                yield from self._missing(packet)
        for frame in frames:
            pts = frame.pts if frame.pts is not None else frame.dts
            yield from self._lost_before(pts)
            self._latest = pts
            yield Decoded(frame, pts, frame.is_corrupt)
        if flush:
            yield from self._lost_before(None)

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
