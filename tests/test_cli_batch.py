"""`streamstyle batch` as a user meets it, with processes of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from streamstyle.apps.cli import program
from streamstyle.effects import EFFECTS
from tests.videos import hashes_of, make_video

PLAIN = ["--style", "none", "--preset", "ultrafast", "--device", "cpu"]


def call(*arguments: object) -> Result:
    return CliRunner().invoke(program(), [str(argument) for argument in arguments])


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    make_video(tmp_path / "in" / "a.mp4", 10)
    (tmp_path / "in" / "bad.mp4").write_bytes(b"nothing")
    return tmp_path


def test_a_folder_is_rendered_and_the_summary_counts(folder: Path) -> None:
    words = ["batch", "stylize", folder / "in", folder / "out", *PLAIN, "--style", "ink", "--max-size", 32]
    done = call(*words)
    assert done.exit_code == 5, done.stderr
    lines = done.stderr.splitlines()
    assert lines[-1] == f"4 films: 2 done, 2 failed; 20 frames; {folder / 'out' / 'report.json'}"
    assert any(line.startswith("failed: ") and "bad.mp4: " in line for line in lines)
    assert sorted(path.name for path in (folder / "out").iterdir()) == [
        "a_ink.mp4",
        "a_none.mp4",
        "report.json",
    ]
    alone = call(
        "stylize",
        folder / "in" / "a.mp4",
        folder / "alone.mp4",
        *PLAIN[2:],
        "--style",
        "ink",
        "--max-size",
        32,
    )
    assert alone.exit_code == 0
    assert hashes_of(folder / "alone.mp4") == hashes_of(folder / "out" / "a_ink.mp4")
    (folder / "in" / "bad.mp4").unlink()
    again = call(*words, "--json")
    assert again.exit_code == 0
    events = [json.loads(line) for line in again.stdout.splitlines()]
    assert events[-1] == {
        "event": "done",
        "films": 2,
        "done": 2,
        "report": str(folder / "out" / "report.json"),
    }
    assert [event["status"] for event in events if event["event"] == "film"] == ["done", "done"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["out"], "name at least one input"),
        ([], "name at least one input"),
        (["in/a.mp4", "in/a.mp4"], "is not a folder; name the folder to write to last"),
        (["in/a.mp4", "out", "--name", "{stem}.xyz"], "cannot write .xyz"),
        (["in/*.webm", "out"], "matches no file"),
        (["in", "out", "--style", "ikn"], "did you mean ink?"),
        (["in", "out", "--jobs", "none.toml"], "none.toml: cannot be read"),
    ],
)
def test_mistakes_are_one_line(words: list[str], message: str, folder: Path, monkeypatch) -> None:
    monkeypatch.chdir(folder)
    done = call("batch", "stylize", *words, "--device", "cpu")
    assert done.exit_code in (2, 3), done.output
    assert message in done.stderr and "Traceback" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("error: ")]) == 1
    assert not (folder / "out").exists()


def test_every_effect_has_a_batch() -> None:
    for effect in EFFECTS:
        told = CliRunner().invoke(program(), ["batch", effect, "--help"], env={"COLUMNS": "120"}).stdout
        assert "OUTFOLDER" in told and "--strength" in told and "--retry" in told
    assert "--style" in CliRunner().invoke(program(), ["batch", "transfer", "--help"]).stdout


def segments(folder: Path) -> list[Path]:
    """Segments of films that are being painted. Folders may vanish meanwhile, at which `Path.glob` fails."""
    files = [Path(part, name) for part, _, names in os.walk(folder) for name in names]
    return [file for file in files if file.match("*.part/0*.mp4")]


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_same_command_goes_on_after_a_signal(number: signal.Signals, tmp_path: Path) -> None:
    for name in "abc":
        make_video(tmp_path / f"{name}.mp4", 240)
    words = ["batch", "stylize", "a.mp4", "b.mp4", "c.mp4", "out", "--workers", "1", *PLAIN]
    command = [sys.executable, "-m", "streamstyle", *words]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        due = time.monotonic() + 120
        while not segments(tmp_path / "out") and time.monotonic() < due:
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(number)
        _, told = process.communicate(timeout=60)
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert "films have ended; the same command goes on" in told
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "3 films: 3 done; 720 frames" in done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "a.mp4",
        "b.mp4",
        "c.mp4",
        "report.json",
    ]
    assert call("stylize", tmp_path / "a.mp4", tmp_path / "alone.mp4", *PLAIN).exit_code == 0
    assert (tmp_path / "alone.mp4").read_bytes() == (tmp_path / "out" / "a.mp4").read_bytes()
