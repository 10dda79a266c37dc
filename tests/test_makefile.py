"""Setting up with make, where the usual wheel of OpenCV loads and where it does not."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Stands for Python: notes what pip is to install; OpenCV loads once there is a file `loads`.
PYTHON = r"""#!/bin/sh
case "$*" in
  *"-m venv"*) mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
  *"-m pip"*) for last; do :; done; echo "$last" >> installed
    case "$last" in opencv-python-headless*) touch loads ;; esac ;;
  *"import cv2"*) test -e loads ;;
  *version*) echo 5.0.0.93 ;;
esac
"""

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A clone before its first command."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)
    return tmp_path


def installed_by(folder: Path, *targets: str) -> list[str]:
    """What make has had installed by now."""
    command = ["make", "PYTHON=./python", "PIP_ARGS=", *targets]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return (folder / "installed").read_text().splitlines()


def test_where_opencv_loads_nothing_else_is_installed(folder: Path) -> None:
    (folder / "loads").touch()
    assert installed_by(folder, ".venv/installed") == ["."]


def test_where_opencv_does_not_load_the_one_without_windows_is_installed_once(folder: Path) -> None:
    expected = [".", "opencv-python-headless==5.0.0.93"]
    assert installed_by(folder, ".venv/installed") == expected
    assert installed_by(folder, ".venv/installed") == expected
    assert installed_by(folder, ".venv/installed-dev") == [*expected, ".[dev]"]


def test_tools_for_development_can_come_first(folder: Path) -> None:
    expected = [".[dev]", "opencv-python-headless==5.0.0.93"]
    assert installed_by(folder, ".venv/installed-dev") == expected
    assert installed_by(folder, ".venv/installed") == expected


def test_what_builds_the_pages_is_installed_once(folder: Path) -> None:
    (folder / "loads").touch()
    assert installed_by(folder, ".venv/installed-docs") == [".[docs]"]
    assert installed_by(folder, ".venv/installed-docs", ".venv/installed") == [".[docs]"]
