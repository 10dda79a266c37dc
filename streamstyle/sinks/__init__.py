"""Where frames go: each kind of sink is one file, and one line in SINKS."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, Self

from streamstyle.frames import Sink, StreamInfo
from streamstyle.sinks.images import FolderSink, StillSink
from streamstyle.sinks.options import WriteOptions
from streamstyle.sinks.pipe import PipeSink
from streamstyle.sinks.video import VideoSink

__all__ = ["SINKS", "NamedSink", "WriteOptions", "open_sink", "sink_for"]


class NamedSink(Sink, Protocol):
    """A sink that is opened by a name: a path, a folder, a URL, or "-" for stdout."""

    @classmethod
    def accepts(cls, name: str) -> bool:
        """Whether it writes what has this name.

        Raises:
            OutputError: the name cannot be used.
        """
        ...

    @classmethod
    def open(cls, name: str, info: StreamInfo, options: WriteOptions) -> Self:
        """The sink of this name.

        Raises:
            UsageError: it exists and is not to be overwritten, or the options do not fit.
            OutputError: it cannot be written.
        """
        ...


# The last one that accepts a name writes it; videos accept every name.
SINKS: dict[str, type[NamedSink]] = {
    "video": VideoSink,
    "still": StillSink,
    "folder": FolderSink,
    "pipe": PipeSink,
}


def sink_for(name: str | Path) -> type[NamedSink]:
    """Which of SINKS writes `name`: a folder is one that exists, ends in a slash, or has no ending.

    Raises:
        OutputError: the name cannot be used.
    """
    return next(kind for kind in reversed(SINKS.values()) if kind.accepts(str(name)))


def open_sink(name: str | Path, info: StreamInfo, options: WriteOptions | None = None) -> Sink:
    """Open a video, image, folder, URL, or "-" for stdout, by its name.

    Args:
        name: of the output.
        info: of the source.
        options: how to write.

    Raises:
        UsageError: it exists and is not to be overwritten, or the ending or the options do not fit.
        OutputError: it cannot be written.
    """
    return sink_for(name).open(str(name), info, options or WriteOptions())
