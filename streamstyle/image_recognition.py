"""Which files are images, and of which format.

The first bytes decide; the suffix is used only if they match no known format.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from PIL import features

from streamstyle.errors import InputError

_log = logging.getLogger("streamstyle")

_MAGIC = (  # first bytes, and Pillow's name of the format
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),  # BigTIFF
    (b"MM\0+", "TIFF"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\x1aE\xdf\xa3", "video"),  # Matroska, WebM
    (b"FLV\1", "video"),
    (b"OggS", "video"),
    (b"\0\0\1\xba", "video"),  # MPEG-PS
)
_BMP_HEADER_BYTES = {12, 40, 52, 56, 64, 108, 124}  # "BM" alone is too weak a signature
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_READABLE = {"JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP", "PPM"}
_IMAGES = _READABLE | {"AVIF", "HEIF", "JPEG XL"}
_SUFFIXES = {".jpg", ".jpeg", ".jpe", ".png", ".apng", ".gif", ".tif", ".tiff", ".webp", ".bmp"}
_SUFFIXES |= {".pbm", ".pgm", ".ppm", ".avif", ".heic", ".heif", ".jxl"}
# Camera raw files begin like TIFF, but Pillow would read only their thumbnail.
_RAW_SUFFIXES = {".dng", ".cr2", ".nef", ".nrw", ".arw", ".sr2", ".orf", ".rw2", ".pef", ".srw"}


def is_image(path: Path) -> bool:
    """Whether `path` is an image, by its first bytes, or by its suffix if these match no known format.

    Also True for formats that are recognized but not supported, so that an error can name the format.
    False for folders, pipes, devices, missing files, and AVIF sequences, which are videos.
    """
    try:
        found = format_of(path)
    except InputError:
        return False
    return found in _IMAGES or (not found and path.suffix.lower() in _SUFFIXES)


def images_in(folder: Path) -> list[Path]:
    """The images of a folder, sorted by name. Hidden files and subfolders are skipped.

    Other files are skipped with a warning that counts them.

    Raises:
        InputError: the folder does not exist, or has no image.
    """
    try:
        files = sorted(path for path in folder.iterdir() if path.is_file() and path.name[0] != ".")
    except OSError as exc:
        raise InputError(f"{folder}: {exc.strerror}") from exc
    images = list(filter(is_image, files))
    if not images:
        raise InputError(f"{folder}: no image in this folder")
    if others := len(files) - len(images):
        _log.warning("%s: skipped %d files that are not images", folder, others)
    return images


def supported_format(path: Path) -> str:
    """Pillow's name of the format of `path`. Only its first bytes are read.

    Raises:
        InputError: the file is missing, is not an image, or its format is not supported.
    """
    found = format_of(path)
    if found not in _IMAGES:
        if found == "video":
            raise InputError(f"{path}: is a video; expected an image")
        named = path.suffix.lower() in _SUFFIXES
        raise InputError(f"{path}: {'damaged at its start, or not' if named else 'is not'} an image")
    raw = found == "TIFF" and path.suffix.lower() in _RAW_SUFFIXES
    if raw or not (found in _READABLE or (found == "AVIF" and features.check("avif"))):
        what = "camera raw" if raw else found
        raise InputError(f"{path}: format not supported: {what}; convert it to PNG or JPEG")
    return found


def format_of(path: Path) -> str:
    """Pillow's name of the format that the first bytes indicate; "video" or "" if they are not an image's.

    Raises:
        InputError: the file is missing, is not a regular file, or cannot be read.
    """
    try:
        if not os.path.isfile(path):
            raise InputError(f"{path}: {'is not a file' if os.path.exists(path) else 'no such file'}")
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as exc:
        raise InputError(f"{path}: {exc.strerror}") from exc
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if head[:4] == b"RIFF" and head[8:12] in (b"WEBP", b"AVI "):
        return "WEBP" if head[8:12] == b"WEBP" else "video"
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADER_BYTES:
        return "BMP"
    if head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace():
        return "PPM"
    return _heif(head) if head[4:8] == b"ftyp" else ""


def _heif(head: bytes) -> str:
    """The format of a file that begins like an MP4 file: "AVIF", "HEIF" or "video"."""
    brand = head[8:12]
    if brand == b"avif" or (brand == b"mif1" and b"avif" in head):
        return "AVIF"
    return "HEIF" if brand in _HEIF_BRANDS else "video"
