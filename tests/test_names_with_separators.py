"""Files whose names have the separators of mixtures and keyframes in them: whole names come first."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamstyle.effects import DreamSettings, StylizeSettings, TransferSettings
from streamstyle.effects.transfer.settings import painting_and_mask
from streamstyle.errors import UsageError
from streamstyle.keyframes import read_keyframe, read_mixture, with_absolute_files

NAMES = ["a+b.pth", "a=b.pth", "a,b.pth", "a~b.pth", "a*b.pth", "a:b.pth", "0.5*a+b, c=d~e.pth"]


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a file in the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / request.param).touch()
    return str(request.param)


def test_a_mixture_may_have_such_a_file(name: str) -> None:
    assert read_mixture(name) == {name: 1.0}
    assert read_mixture(f"0.75*{name}+0.25*ink") == {name: 0.75, "ink": 0.25}
    assert read_mixture(f"ink + 3*{name}") == {"ink": 0.25, name: 0.75}


def test_a_keyframe_may_have_such_a_file(name: str) -> None:
    keyframe = read_keyframe(f"4s+2s=0.5*{name}+0.5*ink,stroke_size:2")
    assert (keyframe.seconds, keyframe.fade) == (4, 2)
    assert keyframe.values == {"style": {name: 0.5, "ink": 0.5}, "stroke_size": 2}


def test_absolute_names_are_read_alike(name: str, tmp_path: Path) -> None:
    """Also if a folder above has separators in its name."""
    text = with_absolute_files(f"4s=0.5*{name}+0.5*ink")
    assert text == f"4s=0.5*{tmp_path}/{name}+0.5*ink"
    assert read_keyframe(text).values == {"style": {f"{tmp_path}/{name}": 0.5, "ink": 0.5}}
    assert with_absolute_files(text) == text


def test_a_folder_may_have_separators_in_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "mine+yours, all=ours"
    folder.mkdir()
    (folder / "plain.pth").touch()
    monkeypatch.chdir(folder)
    settings = StylizeSettings(style="0.5*plain.pth+0.5*ink").absolute()
    assert settings.keyframes().styles() == [f"{folder}/plain.pth", "ink"]


def test_objectives_may_have_such_a_file(name: str, tmp_path: Path) -> None:
    settings = DreamSettings(layer=f"0.5*part~{name}+0.5*thing:{name}")
    assert settings.mixture_files() == [name, name]
    assert settings.absolute().mixture_files() == [f"{tmp_path}/{name}"] * 2


def test_paintings_and_their_masks_may_have_such_names(name: str, tmp_path: Path) -> None:
    assert painting_and_mask(f"{name}={name}") == (name, name)
    assert painting_and_mask(f"{name}=sky.png") == (name, "sky.png")
    assert painting_and_mask("sky.png") == ("sky.png", "")
    settings = TransferSettings(style=name, style_mask=(f"{name}={name}",)).absolute()
    assert settings.style_mask == (f"{tmp_path}/{name}={tmp_path}/{name}",)


@pytest.mark.parametrize("text", ["a*b.pth", "0.5*", "+", "x*ink", "0*ink"])
def test_what_is_no_file_is_read_as_before(text: str) -> None:
    with pytest.raises(UsageError, match="expected a name, or WEIGHT"):
        read_mixture(text)
