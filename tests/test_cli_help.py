"""The help: groups, defaults, examples that work, and what the program says without a command."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from streamstyle.apps.cli import app
from streamstyle.apps.cli.welcome import welcome
from streamstyle.effects import EFFECTS


def commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """(name, command) of each command, also of groups."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{before}{name} ")
        else:
            yield before + name, command


COMMANDS = dict(commands(get_command(app)))
EXAMPLES = [example for command in COMMANDS.values() for example in command.EXAMPLES]


def told(*arguments: str) -> str:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "120"}).output


def parse(line: str) -> None:
    """Parse a command line as the program would; unknown commands and options raise."""
    command, arguments = get_command(app), shlex.split(line)[1:]
    context = command.make_context("streamstyle", arguments)
    while hasattr(command, "commands"):
        name, command, arguments = command.resolve_command(context, arguments)
        context = command.make_context(name, list(arguments), parent=context)


def test_every_command_has_examples_that_end_its_help() -> None:
    for name, command in COMMANDS.items():
        assert command.EXAMPLES, name
        lines = told(*name.split(), "--help").rstrip().splitlines()
        assert [line.strip() for line in lines[-len(command.EXAMPLES) :]] == list(command.EXAMPLES)


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_and_what_is_suggested_can_be_parsed(example: str) -> None:
    parse(example)


def test_a_wrong_example_would_be_seen() -> None:
    with pytest.raises(Exception, match="--stile"):
        parse("streamstyle stylize a.mp4 b.mp4 --stile ink")
    with pytest.raises(Exception, match="styliz"):
        parse("streamstyle styliz a.mp4 b.mp4")


@pytest.mark.parametrize("example", [line for kind in EFFECTS.values() for line in kind.EXAMPLES])
def test_examples_of_effects_lack_nothing_but_the_input(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, shlex.split(example)[1:])
    assert result.exit_code == 3 and "no such file" in result.stderr, result.stderr


def test_commands_stand_in_groups() -> None:
    text = told("--help")
    headings = ["Videos and images", "Cameras and the browser", "Styles and layers", "After a render"]
    places = [text.index(heading) for heading in [*headings, "This machine"]]
    assert places == sorted(places)
    assert places[0] < text.index(" stylize ") < text.index(" batch ") < places[1] < text.index(" live ")
    assert "─ Commands ─" not in text


def test_defaults_stand_in_brackets_behind_the_range() -> None:
    text = " ".join(told("stylize", "--help").replace("│", " ").split())
    assert "Strength of the effect; 0 leaves the source unchanged. (0 to 1) [default: 1]" in text
    assert "(pictures or weights) [default: pictures]" in text
    assert "[default: starry_night]" in text and "(default" not in text


def test_each_paragraph_is_wrapped_as_a_whole() -> None:
    assert "An interrupted video goes on with `streamstyle resume OUT`." in " ".join(
        told("stylize", "--help").split()
    )


def test_alone_it_shows_three_things_to_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, [])
    assert result.exit_code == 0 and result.stdout == welcome() + "\n"
    suggested = [line for line in result.stdout.splitlines() if line.startswith("    ")]
    assert len(suggested) == 3
    for line in suggested:
        parse(line)


def test_in_a_clone_it_shows_what_works_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[1])
    assert "streamstyle stylize samples/harbour.mp4 painted.mp4" in welcome()


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["streamstyle.apps.cli.welcome"]  # the package has a function of that name, too
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert "pip install 'streamstyle[web]'" in welcome()


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        ("stylise a.mp4 b.mp4", "stylize"),
        ("doktor", "doctor"),
        ("stylize a.mp4 b.mp4 --stlye ink", "--style"),
        ("batch stylise a.mp4 out/", "stylize"),
    ],
)
def test_unknown_commands_and_options_suggest_the_nearest(arguments: str, meant: str) -> None:
    result = CliRunner().invoke(app, arguments.split(), env={"COLUMNS": "120"})
    assert result.exit_code == 2
    error = " ".join(result.stderr.partition("Error")[2].replace("│", " ").split()).lower()
    assert meant in error.partition("did you mean")[2] + error.partition("possible options")[2]
