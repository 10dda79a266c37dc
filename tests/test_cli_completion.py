"""Completion of names in the shell."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from streamstyle.apps.cli import completion
from streamstyle.apps.cli.completion import COMPLETIONS, complete_layer, complete_style

ROOT = Path(__file__).parents[1]
PROGRAM = "import sys; sys.argv[0] = 'streamstyle'; from streamstyle.apps.cli import main; main()"


def offered(line: str, shell: str = "bash") -> list[str]:
    """What the program offers for the last word of a command line."""
    words = line.split(" ")
    variables = {
        "_STREAMSTYLE_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
    )
    assert not done.stderr, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("streamstyle styl", ["stylize", "styles"]),
        ("streamstyle stylize --style great", ["great_wave"]),
        ("streamstyle stylize --style 0.6*ink+0.4*ud", ["0.6*ink+0.4*udnie"]),
        ("streamstyle stylize --keep-colors-by h", ["histogram"]),
        ("streamstyle stylize --config d", ["draft"]),
        ("streamstyle dream --config do", ["dogs"]),
        ("streamstyle live --dream do", ["dogs"]),
        ("streamstyle live --effect d", ["dream"]),
        ("streamstyle live --config do", ["dogs"]),
        ("streamstyle stylize --fl", ["--flow", "--flow-size", "--flow-weights"]),
        ("streamstyle stylize --mask ", []),  # the shell then completes files
    ],
)
def test_names_are_offered(line: str, expected: list[str]) -> None:
    assert offered(line) == expected


def test_other_shells_are_offered_the_same() -> None:
    assert "great_wave" in "".join(offered("streamstyle stylize --style great", "zsh"))
    assert "great_wave" in "".join(offered("streamstyle stylize --style great", "fish"))


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_script_works_in_bash(tmp_path: Path) -> None:
    """As after --install-completion: the script is loaded, and Tab pressed after `--style great`."""
    program = tmp_path / "streamstyle"
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -c "{PROGRAM}" "$@"\n')
    program.chmod(0o755)
    script = subprocess.run(
        [sys.executable, "-c", PROGRAM, "--show-completion", "bash"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    asks = script + (
        "\ncomplete -p streamstyle\n"
        "COMP_WORDS=(streamstyle stylize --style great) COMP_CWORD=3\n"
        '_streamstyle_completion streamstyle\necho "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(
        ["bash", "-c", asks],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "-F _streamstyle_completion streamstyle" in done.stdout
    assert done.stdout.splitlines()[-1] == "great_wave"


def test_nothing_slow_is_imported_for_it() -> None:
    code = (
        "import sys; from streamstyle.apps.cli import completion as c; c.complete_style('');"
        "print({'torch', 'av', 'cv2', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_names_are_those_of_the_tables() -> None:
    from streamstyle.inference import NETWORK_RUNNERS
    from streamstyle.networks.features import DEPTHS
    from streamstyle.optical_flow import FLOWS
    from streamstyle.video.codecs import CODECS
    from streamstyle.weights import STYLES

    assert completion.DREAM_LAYERS == DEPTHS
    assert set(complete_style("")) == {*STYLES, "none"}
    assert set(COMPLETIONS["runner"]("")) == {"auto", "torch", *NETWORK_RUNNERS}
    assert set(COMPLETIONS["flow"]("")) == {"auto", "none", *FLOWS}
    assert set(COMPLETIONS["codec"]("")) == set(CODECS)


def test_of_a_mixture_the_last_name_is_completed() -> None:
    assert complete_layer("0.6*thing+0.4*te") == ["0.6*thing+0.4*texture"]
    assert complete_style("2*no") == ["2*none"]
