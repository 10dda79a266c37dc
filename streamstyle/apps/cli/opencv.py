"""Why OpenCV does not load: its usual wheel needs window libraries, which servers and containers lack."""

from __future__ import annotations

import traceback

REMEDY = (
    "install the one without windows: pip install --force-reinstall --no-deps opencv-python-headless; "
    "or the libraries that it needs, on Debian: apt install libgl1 libglib2.0-0"
)


def load_failure(error: ImportError) -> str | None:
    """A line that says why OpenCV does not load and what to install; None for other imports that fail."""
    modules = {frame.f_globals.get("__name__") for frame, _ in traceback.walk_tb(error.__traceback__)}
    if error.name != "cv2" and "cv2" not in modules:
        return None
    reason = str(error).partition("\n")[0]
    return f"OpenCV cannot be loaded ({reason}); {REMEDY}"
