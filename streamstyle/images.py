"""Picture files: which they are, and their pixels upright, in sRGB, at 8 bits.

Pillow decodes everything but 16-bit PNG, which OpenCV reads at its full depth. The format is told from the
first bytes and handed to Pillow by name, so that a file cannot choose a decoder nobody meant; the size is
read from the header before a pixel is allocated; whatever Pillow raises leaves this file as an InputError.
"""

from __future__ import annotations

import io
import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import cv2
import numpy as np
from PIL import Image, ImageCms, ImageFile, ImageOps, UnidentifiedImageError, features

from streamstyle.errors import InputError, OutOfMemoryError, StreamstyleError

MAX_PIXELS = 2**28  # 16384 × 16384, four times 8K × 8K; its RGB pixels fill 0.8 GB

_log = logging.getLogger("streamstyle")

_MAGIC = (  # first bytes, and what Pillow calls the format
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
)
_BMP_HEADER_BYTES = {12, 40, 52, 56, 64, 108, 124}  # "BM" alone is too weak a sign
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_READABLE = {"JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP", "PPM"}
_ANIMATED = {"PNG", "GIF", "WEBP"}
_PICTURES = _READABLE | {"AVIF", "HEIF", "JPEG XL"}
_SUFFIXES = {".jpg", ".jpeg", ".jpe", ".png", ".apng", ".gif", ".tif", ".tiff", ".webp", ".bmp"}
_SUFFIXES |= {".pbm", ".pgm", ".ppm", ".avif", ".heic", ".heif", ".jxl"}
# Camera raw files are TIFF by their first bytes, but what Pillow would read is their thumbnail.
_RAW_SUFFIXES = {".dng", ".cr2", ".nef", ".nrw", ".arw", ".sr2", ".orf", ".rw2", ".pef", ".srw"}
_PILLOW = threading.Lock()  # held while Pillow's process-wide settings are ours


def is_picture(path: Path) -> bool:
    """Whether `path` is a picture: told by its first bytes, by its suffix where they say nothing.

    True also for formats that are recognised but not supported, so that an error can name the format; False
    for folders, pipes, devices, missing files, and AVIF sequences, which are films.
    """
    try:
        found = _format(path)
    except (InputError, OSError):
        return False
    return found in _PICTURES or (not found and path.suffix.lower() in _SUFFIXES)


def is_animation(path: Path) -> bool:
    """Whether `path` is a GIF, WebP or PNG of more than one frame; False where it cannot be read."""
    try:
        with _guard(path):
            if _format(path) not in _ANIMATED:
                return False
            with _opened(path) as image:
                return bool(getattr(image, "is_animated", False))
    except StreamstyleError:
        return False


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture.

    Attributes:
        pixels: (H, W, 3) uint8, sRGB, C-contiguous, upright.
        alpha: (H, W) uint8, 255 = opaque, or None.
        milliseconds: how long it is shown in an animation, 0 in a still.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None
    milliseconds: float


