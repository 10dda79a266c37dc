"""Stores the packets of audio and subtitle tracks on disk until the video is joined."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av.packet import PacketSideData
from av.stream import Stream

from streamstyle.errors import OutputError
from streamstyle.frames import Packet
from streamstyle.video.opening import reason

_RECORD = struct.Struct("<iqqqBi")  # track, pts, dts, duration, key frame, bytes
_NONE = -(2**63)


class PacketLog:
    """Appends packets to a file and returns them in the same order, byte for byte.

    Side data (samples to skip, cue settings) is rare and cannot be serialized by PyAV; it stays in memory.

    Args:
        path: of the file; an existing one is replaced.
        tracks: the input tracks by key.

    Raises:
        OutputError: the file cannot be written.
    """

    def __init__(self, path: Path, tracks: Mapping[int, object]) -> None:
        self._path = path
        self._tracks = cast("Mapping[int, Stream]", tracks)
        try:
            self._file = path.open("wb")
        except OSError as error:
            raise OutputError(f"{path}: cannot be written ({reason(error)})") from error
        self._count = 0
        self._side_data: dict[int, list[PacketSideData]] = {}

    def append(self, item: Packet) -> None:
        """Store a packet.

        Raises:
            OSError: the disk is full or fails.
        """
        packet = cast("av.Packet[Stream]", item.payload)
        data = bytes(packet)
        times = (_NONE if value is None else value for value in (packet.pts, packet.dts))
        record = _RECORD.pack(item.track, *times, packet.duration or 0, packet.is_keyframe, len(data))
        self._file.write(record + data)
        side_data = list(packet.iter_sidedata())
        if side_data:
            self._side_data[self._count] = side_data
        self._count += 1

    def close(self) -> None:
        """Write buffered data and close the file.

        Raises:
            OutputError: the disk is full or fails.
        """
        try:
            self._file.close()
        except OSError as error:
            raise OutputError(f"{self._path}: cannot be written ({reason(error)})") from error

    def __iter__(self) -> Iterator[tuple[int, av.Packet[Stream]]]:
        """(track, packet) in the order of `append`; nothing can be appended afterwards."""
        self.close()
        with self._path.open("rb") as file:
            for index in range(self._count):
                track, pts, dts, duration, key, size = _RECORD.unpack(file.read(_RECORD.size))
                packet = av.Packet(file.read(size))
                packet.pts = None if pts == _NONE else pts
                packet.dts = None if dts == _NONE else dts
                packet.duration = duration
                packet.time_base = self._tracks[track].time_base or Fraction(1)
                packet.is_keyframe = bool(key)
                for side_data in self._side_data.get(index, ()):
                    packet.set_sidedata(side_data)
                yield track, packet
