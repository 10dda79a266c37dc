"""Messages say in one line what is the matter, in the user's words, and what is allowed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from streamstyle.apps.cli import app
from tests.videos import make_video, picture


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a video, an image, a text file, and a folder without images."""
    make_video(tmp_path / "in.mp4", 3)
    Image.fromarray(picture(0, 160, 140)).save(tmp_path / "in.png")
    (tmp_path / "notes.txt").write_text("Dear diary,\n")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(arguments: str) -> tuple[int, str]:
    """(exit code, the only line on stderr)."""
    result = CliRunner().invoke(app, arguments.split())
    assert len(result.stderr.splitlines()) == 1, result.stderr
    return result.exit_code, result.stderr.removeprefix("error: ").rstrip()


VIDEO = "stylize in.mp4 o.mp4 "


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        # the option as the user wrote it
        (VIDEO + "-t 0", 2, "-t 0: expected above 0"),
        (VIDEO + "--duration 0", 2, "--duration 0: expected above 0"),
        (VIDEO + "--start=x", 2, "--start x: expected seconds or HH:MM:SS"),
        (VIDEO + "--stroke-size 9", 2, "--stroke-size 9: expected 0.25 to 4"),
        (VIDEO + "--stroke-size big", 2, "--stroke-size big: expected a number, 0.25 to 4"),
        (VIDEO + "--max-size 1.5", 2, "--max-size 1.5: expected a whole number, 2 to 16384"),
        (VIDEO + "--audio cpy", 2, "--audio cpy: expected copy or none (did you mean copy?)"),
        ("train in.png --steps 0", 2, "--steps 0: expected at least 1"),
        ("train in.png --stroke-size 9", 2, "--stroke-size 9: expected 0.1 to 4"),
        # the nearest name
        (VIDEO + "--style Stary_Night", 2, "(did you mean starry_night?); known: "),
        (VIDEO + "--at 1s=grat_wave", 2, "(did you mean great_wave?); known: "),
        (VIDEO + "--at 1s=strenght:0.5", 2, "--at 1s=strenght:0.5: unknown parameter strenght (did you m"),
        (VIDEO + "--at 1s=strength:5", 2, "--at 1s=strength:5: strength is '5', expected 0 to 1"),
        (VIDEO + "--config drft", 2, "--config drft: no such file or preset (did you mean draft?)"),
        (VIDEO + "--codec h265", 2, "--codec h265: unknown (did you mean hevc?)"),
        (VIDEO + "--preset ultrafst", 2, "(did you mean ultrafast?)"),
        (VIDEO + "--pix-fmt yuv420", 2, "(did you mean yuv420p?)"),
        (VIDEO + "--flow fats", 2, "--flow fats: no such flow (did you mean fast?)"),
        ("stylize in.mp4 - --format mkv", 2, "--format mkv: cannot be streamed (did you mean matroska?)"),
        ("stylize in.mp4 o.mp5", 2, "o.mp5: cannot write .mp5 (did you mean .mp4?); videos: .mp4"),
        ("stylize in.mp4 o.pngg", 2, "images: .png"),
        ("dream in.png o.png --layer prat", 2, "no layer 'prat' (did you mean part?)"),
        ("dream in.png o.png --features vgg17", 2, "unknown feature network 'vgg17' (did you mean vgg1"),
        ("live --effect dreem --camera in.mp4 --no-window --web", 2, "that runs live (did you mean dream?)"),
        (VIDEO + "--device gpu", 2, "device gpu: not available here (did you mean cpu?); "),
        ("live --effect dream --config dgos --web", 2, "no such file or preset (did you mean dogs?)"),
        ("live --dream dgos --no-window --web", 2, "no such file or preset (did you mean dogs?)"),
        ("live --style grat_wave --camera in.mp4 --web", 2, "(did you mean great_wave?); known: "),
        ("studio --style grat_wave --no-open", 2, "(did you mean great_wave?); known: "),
        ("export grat_wave o.onnx", 2, "(did you mean great_wave?); known: "),
        ("batch stylize in.mp4 out --style grat_wave", 2, "(did you mean great_wave?); known: "),
        ("layers --layer prat -o o.png", 2, "no layer 'prat' (did you mean part?)"),
        # what is not what it should be
        ("stylize notes.txt o.mp4", 3, "notes.txt: not a video or an image"),
        ("stylize empty o.mp4", 3, "empty: no image in this folder"),
        (VIDEO + "--mask notes.txt", 3, "notes.txt: not a video or an image"),
        (VIDEO + "--style notes.txt", 3, "notes.txt: not a safetensors file, or damaged"),
        ("evaluate in.mp4 notes.txt", 3, "notes.txt: not a video or an image"),
        ("dream in.png o.png --guide notes.txt", 3, "notes.txt: not a video or an image"),
        ("zoom in.mp4 o.mp4", 3, "in.mp4: is a video; expected an image"),
        ("zoom in.png o.mp4 --audio notes.txt", 3, "notes.txt: not a video or an audio file"),
        ("train in.mp4 -o o.safetensors", 3, "in.mp4: is a video; expected an image"),
        ("train notes.txt -o o.safetensors", 3, "notes.txt: is not an image"),
        ("transfer in.png in.mp4 o.png", 3, "in.mp4: is a video; expected an image"),
        ("transfer in.png notes.txt o.png", 3, "notes.txt: is not an image"),
        ("train in.png --video notes.txt -o o.safetensors", 3, "notes.txt: not a video or an image"),
        ("live --camera notes.txt --no-window --web", 3, "notes.txt: not a video or an image"),
        ("styles --sheet notes.txt", 3, "notes.txt: not a video or an image"),
        ("layers --image notes.txt -o o.png", 3, "notes.txt: not a video or an image"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_the_users_words(
    arguments: str, code: int, message: str, folder: Path
) -> None:
    before = sorted(folder.iterdir())
    exit_code, line = refused(arguments)
    assert message in line and exit_code == code
    assert "Invalid data" not in line and sorted(folder.iterdir()) == before


def test_a_preset_may_have_a_byte_order_mark(folder: Path) -> None:
    (folder / "p.toml").write_text('strength = 0.5\nstyle = "none"\n', "utf-8-sig")
    result = CliRunner().invoke(app, [*(VIDEO + "--preset ultrafast --config p.toml").split()])
    assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize("coding", ["utf-16", "latin-1"])
@pytest.mark.parametrize("arguments", [VIDEO + "--config p.toml", "train in.png --recipe p.toml"])
def test_a_file_in_another_coding_is_refused_in_a_line(coding: str, arguments: str, folder: Path) -> None:
    (folder / "p.toml").write_text('# größer\nstyle = "none"\n', coding)
    code, line = refused(arguments)
    assert code == 3 and line.startswith("p.toml: cannot be read as a ")
    assert line.endswith("not UTF-8 text; save it as UTF-8")


def test_a_recipe_may_have_a_byte_order_mark(folder: Path) -> None:
    (folder / "r.toml").write_text("crop = 65\n", "utf-8-sig")
    assert "crop is 65, expected a multiple of 8" in refused("train in.png --recipe r.toml")[1]


def test_a_small_image_is_dreamed_on_in_fewer_octaves(folder: Path) -> None:
    Image.fromarray(np.full((3, 5, 3), 90, np.uint8)).save("tiny.png")
    result = CliRunner().invoke(app, ["dream", "tiny.png", "o.png", "--steps", "1", "--device", "cpu"])
    assert result.exit_code == 0, result.stderr
