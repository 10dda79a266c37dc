"""Where segments of a video end: by the times of frames alone, so that every run agrees."""

from __future__ import annotations

from streamstyle.frames import Frame


class Segmentation:
    """Tells before which frames a segment ends. The first frame that it is asked about begins one.

    Args:
        seconds: of a segment, at least; None: segments never end.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._start: float | None = None

    def ends_before(self, frame: Frame) -> bool:
        """Whether a segment ends before this frame; to be asked about each frame in order."""
        if self._start is None:
            self._start = frame.seconds
        if self._seconds is None or frame.seconds - self._start < self._seconds:
            return False
        self._start = frame.seconds
        return True
