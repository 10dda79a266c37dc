"""Reads image files as upright 8-bit sRGB pixels.

Pillow decodes all formats except 16-bit PNG, which OpenCV reads at full depth. The format is detected from
the first bytes and passed to Pillow by name, so that a file cannot choose its decoder. The size is read from
the header before pixels are allocated. Errors of Pillow become InputErrors.
"""

from __future__ import annotations

import io
import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Self

import cv2
import numpy as np
from PIL import Image, ImageCms, ImageFile as PillowFile, ImageOps, UnidentifiedImageError

from streamstyle.errors import InputError, OutOfMemoryError, StreamstyleError
from streamstyle.image_recognition import format_of, supported_format

MAX_PIXELS = 2**28  # 16384 × 16384, four times 8K × 8K; 0.8 GB of RGB pixels

_log = logging.getLogger("streamstyle")

_ANIMATED = {"PNG", "GIF", "WEBP"}  # Pillow's names of formats that can be animated
_PILLOW = threading.Lock()  # held while Pillow's process-wide settings are changed


def is_animation(path: Path) -> bool:
    """Whether `path` is a GIF, WebP or PNG of more than one frame; False if it cannot be read."""
    try:
        with _guard(path):
            if format_of(path) not in _ANIMATED:
                return False
            with _opened(path) as image:
                return bool(getattr(image, "is_animated", False))
    except StreamstyleError:
        return False


def plays_of(path: Path) -> int:
    """How many times viewers play an animation; 0 = without end, or if it cannot be read."""
    try:
        with _guard(path), _opened(path) as image:
            return _plays(image)
    except StreamstyleError:
        return 0


def _plays(image: Image.Image) -> int:
    loop = image.info.get("loop")
    if image.format != "GIF":
        return int(loop or 0)
    # GIF stores the repeats after the first time, 0 = without end; and nothing if there are none.
    return 1 if loop is None else int(loop) + (int(loop) > 0)


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """A decoded image.

    Attributes:
        pixels: (H, W, 3) uint8, sRGB, C-contiguous, upright.
        alpha: (H, W) uint8, 255 = opaque, or None.
        milliseconds: how long the frame of an animation is shown; 0 for a still image.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None
    milliseconds: float = 0

    def on_white(self) -> np.ndarray:
        """(H, W, 3) uint8, composited on white."""
        return self.pixels if self.alpha is None else on_white(self.pixels, self.alpha)


class Notices:
    """Logs each warning once, with the first file that it applies to."""

    def __init__(self) -> None:
        self._logged: set[str] = set()

    def warn(self, path: Path, text: str) -> None:
        """Log a warning about `path`, unless the same text was logged before."""
        if text not in self._logged:
            self._logged.add(text)
            _log.warning("%s: %s", path, text)


def read_image(
    path: Path,
    *,
    size: tuple[int, int] | None = None,
    max_size: int | None = None,
    notices: Notices | None = None,
) -> DecodedImage:
    """Read an image file as upright 8-bit sRGB; of several frames or pages, the first.

    Args:
        path: JPEG, PNG, WebP, TIFF, BMP, GIF, PPM, or AVIF if Pillow supports it.
        size: scale to exactly this (width, height), in pixels.
        max_size: scale down to at most this on the longer side, in pixels.
        notices: shared by the files of a folder, so that each warning is logged once.

    Raises:
        InputError: the file is missing or damaged, its format is not supported, or it has more than
            MAX_PIXELS.
        OutOfMemoryError: the image does not fit into main memory.
    """
    with ImageFile(path, size=size, max_size=max_size, notices=notices) as file:
        return file.still()


def fitted_size(
    width: int,
    height: int,
    size: tuple[int, int] | None = None,
    max_size: int | None = None,
    *,
    even: bool = False,
) -> tuple[int, int]:
    """(width, height) in pixels of an image or video after scaling.

    Args:
        width, height: of the upright source.
        size: exactly this, whatever the aspect ratio of the source.
        max_size: at most this on the longer side, keeping the aspect ratio; smaller sources keep their size.
        even: round the sides that result from `max_size` to even numbers, as videos need them.
    """
    if size is not None:
        return size
    longest = max(width, height)
    if max_size is None or longest <= max_size:
        return width, height
    step = 2 if even else 1
    across, down = (round(Fraction(side * max_size, longest * step)) * step for side in (width, height))
    return max(across, step), max(down, step)


def on_white(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8: `pixels` composited on white, rounded to nearest; `pixels` itself if all is opaque.

    Args:
        pixels: (H, W, 3) uint8.
        alpha: (H, W) uint8, 255 = opaque.
    """
    if alpha.min() == 255:
        return pixels
    # 255 - (255 - p) a / 255; adding 127 rounds the division
    cover = alpha[..., None].astype(np.uint16)
    return (255 - ((255 - pixels) * cover + 127) // 255).astype(np.uint8)


def mask_values(pixels: np.ndarray, alpha: np.ndarray | None) -> np.ndarray:
    """(H, W) uint8: an image as a mask, its alpha if it has any transparency, else its brightness."""
    if alpha is not None and alpha.min() < 255:
        return alpha
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)


