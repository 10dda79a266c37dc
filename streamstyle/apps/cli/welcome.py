"""What the program says without a command: three things to try."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

SAMPLES = Path("samples/harbour.mp4"), Path("samples/lighthouse.png")  # in a clone of the project


def welcome() -> str:
    """Three commands to copy, and where the others are listed."""
    video, image = (str(path) for path in SAMPLES) if SAMPLES[0].is_file() else ("holiday.mp4", "photo.jpg")
    extra = "" if find_spec("starlette") else " (needs: pip install 'streamstyle[web]')"
    return "\n".join(
        [
            "Three things to try:",
            "",
            "Paint a video or an image; `streamstyle styles` lists the styles:",
            f"    streamstyle stylize {video} painted.mp4 --style great_wave",
            "Dream on an image:",
            f"    streamstyle dream {image} dream.png --config dogs",
            f"Paint your camera, videos and images in the browser{extra}:",
            "    streamstyle studio",
            "",
            "`streamstyle --help` lists all commands, `streamstyle COMMAND --help` explains one;",
            "`streamstyle doctor` says what this machine lacks.",
        ]
    )
