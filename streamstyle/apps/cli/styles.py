"""The commands `styles` and `doctor`."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from dataclasses import asdict
from importlib import metadata
from typing import Any

from pydantic import BaseModel

from streamstyle import __version__
from streamstyle.apps.cli.command import OUTPUT_FLAGS, Overwrite
from streamstyle.apps.cli.opencv import load_failure
from streamstyle.apps.cli.reporting import Reporter
from streamstyle.cores import usable_cores
from streamstyle.options import make_settings, option

SHEET = "Contact sheet"
_PACKAGES = ("torch", "torchvision", "av", "opencv-python", "numpy", "pillow")


class StylesSettings(BaseModel):
    """The settings of `styles`."""

    sheet: str | None = option(
        None,
        "Image to stylize in every bundled style.",
        SHEET,
        flags=("--sheet",),
        metavar="IMAGE",
    )
    output: str = option(
        "styles.png", "The contact sheet to write.", SHEET, flags=OUTPUT_FLAGS, metavar="PNG"
    )


def styles(reporter: Reporter, given: dict[str, Any], overwrite: Overwrite = False) -> None:
    """List the bundled styles, or show them all on your own image."""
    settings = make_settings(given, StylesSettings)
    from streamstyle.styles import DEFAULT_STYLE
    from streamstyle.weights import STYLES

    if settings.sheet is not None:
        from streamstyle.effects import StylizeSettings
        from streamstyle.keyframes import NONE
        from streamstyle.preview.video import preview

        preview(settings.sheet, settings.output, [NONE, *STYLES], StylizeSettings(), 1, overwrite=overwrite)
        reporter.note(f"contact sheet: {settings.output}")
        return
    rows = [asdict(entry) for entry in STYLES.values()]
    width = max(len(name) for name in STYLES)
    lines = [
        f"{entry.name:<{width}}  {entry.painting}, {entry.painter}, {entry.year}"
        f"{' (default)' if entry.name == DEFAULT_STYLE else ''}"
        for entry in STYLES.values()
    ]
    reporter.report(rows, "\n".join(lines))


def doctor(reporter: Reporter) -> None:
    """Print what a bug report needs: versions, OpenCV, devices, threads, encoders, display."""
    findings: dict[str, Callable[[], str]] = {
        "streamstyle": lambda: __version__,
        "system": lambda: f"{platform.platform()}, Python {platform.python_version()}",
        "packages": lambda: ", ".join(f"{name} {_installed(name)}" for name in _PACKAGES),
        "opencv": _opencv,
        "devices": _devices,
        "threads": _threads,
        "runner": _runner,
        "encoders": _encoders,
        "nvdec": _nvdec,
        "display": _display,
    }
    for topic, finding in findings.items():
        try:
            found = finding()
        except Exception as error:  # a bug report is about what fails
            found = f"unknown: {type(error).__name__}: {error}".partition("\n")[0]
        reporter.data(f"{topic:<12} {found}")


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


def _runner() -> str:
    from streamstyle.device import choose
    from streamstyle.inference import described, installed_runners

    return f"{described('auto', choose())}; installed: {' '.join(installed_runners())}"


def _encoders() -> str:
    if "cv2" not in sys.modules:  # importing it again would print to stdout
        return "unknown without OpenCV"
    from streamstyle.video.codecs import CODECS, works

    return " ".join(name for name in CODECS if works(name))


def _nvdec() -> str:
    if "cv2" not in sys.modules:
        return "unknown without OpenCV"
    from streamstyle.video.nvdec import works

    return "decodes" if works() else "none: no card, driver or decoder that can be opened"


def _display() -> str:
    named = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.platform.startswith("linux") and not named:
        return "none: neither DISPLAY nor WAYLAND_DISPLAY is set"
    return named or "the system's"
