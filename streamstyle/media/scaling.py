"""The size that frames are read at."""

from __future__ import annotations

from fractions import Fraction


def fitted_size(
    width: int, height: int, size: tuple[int, int] | None = None, max_size: int | None = None
) -> tuple[int, int]:
    """(width, height) in pixels after scaling.

    Args:
        width, height: of the upright source.
        size: exactly this, whatever the shape of the source.
        max_size: at most this on the longer side; the shape is kept, both sides become even. Sources that
            are small enough stay as they are.
    """
    if size is not None:
        return size
    longest = max(width, height)
    if max_size is None or longest <= max_size:
        return width, height
    factor = Fraction(max_size, longest)
    return max(2, round(width * factor / 2) * 2), max(2, round(height * factor / 2) * 2)