class ImageFile:
    """An open image file of one or more frames. A context manager.

    Args:
        path, size, max_size, notices: as for `read_image`.

    Attributes:
        path: the file.
        first: number of the first frame of the animation: 1 if the default image of a PNG is not part of it,
            else 0.
        frames: number of frames or pages according to the file.
        plays: how many times viewers play the animation; 0 = without end.

    Raises:
        InputError: on opening, if the file is missing, is not an image, has more than MAX_PIXELS, or its
            format is not supported; on opening and reading, if it is damaged.
        OutOfMemoryError: on reading.
        ValueError: both `size` and `max_size` are passed, or a side is below 1 pixel.
    """

    def __init__(
        self,
        path: Path,
        *,
        size: tuple[int, int] | None = None,
        max_size: int | None = None,
        notices: Notices | None = None,
    ) -> None:
        if size and max_size:
            raise ValueError("size and max_size were both given, expected one of them")
        if min(size or (max_size or 1,)) < 1:
            raise ValueError(f"unexpected size: {size or max_size}, expected at least 1 pixel")
        self.path = path
        self._size, self._max_size = size, max_size
        self._notices = notices or Notices()
        with _guard(path), ExitStack() as on_error:
            self._image = on_error.enter_context(_opened(path))
            self._deep_png = self._image.format == "PNG" and _png_bits(path) > 8
            self.first = int(getattr(self._image, "default_image", False))
            self.frames = int(
                getattr(self._image, "n_frames", 1)
            )  # a GIF is read to count them, and may raise
            self.plays = _plays(self._image)
            on_error.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._image.close()

    def still(self) -> DecodedImage:
        """The first image of the file."""
        # The other images of an MPO file are the camera's previews of the same view.
        if self.frames > 1 and self._image.format != "MPO":
            self._notices.warn(self.path, "has several images; only the first is read")
        with _guard(self.path):
            deep = self._deep_png and self.frames == 1
            image = _deep_png(self.path, self._image.info) if deep else self._image
            return self._finish(image, milliseconds=0)

    def frame(self, number: int) -> DecodedImage:
        """Frame `number` of an animation, complete even if the file stores only the changes."""
        with _guard(self.path):
            self._image.seek(number)
            self._image.load()  # WebP has its duration only after this
            shown = float(self._image.info.get("duration") or 0)
            # As browsers do: tools write such durations to mean "as fast as possible".
            return self._finish(self._image, milliseconds=shown if shown > 10 else 100)

    def _finish(self, image: Image.Image, milliseconds: float) -> DecodedImage:
        deep = self._deep_png or max(_tiff_bits(image)) > 8
        image = self._in_srgb(_eight_bits(_upright(image), self.path))
        if deep:
            self._notices.warn(self.path, "more than 8 bits per channel, reduced to 8")
        target_size = fitted_size(*image.size, self._size, self._max_size)
        if target_size != image.size:
            image = image.resize(target_size, Image.Resampling.LANCZOS)  # with premultiplied alpha
        if image.mode == "RGB":
            return DecodedImage(np.array(image), None, milliseconds)
        rgba = np.asarray(image)
        pixels, alpha = np.ascontiguousarray(rgba[..., :3]), np.ascontiguousarray(rgba[..., 3])
        return DecodedImage(pixels, alpha, milliseconds)

    def _in_srgb(self, image: Image.Image) -> Image.Image:
        """The image in sRGB, mode RGB or RGBA."""
        alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
        if image.mode not in ("L", "RGB", "CMYK", "LAB"):
            image = image.convert("L" if image.mode in ("1", "LA") else "RGB")
        profile = image.info.get("icc_profile")
        if profile:
            try:
                image = _to_srgb(image, profile)
            except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
                self._notices.warn(self.path, "its color profile cannot be used; read as sRGB")
        image = image.convert("RGB")
        if alpha is not None:
            image.putalpha(alpha)
        return image