class Notices:
    """Warnings to the user, each said once, with the first file that it is true of."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def warn(self, path: Path, what: str) -> None:
        """Log `what` about `path`, unless that was said before."""
        if what not in self._said:
            self._said.add(what)
            _log.warning("%s: %s", path, what)


@dataclass(frozen=True, slots=True)
class Scale:
    """The size that a picture is brought to, at most one of the two.

    Attributes:
        size: exact (width, height) in pixels.
        max_size: longest side at most, in pixels; smaller pictures stay as they are.
    """

    size: tuple[int, int] | None = None
    max_size: int | None = None

    def __post_init__(self) -> None:
        if self.size and self.max_size:
            raise ValueError("size and max_size were both given, expected one of them")
        if min(self.size or (self.max_size or 1,)) < 1:
            raise ValueError(f"unexpected size: {self.size or self.max_size}, expected at least 1 pixel")

    def of(self, width: int, height: int) -> tuple[int, int]:
        """The (width, height) that a picture of this width and height gets."""
        if self.size:
            return self.size
        if not self.max_size or max(width, height) <= self.max_size:
            return width, height
        shrink = self.max_size / max(width, height)
        return max(round(width * shrink), 1), max(round(height * shrink), 1)


class PictureFile:
    """An open picture file, of one or more frames. A context manager.

    Attributes:
        path: the file.
        first: number of the first frame of the animation; 1 in a PNG whose still is not part of it, else 0.
        frames: how many frames or pages the file says it has.

    Raises:
        InputError: on opening, the file is missing, no picture, of no supported format, or of more pixels
            than MAX_PIXELS; on opening and reading, it is damaged.
        OutOfMemoryError: on reading.
    """

    def __init__(self, path: Path, scale: Scale, notices: Notices) -> None:
        self.path = path
        self._scale = scale
        self._notices = notices
        with _guard(path), ExitStack() as on_error:
            self._image = on_error.enter_context(_opened(path))
            self._deep_png = self._image.format == "PNG" and _png_bits(path) > 8
            self.first = int(getattr(self._image, "default_image", False))
            self.frames = int(getattr(self._image, "n_frames", 1))  # GIF reads on to count, and may raise
            on_error.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._image.close()

    def still(self) -> Picture:
        """The first picture of the file."""
        # The further pictures of an MPO are the camera's own previews of the same view.
        if self.frames > 1 and self._image.format != "MPO":
            self._notices.warn(self.path, "holds several pictures, only the first is read")
        with _guard(self.path):
            deep = self._deep_png and self.frames == 1
            image = _deep_png(self.path, self._image.info) if deep else self._image
            return self._finish(image, milliseconds=0)

    def frame(self, number: int) -> Picture:
        """Frame `number` of an animation, complete: what the file stores may cover less than the picture."""
        with _guard(self.path):
            self._image.seek(number)
            self._image.load()  # WebP knows the duration only after this
            shown = float(self._image.info.get("duration") or 0)
            # As browsers do: such frames come from tools that meant "as fast as is sensible".
            return self._finish(self._image, milliseconds=shown if shown > 10 else 100)

    def _finish(self, image: Image.Image, milliseconds: float) -> Picture:
        deep = self._deep_png or max(_tiff_bits(image)) > 8
        image = self._straighten_colour(_eight_bits(_upright(image), self.path))
        if deep:
            self._notices.warn(self.path, "more than 8 bits per channel, reduced to 8")
        wanted = self._scale.of(*image.size)
        if wanted != image.size:
            image = image.resize(wanted, Image.Resampling.LANCZOS)  # multiplies by alpha and divides again
        if image.mode == "RGB":
            return Picture(np.array(image), None, milliseconds)
        both = np.asarray(image)
        return Picture(np.ascontiguousarray(both[..., :3]), np.ascontiguousarray(both[..., 3]), milliseconds)

    def _straighten_colour(self, image: Image.Image) -> Image.Image:
        """Mode RGB or RGBA, in sRGB."""
        alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
        if image.mode not in ("L", "RGB", "CMYK", "LAB"):
            image = image.convert("L" if image.mode in ("1", "LA") else "RGB")
        profile = image.info.get("icc_profile")
        if profile:
            try:
                image = _to_srgb(image, profile)
            except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
                self._notices.warn(self.path, "its colour profile cannot be used; taken as sRGB")
        image = image.convert("RGB")
        if alpha is not None:
            image.putalpha(alpha)
        return image


@contextmanager
def _guard(path: Path) -> Iterator[None]:
    """Keeps Pillow's warnings in, its bomb limit at ours, and turns what it raises into our errors.

    One thread at a time, for the limit and the warning filters belong to the whole process.
    """
    with _PILLOW, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2  # Pillow warns above this, raises above twice this
        try:
            yield
        except StreamstyleError:
            raise
        except Exception as exc:  # by format: OSError, SyntaxError, struct.error, EOFError, ValueError …
            raise _translated(path, exc) from exc
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _translated(path: Path, exc: Exception) -> StreamstyleError:
    no_memory = isinstance(exc, cv2.error) and exc.code == -4  # cv2.Error.StsNoMem
    if isinstance(exc, MemoryError) or no_memory:
        return OutOfMemoryError(f"{path}: does not fit into main memory")
    if isinstance(exc, UnidentifiedImageError):
        return InputError(f"{path}: damaged picture, its header cannot be read")
    damage = " ".join(str(exc).split()) or type(exc).__name__
    return InputError(f"{path}: {getattr(exc, 'strerror', None) or f'damaged picture ({damage})'}")


def _format(path: Path) -> str:
    """What Pillow calls the format that the first bytes show; "film" or "" where they show no picture."""
    if not path.is_file():
        raise InputError(f"{path}: {'is no file' if path.exists() else 'no such file'}")
    with path.open("rb") as file:
        head = file.read(64)
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADER_BYTES:
        return "BMP"
    if head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace():
        return "PPM"
    return _heif(head) if head[4:8] == b"ftyp" else ""


def _heif(head: bytes) -> str:
    """Which of the formats that begin like an MP4 file."""
    brand = head[8:12]
    if brand == b"avif" or (brand == b"mif1" and b"avif" in head):
        return "AVIF"
    return "HEIF" if brand in _HEIF_BRANDS else "film"


def _opened(path: Path) -> ImageFile.ImageFile:
    """The picture with its header read, and small enough. To be called inside `_guard`."""
    found = _format(path)
    if found not in _PICTURES:
        raise InputError(f"{path}: damaged at its start, or no picture")
    raw = found == "TIFF" and path.suffix.lower() in _RAW_SUFFIXES
    if raw or not (found in _READABLE or (found == "AVIF" and features.check("avif"))):
        what = "camera raw" if raw else found
        raise InputError(f"{path}: format not supported: {what}; convert it to PNG or JPEG")
    Image.MAX_IMAGE_PIXELS, limit = None, Image.MAX_IMAGE_PIXELS  # our own check names both sides
    image = Image.open(path, formats=[found])
    Image.MAX_IMAGE_PIXELS = limit
    width, height = image.size
    if width * height > MAX_PIXELS:
        image.close()
        raise InputError(f"{path}: {width} × {height} pixels, the limit is {MAX_PIXELS:,} pixels in all")
    return image


def _png_bits(path: Path) -> int:
    """Bits per channel of a PNG: the byte after width and height."""
    with path.open("rb") as file:
        return file.read(25)[24]


def _tiff_bits(image: Image.Image) -> tuple[int, ...]:
    """Bits of each channel of a TIFF; (8,) for other formats."""
    tags = getattr(image, "tag_v2", {})
    return tuple(tags.get(258) or (8,))  # 258 = BitsPerSample


def _deep_png(path: Path, info: dict[str | tuple[int, int], object]) -> Image.Image:
    """A 16-bit PNG, rounded to 8 bits, where Pillow would cut them off."""
    with Image.open(path, formats=["PNG"]) as check:
        check.verify()  # first, as libpng inside OpenCV writes what it finds straight to stderr
    samples = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    if samples is None:
        raise InputError(f"{path}: damaged picture")
    if samples.dtype == np.uint16:
        samples = cv2.convertScaleAbs(samples, alpha=1 / 257)  # 65535 / 255; rounds to the nearest
    if samples.ndim == 3:
        order = cv2.COLOR_BGRA2RGBA if samples.shape[2] == 4 else cv2.COLOR_BGR2RGB
        samples = cv2.cvtColor(samples, order)
    image = Image.fromarray(samples)
    image.info.update({key: info[key] for key in ("icc_profile", "exif") if key in info})
    return image


def _upright(image: Image.Image) -> Image.Image:
    """The picture turned as its EXIF orientation says; a damaged EXIF block is passed over."""
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # EXIF is a small TIFF file, and raises as variously as one
        return image


def _eight_bits(image: Image.Image, path: Path) -> Image.Image:
    """16-bit grey as 8-bit grey, other modes as they are."""
    if image.mode.startswith("I;16"):
        grey = cv2.convertScaleAbs(np.asarray(image).astype(np.uint16), alpha=1 / 257)
        reduced = Image.fromarray(grey)
        reduced.info = image.info
        return reduced
    if image.mode in ("I", "F"):
        raise InputError(f"{path}: format not supported: 32 bits per channel; save it with 8 or 16")
    return image


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Mode RGB, in sRGB; untouched where the profile is sRGB by another name."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    to_srgb = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), image.mode, "RGB")
    if image.mode == "RGB":
        levels = np.linspace(0, 255, 9).round().astype(np.uint8)
        lattice = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 3)
        moved = np.asarray(ImageCms.applyTransform(Image.fromarray(lattice), to_srgb))
        if np.abs(moved.astype(int) - lattice).max() <= 1:
            return image
    return ImageCms.applyTransform(image, to_srgb) or image
