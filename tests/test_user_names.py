"""Names that users give: too long for the system, or of the input itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streamstyle.apps.cli import app
from streamstyle.errors import InputError
from streamstyle.sources import open_source
from tests.videos import make_video

LONG = "a" * 300
ROOT = Path(__file__).parents[1]
IMAGE = ROOT / "samples" / "lighthouse.png"


def errors_of(*arguments: object) -> str:
    """The only line on stderr of a command that is refused."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code in (2, 3, 4), result.output
    (line,) = result.stderr.splitlines()
    return line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([LONG, "OUT"], "no such file"),
        ([IMAGE, "OUT", "--style", LONG], "unknown style"),
        ([IMAGE, "OUT", "--flow", LONG], "no such flow"),
        ([IMAGE, "OUT", "--config", LONG], "no such file or preset"),
        ([IMAGE, "OUT", "--mask", LONG], "no such file"),
    ],
)
def test_a_name_that_is_too_long_is_refused_in_a_line(
    tmp_path: Path, arguments: list[object], message: str
) -> None:
    given = [tmp_path / "out.png" if argument == "OUT" else argument for argument in arguments]
    assert message in errors_of("stylize", *given)
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["styles", "--sheet", "IN", "-o", "IN", "-y"],
        ["layers", "--image", "IN", "-o", "IN", "-y"],
        ["stylize", "IN", "IN", "-y"],
        ["stylize", "IN", "IN", "--preview", "1", "-y"],
        ["stylize", "IN", "me.mp4", "--preview", "1"],  # whose sheet is me.preview.png
        ["transfer", "IN", "IN", "out.png", "--watch", "IN", "-y"],
        ["evaluate", "IN", "IN", "--sheet", "IN", "-y"],
        ["evaluate", "IN", "IN", "--csv", "IN", "-y"],
        ["train", "IN", "-o", "me.safetensors", "-y"],  # whose sheet is me.preview.png
    ],
)
def test_the_input_is_never_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "me.preview.png"
    source.write_bytes(IMAGE.read_bytes())
    given = [source.name if argument == "IN" else argument for argument in arguments]
    assert "is the input itself; choose another output" in errors_of(*given)
    assert source.read_bytes() == IMAGE.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == [source.name]


def test_heif_is_named_when_it_is_opened_by_its_name(tmp_path: Path) -> None:
    heif = tmp_path / "a.heic"
    heif.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0heic" + bytes(40))
    with pytest.raises(InputError, match=r"a\.heic: format not supported: HEIF"):
        open_source(heif)


def test_a_video_played_as_a_camera_is_not_recorded_over_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = make_video(tmp_path / "me.mp4", 3)
    before = source.read_bytes()
    line = errors_of("live", "--camera", "me.mp4", "--no-window", "--record", source, "-y")
    assert "me.mp4: is the input itself" in line and source.read_bytes() == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs on this system")
def test_a_fifo_is_no_name_for_sheets_and_recordings(tmp_path: Path) -> None:
    """They are refused at once, and the FIFO stays one."""
    video = make_video(tmp_path / "in.mp4", 3)
    for name, arguments in {
        "f.png": ["evaluate", video, video, "-y", "--sheet"],
        "f.mkv": ["live", "--camera", video, "--no-window", "-y", "--record"],
    }.items():
        os.mkfifo(tmp_path / name)
        assert "exists and is not a regular file" in errors_of(*arguments, tmp_path / name)
        assert (tmp_path / name).is_fifo()
