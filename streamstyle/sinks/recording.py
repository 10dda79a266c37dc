"""Recordings of live streams: videos that play even if the recording is interrupted."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from streamstyle.errors import OutputError, UsageError
from streamstyle.files import refuse_overwrite
from streamstyle.frames import Frame, Sink, SinkItem, StreamInfo
from streamstyle.video.codecs import EncodeOptions
from streamstyle.video.recording import Recording, check_ending

# One thread: each further one would delay a frame, and take cores from the network.
OPTIONS = EncodeOptions(preset="superfast", quality=20, threads=1, low_delay=True)


class RecordingSink(Sink):
    """Records frames at the times when they were captured, without audio.

    Until it is complete, the video is called NAME.part.mp4. It plays, and is kept if something goes wrong.

    Args:
        path: of the video; its suffix selects the container.
        info: of the stream, for its size.
        options: for the encoder.
        overwrite: replace a former file.

    Raises:
        UsageError: on opening, as `check_recording`.
        OutputError: it cannot be written.
    """

    checkpoint_seconds: float | None = None

    def __init__(
        self,
        path: Path | str,
        info: StreamInfo,
        options: EncodeOptions = OPTIONS,
        *,
        overwrite: bool = False,
    ) -> None:
        self._path, self._overwrite = Path(path), overwrite
        check_recording(self._path, overwrite=overwrite)
        self._recording = Recording(part_of(self._path), info, options)
        self._done = False

    def write(self, item: SinkItem) -> None:
        """Record a frame."""
        if isinstance(item, Frame):
            self._recording.write(item)

    def close(self) -> None:
        """Finish the video and give it its name."""
        if self._done:
            return
        self._done = True
        self._recording.close()
        if self._path.exists() and not self._overwrite:
            raise OutputError(f"{self._path}: exists by now; the recording is in {self._recording.path}")
        self._recording.finish(self._path)

    def abort(self) -> None:
        """Stop here; what was recorded keeps its temporary name."""
        if not self._done:
            self._done = True
            with suppress(OutputError):  # the disk may be what failed
                self._recording.close()


def check_recording(path: Path, *, overwrite: bool) -> None:
    """Make sure that a recording may have that name.

    Raises:
        UsageError: the video exists and `overwrite` is False, its folder does not exist, or its suffix is not
            that of a video that can be recorded.
    """
    check_ending(path)
    refuse_overwrite(path, overwrite)
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}")


def part_of(path: Path) -> Path:
    """A name for an unfinished recording that no other unfinished recording has."""
    number = 1
    while True:
        part = path.with_name(f"{path.stem}.part{f'-{number}' if number > 1 else ''}{path.suffix}")
        if not part.exists():
            return part
        number += 1
