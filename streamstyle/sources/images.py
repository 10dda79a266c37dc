"""Still images, folders of images, and animated images as sources.

`streamstyle/images.py` decodes the files.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Self

from streamstyle.errors import InputError
from streamstyle.frames import Frame, StreamInfo
from streamstyle.image_recognition import format_of, images_in, is_image
from streamstyle.images import DecodedImage, ImageFile, Notices, is_animation, read_image
from streamstyle.sources.options import ReadOptions

_log = logging.getLogger("streamstyle")

Part = tuple[float, float | None]  # start and length in seconds
WHOLE: Part = (0.0, None)
_MILLISECOND = Fraction(1, 1000)


def is_local_image(name: str) -> bool:
    """Whether `name` is an image file. GIF and AVIF count as videos, as FFmpeg reads their exact times."""
    path = Path(name)
    return name != "-" and "://" not in name and is_image(path) and format_of(path) not in ("GIF", "AVIF")


class StillSource:
    """One image; of an animation or a file of several pages, the first.

    The image is decoded on opening, so that errors are raised early and `info` is exact.

    Args:
        path, size, max_size: as for `read_image`.

    Attributes:
        lost: always 0.

    Raises:
        InputError: on opening, as `read_image`.
    """

    def __init__(
        self, path: Path, *, size: tuple[int, int] | None = None, max_size: int | None = None
    ) -> None:
        self.lost = 0
        image = read_image(path, size=size, max_size=max_size)
        self._frame = Frame(image.pixels, 0, _MILLISECOND, alpha=image.alpha, reset=True)
        self.info = _info(path, "still", self._frame, frames=1)

    @classmethod
    def accepts(cls, name: str) -> bool:
        """Image files."""
        return is_local_image(name)

    @classmethod
    def open(cls, name: str, options: ReadOptions) -> Self:
        """Open the image `name`."""
        return cls(Path(name), size=options.size, max_size=options.max_size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def __iter__(self) -> Iterator[Frame]:
        yield self._frame


class FolderSource:
    """The images of a folder in natural order (img2 before img10); each frame has the name of its file.

    Hidden files and subfolders are skipped, and other files that are not images, these with one warning.
    An unreadable image is skipped with a warning and counted in `lost`. Its presentation time stays unused,
    so that a video made from the folder keeps its timing.
    `info` has the size of the first readable image; the others may differ.

    Args:
        path: the folder.
        size: scale every image to exactly this (width, height), in pixels.
        max_size: scale down to at most this on the longer side, in pixels.
        rate: images per second.
        as_video: the images are frames of a video: each continues the previous one, if their sizes agree.
        part: start and length in seconds of the part to read; a length of None reads to the end.

    Attributes:
        lost: number of unreadable images so far.

    Raises:
        InputError: on opening, if the folder does not exist or has no readable image.
    """

    def __init__(
        self,
        path: Path,
        *,
        size: tuple[int, int] | None = None,
        max_size: int | None = None,
        rate: Fraction = Fraction(25),
        as_video: bool = False,
        part: Part = WHOLE,
    ) -> None:
        self._read = partial(read_image, size=size, max_size=max_size, notices=Notices())
        self._rate = rate
        self._as_video = as_video
        self.lost = 0
        self._damaged: set[Path] = set()
        self._paths = sorted(images_in(path), key=_natural)
        self._part = part
        first = next(self._frames(), None)
        if first is None:
            raise InputError(f"{path}: no readable image in this folder ({self.lost} damaged)")
        self.info = _info(path, "folder", first, frames=len(self._paths), rate=rate)

    @classmethod
    def accepts(cls, name: str) -> bool:
        """Folders."""
        return os.path.isdir(name)

    @classmethod
    def open(cls, name: str, options: ReadOptions) -> Self:
        """Open the folder `name`."""
        rate = options.fps or Fraction(25)
        return cls(
            Path(name),
            size=options.size,
            max_size=options.max_size,
            rate=rate,
            as_video=options.as_video,
            part=(options.start, options.length),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def __iter__(self) -> Iterator[Frame]:
        return within(self._frames(), self._part)

    def _frames(self) -> Iterator[Frame]:
        last: tuple[int, ...] = ()
        for index, path in enumerate(self._paths):
            image = self._read_or_warn(path)
            if image is not None:
                continues = self._as_video and image.pixels.shape == last
                last = image.pixels.shape
                yield Frame(
                    image.pixels,
                    pts=index,
                    time_base=1 / self._rate,
                    duration=1,
                    alpha=image.alpha,
                    reset=not continues,
                    name=path.name,
                )

    def _read_or_warn(self, path: Path) -> DecodedImage | None:
        if path in self._damaged:
            return None
        try:
            return self._read(path)
        except InputError as exc:
            self._damaged.add(path)
            self.lost = len(self._damaged)
            _log.warning("skipped: %s", exc)
            return None


class AnimationSource:
    """An animated WebP, PNG or GIF as a video with times in milliseconds.

    Pillow cannot continue after damage: the video ends there with a warning, and the missing frames are
    counted in `lost`. `info.rate` follows from the duration of the first frame; the others may differ.

    Args:
        path: the file; a still image gives one frame.
        size, max_size: as for `read_image`.
        part: as for `FolderSource`.

    Attributes:
        lost: number of frames that could not be read.

    Raises:
        InputError: on opening, if the first frame cannot be read.
    """

    def __init__(
        self,
        path: Path,
        *,
        size: tuple[int, int] | None = None,
        max_size: int | None = None,
        part: Part = WHOLE,
    ) -> None:
        self._part = part
        self._open = partial(ImageFile, path, size=size, max_size=max_size, notices=Notices())
        self.lost = 0
        with self._open() as file:
            image = file.frame(file.first)
            frames, plays = file.frames - file.first, file.plays
        first = Frame(image.pixels, 0, _MILLISECOND, alpha=image.alpha)
        rate = Fraction(1000 / image.milliseconds).limit_denominator(
            1001
        )  # 1001 for NTSC rates such as 30000/1001
        self.info = replace(_info(path, "video", first, frames=frames, rate=rate), plays=plays)

    @classmethod
    def accepts(cls, name: str) -> bool:
        """Animated image files."""
        return is_local_image(name) and is_animation(Path(name))

    @classmethod
    def open(cls, name: str, options: ReadOptions) -> Self:
        """Open the animation `name`."""
        part = options.start, options.length
        return cls(Path(name), size=options.size, max_size=options.max_size, part=part)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def __iter__(self) -> Iterator[Frame]:
        return within(self._frames(), self._part)

    def _frames(self) -> Iterator[Frame]:
        elapsed_ms = 0.0
        for index, image in enumerate(self._images()):
            pts, elapsed_ms = round(elapsed_ms), elapsed_ms + image.milliseconds
            yield Frame(
                image.pixels,
                pts=pts,
                time_base=_MILLISECOND,
                duration=round(elapsed_ms) - pts,
                alpha=image.alpha,
                reset=index == 0,
            )

    def _images(self) -> Iterator[DecodedImage]:
        """The frames up to the end or the first damaged one."""
        with self._open() as file:
            for number in range(file.first, file.frames):
                try:
                    image = file.frame(number)
                except InputError as exc:
                    self.lost = file.frames - number
                    _log.warning("%s; the animation ends here, %d frames lost", exc, self.lost)
                    return
                yield image


def within(frames: Iterator[Frame], part: Part) -> Iterator[Frame]:
    """The frames of a part, with times from its start."""
    start, length = part
    for frame in frames:
        first = round(Fraction(start) / frame.time_base)
        if length is not None and frame.pts >= first + round(Fraction(length) / frame.time_base):
            return
        if frame.pts >= first:
            yield replace(frame, pts=frame.pts - first) if first else frame


def _natural(path: Path) -> tuple[list[str | int], str]:
    """Sort key that puts img2 before img10: numbers by value, text ignoring case."""
    parts = re.split("([0-9]+)", path.name)  # text at even indices, numbers at odd ones
    return [int(part) if index % 2 else part.casefold() for index, part in enumerate(parts)], path.name


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
