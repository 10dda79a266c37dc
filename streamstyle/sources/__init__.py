"""Sources of frames. Each kind of source is one class and one line in SOURCES."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, Self

from streamstyle.errors import InputError
from streamstyle.frames import Frame, Packet, Source
from streamstyle.sources.images import AnimationSource, FolderSource, StillSource
from streamstyle.sources.options import ReadOptions
from streamstyle.sources.video import VideoSource

__all__ = ["SOURCES", "NamedSource", "ReadOptions", "first_frame", "open_source", "packets_of"]


class NamedSource(Source, Protocol):
    """A source that is opened by a name: a path, a folder, a URL, or "-" for stdin."""

    @classmethod
    def accepts(cls, name: str) -> bool:
        """Whether this kind of source reads `name`; False if it does not exist."""
        ...

    @classmethod
    def open(cls, name: str, options: ReadOptions) -> Self:
        """Open `name`; raises InputError if it cannot be read."""
        ...


# The last kind that accepts a name reads it; VideoSource accepts every name.
SOURCES: dict[str, type[NamedSource]] = {
    "video": VideoSource,
    "still": StillSource,
    "animation": AnimationSource,
    "folder": FolderSource,
}


def open_source(name: str | Path, options: ReadOptions | None = None) -> Source:
    """Open a video, image, folder of images, URL, or "-" for stdin.

    Raises:
        InputError: the input is missing, unreadable or refused.
    """
    text = str(name)
    kind = next(kind for kind in reversed(SOURCES.values()) if kind.accepts(text))
    return kind.open(text, options or ReadOptions())


def first_frame(name: str | Path, *, max_size: int | None = None) -> Frame:
    """The image, or the first frame of a video.

    Args:
        name: of an image or video.
        max_size: scale down to at most this on the longer side, in pixels.

    Raises:
        InputError: the input is missing, unreadable or refused, or has no frame.
    """
    with open_source(name, ReadOptions(max_size=max_size)) as source:
        for item in source:
            if isinstance(item, Frame):
                return item
    raise InputError(f"{name}: contains no image")


def packets_of(source: Source) -> Iterator[Packet]:
    """The packets of a source without its frames; a video is not decoded for that.

    Raises:
        InputError: the source cannot be read.
    """
    if isinstance(source, VideoSource):
        yield from source.packets()
    else:
        yield from (item for item in source if isinstance(item, Packet))
