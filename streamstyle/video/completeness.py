"""Tells whether a video has been cut off, as by an interrupted download or a full disk.

FFmpeg reads such a file up to its end without an error. It is recognised by the lengths that the file states:
those of its parts in bytes, and that of the whole in seconds.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from av.container import InputContainer

# A stated duration may differ a little from that of the longest track.
_TOLERANCE_SECONDS = Fraction(1, 2)
# Formats whose header states the duration; elsewhere FFmpeg takes it from the data, or guesses it.
_STATED = ("matroska", "flv", "asf")

_MATROSKA_SEGMENT = bytes.fromhex("18538067")
_OGG_PAGE_BYTES = 65_307  # at most (RFC 3533, section 6)
_OGG_LAST_PAGE = 4


def is_cut_off(container: InputContainer, path: Path | None) -> bool:
    """Whether the file ends within one of its parts; False if its bytes cannot be read again.

    Args:
        container: open.
        path: of the file; None if it is a stream.
    """
    find_parts = _PARTS.get(container.format.name.split(",")[0])
    if path is None or find_parts is None:
        return False
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            return any(end > size for end in find_parts(file, size))
    except OSError:  # removed meanwhile
        return False


def missing_seconds(container: InputContainer, end: Fraction) -> Fraction:
    """By how much the tracks end before the stated end of the file, in seconds; 0 if they do not.

    Args:
        container: read up to its end.
        end: when its tracks end, in seconds.
    """
    if not container.duration or not container.format.name.startswith(_STATED):
        return Fraction(0)
    start = Fraction(max(container.start_time or 0, 0), 1_000_000)
    missing = Fraction(container.duration, 1_000_000) - end
    # The stated duration includes the time before the first frame in some files.
    return missing if missing > _TOLERANCE_SECONDS and missing > start else Fraction(0)


def has_no_index(path: Path) -> bool:
    """Whether the file is an MP4 without its index (`moov`), without which it cannot be read.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        kinds = [kind for kind, _ in _boxes(file, path.stat().st_size)]
    return kinds[:1] == [b"ftyp"] and b"mdat" in kinds and b"moov" not in kinds


def _boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int]]:
    """(kind, end in bytes) of the boxes of an MP4 (ISO/IEC 14496-12, 4.2)."""
    start = 0
    while start < size:
        file.seek(start)
        head = file.read(16)
        if len(head) < 8:
            return
        length, header = struct.unpack(">I", head[:4])[0], 8
        if length == 1 and len(head) == 16:
            length, header = struct.unpack(">Q", head[8:])[0], 16
        if length == 0:  # up to the end of the file
            length = size - start
        if length < header or not head[4:8].isalnum():
            return  # not a box: something has been appended
        start += length
        yield head[4:8], start


def _box_ends(file: BinaryIO, size: int) -> Iterator[int]:
    return (end for _, end in _boxes(file, size))


def _riff_ends(file: BinaryIO, size: int) -> Iterator[int]:
    """The ends of the RIFF chunks of an AVI; a large one has several."""
    start = 0
    while start < size:
        file.seek(start)
        head = file.read(8)
        if len(head) < 8 or head[:4] != b"RIFF":
            return
        length = struct.unpack("<I", head[4:])[0]
        if length in (0, 2**32 - 1):  # not known while it was written
            return
        start += 8 + length + length % 2
        yield start - length % 2


def _segment_end(file: BinaryIO, size: int) -> Iterator[int]:
    """The end of the segment of a Matroska file (RFC 8794, section 4, and RFC 9559, section 5)."""
    start = 0
    for _ in range(2):  # the EBML header, then the segment
        file.seek(start)
        head = file.read(12)
        if len(head) < 12 or not head[4]:
            return
        octets = 9 - head[4].bit_length()
        length = int.from_bytes(head[4 : 4 + octets]) & (2 ** (7 * octets) - 1)
        if length == 2 ** (7 * octets) - 1:  # unknown
            return
        start += 4 + octets + length
        if head[:4] == _MATROSKA_SEGMENT:
            yield start


def _object_ends(file: BinaryIO, size: int) -> Iterator[int]:
    """The ends of the objects of an ASF file (its specification, section 2.1)."""
    start = 0
    while start < size:
        file.seek(start)
        head = file.read(24)
        length = int.from_bytes(head[16:24], "little")
        if len(head) < 24 or length < 24:
            return
        start += length
        yield start


def _ogg_end(file: BinaryIO, size: int) -> Iterator[int]:
    """The end of the last page of an Ogg file (RFC 3533, section 6), or later if more pages should follow."""
    begin = max(size - 2 * _OGG_PAGE_BYTES, 0)
    file.seek(begin)
    data = file.read()
    start = data.rfind(b"OggS")
    head = data[start : start + 27]
    if start < 0 or len(head) < 27:
        return
    lengths = data[start + 27 : start + 27 + head[26]]
    yield begin + start + 27 + head[26] + sum(lengths) + (not head[5] & _OGG_LAST_PAGE)


def _packet_end(file: BinaryIO, size: int) -> Iterator[int]:
    """The end of the last packet of an MPEG transport stream; its packets have one of three lengths."""
    if all(size % length for length in (188, 192, 204)):
        yield size + 1


_PARTS: dict[str, Callable[[BinaryIO, int], Iterator[int]]] = {
    "mov": _box_ends,
    "avi": _riff_ends,
    "matroska": _segment_end,
    "asf": _object_ends,
    "ogg": _ogg_end,
    "mpegts": _packet_end,
}
