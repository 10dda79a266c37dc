"""Stdout or stderr that cannot be written, and signals that are ignored when the program starts."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from streamstyle.apps.cli.reporting import reporting
from tests.videos import make_video

PLAIN = ["--style", "none", "--preset", "ultrafast", "--device", "cpu"]
PROGRAM = [sys.executable, "-m", "streamstyle"]


def with_closed_pipe(
    arguments: list[str], *, also_stderr: bool = False
) -> subprocess.CompletedProcess[bytes]:
    """Run the program with a stdout whose reader has gone."""
    reading, writing = os.pipe()
    os.close(reading)
    errors = writing if also_stderr else subprocess.PIPE
    done = subprocess.run([*PROGRAM, *arguments], stdout=writing, stderr=errors, timeout=120)
    os.close(writing)
    return done


@pytest.mark.parametrize("command", ["styles", "--help", "--version"])
def test_a_closed_pipe_is_one_line(command: str) -> None:
    done = with_closed_pipe(command.split())
    assert done.returncode == 4
    assert done.stderr == b"error: stdout: cannot be written (its reader has gone)\n"


def test_a_render_whose_events_nobody_reads_ends(tmp_path: Path) -> None:
    video = make_video(tmp_path / "in.mp4", 3)
    done = with_closed_pipe(["stylize", str(video), str(tmp_path / "o.mp4"), *PLAIN, "--json"])
    assert done.returncode == 4 and len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(b"error: stdout: cannot be written")


def test_without_a_reader_of_stderr_the_code_remains(tmp_path: Path) -> None:
    assert with_closed_pipe(["stylize", "absent.mp4", "o.mp4"], also_stderr=True).returncode == 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_behind_stdout_is_one_line() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*PROGRAM, "--version"], stdout=full, stderr=subprocess.PIPE, timeout=120)
    assert done.returncode == 4
    assert done.stderr == b"error: stdout: cannot be written (No space left on device)\n"


@pytest.mark.skipif(os.name != "posix", reason="closes file descriptors with a shell")
@pytest.mark.parametrize(("names", "closed", "code"), [("- o.mp4", "<&-", 3), ("{video} -", ">&-", 4)])
def test_closed_standard_streams_are_one_line(names: str, closed: str, code: int, tmp_path: Path) -> None:
    video = make_video(tmp_path / "in.mp4", 3)
    line = f'exec "$0" -m streamstyle stylize {names.format(video=video)} --style none {closed}'
    done = subprocess.run(["sh", "-c", line, sys.executable], stderr=subprocess.PIPE, cwd=tmp_path)
    assert done.returncode == code and len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(b"error: -: std")


NAMES = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@pytest.mark.parametrize("name", NAMES)
def test_an_ignored_signal_stays_ignored(name: str) -> None:
    number = getattr(signal, name)
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with reporting():
            assert signal.getsignal(number) == signal.SIG_IGN
            others = [getattr(signal, other) for other in NAMES if other != name]
            assert signal.SIG_IGN not in [signal.getsignal(other) for other in others]
        assert signal.getsignal(number) == signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_a_command_leaves_the_logger_as_it_was() -> None:
    log = logging.getLogger("streamstyle")
    before = log.propagate, list(log.handlers)
    log.propagate = True
    with reporting():
        assert not log.propagate
    assert log.propagate and list(log.handlers) == before[1]
    log.propagate = before[0]


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no SIGHUP on this system")
def test_a_render_under_nohup_outlives_its_terminal(tmp_path: Path) -> None:
    video = make_video(tmp_path / "in.mp4", 300)
    command = [*PROGRAM, "stylize", str(video), str(tmp_path / "o.mp4"), *PLAIN]
    run = subprocess.Popen(
        command, stderr=subprocess.PIPE, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    )
    while run.poll() is None and not (tmp_path / "o.mp4.part").exists():
        time.sleep(0.01)
    run.send_signal(signal.SIGHUP)
    run.communicate(timeout=120)
    assert run.returncode == 0 and (tmp_path / "o.mp4").exists()
