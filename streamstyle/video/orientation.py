"""Rotation and mirroring, read once from the display matrix and applied to the pixels.

Networks need upright images, so the output has no display matrix.
"""

from __future__ import annotations

import logging
from typing import cast

import av
import numpy as np
from av.sidedata.sidedata import SideData

_log = logging.getLogger("streamstyle")

# The eight symmetries of a rectangle: (a, b, c, d) of the display matrix, which maps a source point (x, y) to
# (a x + c y, b x + d y), y down (ISO/IEC 14496-12, 6.2.2) -> NumPy steps (transpose, up-down, left-right).
_SYMMETRIES: dict[tuple[int, int, int, int], tuple[bool, bool, bool]] = {
    (1, 0, 0, 1): (False, False, False),
    (-1, 0, 0, 1): (False, False, True),
    (1, 0, 0, -1): (False, True, False),
    (-1, 0, 0, -1): (False, True, True),
    (0, 1, 1, 0): (True, False, False),
    (0, 1, -1, 0): (True, False, True),
    (0, -1, 1, 0): (True, True, False),
    (0, -1, -1, 0): (True, True, True),
}

Orientation = tuple[bool, bool, bool]
UPRIGHT: Orientation = (False, False, False)


def read_orientation(frame: av.VideoFrame, name: str) -> Orientation:
    """The steps (transpose, flip up-down, flip left-right) that make the frame upright.

    Call it for the first frame only: reading the side data of a frame keeps the frame alive until the next
    full garbage collection.
    """
    linear = _display_matrix(frame)
    if linear is None:
        return UPRIGHT
    size = np.abs(linear).max()
    if size > 0:
        signs = tuple(int(v) for v in np.rint(linear / size))
        exact = np.allclose(linear / size, np.rint(linear / size), atol=0.02)
        if exact and signs in _SYMMETRIES:
            return _SYMMETRIES[signs]
    _log.warning("%s: its rotation is not a multiple of 90 degrees and is ignored", name)
    return UPRIGHT


def _display_matrix(frame: av.VideoFrame) -> np.ndarray | None:
    """The entries (a, b, c, d) of the display matrix of a frame, or None if it has none."""
    try:
        side_data = cast("list[SideData]", list(frame.side_data))
    except ValueError:  # PyAV reads none of it if there is a kind that it does not know, as in spatial video
        angle = np.deg2rad(frame.rotation)
        return np.array([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)])
    for data in side_data:
        if data.type.name == "DISPLAYMATRIX" and len(bytes(data)) == 36:
            return np.frombuffer(bytes(data), dtype="<i4")[[0, 1, 3, 4]].astype(np.float64)
    return None


def turn(pixels: np.ndarray, orientation: Orientation) -> np.ndarray:
    """Upright (H, W, C) pixels, C-contiguous."""
    transpose, up_down, left_right = orientation
    if transpose:
        pixels = pixels.swapaxes(0, 1)
    if up_down:
        pixels = pixels[::-1]
    if left_right:
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
