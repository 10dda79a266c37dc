"""Still pictures, folders of pictures, animated pictures.

What a picture file is and how it is decoded is said in `media/pictures.py`; here pictures become frames.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Self

from streamstyle.errors import InputError
from streamstyle.frames import Frame, StreamInfo
from streamstyle.images import Notices, Picture, PictureFile, Scale, is_animation, is_picture

__all__ = ["AnimationSource", "FolderSource", "StillSource", "is_animation", "is_picture", "read_picture"]

_log = logging.getLogger("streamstyle")

_MILLISECOND = Fraction(1, 1000)


def read_picture(path: Path, *, size: tuple[int, int] | None = None, max_size: int | None = None) -> Frame:
    """One picture as a Frame: upright, sRGB, 8 bits, at time 0.

    Args:
        path: JPEG, PNG, WebP, TIFF, BMP, GIF, PPM, or AVIF where Pillow can read it.
        size: exact (width, height) in pixels.
        max_size: longest side at most, in pixels; a smaller picture stays as it is.

    Raises:
        InputError: the file is missing, damaged, of no supported format or of more than MAX_PIXELS.
    """
    with PictureFile(path, Scale(size, max_size), Notices()) as file:
        picture = file.still()
    return Frame(picture.pixels, 0, _MILLISECOND, alpha=picture.alpha, reset=True)


class StillSource:
    """One picture; of an animation or of a file with several pages the first.

    The picture is decoded on opening, so that errors come at once and `info` is certain.

    Args:
        path, size, max_size: as for `read_picture`.

    Raises:
        InputError: on opening, as `read_picture`.
    """

    def __init__(
        self, path: Path, *, size: tuple[int, int] | None = None, max_size: int | None = None
    ) -> None:
        self.lost = 0
        self._frame = read_picture(path, size=size, max_size=max_size)
        self.info = _info(path, "still", self._frame, frames=1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def __iter__(self) -> Iterator[Frame]:
        yield self._frame


class FolderSource:
    """The pictures of a folder in natural order (img2 before img10), each with its name, size and reset.

    Hidden files and subfolders are passed over in silence, other files that are no pictures with one warning.
    A picture that cannot be read is named in a warning, left out, and counted in `lost`. Its place in time
    stays empty: the pts go on counting, so that a film made of the folder keeps its timing.
    `info` has the size of the first readable picture; the others may differ.

    Args:
        path: the folder.
        size: exact (width, height) in pixels, of every picture.
        max_size: longest side at most, in pixels; smaller pictures stay as they are.
        rate: pictures per second.
        as_film: each picture continues the one before it, where it has the same size.

    Attributes:
        lost: number of pictures found so far that could not be read.

    Raises:
        InputError: on opening, there is no such folder, or no readable picture in it.
    """

    def __init__(
        self,
        path: Path,
        *,
        size: tuple[int, int] | None = None,
        max_size: int | None = None,
        rate: Fraction = Fraction(25),
        as_film: bool = False,
    ) -> None:
        self._scale = Scale(size, max_size)
        self._rate = rate
        self._as_film = as_film
        self._notices = Notices()
        self.lost = 0
        self._damaged: set[Path] = set()
        self._paths = _pictures_in(path)
        first = next(iter(self), None)
        if first is None:
            raise InputError(f"{path}: no readable picture in this folder, damaged: {self.lost}")
        self.info = _info(path, "folder", first, frames=len(self._paths), rate=rate)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def __iter__(self) -> Iterator[Frame]:
        last: tuple[int, ...] = ()
        for index, path in enumerate(self._paths):
            picture = self._read_or_warn(path)
            if picture is not None:
                continues = self._as_film and picture.pixels.shape == last
                last = picture.pixels.shape
                yield Frame(
                    picture.pixels,
                    pts=index,
                    time_base=1 / self._rate,
                    duration=1,
                    alpha=picture.alpha,
                    reset=not continues,
                    name=path.name,
                )

    def _read_or_warn(self, path: Path) -> Picture | None:
        if path in self._damaged:
            return None
        try:
            with PictureFile(path, self._scale, self._notices) as file:
                return file.still()
        except InputError as exc:
            self._damaged.add(path)
            self.lost = len(self._damaged)
            _log.warning("left out: %s", exc)
            return None


class AnimationSource:
    """An animated WebP, PNG or GIF as a film with times in milliseconds.

    After damage Pillow cannot go on: the film ends there with a warning, and the frames that are missing are
    counted in `lost`. `info.rate` is that of the first frame; the others may be shown longer or shorter.

    Args:
        path: the file; a picture that does not move gives one frame.
        size: exact (width, height) in pixels.
        max_size: longest side at most, in pixels; a smaller animation stays as it is.

    Attributes:
        lost: number of frames that could not be read.

    Raises:
        InputError: on opening, the first frame cannot be read.
    """

    def __init__(
        self, path: Path, *, size: tuple[int, int] | None = None, max_size: int | None = None
    ) -> None:
        self._path = path
        self._scale = Scale(size, max_size)
        self._notices = Notices()
        self.lost = 0
        with PictureFile(path, self._scale, self._notices) as file:
            picture = file.frame(file.first)
            frames = file.frames - file.first
        first = Frame(picture.pixels, 0, _MILLISECOND, alpha=picture.alpha)
        rate = Fraction(1000 / picture.milliseconds).limit_denominator(1001)  # 1001: 30000/1001 and its kin
        self.info = _info(path, "film", first, frames=frames, rate=rate)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def __iter__(self) -> Iterator[Frame]:
        elapsed_ms = 0.0
        for index, picture in enumerate(self._pictures()):
            pts, elapsed_ms = round(elapsed_ms), elapsed_ms + picture.milliseconds
            yield Frame(
                picture.pixels,
                pts=pts,
                time_base=_MILLISECOND,
                duration=round(elapsed_ms) - pts,
                alpha=picture.alpha,
                reset=index == 0,
            )

    def _pictures(self) -> Iterator[Picture]:
        """The frames up to the end or the first damage."""
        with PictureFile(self._path, self._scale, self._notices) as file:
            for number in range(file.first, file.frames):
                try:
                    picture = file.frame(number)
                except InputError as exc:
                    self.lost = file.frames - number
                    _log.warning("%s; it ends here, frames lost: %d", exc, self.lost)
                    return
                yield picture


def _pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder, in natural order."""
    try:
        files = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    except OSError as exc:
        raise InputError(f"{folder}: {exc.strerror}") from exc
    pictures = sorted(filter(is_picture, files), key=_natural)
    if not pictures:
        raise InputError(f"{folder}: no picture in this folder")
    if len(pictures) < len(files):
        others = len(files) - len(pictures)
        _log.warning("%s: files that are no pictures, left out: %d", folder, others)
    return pictures


def _natural(path: Path) -> tuple[list[str | int], str]:
    """Sorts img2 before img10: numbers by value, words whatever their case."""
    parts = re.split("([0-9]+)", path.name)  # words at even places, numbers at odd ones
    return [int(part) if place % 2 else part.casefold() for place, part in enumerate(parts)], path.name


def _info(path: Path, kind: str, first: Frame, *, frames: int, rate: Fraction | None = None) -> StreamInfo:
    height, width = first.pixels.shape[:2]
    return StreamInfo(
        name=str(path),
        kind=kind,
        width=width,
        height=height,
        time_base=first.time_base,
        rate=rate,
        frames=frames,
        has_alpha=first.alpha is not None,
        bytes=path.stat().st_size if path.is_file() else None,
    )
