"""The command `live`: what it refuses at once, and what it writes."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import av
import pytest
from typer.testing import CliRunner

from streamstyle.apps.cli import app

ROOT = Path(__file__).parents[1]
NO_DISPLAY = {"DISPLAY": "", "WAYLAND_DISPLAY": ""}
HERE = {**os.environ, **NO_DISPLAY, "PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "PASSIVE"}


def live(*arguments: str):
    return CliRunner().invoke(app, ["live", *arguments], env=NO_DISPLAY)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "; use --web to see it in a browser"),
        (["--no-window"], 2, "there is no output"),
        (["--no-window", "--record", "a.gif"], 2, "cannot record .gif"),
        (["--record", "a.mp4", "--style", "nobody"], 2, "unknown style 'nobody'"),
        (["--record", "a.mp4", "--camera", "nothing.mp4"], 3, "nothing.mp4: no such file"),
        (
            ["--record", "a.mp4", "--camera", str(Path(__file__))],
            3,
            "not a video or an image that can be read",
        ),
        (["--record", "a.mp4", "--strength", "3"], 2, "--strength 3: expected 0 to 1"),
        (["--record", "a.mp4", "--fps", "0.1"], 2, "--fps 0.1: expected 1 to 240"),
        (["--record", "a.mp4", "--size", "big"], 2, "--size big: expected WIDTHxHEIGHT"),
        (["--record", "a.mp4", "--dream", "nothing"], 2, "no such file or preset"),
        (["--record", "a.mp4", "--dream", "eyes", "--style", "ink"], 2, "takes no --style"),
        (["--url", "file.mp4"], 2, "--url file.mp4: expected rtmp://"),
    ],
)
def test_what_cannot_become_right_is_refused_in_one_line(arguments, code, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = live(*arguments)
    assert done.exit_code == code
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and message in errors[0]
    assert not list(tmp_path.iterdir())


def test_cameras_are_listed_and_files_are_mentioned(monkeypatch):
    monkeypatch.setattr("streamstyle.sources.camera.list_cameras", lambda: {"0": "Builtin", "2": "USB"})
    done = live("--list")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == ["0  Builtin", "2  USB"]
    assert "a video or image" in done.stderr
    events = [json.loads(line) for line in live("--list", "--json").stdout.splitlines()]
    assert events[1] == {"event": "camera", "camera": "2", "name": "USB"}


def test_a_video_is_recorded_as_a_camera_for_so_many_seconds(tmp_path):
    output = tmp_path / "out.mp4"
    arguments = ["--camera", "testsrc", "--size", "64x48", "--style", "ink", "--record", str(output)]
    done = live(*arguments, "--seconds", "1.5", "--json")
    assert done.exit_code == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[-1]["event"] == "done" and events[-1]["frames"] > 5
    status = next(event for event in events if event["event"] == "status")
    assert status["state"] == "live" and status["size"] == "64x48"
    with av.open(str(output)) as video:
        pictures = list(video.decode(video=0))
    assert len(pictures) > 5 and (pictures[0].width, pictures[0].height) == (64, 48)
    again = live(*arguments, "--seconds", "0.5")
    assert again.exit_code == 2 and "exists; -y overwrites it" in again.stderr


def test_ctrl_c_ends_it_cleanly_and_finishes_the_recording(tmp_path):
    output = tmp_path / "out.mkv"
    command = [
        sys.executable,
        "-m",
        "streamstyle",
        "live",
        "--camera",
        "testsrc",
        "--size",
        "64x48",
        "--json",
    ]
    with subprocess.Popen([*command, "--record", str(output)], env=HERE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        status = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGINT)
        begin = time.monotonic()
        assert process.wait(20) == 0
        assert time.monotonic() - begin < 5
    assert status and output.stat().st_size > 1000


def test_a_recording_that_fails_ends_a_session_that_nobody_watches(tmp_path, monkeypatch):
    from streamstyle.errors import OutputError
    from streamstyle.sinks.recording import RecordingSink

    def full(self, item):
        raise OutputError("out.mp4: cannot be written (No space left on device)")

    monkeypatch.setattr(RecordingSink, "write", full)
    done = live("--camera", "testsrc", "--size", "64x48", "--record", str(tmp_path / "out.mp4"))
    assert done.exit_code == 4
    assert "No space left" in done.stderr


def test_an_effect_and_its_preset_can_be_chosen(tmp_path):
    output = tmp_path / "out.mp4"
    camera = ("--camera", "testsrc", "--size", "64x48", "--seconds", "0.5", "--record", str(output))
    done = live("--effect", "dream", "--config", "dogs", *camera)
    assert done.exit_code == 0, done.stderr
    assert output.stat().st_size > 1000


def test_the_page_shows_the_camera_and_the_link_needs_its_key():
    command = [sys.executable, "-m", "streamstyle", "live", "--camera", "testsrc", "--size", "160x120"]
    command += [
        "--no-window",
        "--web",
        "--port",
        "0",
        "--style",
        "0.6*ink+0.4*udnie",
        "--seconds",
        "30",
        "--json",
    ]
    program = subprocess.Popen(
        command, env=HERE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert program.stdout is not None
    try:
        serving = next(e for e in map(json.loads, program.stdout) if e["event"] == "serving")
        with urllib.request.urlopen(serving["stream"], timeout=20) as stream:
            assert stream.headers["Content-Type"].startswith("multipart/x-mixed-replace")
            assert b"\xff\xd8" in stream.read(2000)
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(serving["stream"].partition("?")[0], timeout=20)
    finally:
        program.send_signal(signal.SIGINT)
        program.stdout.read()
        program.stdout.close()
        assert program.wait(timeout=20) == 0
