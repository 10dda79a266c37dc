"""One image, or a folder of images, each file whole or absent.

The pixels are sRGB and upright. The only metadata is how the image was made: nothing of the input's EXIF
would still be true.
"""

from __future__ import annotations

import io
import logging
import os
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
_LONGEST_SIDE = {"JPEG": 65500, "WEBP": 16383}  # pixels; libjpeg's and the WebP container's


class StillSink(Sink):
    """One image, as PNG, JPEG, WebP, TIFF or BMP by its suffix. A context manager.

    `close` gives the file its name and replaces a former file; `abort` leaves a former file alone. Where the
    format has no alpha, the image is put on white, with a warning.

    Args:
        path: of the image. A symbolic link is followed.
        quality: of JPEG (then 4:4:4) and WebP, 1..100.
        provenance: how the image was made, for its EXIF description; "" for none.

    Raises:
        UsageError: on opening, the suffix is none of FORMATS.
        OutputError: on opening, the folder is missing or the name is not that of a regular file; from
            `write`, on a second frame; from `write` and `close`, when the file cannot be written.
    """

    checkpoint_seconds: float | None = None

    def __init__(self, path: Path, *, quality: int = 95, provenance: str = "") -> None:
        self._encode = _Encoder(quality, provenance)
        self._format = _format(path)
        self._path = path
        self._pending: PendingFile | None = None
        real_target(path)  # refuses now what could not be written at the end

    @classmethod
    def accepts(cls, name: str) -> bool:
        """Names with the ending of an image format."""
        return Path(name).suffix.lower() in FORMATS

    @classmethod
    def open(cls, name: str, info: StreamInfo, options: WriteOptions) -> Self:
        """The image of that path."""
        refuse_overwrite(Path(name), options.overwrite)
        return cls(Path(name), quality=options.quality, provenance=info.provenance)

    def write(self, item: SinkItem) -> None:
        """Encode the frame and write it under a temporary name; packets and checkpoints are ignored."""
        if not isinstance(item, Frame):
            return
        if self._pending is not None:
            raise OutputError(
                f"{self._path}: holds one image, but a second frame came; name a video or folder"
            )
        self._pending = PendingFile(self._path, self._encode(item, self._format, self._path))

    def close(self) -> None:
        """Give the file its name. Without a frame nothing is written."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.publish()
            sync(pending.target.parent)

    def abort(self) -> None:
        """Remove the temporary file; a former file keeps its name."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.discard()


class FolderSink(Sink):
    """Images in a folder, each complete as soon as it has its name. A context manager.

    A frame with a `name` keeps it, in its own format where that can be written, else as PNG; frames without
    a name become 000001.png and so on. Where two frames get the same name (a.gif and a.png, both as PNG), the
    later one keeps its former suffix too (a.png.png). `abort` keeps the images that are complete.

    Args:
        folder: made where it does not exist.
        suffix: one of FORMATS, for all images.
        overwrite: replace files that were there before.
        quality: of JPEG (then 4:4:4) and WebP, 1..100.
        provenance: how the images were made, for their EXIF descriptions; "" for none.

    Raises:
        UsageError: on opening, the suffix is none of FORMATS; from `write`, the file exists and `overwrite`
            is not set.
        OutputError: on opening, the folder cannot be made; from `write`, a file cannot be written.
    """

    LIVE: ClassVar[bool] = True
    checkpoint_seconds: float | None = None

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
        self._written: set[str] = set()  # in one case, as some file systems see them
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise write_error(folder, exc) from exc

    @classmethod
    def accepts(cls, name: str) -> bool:
        """Folders that exist, names that end in a slash, and names without an ending."""
        path = Path(name)
        try:
            is_folder = path.is_dir()
        except OSError as error:
            raise write_error(path, error) from error
        return is_folder or name.endswith(("/", "\\")) or not path.suffix

    @classmethod
    def open(cls, name: str, info: StreamInfo, options: WriteOptions) -> Self:
        """The folder of that path."""
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
        """Nothing to undo: each image is whole or absent at any time."""

    def _free_name(self, name: str) -> Path:
        """The path for a frame of this name: not used by this sink yet, and free or to be overwritten."""
        if not name:
            self._unnamed += 1
        original = Path(name).name or f"{self._unnamed:06d}.png"  # a name holds no folders; make sure
        stem, suffix = Path(original).stem, Path(original).suffix
        suffix = self._suffix or (suffix if suffix.lower() in FORMATS else ".png")
        target = self._folder / f"{stem}{suffix}"
        number = 1
        # A.png and a.png are two files to some file systems and one to others: ask this one.
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
            raise OutputError(f"{path}: {width} × {height} pixels; {form} holds {limit} a side, PNG more")
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
        """(H, W, 4) where there is alpha and the format has it, else (H, W, 3)."""
        if frame.alpha is None:
            return frame.pixels
        if form in _WITH_ALPHA:
            return np.dstack([frame.pixels, frame.alpha])
        if frame.alpha.min() < 255 and not self._warned_of_alpha:
            self._warned_of_alpha = True
            _log.warning("%s: %s has no transparency; transparent parts become white", path, form)
        return on_white(frame.pixels, frame.alpha)


def _format(path: Path) -> str:
    """Pillow's name of the format that the suffix names."""
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        known = ", ".join(FORMATS)
        raise UsageError(f"{path}: no image format is named {path.suffix or 'so'}; known: {known}") from None
