"""What a terminal shows while the program works: at once, and in the width and way it can."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image

from tests.videos import make_video, picture

termios = pytest.importorskip("termios", reason="needs a system with pseudo terminals")

ROOT = Path(__file__).parents[1]
FILES = "{folder}/in.mp4 {folder}/o.mp4"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_video(tmp_path / "in.mp4", 6)
    Image.fromarray(picture(0, 64, 64)).save(tmp_path / "in.png")
    return tmp_path


def shown(arguments: list[str], *, columns: int = 80, path: str = "", **variables: str) -> str:
    """All that the program writes to a terminal of that width; its stdout is not shown."""
    main, terminal = os.openpty()
    termios.tcsetwinsize(terminal, (24, columns))
    paths = [entry for entry in (path, str(ROOT), *sys.path) if entry]
    kept = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    run = subprocess.Popen(
        [sys.executable, "-m", "streamstyle", *arguments],
        stdin=subprocess.DEVNULL,
        stderr=terminal,
        stdout=subprocess.DEVNULL,
        env={**kept, "TERM": "xterm", "PYTHONPATH": os.pathsep.join(paths), **variables},
    )
    os.close(terminal)
    seen = b""
    with suppress(OSError):  # Linux reports the end of a terminal as an error
        while part := os.read(main, 4096):
            seen += part
    os.close(main)
    run.wait(60)
    return seen.decode()


def lines(text: str) -> list[str]:
    """The lines of a terminal's text, also those that were overwritten, without control sequences."""
    return [line for line in re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)) if line]


@pytest.mark.parametrize(
    "command",
    [
        "stylize " + FILES,
        "evaluate {folder}/in.mp4 {folder}/in.mp4",
        "train {folder}/in.png -o {folder}/o.safetensors",
        "layers --image {folder}/in.png -o {folder}/o.png",
        "styles --sheet {folder}/in.png -o {folder}/o.png",
        "export ink {folder}/o.onnx",
        "batch stylize {folder}/in.mp4 {folder}/out",
        "live --camera testsrc --no-window --record {folder}/o.mp4",
        "studio --port 0 --no-open",
    ],
)
def test_something_is_shown_before_anything_slow_is_imported(command: str, folder: Path) -> None:
    """Here the import of torch fails."""
    (folder / "broken").mkdir()
    (folder / "broken" / "torch.py").write_text("raise ImportError('no torch')")
    text = shown(command.format(folder=folder).split(), path=str(folder / "broken"))
    assert "starting" in text.partition("no torch")[0] and "no torch" in text


def render(folder: Path, *more: str, **options: object) -> str:
    plain = ["--style", "none", "--preset", "ultrafast", "--device", "cpu", "-y"]
    return shown(["stylize", *FILES.format(folder=folder).split(), *plain, *more], **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("columns", [20, 40, 100])
def test_the_progress_fits_into_one_line(columns: int, folder: Path) -> None:
    *progress, end = lines(render(folder, columns=columns))
    assert end.startswith("6 frames in, 6 out")
    assert any("6/6" in line for line in progress)
    assert all(len(line) <= columns for line in progress), progress
    assert any("fps" in line for line in progress) == (columns > 20)


def test_a_terminal_without_control_sequences_gets_lines(folder: Path) -> None:
    text = render(folder, TERM="dumb")
    assert "\x1b" not in text
    first, *_, end = lines(text)
    assert first == "starting" and end.startswith("6 frames in, 6 out")


def test_the_time_of_stages_is_shown_on_request_only(folder: Path) -> None:
    assert "effect" not in render(folder)
    *progress, summary, stages = lines(render(folder, "-v", columns=120))
    assert any("fps (read " in line for line in progress) and summary.startswith("6 frames in")
    assert re.fullmatch(r"each frame took: read [\d.]+ ms, effect [\d.]+ ms, write [\d.]+ ms", stages)


def test_what_goes_to_stdout_is_not_taken_by_the_bar() -> None:
    """Rich would print it to the terminal instead of the pipe."""
    code = (
        "from streamstyle.apps.cli.progress_bar import ProgressBar; import sys;"
        "bar = ProgressBar(); print('data'); bar.close(); print('more')"
    )
    main, terminal = os.openpty()
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=terminal, timeout=60
    )
    os.close(terminal)
    os.close(main)
    assert done.stdout == b"data\nmore\n"
