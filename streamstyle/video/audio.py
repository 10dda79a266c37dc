"""Audio of a file, to be added to a video made from an image."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from fractions import Fraction

import av
from av.stream import Stream

from streamstyle.errors import InputError
from streamstyle.frames import Packet
from streamstyle.video.decoding import PacketReader
from streamstyle.video.opening import close_input, open_audio


class AudioTracks:
    """The audio tracks of a video or audio file.

    Args:
        name: path of the file.

    Attributes:
        tracks: by key, for `StreamInfo.tracks`.
        start: presentation time in seconds at which the file begins.

    Raises:
        InputError: the file cannot be read, or has no audio track.
    """

    def __init__(self, name: str) -> None:
        self._container = open_audio(name)
        self.tracks = {stream.index: stream for stream in self._container.streams.audio}
        if not self.tracks:
            self._container.close()
            raise InputError(f"{name}: has no audio track")
        self.start = Fraction(max(self._container.start_time or 0, 0), 1_000_000)
        self._reading = self._read(name)

    def packets(self, seconds: float) -> Iterator[tuple[float, Packet]]:
        """(time, packet) in file order, up to the first packet that begins at `seconds` or later."""
        for packet in self._reading:
            time = packet.dts if packet.dts is not None else packet.pts
            begin = 0.0 if time is None else float(time * Fraction(packet.time_base) - self.start)
            if begin >= seconds:
                return
            yield begin, Packet(packet.stream.index, packet)

    def close(self) -> None:
        """Close the file."""
        close_input(self._container, self._reading)

    def _read(self, name: str) -> Generator[av.Packet[Stream], None, None]:
        yield from PacketReader(self._container, list(self.tracks.values()), name)
