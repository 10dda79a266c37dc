"""The sound of a file, to go with images that have none."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from fractions import Fraction

import av
from av.stream import Stream

from streamstyle.errors import InputError
from streamstyle.frames import Packet
from streamstyle.video.decoding import read_packets
from streamstyle.video.opening import close_input, open_sound


class Sound:
    """The audio tracks of a video or sound file.

    Args:
        name: path of the file.

    Attributes:
        tracks: by key, for `StreamInfo.tracks`.
        start: seconds at which the file begins.

    Raises:
        InputError: it cannot be read, or holds no sound.
    """

    def __init__(self, name: str) -> None:
        self._container = open_sound(name)
        self.tracks = {stream.index: stream for stream in self._container.streams.audio}
        if not self.tracks:
            self._container.close()
            raise InputError(f"{name}: holds no sound")
        self.start = Fraction(max(self._container.start_time or 0, 0), 1_000_000)
        self._reading = self._read()

    def packets(self, seconds: float) -> Iterator[tuple[float, Packet]]:
        """Packets that begin before that time, each with its time, in the order of the file."""
        for packet in self._reading:
            if not packet.size:  # the end
                return
            time = packet.dts if packet.dts is not None else packet.pts
            begin = 0.0 if time is None else float(time * Fraction(packet.time_base) - self.start)
            if begin >= seconds:
                return
            yield begin, Packet(packet.stream.index, packet)

    def close(self) -> None:
        """Let go of the file."""
        close_input(self._container, self._reading)

    def _read(self) -> Generator[av.Packet[Stream], None, None]:
        yield from read_packets(self._container, list(self.tracks.values()))
