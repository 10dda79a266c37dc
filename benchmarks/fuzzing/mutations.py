"""Damage to files: bits and blocks of any file, and chunks of the formats that have them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from fuzzing.chunks import Chunk, chunks_of, with_checksums

Mutation = Callable[[bytearray, random.Random, Sequence[bytes]], None]
LARGEST_BLOCK = 4096  # bytes
TEMPTING = (0, 1, 2, 7, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1)


def mutate(data: bytes, rng: random.Random, others: Sequence[bytes]) -> tuple[bytes, list[str]]:
    """A damaged copy.

    Args:
        data: of the file.
        rng: decides everything.
        others: files from which blocks are taken.

    Returns:
        The copy, and the names of the mutations, one to four, in order.
    """
    damaged, names = bytearray(data), []
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        chunked = [OF_CHUNKS] * 3 if chunks_of(bytes(damaged[:64])) or chunks_of(bytes(damaged)) else []
        name, mutation = rng.choice(list(rng.choice([OF_BYTES, OF_BYTES, *chunked]).items()))
        mutation(damaged, rng, others)
        names.append(name)
    return with_checksums(bytes(damaged)) if rng.random() < 0.7 else bytes(damaged), names


def block(data: bytearray, rng: random.Random, largest: int = LARGEST_BLOCK) -> slice:
    """A random range of bytes; short ones, and ones near the start, are the most probable."""
    start = int(len(data) * rng.random() ** 2)
    return slice(start, start + int(largest ** rng.random()))


def flip_bits(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    for _ in range(rng.choice((1, 1, 3, 10, 50)) if data else 0):
        data[int(len(data) * rng.random() ** 2)] ^= 1 << rng.randrange(8)


def cut_end(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    del data[rng.randrange(len(data) + 1) :]


def cut_start(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    del data[: block(data, rng).start]


def zero(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    where = block(data, rng)
    data[where] = bytes(len(data[where]))


def scramble(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    where = block(data, rng)
    data[where] = rng.randbytes(len(data[where]))


def remove_block(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    del data[block(data, rng)]


def repeat_block(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    where = block(data, rng)
    data[where.start : where.start] = data[where] * rng.choice((1, 1, 2, 20))


def splice(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    """A block of another file, in place of as many bytes or between them."""
    other = bytearray(rng.choice(others))
    piece, where = other[block(other, rng, 4 * LARGEST_BLOCK)], block(data, rng)
    data[where.start : where.start + rng.choice((0, len(piece)))] = piece


def write_number(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    """Numbers that programs get wrong, in place of some."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        width, start = rng.choice((1, 2, 4, 4, 8)), block(data, rng).start
        value = (rng.choice(TEMPTING) + rng.choice((-1, 0, 0, 1))) % (1 << 8 * width)
        data[start : start + width] = value.to_bytes(width, rng.choice(("big", "little")))


def set_length(data: bytearray, chunk: Chunk, counted: int) -> None:
    """Write the length field of a chunk, cut to what fits into it."""
    bits = 7 * chunk.length_bytes if chunk.kind == "ebml" else 8 * chunk.length_bytes
    value = counted % (1 << bits)
    if chunk.kind == "ebml":
        value |= 1 << bits  # the marker of the field's size
    field = value.to_bytes(chunk.length_bytes, chunk.order)  # type: ignore[arg-type]
    data[chunk.length_at : chunk.length_at + chunk.length_bytes] = field


def length_of(data: bytearray, chunk: Chunk) -> int:
    """What the length field of a chunk says."""
    field = bytes(data[chunk.length_at : chunk.length_at + chunk.length_bytes])
    value = int.from_bytes(field, chunk.order)  # type: ignore[arg-type]
    return value & ((1 << 7 * chunk.length_bytes) - 1) if chunk.kind == "ebml" else value


def put(data: bytearray, at: int, removed: int, piece: bytes, rng: random.Random) -> None:
    """Replace bytes; mostly the chunks around them get the length that is right again."""
    if rng.random() < 0.7:
        for outer in chunks_of(bytes(data)):
            if outer.start < at and at + removed <= outer.end:
                set_length(data, outer, length_of(data, outer) + len(piece) - removed)
    data[at : at + removed] = piece


def one_chunk(data: bytearray, rng: random.Random) -> Chunk | None:
    found = chunks_of(bytes(data))
    return rng.choice(found) if found else None


def remove_chunk(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    if chunk := one_chunk(data, rng):
        put(data, chunk.start, chunk.end - chunk.start, b"", rng)


def repeat_chunk(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    if chunk := one_chunk(data, rng):
        put(data, chunk.end, 0, bytes(data[chunk.start : chunk.end]) * rng.choice((1, 1, 30)), rng)


def swap_chunks(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    found = chunks_of(bytes(data))
    pairs = [(a, b) for a in found for b in found if a.end <= b.start][:2000]
    if pairs:
        a, b = rng.choice(pairs)
        first, between, second = data[a.start : a.end], data[a.end : b.start], data[b.start : b.end]
        data[a.start : b.end] = second + between + first


def move_chunk(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    """A chunk of another file in front of one."""
    other = bytearray(rng.choice(others))
    if (piece := one_chunk(other, rng)) and (chunk := one_chunk(data, rng)):
        put(data, chunk.start, 0, bytes(other[piece.start : piece.end]), rng)


def resize_chunk(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    if chunk := one_chunk(data, rng):
        now = length_of(data, chunk)
        set_length(data, chunk, rng.choice((0, 1, 7, 8, now - 1, now + 1, 2 * now, now // 2, *TEMPTING)))


def damage_chunk(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    """Any damage to bytes, but inside one chunk, and mostly a short one: headers are reached at all."""
    found = sorted(chunks_of(bytes(data)), key=lambda chunk: chunk.end - chunk.start)
    if found:
        chunk = found[int(len(found) * rng.random() ** 1.5)]
        inside = data[chunk.start : chunk.end]
        rng.choice((flip_bits, flip_bits, zero, scramble, write_number, write_number))(inside, rng, others)
        data[chunk.start : chunk.end] = inside[: chunk.end - chunk.start]


def rename_chunk(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    """One changed letter of a box's name, or bit of an element's: it becomes another, or none."""
    if chunk := one_chunk(data, rng):
        name = chunk.start + {"box": 4, "png": 4}.get(chunk.kind, 0)
        data[name + (rng.randrange(4) if chunk.kind != "ebml" else 0)] ^= 1 << rng.randrange(6)


OF_BYTES: dict[str, Mutation] = {
    "flipped bits": flip_bits,
    "cut end": cut_end,
    "cut start": cut_start,
    "zeros": zero,
    "noise": scramble,
    "removed block": remove_block,
    "repeated block": repeat_block,
    "spliced block": splice,
    "numbers": write_number,
}
OF_CHUNKS: dict[str, Mutation] = {
    "removed chunk": remove_chunk,
    "repeated chunk": repeat_chunk,
    "swapped chunks": swap_chunks,
    "foreign chunk": move_chunk,
    "resized chunk": resize_chunk,
    "damaged chunk": damage_chunk,
    "renamed chunk": rename_chunk,
}
