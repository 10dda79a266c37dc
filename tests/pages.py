"""What the tests of the README and of docs/ share: pages, code, links and anchors, a reader's folder."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from contextlib import chdir, redirect_stdout
from io import StringIO
from pathlib import Path

from typer.testing import CliRunner

from streamstyle import StylizeSettings, render
from streamstyle.apps.cli import app

ROOT = Path(__file__).parents[1]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
}
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of a page in a language."""
    return [code for name, code in FENCED.findall(text) if name == language]


def prose(text: str) -> str:
    """A page without its code blocks."""
    return re.sub(r"^    .*$", "", FENCED.sub("", text), flags=re.MULTILINE)


def command_lines(text: str) -> list[str]:
    """The lines of a page's code that run the program, without what they are piped to."""
    code = "\n".join(body for _, body in FENCED.findall(text))
    code += "\n" + "\n".join(re.findall(r"^    (.*)$", FENCED.sub("", text), re.MULTILINE))
    parts = [part.strip() for line in code.splitlines() for part in re.split(r"\||&&|;|#| > ", line)]
    return [part for part in parts if part.startswith("streamstyle ") and "[" not in part]


def links(text: str) -> list[str]:
    """Where a page's links and pictures lead, but for other sites."""
    text = FENCED.sub("", text)
    found = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    found += re.findall(r"^\[[^\]]+\]: (\S+)$", text, re.MULTILINE)
    return [link for link in found if not re.match(r"https?://", link)]


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub and the site make them."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", text), re.MULTILINE)
    plain = [re.sub(r"[^\w\s-]", "", heading.strip().lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


def clone(folder: Path, width: int) -> Path:
    """Where a reader stands after cloning: the samples are there, and `streamstyle` is in bin/.

    The clip has `width` pixels instead of 640, to save time.
    """
    samples = folder / "samples"
    samples.mkdir()
    for sample in (ROOT / "samples").iterdir():
        (samples / sample.name).symlink_to(sample)
    (samples / "harbour.mp4").unlink()
    small = StylizeSettings(style="none", max_size=width, preset="ultrafast")
    render(ROOT / "samples" / "harbour.mp4", samples / "harbour.mp4", small)
    script = folder / "bin" / "streamstyle"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m streamstyle "$@"\n')
    script.chmod(0o755)
    return folder


def run_shell(folder: Path, commands: str) -> str:
    """Run commands in a clone, one after the other; what they print.

    Those of the program alone run within this process, as starting it takes longer than most of them.
    """
    printed = ""
    for line in commands.splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["streamstyle"] and not set("|<>&;$") & set(line.partition("#")[0]):
            with chdir(folder):
                result = CliRunner().invoke(app, words[1:])
            assert result.exit_code == 0, (line, result.output)
            printed += result.stdout
        else:
            script = f'set -e\nPATH="{folder}/bin:$PATH"\n{line}'
            done = subprocess.run(["sh", "-c", script], cwd=folder, capture_output=True, text=True)
            assert done.returncode == 0, (line, done.stderr)
            printed += done.stdout
    return printed


def run_python(folder: Path, program: str) -> str:
    """Run a program in a clone, within this process; what it prints."""
    with chdir(folder), redirect_stdout(StringIO()) as printed:
        exec(compile(program, "program", "exec"), {"__name__": "__main__"})
    return printed.getvalue()
