"""`styles` and `doctor`: what is there."""

from __future__ import annotations

import json
import os
import platform
import sys
from typing import Annotated

import typer

from streamstyle import __version__
from streamstyle.cli.reporting import reporting


def styles(
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects.")] = False,
) -> None:
    """List the bundled styles."""
    with reporting():
        from streamstyle.weights import DEFAULT_STYLE, STYLES

        rows = [
            {
                "name": entry.name,
                "painting": entry.painting,
                "painter": entry.painter,
                "year": entry.year,
                "parameters": entry.parameters,
                "bytes": entry.bytes,
                "sha256": entry.sha256,
            }
            for entry in STYLES.values()
        ]
        if as_json:
            print(json.dumps(rows, indent=2))
            return
        for row in rows:
            default = " (default)" if row["name"] == DEFAULT_STYLE else ""
            print(f"{row['name']:<16} {row['painting']}, {row['painter']}, {row['year']}{default}")


def doctor() -> None:
    """Print versions, devices, encoders, display and threads: what a bug report needs."""
    with reporting():
        import av
        import cv2
        import numpy
        import torch
        import torchvision

        from streamstyle.media.codecs import CODECS, works

        ffmpeg = ".".join(map(str, av.library_versions["libavformat"]))
        print(f"streamstyle  {__version__}")
        print(f"system       {platform.platform()}, Python {platform.python_version()}")
        print(f"torch        {torch.__version__}, torchvision {torchvision.__version__}")
        print(f"media        av {av.__version__} (libavformat {ffmpeg}), opencv {cv2.__version__}")
        print(f"numpy        {numpy.__version__}")
        from streamstyle.device import choose, name_of

        print(f"devices      {name_of(choose())}")
        print(f"threads      {os.cpu_count()} cores, torch uses {torch.get_num_threads()}")
        print(f"encoders     {' '.join(name for name in CODECS if works(name))}")
        print(f"display      {_display(cv2.currentUIFramework())}")


def _display(framework: str) -> str:
    if not framework:
        return "none: OpenCV was built without windows"
    if sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
        return f"none: DISPLAY is not set ({framework})"
    return f"{os.environ.get('DISPLAY', 'the system')} ({framework})"
