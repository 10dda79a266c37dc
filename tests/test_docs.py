"""Links, commands and examples of the README and of docs/, and the site that is built from them."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.main import get_command

import streamstyle
from streamstyle.apps.cli import app
from tests.pages import (
    PAGES,
    ROOT,
    anchors,
    blocks,
    clone,
    command_lines,
    links,
    prose,
    run_python,
    run_shell,
)
from tests.test_cli_help import COMMANDS, parse

# On lines with these, options are not ours.
OTHERS = r"\b(pip|pipx|uv|docker|apt|ssh|sbatch|ray|SBATCH|python)\b|--borrow"
OF_ALL = {"--help", "--install-completion", "--version"}
LIMIT = 6_000_000  # bytes of pictures


def module_of(name: str) -> ModuleType:
    """A program of docs/."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for link in links(PAGES[page]):
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), link


def test_wrong_links_and_anchors_would_be_seen() -> None:
    text = '# Two words\n[a](b.md#c) ![d](e.webp) <img src="f.jpg">\n[g]: h.md\n[i](https://j)\n'
    assert links(text) == ["b.md#c", "e.webp", "f.jpg", "h.md"]
    assert anchors(text) == {"two-words"}


@pytest.mark.parametrize("page", PAGES)
def test_pictures_are_described(page: str) -> None:
    for text in re.findall(r"!\[([^\]]*)\]", PAGES[page]) + re.findall(
        r'<img [^>]*alt="([^"]*)"', PAGES[page]
    ):
        assert len(text.split()) > 3, text
    assert PAGES[page].count("<img ") == PAGES[page].count(' alt="')


def test_pictures_are_small_enough_to_load() -> None:
    kinds = {".webp", ".jpg", ".png", ".gif"}
    assert sum(file.stat().st_size for file in (ROOT / "docs").rglob("*") if file.suffix in kinds) < LIMIT


@pytest.mark.parametrize("page", [page for page, text in PAGES.items() if command_lines(text)])
def test_commands_can_be_parsed(page: str) -> None:
    for line in command_lines(PAGES[page]):
        if re.match(r"[a-z]", line.split()[1]):  # no option of the program, no placeholder
            parse(line)


def test_every_page_of_a_task_has_a_command() -> None:
    tasks = (
        "videos",
        "images",
        "any-painting",
        "train",
        "dreams",
        "zoom",
        "transfer",
        "live",
        "studio",
        "scale-out",
    )
    for name in (*tasks, "recipes", "troubleshooting"):
        assert command_lines(PAGES[f"docs/{name}.md"]), name


@pytest.mark.parametrize("page", [page for page in PAGES if not page.startswith("docs/commands/")])
def test_options_that_are_named_exist(page: str) -> None:
    known = OF_ALL | {flag for command in COMMANDS.values() for flag in flags_of(command)}
    lines = [line for line in PAGES[page].splitlines() if not re.search(OTHERS, line)]
    used = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", "\n".join(lines)))
    assert not used - known


def flags_of(command: Any) -> set[str]:
    return {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}


@pytest.mark.parametrize("page", PAGES)
def test_commands_within_sentences_exist(page: str) -> None:
    for command in re.findall(r"`streamstyle ([a-z]+)", prose(PAGES[page])):
        assert command in get_command(app).commands, command  # type: ignore[attr-defined]


def test_files_of_the_project_that_are_named_exist() -> None:
    for page, text in PAGES.items():
        for name in re.findall(r"`((?:configs|samples|benchmarks|tests|docs)/[\w./]*)[ `]", text):
            assert (ROOT / name).exists(), (page, name)


@pytest.mark.timeout(900)
def test_the_recipes_run_one_after_the_other(tmp_path: Path) -> None:
    recipes = blocks(PAGES["docs/recipes.md"], "sh")
    assert len(recipes) >= 10
    folder = clone(tmp_path, width=160)
    run_shell(folder, "\n".join(recipes))
    for line in "\n".join(recipes).splitlines():
        *_, output = [
            word for word in line.split() if re.search(r"\.(mp4|webm|gif|png|mkv|onnx)$", word)
        ] or [""]
        assert not output or (folder / output).exists(), line
    assert len(list((folder / "out").glob("*.png"))) == 4


def test_the_python_page_runs(tmp_path: Path) -> None:
    folder = clone(tmp_path, width=160)
    for program in blocks(PAGES["docs/python.md"], "python"):
        run_python(folder, program)
    for name in ("from_python.mp4", "ink.png", "trained.safetensors", "frames"):
        assert (folder / name).exists(), name


def test_the_preset_of_the_settings_page_is_one() -> None:
    import tomllib

    (text,) = blocks(PAGES["docs/settings.md"], "toml")
    assert streamstyle.StylizeSettings(**tomllib.loads(text)).steady == 0.7


def test_pages_of_commands_and_styles_agree_with_the_program() -> None:
    reference = module_of("reference")
    made = reference.pages()
    there = {
        file.name: file.read_text(encoding="utf-8") for file in (ROOT / "docs" / "commands").glob("*.md")
    }
    assert there == made, "run: python docs/reference.py"
    assert PAGES["docs/styles.md"] == reference.page_of_styles(), "run: python docs/reference.py"


def test_the_python_reference_has_every_public_name() -> None:
    text = PAGES["docs/python-reference.md"]
    for name in dir(streamstyle):
        assert name == "__version__" or re.search(rf"(\.{name}$|`{name}`)", text, re.MULTILINE), name


def test_every_page_is_in_the_navigation() -> None:
    named = set(re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text(encoding="utf-8")))
    assert named == {page.removeprefix("docs/") for page in PAGES if page.startswith("docs/")}


def test_moving_pictures_are_made_by_commands_that_can_be_parsed() -> None:
    for line in module_of("pictures").COMMANDS.values():
        parse(line)


def test_the_site_can_be_built_without_a_warning(tmp_path: Path) -> None:
    for package in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(package)
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--quiet",
        "--site-dir",
        str(tmp_path / "site"),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "site" / "search" / "search_index.json").exists()
    assert "Stylize a video" in (tmp_path / "site" / "commands" / "stylize.html").read_text("utf-8")
