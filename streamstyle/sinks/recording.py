"""Recordings of what happens live: films that play whatever ends them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from streamstyle.errors import OutputError, UsageError
from streamstyle.frames import Frame, Sink, SinkItem, StreamInfo
from streamstyle.video.codecs import EncodeOptions
from streamstyle.video.recording import Recording, check_ending

# One thread: more would each hold a frame back, and take cores from the painting.
OPTIONS = EncodeOptions(preset="superfast", quality=20, threads=1, low_delay=True)


class RecordingSink(Sink):
    """Records frames at the times at which they were taken, without sound.

    Until it is complete the film is called NAME.part.mp4; it plays, and stays when something goes wrong.

    Args:
        path: of the film; its ending chooses the container.
        info: of the stream: its size.
        options: for the encoder.
        overwrite: replace what is there.

    Raises:
        UsageError: the film exists, or has no ending of a film that can be recorded.
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
        """Finish the film and give it its name."""
        if self._done:
            return
        self._done = True
        self._recording.close()
        if self._path.exists() and not self._overwrite:
            raise OutputError(f"{self._path}: exists by now; the recording lies in {self._recording.path}")
        self._recording.finish(self._path)

    def abort(self) -> None:
        """Stop here; what was recorded stays under its other name."""
        if not self._done:
            self._done = True
            with suppress(OutputError):  # the disk may be what failed
                self._recording.close()


def check_recording(path: Path, *, overwrite: bool) -> None:
    """Make sure that a recording may have that name.

    Raises:
        UsageError: the film exists, its folder does not, or its ending is not one of a film.
    """
    check_ending(path)
    if path.exists() and not overwrite:
        raise UsageError(f"{path}: exists; -y overwrites it")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}")


def part_of(path: Path) -> Path:
    """Where an unfinished recording lies; never where one that was killed lies."""
    number = 1
    while True:
        part = path.with_name(f"{path.stem}.part{f'-{number}' if number > 1 else ''}{path.suffix}")
        if not part.exists():
            return part
        number += 1
