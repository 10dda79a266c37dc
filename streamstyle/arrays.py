"""The reader of `.npy` files, which hold one array of numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from streamstyle.errors import InputError, OutOfMemoryError


def read_array(path: Path) -> np.ndarray:
    """The array of a `.npy` file. Code in it is never run.

    Raises:
        InputError: the file is missing, damaged, or in another format.
        OutOfMemoryError: the array does not fit into main memory.
    """
    try:
        with path.open("rb") as file:
            array: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
    except MemoryError as exc:
        raise OutOfMemoryError(f"{path}: does not fit into main memory") from exc
    except Exception as exc:  # its header is parsed as Python: damage raises TokenError, TypeError …
        text = getattr(exc, "strerror", None) or " ".join(str(exc).split()) or type(exc).__name__
        raise InputError(f"{path}: not a readable .npy file: {text}") from exc
    return array
