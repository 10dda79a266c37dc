"""`styles` and `doctor`: what is there."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable
from importlib import metadata
from typing import Annotated

import typer

from streamstyle import __version__
from streamstyle.apps.cli.opencv import load_failure
from streamstyle.apps.cli.reporting import reporting
from streamstyle.cores import usable_cores

_PACKAGES = ("torch", "torchvision", "av", "opencv-python", "numpy", "pillow")


def styles(
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects.")] = False,
    picture: Annotated[
        str | None, typer.Option("--sheet", metavar="IMAGE", help="Paint this picture in every style.")
    ] = None,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="PNG", help="Where that sheet goes.")
    ] = "styles.png",
    overwrite: Annotated[bool, typer.Option("-y", "--overwrite", help="Replace it.")] = False,
) -> None:
    """List the bundled styles, or show them all on a picture of yours."""
    with reporting() as reporter:
        from streamstyle.styles import DEFAULT_STYLE
        from streamstyle.weights import STYLES

        if picture is not None:
            from streamstyle.effects import StylizeSettings
            from streamstyle.keyframes import NONE
            from streamstyle.preview.video import preview

            preview(picture, output, [NONE, *STYLES], StylizeSettings(), 1, overwrite=overwrite)
            reporter.note(f"the sheet lies in {output}")
            return
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
        width = max(len(name) for name in STYLES)
        for row in rows:
            default = " (default)" if row["name"] == DEFAULT_STYLE else ""
            print(f"{row['name']:<{width}}  {row['painting']}, {row['painter']}, {row['year']}{default}")


def doctor() -> None:
    """Print versions, OpenCV, devices, threads, encoders and display: what a bug report needs."""
    findings: dict[str, Callable[[], str]] = {
        "streamstyle": lambda: __version__,
        "system": lambda: f"{platform.platform()}, Python {platform.python_version()}",
        "packages": lambda: ", ".join(f"{name} {_installed(name)}" for name in _PACKAGES),
        "opencv": _opencv,
        "devices": _devices,
        "threads": _threads,
        "encoders": _encoders,
        "display": _display,
    }
    with reporting():
        for topic, finding in findings.items():
            try:
                found = finding()
            except Exception as error:  # what does not work is what a bug report is about
                found = f"unknown: {type(error).__name__}: {error}".partition("\n")[0]
            print(f"{topic:<12} {found}")


def _installed(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "missing"


def _opencv() -> str:
    try:
        import cv2
    except ImportError as error:
        return load_failure(error) or f"OpenCV cannot be loaded ({error})"
    toolkit = cv2.currentUIFramework()
    windows = f"opens windows with {toolkit}" if toolkit else "opens no windows (opencv-python-headless)"
    return f"{cv2.__version__}, {windows}"


def _devices() -> str:
    from streamstyle.device import choose, name_of

    return name_of(choose())


def _threads() -> str:
    import torch

    return f"{usable_cores()} of {os.cpu_count()} cores may be used, torch uses {torch.get_num_threads()}"


def _encoders() -> str:
    if "cv2" not in sys.modules:  # asked again, OpenCV would complain on stdout
        return "unknown without OpenCV"
    from streamstyle.video.codecs import CODECS, works

    return " ".join(name for name in CODECS if works(name))


def _display() -> str:
    if sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
        return "none: DISPLAY is not set"
    return os.environ.get("DISPLAY", "the system's")
