"""Writes one image or a folder of images, each file atomically.

The pixels are sRGB and upright. The only metadata is the provenance; the input's EXIF would no longer be
true.
"""

from __future__ import annotations

import io
import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from PIL import Image

from streamstyle.errors import OutOfMemoryError, OutputError, UsageError
from streamstyle.files import PendingFile, real_target, refuse_overwrite, sync, write_error
from streamstyle.frames import Frame, Sink, SinkItem, StreamInfo
from streamstyle.images import on_white
from streamstyle.sinks.options import WriteOptions
from streamstyle.video.tags import exif_with

FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
}

_log = logging.getLogger("streamstyle")

_WITH_ALPHA = {"PNG", "WEBP", "TIFF"}
_LONGEST_SIDE = {"JPEG": 65500, "WEBP": 16383}  # pixels; limits of libjpeg and of the WebP container


class StillSink(Sink):
    """One image, as PNG, JPEG, WebP, TIFF or BMP by its suffix. A context manager.

    `close` gives the file its name and replaces an existing file; `abort` keeps an existing file. If the
    format has no alpha, the image is composited on white, with a warning.

    Args:
        path: of the image. A symbolic link is followed.
        quality: of JPEG (stored as 4:4:4) and WebP, 1..100.
        provenance: how the image was made, for its EXIF description; "" for none.

    Raises:
        UsageError: on opening, if the suffix is not in FORMATS.
        OutputError: on opening, if the folder is missing or the path is not a regular file; from `write`, on
            a second frame; from `write` and `close`, if the file cannot be written.
    """

    def __init__(self, path: Path, *, quality: int = 95, provenance: str = "") -> None:
        self._encode = _Encoder(quality, provenance)
        self._format = _format(path)
        self._path = path
        self._pending: PendingFile | None = None
        real_target(path)  # raises now if the file could not be written at the end

    @classmethod
    def accepts(cls, name: str) -> bool:
        """Names with the suffix of an image format."""
        return Path(name).suffix.lower() in FORMATS

    @classmethod
    def open(cls, name: str, info: StreamInfo, options: WriteOptions) -> Self:
        """Open the image `name` for writing."""
        refuse_overwrite(Path(name), options.overwrite)
        return cls(Path(name), quality=options.quality, provenance=info.provenance)

    def write(self, item: SinkItem) -> None:
        """Encode the frame and write it under a temporary name; packets and checkpoints are ignored."""
        if not isinstance(item, Frame):
            return
        if self._pending is not None:
            raise OutputError(
                f"{self._path}: an image holds one frame, but there is a second one; use a video or folder"
            )
        self._pending = PendingFile(self._path, self._encode(item, self._format, self._path))

    def close(self) -> None:
        """Give the file its final name. Without a frame nothing is written."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.publish()
            sync(pending.target.parent)

    def abort(self) -> None:
        """Remove the temporary file; an existing file of the final name is kept."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.discard()


