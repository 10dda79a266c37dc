"""The chunks of a file that say how long they are: MP4 boxes, EBML elements, RIFF and PNG chunks."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

MOST = 400  # chunks of a file; enough to reach all parts of a small one
PNG = b"\x89PNG\r\n\x1a\n"
EBML = b"\x1a\x45\xdf\xa3"
RESERVED_FOR_CHILDREN = {  # MP4 boxes that hold boxes, and the bytes before these
    **dict.fromkeys((b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"udta", b"dinf"), 0),
    **dict.fromkeys((b"mvex", b"moof", b"traf", b"mfra", b"ilst"), 0),
    **{b"meta": 4, b"stsd": 8, b"dref": 8, b"avc1": 78, b"mp4v": 78, b"mp4a": 28},
}
MASTERS = {  # EBML elements that hold elements
    *(0x18538067, 0x1549A966, 0x1654AE6B, 0xAE, 0xE0, 0xE1, 0x1F43B675, 0xA0, 0x1C53BB6B, 0xBB, 0xB7),
    *(0x114D9B74, 0x4DBB, 0x1254C367, 0x7373, 0x67C8, 0x63C0, 0x1043A770, 0x45B9, 0xB6, 0x80, 0x1A45DFA3),
}


@dataclass(frozen=True)
class Chunk:
    """A part of a file with a field for its length.

    Attributes:
        start, end: in bytes; `end` is behind the last byte.
        length_at, length_bytes: place and size of the field.
        order: "big" or "little".
        kind: what is counted: "box" counts itself, "riff" and "png" what follows their header; the field of
            "ebml" begins with a bit that tells its size.
    """

    start: int
    end: int
    length_at: int
    length_bytes: int
    order: str
    kind: str


def chunks_of(data: bytes) -> list[Chunk]:
    """All chunks, outer ones before those inside; none for formats without."""
    if data.startswith(PNG):
        found = png_chunks(data)
    elif data[:4] in (b"RIFF", b"RIFX"):
        found = riff_chunks(data, 0, len(data))
    elif data.startswith(EBML):
        found = elements(data, 0, len(data))
    elif data[4:8] in (b"ftyp", b"styp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        found = boxes(data, 0, len(data))
    else:
        return []
    return [chunk for chunk, _ in zip(found, range(MOST), strict=False)]


def boxes(data: bytes, at: int, end: int) -> Iterator[Chunk]:
    """MP4 boxes, as far as their lengths make sense."""
    while at + 8 <= end:
        length, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        length = end - at if length == 0 else length
        if length < 8 or at + length > end:
            return
        yield Chunk(at, at + length, at, 4, "big", "box")
        if name in RESERVED_FOR_CHILDREN:
            yield from boxes(data, at + 8 + RESERVED_FOR_CHILDREN[name], at + length)
        at += length


def elements(data: bytes, at: int, end: int) -> Iterator[Chunk]:
    """EBML elements; those of unknown length reach to the end."""
    while at + 2 <= end and data[at]:
        id_bytes = 9 - data[at].bit_length()
        field = at + id_bytes
        if id_bytes > 4 or field >= end or not data[field]:
            return
        size = 9 - data[field].bit_length()
        length = int.from_bytes(data[field : field + size], "big") & ((1 << 7 * size) - 1)
        inside = field + size
        after = end if length == (1 << 7 * size) - 1 else inside + length
        if after > end:
            return
        yield Chunk(at, after, field, size, "big", "ebml")
        if int.from_bytes(data[at:field], "big") in MASTERS:
            yield from elements(data, inside, after)
        at = after


def riff_chunks(data: bytes, at: int, end: int) -> Iterator[Chunk]:
    """RIFF chunks of AVI, WebP and WAV."""
    while at + 8 <= end:
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        after = at + 8 + length
        if after > end:
            return
        yield Chunk(at, after, at + 4, 4, "little", "riff")
        if data[at : at + 4] in (b"RIFF", b"LIST"):
            yield from riff_chunks(data, at + 12, after)
        at = after + length % 2


def png_chunks(data: bytes) -> Iterator[Chunk]:
    """PNG chunks with their checksums."""
    at = len(PNG)
    while at + 12 <= len(data):
        after = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if after > len(data):
            return
        yield Chunk(at, after, at, 4, "big", "png")
        at = after


def with_checksums(data: bytes) -> bytes:
    """A PNG with right checksums, so that damage inside its chunks is looked at; other files unchanged."""
    if not data.startswith(PNG):
        return data
    repaired = bytearray(data)
    for chunk in png_chunks(data):
        checksum = zlib.crc32(data[chunk.start + 4 : chunk.end - 4])
        repaired[chunk.end - 4 : chunk.end] = checksum.to_bytes(4, "big")
    return bytes(repaired)
