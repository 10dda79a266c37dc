"""Where frames come from. A new kind of source is one file and one line in SOURCES."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from streamstyle.errors import InputError
from streamstyle.frames import Frame, Source
from streamstyle.image_formats import is_image
from streamstyle.images import is_animation
from streamstyle.sources.camera import CameraSource
from streamstyle.sources.images import AnimationSource, FolderSource, StillSource
from streamstyle.sources.memory import MemorySource
from streamstyle.sources.repeated import RepeatedSource
from streamstyle.sources.video import VideoSource
from streamstyle.video.opening import regular_file

SOURCES: dict[str, Callable[..., Source]] = {
    "video": VideoSource,
    "still": StillSource,
    "folder": FolderSource,
    "animation": AnimationSource,
    "memory": MemorySource,
    "repeated": RepeatedSource,
    "camera": CameraSource,
}


def open_source(
    name: str | Path,
    *,
    size: tuple[int, int] | None = None,
    max_size: int | None = None,
    start: float = 0.0,
    length: float | None = None,
    fps: Fraction | None = None,
    deinterlace: bool = True,
    as_film: bool = False,
) -> Source:
    """Open a film, picture, folder of pictures, URL, or "-" for stdin.

    Args:
        name: what to open.
        size: scale to exactly (width, height).
        max_size: scale down so that the longer side is at most this.
        start, length: part to read, in seconds; films only.
        fps: constant frame rate of a film; rate of a folder of pictures.
        deinterlace: weave interlaced films into progressive ones.
        as_film: pictures of a folder continue each other.

    Raises:
        InputError: it is missing, unreadable or refused.
    """
    name = str(name)
    if name != "-" and "://" not in name:
        path = Path(name)
        if path.is_dir():
            return FolderSource(path, size=size, max_size=max_size, rate=fps or Fraction(25), as_film=as_film)
        path = regular_file(name)
        if not _is_film(path) and is_animation(path):
            return AnimationSource(Path(name), size=size, max_size=max_size)
        if not _is_film(path) and is_image(path):
            return StillSource(Path(name), size=size, max_size=max_size)
    return VideoSource(
        name, start=start, length=length, size=size, max_size=max_size, fps=fps, deinterlace=deinterlace
    )


def first_frame(name: str | Path, *, max_size: int | None = None) -> Frame:
    """The image, or the first frame of a video.

    Args:
        name: of an image or video.
        max_size: longer side at most, in pixels.

    Raises:
        InputError: it is missing, or holds no image.
    """
    with open_source(name, max_size=max_size) as source:
        for item in source:
            if isinstance(item, Frame):
                return item
    raise InputError(f"{name}: holds no image")


def _is_film(path: Path) -> bool:
    """GIF and AVIF are films to FFmpeg, which reads their sequences with exact times."""
    with path.open("rb") as file:
        head = file.read(8)
    return head.startswith(b"GIF8") or head[4:] == b"ftyp"