class FolderSink(Sink):
    """Images in a folder, each written atomically. A context manager.

    A frame with a `name` keeps it, in the same format if that can be written, else as PNG. Frames without a
    name become 000001.png and so on. If two frames would get the same name (a.gif and a.png, both as PNG),
    the later one keeps its original suffix too (a.png.png). `abort` keeps the images written so far.

    Args:
        folder: created if it does not exist.
        suffix: one of FORMATS, for all images.
        overwrite: replace existing files.
        quality: of JPEG (stored as 4:4:4) and WebP, 1..100.
        provenance: how the images were made, for their EXIF descriptions; "" for none.

    Raises:
        UsageError: on opening, if the suffix is not in FORMATS; from `write`, if the file exists and
            `overwrite` is False.
        OutputError: on opening, if the folder cannot be created; from `write`, if a file cannot be written.
    """

    LIVE: ClassVar[bool] = True

    def __init__(
        self,
        folder: Path,
        *,
        suffix: str | None = None,
        overwrite: bool = False,
        quality: int = 95,
        provenance: str = "",
    ) -> None:
        if suffix is not None:
            _format(Path(f"image{suffix}"))
        self._encode = _Encoder(quality, provenance)
        self._folder = folder
        self._suffix = suffix
        self._overwrite = overwrite
        self._unnamed = 0
        self._written: set[str] = set()  # case-folded, as some file systems ignore case
        self._created = [path for path in (folder, *folder.parents) if not path.exists()]
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise write_error(folder, exc) from exc

    @classmethod
    def accepts(cls, name: str) -> bool:
        """Existing folders, names that end in a slash, and names without a suffix."""
        path = Path(name)
        try:
            is_folder = path.is_dir()
        except OSError as error:
            raise write_error(path, error) from error
        return is_folder or name.endswith(("/", "\\")) or not path.suffix

    @classmethod
    def open(cls, name: str, info: StreamInfo, options: WriteOptions) -> Self:
        """Open the folder `name` for writing."""
        return cls(
            Path(name), overwrite=options.overwrite, quality=options.quality, provenance=info.provenance
        )

    def write(self, item: SinkItem) -> None:
        """Write the frame as a file of its own; packets and checkpoints are ignored."""
        if not isinstance(item, Frame):
            return
        target = self._free_name(item.name)
        PendingFile(target, self._encode(item, _format(target), target)).publish()
        self._written.add(target.name.casefold())

    def close(self) -> None:
        """Make the names survive a power cut."""
        sync(self._folder)

    def abort(self) -> None:
        """Remove the folders created for it if they are empty; each image is complete or absent anyway."""
        with suppress(OSError):
            for path in self._created:
                path.rmdir()

    def _free_name(self, name: str) -> Path:
        """The path for a frame of this name: not yet written by this sink, and free or to be overwritten."""
        if not name:
            self._unnamed += 1
        original = Path(name).name or f"{self._unnamed:06d}.png"  # without any folders
        stem, suffix = Path(original).stem, Path(original).suffix
        suffix = self._suffix or (suffix if suffix.lower() in FORMATS else ".png")
        target = self._folder / f"{stem}{suffix}"
        number = 1
        # A.png and a.png are two files on some file systems and one on others: check on this one.
        while target.name.casefold() in self._written and os.path.lexists(target):
            target = self._folder / (f"{original}{suffix}" if number == 1 else f"{stem}_{number}{suffix}")
            number += 1
        refuse_overwrite(target, self._overwrite)
        return target


class _Encoder:
    """Encodes frames as image files in memory."""

    def __init__(self, quality: int, provenance: str) -> None:
        if not 1 <= quality <= 100:
            raise ValueError(f"unexpected quality: {quality}, expected 1..100")
        self._options: dict[str, dict[str, Any]] = {
            "JPEG": {"quality": quality, "subsampling": "4:4:4"},
            "WEBP": {"quality": quality},
            "TIFF": {"compression": "tiff_adobe_deflate"},
            "PNG": {},
        }
        if provenance:
            for options in self._options.values():
                options["exif"] = exif_with(provenance)
        self._warned_of_alpha = False

    def __call__(self, frame: Frame, form: str, path: Path) -> bytes:
        height, width = frame.pixels.shape[:2]
        limit = _LONGEST_SIDE.get(form)
        if limit and max(height, width) > limit:
            raise OutputError(
                f"{path}: {width} × {height} pixels; {form} allows {limit} per side; PNG allows more"
            )
        pixels = self._with_alpha(frame, form, path)
        data = io.BytesIO()
        try:
            Image.fromarray(pixels).save(data, format=form, **self._options.get(form, {}))
        except MemoryError as exc:
            raise OutOfMemoryError(f"{path}: does not fit into main memory") from exc
        except (OSError, ValueError) as exc:
            raise OutputError(f"{path}: cannot be encoded as {form}: {exc}") from exc
        return data.getvalue()

    def _with_alpha(self, frame: Frame, form: str, path: Path) -> np.ndarray:
        """(H, W, 4) uint8 if the frame and the format have alpha, else (H, W, 3)."""
        if frame.alpha is None:
            return frame.pixels
        if form in _WITH_ALPHA:
            return np.dstack([frame.pixels, frame.alpha])
        if frame.alpha.min() < 255 and not self._warned_of_alpha:
            self._warned_of_alpha = True
            _log.warning("%s: %s has no transparency; transparent areas become white", path, form)
        return on_white(frame.pixels, frame.alpha)


def _format(path: Path) -> str:
    """Pillow's name of the format with this suffix."""
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        known = ", ".join(FORMATS)
        raise UsageError(
            f"{path}: unknown image format {path.suffix or '(no suffix)'}; known: {known}"
        ) from None
