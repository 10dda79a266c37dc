"""Uploaded paintings: each becomes a style of the visitor who uploaded it."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np

from streamstyle.apps.web.clip_reader import HEADER, REFUSED
from streamstyle.apps.web.clips import MEMORY_BYTES, Store
from streamstyle.arbitrary_styles import LoadedStyle, predicted_style_of
from streamstyle.errors import InputError
from streamstyle.files import sha256_of
from streamstyle.paintings import painting_tensor

MOST_PAINTINGS = 10  # of one visitor at a time
READ_SECONDS = 60.0  # that reading may take; an image of 100 megapixels takes a while
PAINTING = "painting-"  # begins the names of these styles


def painting_style(store: Store, memory_bytes: int = MEMORY_BYTES) -> LoadedStyle:
    """The style of an uploaded painting; its name is made from the file's content.

    Args:
        store: the upload; it is not closed.
        memory_bytes: limit for the process that reads it.

    Raises:
        InputError: the image cannot be read, is too small or too large, or has one color only; the message
            contains no path.
    """
    sha256 = sha256_of(Path(store.path))
    painting = painting_tensor(_pixels_of(store, memory_bytes))
    return predicted_style_of(painting, f"{PAINTING}{sha256[:12]}", sha256)


def _pixels_of(store: Store, memory_bytes: int) -> np.ndarray:
    """The painting as the predictor wants it, (H, W, 3) uint8 RGB, read by a process of its own."""
    command = [sys.executable, "-P", "-m", "streamstyle.apps.web.painting_reader"]
    try:
        done = subprocess.run(
            [*command, store.path, str(memory_bytes)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=store.descriptors,
            timeout=READ_SECONDS,
        )
        kind, width, height, size, _ = HEADER.unpack_from(done.stdout)
        data = done.stdout[HEADER.size :]
        if len(data) < size:
            raise EOFError
    except subprocess.TimeoutExpired as error:
        raise InputError(f"it could not be read within {READ_SECONDS:g} seconds") from error
    except (struct.error, EOFError) as error:
        raise InputError("the decoder crashed, perhaps because it ran out of memory") from error
    if kind == REFUSED:
        raise InputError(data.decode(errors="replace"))
    return np.frombuffer(data, np.uint8).reshape(height, width, 3).copy()
