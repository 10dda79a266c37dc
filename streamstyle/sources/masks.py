"""Where an effect is to be seen: a picture, a film or a folder of pictures, bright where it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Self

import cv2
import numpy as np

from streamstyle.errors import InputError
from streamstyle.frames import Frame
from streamstyle.sources import open_source


class Mask:
    """The mask at each time of a film. A context manager.

    A picture holds for the whole film; of a film, the frame that is shown at the time, and after its end
    the last one. Transparency is the mask where there is any, else brightness.

    Args:
        path: picture, film, or folder of pictures.
        invert: the effect is to be seen where the mask is dark.
        start: seconds that are left out at the beginning of a film.
        fps: pictures per second of a folder.

    Raises:
        InputError: it cannot be read.
    """

    def __init__(
        self, path: str | Path, *, invert: bool = False, start: float = 0.0, fps: Fraction | None = None
    ) -> None:
        self._path, self._invert, self._start, self._fps = path, invert, start, fps
        self._open = ExitStack()

    def __enter__(self) -> Self:
        source = self._open.enter_context(open_source(self._path, start=self._start, fps=self._fps))
        self._frames: Iterator[Frame] = (item for item in source if isinstance(item, Frame))
        first = next(self._frames, None)
        if first is None:
            self._open.close()
            raise InputError(f"{self._path}: the mask has no frame from {self._start:g} s on")
        self._shown = self.values(first)
        self._next = next(self._frames, None)
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.close()

    def __call__(self, seconds: float) -> np.ndarray:
        """(H, W) uint8, 255 where the effect is to be seen; the same array as long as it does not change.

        Args:
            seconds: may not go back.
        """
        latest = None
        while self._next is not None and self._next.seconds <= seconds + 1e-6:
            latest, self._next = self._next, next(self._frames, None)
        if latest is not None:
            self._shown = self.values(latest)
        return self._shown

    def values(self, frame: Frame) -> np.ndarray:
        """The mask that a frame shows."""
        has_alpha = frame.alpha is not None and frame.alpha.min() < 255
        values = frame.alpha if has_alpha else cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2GRAY)
        assert values is not None
        return 255 - values if self._invert else values
