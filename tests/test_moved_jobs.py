"""Unfinished runs that were moved to another folder, with their input and with other files."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from streamstyle.apps.cli import app
from streamstyle.effects import RenderSettings, StylizeSettings
from streamstyle.errors import InputError, Interrupted, UsageError
from streamstyle.jobs import render as jobs
from streamstyle.jobs.render import render, resume
from streamstyle.training import Recipe, TrainingJob, TrainingProgress, job, resume_training, train
from tests.videos import hashes_of, make_video


class Dies(Exception):
    """Stands for a crash."""


def unfinished(folder: Path, monkeypatch: pytest.MonkeyPatch, source: str = "in.mp4", **values: str) -> None:
    """Render folder/source to folder/out.mp4 up to a crash before the segments are joined."""

    def die(*_: object) -> None:
        raise Dies

    settings = StylizeSettings(style="none", preset="ultrafast", device="cpu", **values)
    with monkeypatch.context() as patch, pytest.raises(Dies):
        patch.setattr(jobs, "finish", die)
        render(folder / source, folder / "out.mp4", settings)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A folder with a video of a frame a second."""
    (tmp_path / "old").mkdir()
    make_video(tmp_path / "old" / "in.mp4", 10, times=[25 * number for number in range(10)])
    return tmp_path / "old"


def test_a_folder_that_was_moved_whole_goes_on(
    old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (old / "takes").mkdir()
    (old / "in.mp4").rename(old / "takes" / "in.mp4")
    unfinished(old, monkeypatch, "takes/in.mp4")
    new = old.rename(tmp_path / "new")
    assert resume(new / "out.mp4").frames_out == 10


def test_the_input_may_lie_beside_the_job_folder(
    old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if another file has its former name by now."""
    unfinished(old, monkeypatch)
    new = tmp_path / "new"
    new.mkdir()
    (old / "out.mp4.part").rename(new / "out.mp4.part")
    (old / "in.mp4").rename(new / "in.mp4")
    make_video(old / "in.mp4", 3)
    assert resume(new / "out.mp4").frames_out == 10


def test_an_input_under_another_name_is_named(
    old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unfinished(old, monkeypatch)
    (old / "in.mp4").rename(tmp_path / "other.mp4")
    result = CliRunner().invoke(app, ["resume", str(old / "out.mp4")])
    assert (result.exit_code, len(result.stderr.splitlines())) == (3, 1)
    assert "in.mp4: no such file; if it was moved, name it with --input FILE" in result.stderr
    wrong = make_video(tmp_path / "wrong.mp4", 3)
    with pytest.raises(InputError, match=r"wrong\.mp4: is not the file that the unfinished run was started"):
        resume(old / "out.mp4", input=wrong)
    arguments = ["resume", str(old / "out.mp4"), "--input", str(tmp_path / "other.mp4")]
    assert CliRunner().invoke(app, arguments).exit_code == 0


def deciding_files(folder: Path) -> list[RenderSettings]:
    """Settings that name files of a folder; where a name begins another, both are there."""
    for name in ("mask.png", "mask.png.png"):
        Image.fromarray(np.full((8, 8), 255, np.uint8)).save(folder / name)
    (folder / "flow").mkdir()
    np.save(folder / "flow" / "1.npy", np.zeros((2, 2, 2), np.float32))
    return [
        StylizeSettings(style="none", mask=str(folder / "mask.png.png"), flow=str(folder / "flow")),
        StylizeSettings(style="none", mask=str(folder / "mask.png")),
    ]


@pytest.mark.parametrize("case", [0, 1])
def test_files_of_the_settings_may_move_too(
    case: int, old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = deciding_files(old)[case]
    values = {"mask": str(settings.mask), "flow": settings.flow}
    unfinished(old, monkeypatch, **values)
    new = old.rename(tmp_path / "new")
    mask = new / Path(values["mask"]).name
    kept = mask.rename(tmp_path / "kept")
    with pytest.raises(UsageError, match=rf"{mask.name}: no such file; move it back, or beside .*out\.mp4"):
        resume(new / "out.mp4")
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(mask)
    with pytest.raises(UsageError, match=rf"{mask.name}: has changed since"):
        resume(new / "out.mp4")
    kept.replace(mask)
    assert resume(new / "out.mp4").frames_out == 10


def test_styles_in_mixtures_and_keyframes_may_move_too(
    old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from streamstyle.weights import WEIGHTS

    for name in ("a.safetensors", "b.safetensors"):
        shutil.copy(WEIGHTS["ink"].path, old / name)
    settings = StylizeSettings(
        style=f"0.5*{old}/a.safetensors+0.5*none",
        at=(f"4s={old}/b.safetensors",),
        preset="ultrafast",
        device="cpu",
        flow="none",
    )

    def die(*_: object) -> None:
        raise Dies

    with monkeypatch.context() as patch, pytest.raises(Dies):
        patch.setattr(jobs, "finish", die)
        render(old / "in.mp4", old / "out.mp4", settings)
    render(old / "in.mp4", tmp_path / "whole.mp4", settings)
    new = old.rename(tmp_path / "new")
    assert resume(new / "out.mp4").frames_out == 10
    assert hashes_of(new / "out.mp4") == hashes_of(tmp_path / "whole.mp4")


def interrupt(progress: TrainingProgress) -> None:
    if progress.step == 2:
        raise Interrupted("stopped by SIGINT")


@pytest.fixture
def training(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an interrupted training, with its painting and photographs."""
    monkeypatch.setattr(job, "SAVE_SECONDS", -1.0)
    folder = tmp_path / "studio"
    shutil.copytree(pictures, folder)
    order = TrainingJob(painting=str(folder / "painting.png"), photos=str(folder / "photos"), device="cpu")
    recipe = Recipe(steps=3, batch=1, crop=64, seed=3)
    with pytest.raises(Interrupted):
        train(order, folder / "mine.safetensors", recipe, on_progress=interrupt)
    return folder


def test_a_training_that_was_moved_goes_on(training: Path, tmp_path: Path) -> None:
    new = training.rename(tmp_path / "new")
    assert resume_training(new / "mine.safetensors").steps == 3


def test_a_painting_under_another_name_is_named(training: Path, tmp_path: Path) -> None:
    output = training / "mine.safetensors"
    (training / "painting.png").rename(tmp_path / "other.png")
    result = CliRunner().invoke(app, ["resume", str(output)])
    assert (result.exit_code, len(result.stderr.splitlines())) == (3, 1)
    assert "painting.png: no such file" in result.stderr and "--input FILE" in result.stderr
    assert (
        CliRunner().invoke(app, ["resume", str(output), "--input", str(tmp_path / "other.png")]).exit_code
        == 0
    )


def test_photographs_that_are_gone_are_named(training: Path) -> None:
    shutil.rmtree(training / "photos")
    with pytest.raises(InputError, match=r"photos: no such file or folder; move it back, or beside"):
        resume_training(training / "mine.safetensors")


@pytest.mark.parametrize("at", [-1, 0.5])
def test_a_training_state_with_a_wrong_byte_is_refused(at: float, training: Path) -> None:
    state = job.state_of(training / "mine.safetensors")
    data = bytearray(state.read_bytes())
    data[int(at * len(data)) if at > 0 else -1] ^= 1
    state.write_bytes(data)
    with pytest.raises(InputError, match=r"training\.safetensors: not a training state, or damaged"):
        resume_training(training / "mine.safetensors")
