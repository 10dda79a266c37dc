"""A part of a video without a frame: every kind of output is refused, and nothing is left of it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from streamstyle.apps.cli import app
from streamstyle.effects.identity import Identity
from streamstyle.errors import InputError
from streamstyle.frames import Frame, StreamInfo
from streamstyle.pipeline import run
from streamstyle.sinks.memory import MemorySink
from streamstyle.sources import ReadOptions, open_source
from streamstyle.sources.memory import MemorySource
from tests.videos import make_video, picture

OUTPUTS = ["o.png", "o.jpg", "folder/", "deep/folder/", "-", "o.gif", "o.mp4", "o.mkv"]
COMMANDS = {
    "stylize": ["--style", "none"],
    "dream": ["--steps", "1", "--octaves", "1"],
    "transfer": ["--steps", "1", "--scales", "1"],
}


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_to_write_is_an_error_for_every_output(command: str, output: str, tmp_path: Path) -> None:
    video = make_video(tmp_path / "in.mp4", 3)
    painting = tmp_path / "painting.png"
    Image.fromarray(picture(1, 160, 130)).save(painting)
    before = set(tmp_path.rglob("*"))
    names = [video, *([painting] if command == "transfer" else [])]
    target = output if output == "-" else f"{tmp_path}/{output}"
    arguments = [command, *map(str, names), target, "-ss", "99", "--device", "cpu", *COMMANDS[command]]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 3, result.stderr
    assert f"{video}: " in result.stderr.splitlines()[-1] and "no frame" in result.stderr.splitlines()[-1]
    assert result.stdout == "" and set(tmp_path.rglob("*")) == before


def test_a_folder_that_was_there_stays(tmp_path: Path) -> None:
    video = make_video(tmp_path / "in.mp4", 3)
    (tmp_path / "folder").mkdir()
    arguments = ["stylize", str(video), f"{tmp_path}/folder", "-ss", "99", "--style", "none"]
    assert CliRunner().invoke(app, arguments).exit_code == 3
    assert (tmp_path / "folder").is_dir()


@pytest.mark.parametrize("command", ["preview", "evaluate"])
def test_previews_and_evaluations_need_a_frame(command: str, tmp_path: Path) -> None:
    video = make_video(tmp_path / "in.mp4", 3)
    if command == "evaluate":
        arguments = ["evaluate", video, video, "-ss", "99", "--sheet", tmp_path / "sheet.png"]
    else:
        arguments = ["stylize", video, tmp_path / "o.mp4", "--preview", "2", "-ss", "99", "--style", "none"]
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert (result.exit_code, len(result.stderr.splitlines())) == (3, 1)
    assert list(tmp_path.iterdir()) == [video]


def test_a_run_aborts_its_sinks_if_there_is_no_frame() -> None:
    sink, info = MemorySink(), StreamInfo("nothing", "video", 8, 8, Fraction(1, 25))
    with pytest.raises(InputError, match="nothing: no frame in the part that is read"):
        run(MemorySource([], info), Identity(), [sink], device="cpu")
    assert sink.aborted and not sink.closed


@pytest.mark.parametrize("kind", ["animation", "folder"])
def test_parts_of_animations_and_folders_are_read(kind: str, tmp_path: Path) -> None:
    images = [Image.fromarray(picture(number)) for number in range(5)]
    if kind == "animation":
        path = tmp_path / "in.webp"
        images[0].save(path, save_all=True, append_images=images[1:], duration=100, lossless=True)
    else:
        path = tmp_path / "in"
        path.mkdir()
        for number, image in enumerate(images):
            image.save(path / f"{number}.png")
    rate = None if kind == "animation" else Fraction(10)
    with open_source(path, ReadOptions(start=0.2, length=0.2, fps=rate)) as source:
        frames = [frame for frame in source if isinstance(frame, Frame)]
    assert [frame.seconds for frame in frames] == [0, 0.1]
    assert (frames[0].pixels == picture(2)).all()
    arguments = ["stylize", str(path), f"{tmp_path}/o.mp4", "-ss", "99", "--style", "none"]
    assert CliRunner().invoke(app, arguments).exit_code == 3
    assert list(tmp_path.iterdir()) == [path]
