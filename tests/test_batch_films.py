"""Which films a batch has, and what their outputs are called."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from streamstyle.batch.films import (
    Film,
    Naming,
    check_outputs,
    films_of,
    films_of_list,
    find_inputs,
    in_a_name,
)
from streamstyle.effects import DreamSettings, StylizeSettings
from streamstyle.errors import InputError, UsageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for name in ("b.mp4", "a.MOV", "notes.txt", ".hidden.mp4", "deep/c.mkv"):
        (tmp_path / "in" / name).write_bytes(b"x")
    Image.new("RGB", (8, 8)).save(tmp_path / "in" / "photo.png")
    return tmp_path


def relative(folder: Path, *names: str, recursive: bool = False) -> list[str]:
    return [
        found.relative for found in find_inputs([str(folder / name) for name in names], recursive=recursive)
    ]


def test_folders_patterns_and_names(folder: Path) -> None:
    assert relative(folder, "in") == ["a.MOV", "b.mp4", "photo.png"]
    assert relative(folder, "in", recursive=True) == ["a.MOV", "b.mp4", "deep/c.mkv", "photo.png"]
    assert relative(folder, "in/*.m*", "in/notes.txt", "in/b.mp4") == ["b.mp4", "notes.txt"]
    assert relative(folder, "in/missing.mp4") == ["missing.mp4"]  # fails later, as one film
    assert [found.number for found in find_inputs([str(folder / "in")])] == [1, 2, 3]
    for name in ("in/*.gif", "in/deep/*/*"):
        with pytest.raises(UsageError, match="matches no file"):
            relative(folder, name)
    with pytest.raises(UsageError, match="cannot read stdin"):
        find_inputs(["-"])
    (folder / "empty").mkdir()
    with pytest.raises(UsageError, match="no video or image in this folder; --recursive"):
        relative(folder, "empty")


def outputs(folder: Path, naming: Naming, **values: object) -> list[str]:
    found = find_inputs([str(folder / "in")], recursive=True)
    return [film.output for film in films_of(found, values, "stylize", naming)]


def test_names_of_outputs(folder: Path) -> None:
    assert outputs(folder, Naming("out")) == ["out/a.mov", "out/b.mp4", "out/deep/c.mkv", "out/photo.png"]
    several = outputs(folder, Naming("out"), style=["ink", "0.6*ink+0.4*none"])
    assert several[::4] == ["out/a_ink.mov", "out/a_0.6xink+0.4xnone.mov"]
    assert outputs(folder, Naming("out", "{number}-{effect}.mkv"))[2] == "out/deep/3-stylize.mkv"
    assert outputs(folder, Naming("memory://bucket/", "{stem}{suffix}"))[2] == "memory://bucket/deep/c.mkv"
    photo = find_inputs([str(folder / "in" / "photo.png")])
    assert [film.output for film in films_of(photo, {}, "zoom", Naming("out"))] == ["out/photo.mp4"]
    with pytest.raises(
        UsageError, match=r"--name \{steam\}: unknown \{steam\} \(did you mean stem\?\); known"
    ):
        Naming("out", "{steam}")


@pytest.mark.parametrize(
    ("mixture", "name"),
    [
        ("ink", "ink"),
        ("styles/my.safetensors", "my"),
        ("0.6*/a/b c.jpg+0.4*ink", "0.6xb-c+0.4xink"),
        ("thing:29@0.5x0.3", "thing-29-0.5x0.3"),
    ],
)
def test_a_mixture_in_a_name(mixture: str, name: str) -> None:
    assert in_a_name(mixture) == name


def test_outputs_that_clash_are_refused(tmp_path: Path) -> None:
    settings = StylizeSettings()
    with pytest.raises(UsageError, match="would be the output of a/x"):
        check_outputs([Film("a/x.mp4", "o/x.mp4", settings), Film("b/x.mp4", "o/x.mp4", settings)])
    with pytest.raises(UsageError, match="is an input itself"):
        check_outputs([Film("a.mp4", "b.mp4", settings), Film("b.mp4", "c.mp4", settings)])


LIST = """
style = "ink"
max_size = 320
[[job]]
input = "in/*.mp4"
[[job]]
input = ["in/a.MOV", "in/deep"]
style = ["udnie", "none"]
strength = 0.5
[[job]]
effect = "dream"
input = "in/photo.png"
output = "special/dream.png"
layer = "texture"
style = "ink"
"""


def read(folder: Path, text: str, **given: object) -> list[Film]:
    (folder / "jobs.toml").write_text(text)
    return list(films_of_list(folder / "jobs.toml", given, "stylize", Naming("out")))


def test_a_list_of_jobs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    films = read(folder, LIST.replace('layer = "texture"\nstyle = "ink"', 'layer = "texture"').replace(
        'style = "ink"\nmax_size', "max_size"
    ), device="cpu")  # fmt: skip
    assert [film.output for film in films] == [
        "out/b.mp4", "out/a_udnie.mov", "out/c_udnie.mkv", "out/a_none.mov", "out/c_none.mkv",
        "out/special/dream.png",
    ]  # fmt: skip
    assert all((film.settings.max_size, film.settings.device) == (320, "cpu") for film in films)
    assert films[1].settings.strength == 0.5
    assert isinstance(films[-1].settings, DreamSettings) and films[-1].effect == "dream"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("style = 'ink'", "jobs.toml: has no .*job"),
        ("[[job]]\nstyle = 'ink'", "jobs.toml: job 1: input: expected a name"),
        (
            "[[job]]\ninput = 'in/b.mp4'\nstlye = 'ink'",
            r"job 1: stlye: unknown setting \(did you mean style\?\)",
        ),
        ("[[job]]\ninput = 'in/b.mp4'\neffect = 'paint'", "job 1: effect paint: expected stylize or"),
        ("[[job]]\ninput = 'in'\noutput = 'x.mp4'", "output x.mp4: one name for 3 outputs"),
        ("[[job]]\ninput = 'in/b.mp4'\nstrength = 2", "job 1: strength 2: expected 0 to 1"),
    ],
)
def test_mistakes_in_a_list_are_named(text: str, message: str, folder: Path, monkeypatch) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises((UsageError, InputError), match=message):
        read(folder, text)
