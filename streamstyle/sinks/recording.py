"""Recordings of live streams: videos that are playable even if the recording is interrupted."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from streamstyle.errors import OutputError, UsageError
from streamstyle.files import real_target, refuse_overwrite
from streamstyle.frames import Frame, Sink, SinkItem, StreamInfo
from streamstyle.video.codecs import EncodeOptions
from streamstyle.video.fragmented_file import Recording, check_ending

# One thread: each additional one would delay output by a frame and take a core from the network.
OPTIONS = EncodeOptions(preset="superfast", quality=20, threads=1, low_delay=True)


class RecordingSink(Sink):
    """Records frames with their capture times, without audio.

    Until it is complete, the video is named NAME.part.mp4. That file is playable and is kept after an error.

    Args:
        path: of the video; its suffix selects the container. A symbolic link is followed.
        info: of the stream, for its size.
        options: of the encoder.
        overwrite: replace an existing file.

    Raises:
        UsageError: on opening, as `check_recording`.
        OutputError: the video cannot be written.
    """

    def __init__(
        self,
        path: Path | str,
        info: StreamInfo,
        options: EncodeOptions = OPTIONS,
        *,
        overwrite: bool = False,
    ) -> None:
        check_recording(Path(path), overwrite=overwrite)
        self._path, self._overwrite = real_target(Path(path)), overwrite
        self._recording = Recording(part_of(self._path), info, options)
        self._done = False

    def write(self, item: SinkItem) -> None:
        """Record a frame."""
        if isinstance(item, Frame):
            self._recording.write(item)

    def close(self) -> None:
        """Finish the video and give it its final name."""
        if self._done:
            return
        self._done = True
        self._recording.close()
        if os.path.exists(self._path) and not self._overwrite:
            raise OutputError(
                f"{self._path}: was created meanwhile; the recording is in {self._recording.path}"
            )
        self._recording.finish(self._path)

    def abort(self) -> None:
        """Stop recording; the file keeps its temporary name."""
        if not self._done:
            self._done = True
            with suppress(OutputError):  # the disk may be the cause
                self._recording.close()


def check_recording(path: Path, *, overwrite: bool) -> None:
    """Check that a recording can be written to `path`.

    Raises:
        UsageError: the video exists and `overwrite` is False, its folder does not exist, or its suffix is not
            that of a container for recordings.
        OutputError: it is not a regular file.
    """
    check_ending(path)
    refuse_overwrite(path, overwrite)
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}")
    real_target(path)


def part_of(path: Path) -> Path:
    """An unused name for an unfinished recording."""
    number = 1
    while True:
        part = path.with_name(f"{path.stem}.part{f'-{number}' if number > 1 else ''}{path.suffix}")
        if not os.path.exists(part):
            return part
        number += 1
