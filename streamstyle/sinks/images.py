"""One picture, or a folder of pictures, each file whole or absent.

A picture is encoded in memory, written under a temporary name in the folder where it is to lie, synced, and
renamed. It holds sRGB pixels, upright, and of metadata only how it was made: nothing of the input's EXIF
would still be true.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import secrets
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from streamstyle.errors import OutOfMemoryError, OutputError, UsageError
from streamstyle.frames import Frame, Sink, SinkItem
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
    """One picture, as PNG, JPEG, WebP, TIFF or BMP by its suffix. A context manager.

    The file is under its own name once the sink is closed; a file that was there before is replaced, or
    left alone by `abort`. Where the format holds no alpha, the picture is laid on white, with a warning.

    Args:
        path: where the picture is to lie. A symbolic link is followed.
        quality: of JPEG (then 4:4:4) and WebP, 1..100.
        recipe: how the picture was made, for its EXIF description; "" for none.

    Raises:
        UsageError: on opening, the suffix is none of FORMATS.
        OutputError: on opening, the folder is missing or the name belongs to no ordinary file; from `write`,
            on a second frame; from `write` and `close`, when the file cannot be written.
    """

    checkpoint_seconds: float | None = None

    def __init__(self, path: Path, *, quality: int = 95, recipe: str = "") -> None:
        self._encode = _Encoder(quality, recipe)
        self._format = _format(path)
        self._path = path
        self._target = Path(os.path.realpath(path))
        self._part: Path | None = None
        if not self._target.parent.is_dir():
            raise OutputError(f"{path}: the folder {self._target.parent} does not exist")
        if self._target.exists() and not self._target.is_file():
            raise OutputError(f"{path}: exists and is no ordinary file")

    def write(self, item: SinkItem) -> None:
        """Encode the frame and write it under a temporary name; packets and checkpoints are ignored."""
        if not isinstance(item, Frame):
            return
        if self._part is not None:
            raise OutputError(
                f"{self._path}: holds one picture, but a second frame came; name a film or folder"
            )
        data = self._encode(item, self._format, self._path)
        self._part = _write_part(self._target, data)

    def close(self) -> None:
        """Give the file its name. Without a frame nothing is written."""
        part, self._part = self._part, None
        if part is not None:
            _publish(part, self._target)
            _sync_folder(self._target.parent)

    def abort(self) -> None:
        """Remove the temporary file; what had the name before still has it."""
        part, self._part = self._part, None
        if part is not None:
            _discard(part)


class FolderSink(Sink):
    """Pictures in a folder, each complete as soon as it has its name. A context manager.

    A frame with a `name` keeps it, in its own format where that can be written and as PNG otherwise; frames
    without become 000001.png and so on. Where two of them come to the same name (a.gif and a.png, both as
    PNG), the later one keeps its former suffix too (a.png.png). `abort` keeps the pictures that are done.

    Args:
        folder: made where it does not exist.
        suffix: one of FORMATS, for all pictures.
        overwrite: replace files that were there before.
        quality: of JPEG (then 4:4:4) and WebP, 1..100.
        recipe: how the pictures were made, for their EXIF descriptions; "" for none.

    Raises:
        UsageError: on opening, the suffix is none of FORMATS; from `write`, the file exists already and
            `overwrite` is not set.
        OutputError: on opening, the folder cannot be made; from `write`, a file cannot be written.
    """

    checkpoint_seconds: float | None = None

    def __init__(
        self,
        folder: Path,
        *,
        suffix: str | None = None,
        overwrite: bool = False,
        quality: int = 95,
        recipe: str = "",
    ) -> None:
        if suffix is not None:
            _format(Path(f"picture{suffix}"))
        self._encode = _Encoder(quality, recipe)
        self._folder = folder
        self._suffix = suffix
        self._overwrite = overwrite
        self._unnamed = 0
        self._written: set[str] = set()  # in one case, as some file systems see them
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise _refused(folder, exc) from exc

    def write(self, item: SinkItem) -> None:
        """Write the frame as a file of its own; packets and checkpoints are ignored."""
        if not isinstance(item, Frame):
            return
        target = self._free_name(item.name)
        _publish(_write_part(target, self._encode(item, _format(target), target)), target)
        self._written.add(target.name.casefold())

    def close(self) -> None:
        """Make the names last through a power cut."""
        _sync_folder(self._folder)

    def abort(self) -> None:
        """Nothing to give up: each picture is whole or absent at any time."""

    def _free_name(self, name: str) -> Path:
        """Where a frame of this name goes: none that this sink has used, none that must not be replaced."""
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
        if os.path.lexists(target) and not self._overwrite:
            raise UsageError(f"{target}: exists already; choose another folder or allow overwriting (-y)")
        return target


class _Encoder:
    """Frames as the bytes of picture files."""

    def __init__(self, quality: int, recipe: str) -> None:
        if not 1 <= quality <= 100:
            raise ValueError(f"unexpected quality: {quality}, expected 1..100")
        self._options: dict[str, dict[str, Any]] = {
            "JPEG": {"quality": quality, "subsampling": "4:4:4"},
            "WEBP": {"quality": quality},
            "TIFF": {"compression": "tiff_adobe_deflate"},
            "PNG": {},
        }
        if recipe:
            for options in self._options.values():
                options["exif"] = exif_with(recipe)
        self._told_of_alpha = False

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
        """(H, W, 4) where alpha is there and the format holds it, else (H, W, 3)."""
        if frame.alpha is None:
            return frame.pixels
        if form in _WITH_ALPHA:
            return np.dstack([frame.pixels, frame.alpha])
        if frame.alpha.min() == 255:
            return frame.pixels
        if not self._told_of_alpha:
            self._told_of_alpha = True
            _log.warning("%s: %s holds no transparency, laid on white", path, form)
        return _on_white(frame.pixels, frame.alpha)


def _on_white(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 pixels over white, rounded to the nearest."""
    # 255 - (255 - p) a / 255; 127 rounds the division
    cover = alpha[..., None].astype(np.uint16)
    return (255 - ((255 - pixels) * cover + 127) // 255).astype(np.uint8)


def _format(path: Path) -> str:
    """Pillow's name of the format that the suffix names."""
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        known = ", ".join(FORMATS)
        raise UsageError(
            f"{path}: no picture format is named {path.suffix or 'so'}; known: {known}"
        ) from None


def _write_part(target: Path, data: bytes) -> Path:
    """The data, safe on the disk under a temporary name beside `target`."""
    # Short, so that it fits wherever the target's name fits; hidden, should a power cut leave it behind.
    part = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as exc:
        _discard(part)
        raise _refused(target, exc) from exc
    except BaseException:
        _discard(part)
        raise
    return part


def _publish(part: Path, target: Path) -> None:
    """Give a finished file its name, in one step."""
    try:
        part.replace(target)
    except OSError as exc:
        _discard(part)
        raise _refused(target, exc) from exc


def _discard(part: Path) -> None:
    with contextlib.suppress(OSError):
        part.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Put the folder's entries on the disk, where the system can: Windows and some networks cannot."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _refused(path: Path, exc: OSError) -> OutputError:
    return OutputError(f"{path}: cannot be written: {exc.strerror or exc}")
