"""The README's commands and its Python work as they stand there, and it stays short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.pages import PAGES, ROOT, blocks, clone, run_python, run_shell

TEXT = PAGES["README.md"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return clone(tmp_path, width=160)


@pytest.mark.timeout(900)
def test_the_commands_run_one_after_the_other(folder: Path) -> None:
    printed = run_shell(folder, "\n".join(blocks(TEXT, "sh")))
    for name in ("starry.mp4", "wave.mp4", "short.gif", "lighthouse.webp", "story.mp4", "mine.png"):
        assert (folder / name).stat().st_size > 1000, name
    assert "encoders" in printed


def test_the_python_runs(folder: Path) -> None:
    (program,) = blocks(TEXT, "python")
    assert run_python(folder, program).startswith("120 frames, ")


@pytest.mark.parametrize("target", ["demo", "test", "docs"])
def test_the_make_targets_exist(target: str) -> None:
    assert f"    make {target}\n" in TEXT or f"`make {target}`" in TEXT
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


def test_it_can_be_read_in_five_minutes() -> None:
    lines = TEXT.splitlines()
    assert len(lines) <= 150
    assert not [line for line in lines if len(line) > 120]


def test_what_it_says_of_the_styles_is_so() -> None:
    from streamstyle.weights import STYLES

    own = [name for name in STYLES if (ROOT / "samples" / f"{name}.png").exists()]
    numbers = dict(zip(("eight", "Twelve", "twenty"), (8, 12, 20), strict=True))
    found = re.search(r"(\w+) are trained\s+on paintings in the public domain, (\w+) on images", TEXT)
    assert found is not None
    assert [numbers[word] for word in found.groups()] == [len(STYLES) - len(own), len(own)]
