"""Masks: an image, video or folder of images that is bright where an effect is applied."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Self

import numpy as np

from streamstyle.errors import InputError
from streamstyle.frames import Frame
from streamstyle.images import mask_values
from streamstyle.sources import ReadOptions, open_source


class Mask:
    """The mask at each time of a video. A context manager.

    An image masks the whole video. A mask video gives the frame shown at that time, after its end the last
    one. The mask is the alpha channel if it has any transparency, else the brightness.

    Args:
        path: image, video, or folder of images.
        invert: apply the effect where the mask is dark.
        start: seconds to skip at the beginning of a mask video.
        fps: images per second of a folder.

    Raises:
        InputError: the mask cannot be read, or has no frame from `start` on.
    """

    def __init__(
        self, path: str | Path, *, invert: bool = False, start: float = 0.0, fps: Fraction | None = None
    ) -> None:
        self._path, self._invert, self._start, self._fps = path, invert, start, fps
        self._open = ExitStack()

    def __enter__(self) -> Self:
        source = self._open.enter_context(
            open_source(self._path, ReadOptions(start=self._start, fps=self._fps))
        )
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
        """(H, W) uint8, 255 where the effect is applied; the same array while the mask is unchanged.

        Args:
            seconds: time in the video; must not decrease from call to call.
        """
        latest = None
        while self._next is not None and self._next.seconds <= seconds + 1e-6:
            latest, self._next = self._next, next(self._frames, None)
        if latest is not None:
            self._shown = self.values(latest)
        return self._shown

    def values(self, frame: Frame) -> np.ndarray:
        """(H, W) uint8, the mask from one frame."""
        values = mask_values(frame.pixels, frame.alpha)
        return 255 - values if self._invert else values
