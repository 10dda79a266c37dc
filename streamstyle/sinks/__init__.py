"""Sinks of frames. Each kind of sink is one class and one line in SINKS."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, Self

from streamstyle.errors import UsageError, did_you_mean
from streamstyle.frames import Sink, StreamInfo
from streamstyle.sinks.images import FORMATS, FolderSink, StillSink
from streamstyle.sinks.options import WriteOptions
from streamstyle.sinks.pipe import PipeSink
from streamstyle.sinks.video import VideoSink
from streamstyle.video.codecs import CONTAINERS

__all__ = ["SINKS", "NamedSink", "WriteOptions", "open_sink", "sink_for"]


class NamedSink(Sink, Protocol):
    """A sink that is opened by a name: a path, a folder, a URL, or "-" for stdout."""

    @classmethod
    def accepts(cls, name: str) -> bool:
        """Whether this kind of sink writes `name`.

        Raises:
            OutputError: the name cannot be used.
        """
        ...

    @classmethod
    def open(cls, name: str, info: StreamInfo, options: WriteOptions) -> Self:
        """Open `name` for writing.

        Raises:
            UsageError: the output exists and may not be overwritten, or an option does not apply to it.
            OutputError: the output cannot be written.
        """
        ...


# The last kind that accepts a name writes it; VideoSink accepts every name.
SINKS: dict[str, type[NamedSink]] = {
    "video": VideoSink,
    "still": StillSink,
    "folder": FolderSink,
    "pipe": PipeSink,
}


def sink_for(name: str | Path) -> type[NamedSink]:
    """The class in SINKS that writes `name`.

    Existing folders, names that end in a slash and names without a suffix are folders.

    Raises:
        UsageError: its suffix is unknown.
        OutputError: the name cannot be used.
    """
    kind = next(kind for kind in reversed(SINKS.values()) if kind.accepts(str(name)))
    if kind is VideoSink and (suffix := Path(name).suffix.lower()) not in CONTAINERS:
        hint = did_you_mean(suffix, [*CONTAINERS, *FORMATS])
        raise UsageError(
            f"{name}: cannot write {suffix}{hint}; "
            f"videos: {' '.join(CONTAINERS)}; images: {' '.join(FORMATS)}"
        )
    return kind


def open_sink(name: str | Path, info: StreamInfo, options: WriteOptions | None = None) -> Sink:
    """Open a video, image, folder, URL, or "-" for stdout, by its name.

    Args:
        name: of the output.
        info: of the source.
        options: how to write.

    Raises:
        UsageError: the output exists and may not be overwritten, its suffix is unknown, or an option does not
            apply to it.
        OutputError: the output cannot be written.
    """
    return sink_for(name).open(str(name), info, options or WriteOptions())
