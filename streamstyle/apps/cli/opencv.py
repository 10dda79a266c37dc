"""Explains why OpenCV cannot be loaded: its usual wheel needs window libraries, which servers often lack."""

from __future__ import annotations

import traceback

REMEDY = (
    "install the version without windows: pip install --force-reinstall --no-deps opencv-python-headless; "
    "or the libraries that it needs, on Debian: apt install libgl1 libglib2.0-0"
)


def load_failure(error: ImportError) -> str | None:
    """Why OpenCV cannot be loaded and what to install, in one line; None for other import errors."""
    modules = {frame.f_globals.get("__name__") for frame, _ in traceback.walk_tb(error.__traceback__)}
    if error.name != "cv2" and "cv2" not in modules:
        return None
    reason = str(error).partition("\n")[0]
    return f"OpenCV cannot be loaded ({reason}); {REMEDY}"
