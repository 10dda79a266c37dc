"""JPEG images sent between browser and server."""

from __future__ import annotations

import io

import cv2
import numpy as np
from PIL.JpegImagePlugin import JpegImageFile

from streamstyle.errors import InputError

MAX_BYTES = 1_500_000
LONG_SIDE, SHORT_SIDE = 1920, 1080  # maximum in pixels, in landscape or portrait
QUALITY = 85  # about 80 KB for a 640x480 image, without visible blocks


def read_jpeg(data: bytes) -> np.ndarray:
    """Decode a JPEG image to (H, W, 3) uint8 RGB; its size is checked before decoding.

    Raises:
        InputError: it is damaged, not a JPEG, or too large.
    """
    if len(data) > MAX_BYTES:
        raise InputError(f"the image has {len(data):,} bytes, at most {MAX_BYTES:,} are accepted")
    try:
        with JpegImageFile(io.BytesIO(data)) as image:
            if max(image.size) > LONG_SIDE or min(image.size) > SHORT_SIDE:
                width, height = image.size
                raise InputError(
                    f"the image has {width}x{height} pixels, at most {LONG_SIDE}x{SHORT_SIDE} are accepted"
                )
            return np.array(image.convert("RGB"))
    except (SyntaxError, OSError, ValueError) as error:  # Pillow raises SyntaxError for a wrong header
        raise InputError("the image is damaged, or not a JPEG") from error


def write_jpeg(pixels: np.ndarray, quality: int = QUALITY) -> bytes:
    """Encode (H, W, 3) uint8 RGB as JPEG."""
    done, data = cv2.imencode(
        ".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    assert done
    return data.tobytes()
