"""Keeps the packets of audio and subtitle tracks on disk until the film is joined."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path

import av
from av.packet import PacketSideData
from av.stream import Stream

_RECORD = struct.Struct("<iqqqBi")  # track, pts, dts, duration, key frame, bytes
_NONE = -(2**63)


class PacketLog:
    """Appends packets to a file and gives them back in the same order, byte for byte.

    Side data (samples to skip, cue settings) is rare and has no byte form in PyAV; it stays in memory.

    Args:
        path: of the file; what was there is replaced.
        streams: the input tracks by key.
    """

    def __init__(self, path: Path, streams: Mapping[int, Stream]) -> None:
        self._path = path
        self._streams = streams
        self._file = path.open("wb")
        self._count = 0
        self._side_data: dict[int, list[PacketSideData]] = {}

    def append(self, track: int, packet: av.Packet[Stream]) -> None:
        """Store a packet.

        Raises:
            OSError: the disk is full or fails.
        """
        data = bytes(packet)
        times = (_NONE if value is None else value for value in (packet.pts, packet.dts))
        record = _RECORD.pack(track, *times, packet.duration or 0, packet.is_keyframe, len(data))
        self._file.write(record + data)
        side_data = list(packet.iter_sidedata())
        if side_data:
            self._side_data[self._count] = side_data
        self._count += 1

    def close(self) -> None:
        """Write out what is buffered."""
        self._file.close()

    def __iter__(self) -> Iterator[tuple[int, av.Packet[Stream]]]:
        """(track, packet) in the order they came; nothing can be appended afterwards."""
        self._file.close()
        with self._path.open("rb") as file:
            for index in range(self._count):
                track, pts, dts, duration, key, size = _RECORD.unpack(file.read(_RECORD.size))
                packet = av.Packet(file.read(size))
                packet.pts = None if pts == _NONE else pts
                packet.dts = None if dts == _NONE else dts
                packet.duration = duration
                packet.time_base = self._streams[track].time_base or Fraction(1)
                packet.is_keyframe = bool(key)
                for side_data in self._side_data.get(index, ()):
                    packet.set_sidedata(side_data)
                yield track, packet
