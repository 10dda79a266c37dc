"""`train` and its `resume` as a user meets them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from typer.testing import CliRunner, Result

from streamstyle.apps.cli import app
from streamstyle.styles import load_style

QUICK = ["--device", "cpu", "--seed", "3"]


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def picture(path: Path, width: int, height: int, seed: int) -> Path:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(path)
    return path


@pytest.fixture
def painting(tmp_path: Path) -> Path:
    return picture(tmp_path / "painting.png", 200, 150, 0)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in (1, 2):
        picture(folder / f"{seed}.jpg", 320, 300, seed)
    return folder


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text('batch = 1\ncrop = 64\nsteps = 3\n\n[painting]\ntitle = "A Test"\npainter = "Nobody"\n')
    return path


def test_a_style_is_trained_and_used(painting: Path, photos: Path, recipe: Path, tmp_path: Path) -> None:
    output = tmp_path / "mine.safetensors"
    result = call("train", painting, "-o", output, "--photos", photos, "--recipe", recipe, *QUICK)
    assert result.exit_code == 0, result.stderr
    assert result.stderr.splitlines()[-1].startswith(
        f"3 steps: {output}; use it: `streamstyle stylize IN OUT --style"
    )
    metadata = load_style(output).metadata
    assert (metadata["painting"], metadata["painter"]) == ("A Test", "Nobody")
    assert json.loads(metadata["recipe"])["seed"] == 3
    done = call("stylize", painting, tmp_path / "out.png", "--style", output, "--device", "cpu")
    assert done.exit_code == 0, done.stderr


def test_events_tell_steps_and_losses(painting: Path, photos: Path, recipe: Path, tmp_path: Path) -> None:
    output = tmp_path / "mine.safetensors"
    result = call("train", painting, "-o", output, "--photos", photos, "--recipe", recipe, "--json", *QUICK)
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert events[0]["event"] == "progress" and "style" in events[0]["losses"]
    assert events[-1] == {"event": "done", "output": str(output), "steps": 3}


def test_a_recipe_for_another_painting_is_used_with_a_warning(
    painting: Path, photos: Path, recipe: Path, tmp_path: Path
) -> None:
    recipe.write_text(recipe.read_text() + f'sha256 = "{"0" * 64}"\n')
    output = tmp_path / "mine.safetensors"
    result = call("train", painting, "-o", output, "--photos", photos, "--recipe", recipe, *QUICK)
    assert result.exit_code == 0
    assert f"warning: {painting}: is not the image that" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--minutes", "1", "--steps", "9"], 2, "--minutes and --steps are both given"),
        (["--steps", "0"], 2, "expected at least 1"),
        (["--minutes", "-1"], 2, "--minutes -1: expected above 0 to 100000"),
        (["--stroke-size", "77"], 2, "--stroke-size 77: expected 0.1 to 4"),
        (["--features", "vgg61"], 2, "unknown feature network 'vgg61' (did you mean vgg19?); known"),
        (["--photos", "absent"], 3, "absent: no such folder"),
        (["--film", "absent.mp4"], 3, "absent.mp4"),
        (["--photos", "a", "--film", "b"], 2, "photos and video are both given"),
        (["--recipe", "absent.toml"], 3, "absent.toml: cannot be read: No such file"),
    ],
)
def test_what_cannot_be_trained_is_said_in_a_line(painting: Path, tmp_path: Path, arguments, code, message):
    output = tmp_path / "mine.safetensors"
    result = call("train", painting, "-o", output, *arguments, *QUICK)
    assert result.exit_code == code
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ") and message in line
    assert not output.exists() and not output.with_name(output.name + ".part").exists()


def test_a_folder_as_painting_and_a_small_one_are_named(photos: Path, tmp_path: Path) -> None:
    small = picture(tmp_path / "small.png", 60, 50, 0)
    for painting in (photos, small, tmp_path / "absent.png"):
        result = call("train", painting, "-o", tmp_path / "m.safetensors", *QUICK)
        assert result.exit_code == 3
        assert str(painting) in result.stderr and len(result.stderr.splitlines()) == 1


def test_ctrl_c_leaves_a_state_that_resume_finishes(
    painting: Path, photos: Path, recipe: Path, tmp_path: Path
) -> None:
    """The program itself, stopped by a signal; the weights are those of a run that was not.

    It saves its state more often than it usually does, to save time.
    """
    recipe.write_text(recipe.read_text().replace("steps = 3", "steps = 40"))
    output, whole = tmp_path / "mine.safetensors", tmp_path / "whole.safetensors"
    program = (
        "from streamstyle.training import job; job.SAVE_SECONDS = 0.2\n"
        "from streamstyle.apps.cli import main; main()"
    )
    command = [sys.executable, "-c", program, "train", str(painting), "--photos", str(photos)]
    command += ["--recipe", str(recipe), *QUICK]
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    process = subprocess.Popen([*command, "-o", str(output)], stderr=subprocess.PIPE, env=environment)
    state = tmp_path / "mine.safetensors.part" / "training.safetensors"
    deadline = time.monotonic() + 120
    while not state.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert b"`streamstyle resume" in stderr.splitlines()[-1]
    assert not output.exists()
    resumed = call("resume", output)
    assert resumed.exit_code == 0, resumed.stderr
    assert call(*command[3:], "-o", whole).exit_code == 0
    expected = load_file(whole)
    assert all(torch.equal(value, expected[key]) for key, value in load_file(output).items())


def test_resume_without_a_training_says_so(tmp_path: Path) -> None:
    result = call("resume", tmp_path / "mine.safetensors")
    assert result.exit_code == 2
    assert "no unfinished training" in result.stderr
