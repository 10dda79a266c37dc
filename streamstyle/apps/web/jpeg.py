"""Pictures on their way between browser and server."""

from __future__ import annotations

import io

import cv2
import numpy as np
from PIL.JpegImagePlugin import JpegImageFile

from streamstyle.errors import InputError

MOST_BYTES = 1_500_000
LONG_SIDE, SHORT_SIDE = 1920, 1080  # pixels at most, upright or not
QUALITY = 85  # at which a 640x480 picture has about 80 KB, and its blocks are not seen


def read_jpeg(data: bytes) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a JPEG picture; its size is read before anything is decoded.

    Raises:
        InputError: it is damaged, no JPEG, or too large.
    """
    if len(data) > MOST_BYTES:
        raise InputError(f"the picture has {len(data):,} bytes, at most {MOST_BYTES:,} are taken")
    try:
        with JpegImageFile(io.BytesIO(data)) as image:
            if max(image.size) > LONG_SIDE or min(image.size) > SHORT_SIDE:
                width, height = image.size
                raise InputError(
                    f"the picture has {width}x{height} pixels, at most {LONG_SIDE}x{SHORT_SIDE} are taken"
                )
            return np.array(image.convert("RGB"))
    except (SyntaxError, OSError, ValueError) as error:  # SyntaxError is Pillow's word for a wrong header
        raise InputError("the picture is damaged, or no JPEG") from error


def write_jpeg(pixels: np.ndarray, quality: int = QUALITY) -> bytes:
    """A JPEG picture of (H, W, 3) uint8 RGB."""
    done, data = cv2.imencode(
        ".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    assert done
    return data.tobytes()
