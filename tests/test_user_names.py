"""Names that users give: too long for the system, or of the input itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from streamstyle.apps.cli import app
from streamstyle.errors import InputError
from streamstyle.sources import open_source

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
