"""The program on a system without the window libraries that the usual wheel of OpenCV needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from streamstyle.apps.cli.opencv import load_failure

ROOT = Path(__file__).parents[1]
REASON = "libGL.so.1: cannot open shared object file: No such file or directory"


@pytest.fixture
def run(tmp_path: Path):
    """Runs the program in a folder with samples, with an OpenCV that does not load."""
    (tmp_path / "broken" / "cv2").mkdir(parents=True)
    (tmp_path / "broken" / "cv2" / "__init__.py").write_text(f"raise ImportError({REASON!r})\n")
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    path = os.pathsep.join([str(tmp_path / "broken"), str(ROOT)])

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "streamstyle", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True
        )

    return run


@pytest.mark.parametrize(
    "command",
    [
        "stylize samples/harbour.mp4 out.mp4",
        "stylize samples/lighthouse.png out.png",
        "dream samples/lighthouse.png out.png --config dogs",
        "live --camera testsrc --no-window --record out.mp4",
        "evaluate samples/harbour.mp4 samples/harbour.mp4",
        "train samples/still_life.png",
    ],
)
def test_a_command_says_in_a_line_what_to_install(run, tmp_path: Path, command: str) -> None:
    done = run(*command.split())
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: OpenCV cannot be loaded ({REASON}); ")
    assert "pip install --force-reinstall --no-deps opencv-python-headless" in done.stderr
    assert done.stderr.count("\n") == 1 and not done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken", "samples"]


def test_doctor_runs_and_says_what_is_the_matter(run) -> None:
    done = run("doctor", "--json")
    assert done.returncode == 0 and not done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    lines = {event["topic"]: event["found"] for event in events if event["event"] == "check"}
    assert lines["opencv"] == f"OpenCV cannot be loaded ({REASON})" and "opencv" in events[-1]["to_do"]
    assert any("pip install --force-reinstall --no-deps opencv-python-headless" in e["to_do"] for e in events)
    assert lines["encoders"] == lines["ffmpeg"] == lines["cameras"] == "unknown without OpenCV"
    assert "torch" in lines["packages"] and "cpu" in lines["devices"]
    assert {"streamstyle", "system", "threads", "display"} < set(lines)


def test_what_needs_no_opencv_works(run) -> None:
    assert len(json.loads(run("styles", "--json").stdout)) >= 2
    assert run("--help").returncode == 0


def test_other_imports_that_fail_are_no_fault_of_opencv() -> None:
    assert load_failure(ImportError("cannot import name 'odd'", name="streamstyle.images")) is None
    assert "No module named 'cv2'" in str(load_failure(ImportError("No module named 'cv2'", name="cv2")))
