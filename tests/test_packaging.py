"""What is published agrees with the program: citation, container, trial of the wheel, lower bounds."""

from __future__ import annotations

import importlib.util
import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from typer.main import get_command

import streamstyle
from streamstyle.apps.cli import app

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


@pytest.fixture(scope="module")
def trial() -> ModuleType:
    """The program that tries the wheel."""
    spec = importlib.util.spec_from_file_location("try_wheel", ROOT / "packaging" / "try_wheel.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["try_wheel"] = module  # dataclasses look it up
    spec.loader.exec_module(module)
    return module


def test_the_trial_of_the_wheel_tries_every_command(trial: ModuleType) -> None:
    tried = {entry.arguments.partition(" ")[0] for entry in trial.TRIALS}
    tried |= {trial.dream_with("dogs").arguments.partition(" ")[0], "studio"}
    assert set(get_command(app).commands) <= tried
    assert len(trial.dream_presets()) > 5


def test_the_command_lines_of_the_trial_can_be_parsed(trial: ModuleType) -> None:
    from tests.test_cli_help import parse

    for entry in trial.TRIALS:
        if entry.arguments and not entry.arguments.startswith("--"):
            parse(f"streamstyle {entry.arguments}")


def test_a_failure_ends_the_trial_with_an_error(
    trial: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "install", lambda *_: Path("python"))
    monkeypatch.setattr(trial, "rows", lambda *_: iter([True, False, True]))
    monkeypatch.setattr(sys, "argv", ["try_wheel.py", "--wheel", str(tmp_path / "any.whl")])
    with pytest.raises(SystemExit, match="1 failed"):
        trial.main()


def test_the_citation_is_of_this_version() -> None:
    text = (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"\nversion: {streamstyle.__version__}\n" in text
    assert f"\nlicense: {PROJECT['project']['license']}\n" in text


def test_every_requirement_has_a_lower_bound() -> None:
    optional = [entry for group in PROJECT["project"]["optional-dependencies"].values() for entry in group]
    for requirement in (*PROJECT["project"]["dependencies"], *optional):
        assert ">=" in requirement or requirement.startswith("streamstyle["), requirement


def test_the_container_installs_extras_that_exist_and_a_python_that_is_supported() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    (extras,) = re.findall(r"whl\)\[([\w,]+)\]", text)
    assert set(extras.split(",")) <= set(PROJECT["project"]["optional-dependencies"])
    versions = set(re.findall(r"^FROM python:3\.(\d+)-slim", text, re.MULTILINE))
    low, high = re.findall(r"3\.(\d+)", PROJECT["project"]["requires-python"])
    assert len(versions) == 1 and int(low) <= int(versions.pop()) < int(high)


def test_files_that_the_build_needs_are_in_the_container() -> None:
    left_out = (ROOT / ".dockerignore").read_text("utf-8").split()
    needed = [PROJECT["project"]["readme"], *PROJECT["project"]["license-files"], "streamstyle", "configs"]
    assert not set(left_out) & set(needed)


def test_paths_of_contributing_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    for name in re.findall(
        r"`((?:streamstyle|configs|tests|benchmarks|samples|docs|packaging)/[\w/.]*)`", text
    ):
        assert (ROOT / name).exists(), name