@contextmanager
def _guard(path: Path) -> Iterator[None]:
    """Silences Pillow's warnings, sets its pixel limit to ours, and converts its exceptions to our errors.

    Only one thread at a time may enter, as the limit and the warning filters belong to the whole process.
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
        return InputError(f"{path}: damaged image, its header cannot be read")
    damage = " ".join(str(exc).split()) or type(exc).__name__
    return InputError(f"{path}: {getattr(exc, 'strerror', None) or f'damaged image ({damage})'}")


def _opened(path: Path) -> PillowFile.ImageFile:
    """The image with its header read and its size checked. Call it inside `_guard`."""
    found = supported_format(path)
    Image.MAX_IMAGE_PIXELS, limit = None, Image.MAX_IMAGE_PIXELS  # our own check reports both sides
    image = Image.open(path, formats=[found])
    Image.MAX_IMAGE_PIXELS = limit
    width, height = image.size
    if width * height > MAX_PIXELS:
        image.close()
        raise InputError(f"{path}: {width} × {height} pixels, the limit is {MAX_PIXELS:,} pixels in total")
    return image


def _png_bits(path: Path) -> int:
    """Bits per channel of a PNG, from the byte after width and height."""
    with path.open("rb") as file:
        return file.read(25)[24]


def _tiff_bits(image: Image.Image) -> tuple[int, ...]:
    """Bits of each channel of a TIFF; (8,) for other formats."""
    tags = getattr(image, "tag_v2", {})
    return tuple(tags.get(258) or (8,))  # 258 = BitsPerSample


def _deep_png(path: Path, info: dict[str | tuple[int, int], object]) -> Image.Image:
    """A 16-bit PNG rounded to 8 bits; Pillow would truncate."""
    with Image.open(path, formats=["PNG"]) as check:
        check.verify()  # first, as OpenCV's libpng writes its errors straight to stderr
    samples = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    if samples is None:
        raise InputError(f"{path}: damaged image")
    if samples.dtype == np.uint16:
        samples = cv2.convertScaleAbs(samples, alpha=1 / 257)  # 65535 / 255; rounds to the nearest
    if samples.ndim == 3:
        order = cv2.COLOR_BGRA2RGBA if samples.shape[2] == 4 else cv2.COLOR_BGR2RGB
        samples = cv2.cvtColor(samples, order)
    image = Image.fromarray(samples)
    image.info.update({key: info[key] for key in ("icc_profile", "exif") if key in info})
    return image


def _upright(image: Image.Image) -> Image.Image:
    """The image with its EXIF orientation applied; a damaged EXIF block is ignored."""
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # EXIF is a small TIFF file; damage raises many kinds of exceptions
        return image


def _eight_bits(image: Image.Image, path: Path) -> Image.Image:
    """16-bit gray converted to 8-bit gray; other modes are unchanged."""
    if image.mode.startswith("I;16"):
        gray = cv2.convertScaleAbs(np.asarray(image).astype(np.uint16), alpha=1 / 257)
        reduced = Image.fromarray(gray)
        reduced.info = image.info
        return reduced
    if image.mode in ("I", "F"):
        raise InputError(f"{path}: format not supported: 32 bits per channel; save it with 8 or 16")
    return image


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """The image in sRGB, mode RGB; unchanged if the profile equals sRGB to within 1 level."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    to_srgb = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), image.mode, "RGB")
    if image.mode == "RGB":
        levels = np.linspace(0, 255, 9).round().astype(np.uint8)
        lattice = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 3)
        moved = np.asarray(ImageCms.applyTransform(Image.fromarray(lattice), to_srgb))
        if np.abs(moved.astype(int) - lattice).max() <= 1:
            return image
    return ImageCms.applyTransform(image, to_srgb) or image
