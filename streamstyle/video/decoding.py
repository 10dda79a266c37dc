"""Decodes packet by packet, and says where frames are missing.

`container.decode()` ends at the first damaged packet; a loop over packets goes on behind it.
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

# A reader that fails this often in a row without giving a packet will not recover.
_MAX_READ_ERRORS = 64


def read_packets(container: InputContainer, streams: list[Stream]) -> Iterator[av.Packet[Stream]]:
    """The packets of `streams` in file order, also those behind damaged places; one empty packet last."""
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
    """A decoded image, or the place of a lost one.

    Attributes:
        image: the frame, or None where it is lost.
        pts: its presentation time as the stream gives it, or None.
        damaged: the decoder flagged the image as corrupt.
    """

    picture: av.VideoFrame | None
    pts: int | None
    damaged: bool = False


class Decoder:
    """Turns the packets of one image track into images, in presentation order.

    A packet that cannot be decoded, and whose frame does not appear in spite of that, is reported as a
    lost image at its presentation time.

    Attributes:
        packets: number of packets seen.
        errors: number of packets that could not be decoded.
    """

    def __init__(self, stream: VideoStream) -> None:
        # One thread: with frame threads an error surfaces packets later, and slice threads of h264 lose the
        # flag of corrupt images. dav1d reports both well and has threads of its own.
        stream.thread_type = "AUTO" if stream.codec_context.name == "libdav1d" else "NONE"
        self._stream = stream
        self._lost: list[int] = []
        self._latest: int | None = None
        self.packets = 0
        self.errors = 0

    def decode(self, packet: av.Packet[Stream]) -> Iterator[Decoded]:
        """The images that `packet` completes. The empty packet at the end flushes the decoder."""
        flush = not packet.size
        self.packets += not flush
        try:
            pictures = self._stream.codec_context.decode(None if flush else packet)
        except (*DAMAGE, OSError):
            pictures = []
            if not flush:
                self.errors += 1
                yield from self._missing(packet)
        for picture in pictures:
            pts = picture.pts if picture.pts is not None else picture.dts
            yield from self._passed(pts)
            self._latest = pts
            yield Decoded(picture, pts, picture.is_corrupt)
        if flush:
            yield from self._passed(None)

    def _missing(self, packet: av.Packet[Stream]) -> Iterator[Decoded]:
        if packet.is_discard:
            return
        if packet.pts is None:
            yield Decoded(None, None)
        elif self._latest is None or packet.pts > self._latest:
            heapq.heappush(self._lost, packet.pts)

    def _passed(self, pts: int | None) -> Iterator[Decoded]:
        """Report the lost images before `pts`, all of them where it is None."""
        while self._lost and (pts is None or self._lost[0] <= pts):
            lost = heapq.heappop(self._lost)
            if lost != pts:
                yield Decoded(None, lost)
