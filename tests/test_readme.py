"""The README's commands and its Python work as they stand there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from streamstyle import StylizeSettings, render

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a reader stands after cloning: the samples are there, and `streamstyle` is on the path.

    The clip is a quarter as large as the real one, to save time.
    """
    samples = tmp_path / "samples"
    samples.mkdir()
    for sample in (ROOT / "samples").iterdir():
        (samples / sample.name).symlink_to(sample)
    (samples / "harbour.mp4").unlink()
    small = StylizeSettings(style="none", max_size=320, preset="ultrafast")
    render(ROOT / "samples" / "harbour.mp4", samples / "harbour.mp4", small)
    program = tmp_path / "bin" / "streamstyle"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m streamstyle "$@"\n')
    program.chmod(0o755)
    return tmp_path


def test_the_commands_run_one_after_the_other(folder: Path) -> None:
    (commands,) = blocks("sh")
    script = f'set -e\nPATH="{folder}/bin:$PATH"\n{commands}'
    done = subprocess.run(["sh", "-c", script], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in ("starry.mp4", "wave.mp4", "short.gif", "lighthouse.webp", "again.mp4", "piped.mkv"):
        assert (folder / name).stat().st_size > 1000, name
    assert len(list((folder / "frames").glob("*.png"))) == 12
    assert "starry_night" in done.stdout and "encoders" in done.stdout


def test_the_python_runs(folder: Path) -> None:
    (program,) = blocks("python")
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "OMP_WAIT_POLICY": "PASSIVE"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("120 frames, ")


@pytest.mark.parametrize("target", ["demo", "test"])
def test_the_make_targets_exist(target: str) -> None:
    assert f"    make {target}\n" in TEXT
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


def test_files_that_are_named_are_there() -> None:
    for name in re.findall(r"\]\((?!http)([^)]+)\)", TEXT) + re.findall(r"`((?:configs|samples)/\w+)`", TEXT):
        assert (ROOT / name).exists(), name


def test_every_long_option_of_the_readme_exists() -> None:
    from typer.testing import CliRunner

    from streamstyle.apps.cli import app

    known = CliRunner().invoke(app, ["stylize", "--help"], env={"COLUMNS": "200"}).stdout
    known += CliRunner().invoke(app, ["train", "--help"], env={"COLUMNS": "200"}).stdout
    for command in ("dream", "zoom", "layers", "transfer", "live", "resume"):
        known += CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).stdout
    known += CliRunner().invoke(app, ["evaluate", "--help"], env={"COLUMNS": "200"}).stdout
    known += CliRunner().invoke(app, ["studio", "--help"], env={"COLUMNS": "200"}).stdout
    known += CliRunner().invoke(app, ["batch", "stylize", "--help"], env={"COLUMNS": "200"}).stdout
    known += CliRunner().invoke(app, ["styles", "--help"], env={"COLUMNS": "200"}).stdout
    used = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", TEXT)) - {"--torch-backend", "--install-completion"}
    assert used and not [option for option in used if option not in known]
