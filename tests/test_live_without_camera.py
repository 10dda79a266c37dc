"""Live sessions that nobody watches give up if the camera never gives a frame."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streamstyle.apps.cli import app
from streamstyle.apps.live import display
from streamstyle.apps.live.capture import Capture
from streamstyle.apps.live.session import Live
from streamstyle.apps.live.stylizer import Controls, Stylizer
from streamstyle.effects import StylizeSettings
from streamstyle.errors import InputError

from .cameras import Scripted

ABSENT = "9999"  # a camera that no machine has


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    """One that is found lost, and opened again, at once."""
    defaults = {"silence": 0.05, "opening": 5.0, "back_off": (0.01, 0.04)}
    monkeypatch.setattr(Capture.__init__, "__kwdefaults__", defaults)
    return Scripted(there=False)


def live_with(camera: Scripted) -> Live:
    return Live(camera.open, Stylizer(StylizeSettings(), ["none"], Controls("none")))


def test_a_camera_that_cannot_be_opened_is_given_up(camera: Scripted) -> None:
    with live_with(camera) as live, pytest.raises(InputError, match=r"opened; no frame came within 0\.1 s"):
        display.wait(live, until=time.monotonic() + 10, watched=False, patience=0.1)


def test_a_camera_that_vanishes_before_its_first_frame_is_given_up(camera: Scripted) -> None:
    camera.there = camera.silent = True
    with live_with(camera) as live:
        with pytest.raises(InputError, match=r"no image for 0\.05 s; no frame came within 0\.2 s"):
            display.wait(live, until=time.monotonic() + 10, watched=False, patience=0.2)
        camera.gate.set()


def test_a_camera_that_was_there_is_waited_for(camera: Scripted) -> None:
    camera.there = True
    with live_with(camera) as live:
        assert live.newest(0, 10) is not None
        camera.there = False
        display.wait(live, until=time.monotonic() + 0.3, watched=False, patience=0.05)


def test_a_page_shows_that_there_is_no_camera(camera: Scripted) -> None:
    with live_with(camera) as live:
        display.wait(live, until=time.monotonic() + 0.3, watched=True, patience=0.05)


@pytest.mark.parametrize("more", [[], ["--seconds", "0.3"]])
def test_the_command_names_the_cameras_and_records_nothing(
    more: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        display.wait, "__kwdefaults__", {**(display.wait.__kwdefaults__ or {}), "patience": 0.5}
    )
    monkeypatch.setattr("streamstyle.sources.camera.list_cameras", lambda: {"0": "Builtin", "2": "USB"})
    output = tmp_path / "out.mp4"
    arguments = ["live", "--camera", ABSENT, "--no-window", "--record", str(output), "--style", "none"]
    done = CliRunner().invoke(app, [*arguments, "-q", *more])
    assert done.exit_code == 3
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: camera {ABSENT}: cannot be opened")
    assert "`streamstyle live --list` shows 0 (Builtin), 2 (USB); no frame came" in line
    assert not list(tmp_path.iterdir())
