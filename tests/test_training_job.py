"""Training as a job on disk: written, interrupted, gone on with, refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from streamstyle import weights
from streamstyle.errors import InputError, Interrupted, OutputError, UsageError
from streamstyle.networks import StyleNet
from streamstyle.part_folder import PartFolder
from streamstyle.styles import load_style
from streamstyle.training import (
    Diverged,
    Recipe,
    Training,
    TrainingJob,
    TrainingProgress,
    job,
    resume_training,
    train,
)

ROOT = Path(__file__).parents[1]
RECIPES = sorted((ROOT / "configs" / "styles").glob("*.toml"))
QUICK = Recipe(steps=4, batch=1, crop=64, seed=3)


@pytest.fixture
def order(pictures) -> TrainingJob:
    return TrainingJob(painting=str(pictures / "painting.png"), photos=str(pictures / "photos"), device="cpu")


def weights_of(network: torch.nn.Module) -> torch.Tensor:
    return torch.cat([value.flatten() for value in network.state_dict().values()])


def test_a_style_is_written_with_what_is_needed_to_make_it_again(order, tmp_path):
    output = tmp_path / "mine.safetensors"
    done = train(order, output, QUICK)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.preview.png", "mine.safetensors"]
    loaded = load_style(output)
    assert json.loads(loaded.metadata["recipe"])["steps"] == done.steps == 4
    assert loaded.metadata["painting"] == "painting"
    assert loaded.metadata["base_sha256"] == weights.WEIGHTS["base"].sha256
    assert len(loaded.metadata["painting_sha256"]) == 64
    assert loaded.metadata["licence"]
    assert str(tmp_path) not in str(dict(loaded.metadata)), "no path of this machine"
    with Image.open(tmp_path / "mine.preview.png") as sheet:
        assert sheet.size == (4 * 256, 2 * 256)


def interrupt_at(step: int):
    def stop(progress: TrainingProgress) -> None:
        if progress.step == step:
            raise Interrupted("stopped by SIGINT")

    return stop


def test_an_interrupted_training_resumed_gives_the_same_file(order, tmp_path, monkeypatch):
    monkeypatch.setattr(job, "SAVE_SECONDS", -1.0)  # after each step
    train(order, tmp_path / "whole.safetensors", QUICK)
    halves = tmp_path / "halves.safetensors"
    with pytest.raises(Interrupted):
        train(order, halves, QUICK, on_progress=interrupt_at(2))
    assert not halves.exists()
    with pytest.raises(UsageError, match="has an unfinished training; `streamstyle resume`"):
        train(order, halves, QUICK)
    seen: list[TrainingProgress] = []
    resume_training(halves, on_progress=seen.append)
    assert [progress.step for progress in seen] == [3, 4]
    expected = load_file(tmp_path / "whole.safetensors")
    for key, value in load_file(halves).items():
        assert torch.equal(value, expected[key])
    assert load_style(halves).metadata == load_style(tmp_path / "whole.safetensors").metadata
    assert not job.state_of(halves).parent.exists()


def test_a_training_stopped_before_its_first_state_can_begin_again(order, tmp_path):
    output = tmp_path / "mine.safetensors"
    with pytest.raises(Interrupted):
        train(order, output, QUICK, on_progress=interrupt_at(1))
    assert job.preview_of(output).exists() and not job.state_of(output).exists()
    train(order, output, QUICK)
    assert output.exists()


def test_a_preview_that_is_not_ours_is_kept(order, tmp_path):
    output = tmp_path / "mine.safetensors"
    job.preview_of(output).write_bytes(b"precious")
    with pytest.raises(UsageError, match=r"mine\.preview\.png: exists"):
        train(order, output, QUICK)
    assert job.preview_of(output).read_bytes() == b"precious"


def test_what_changed_meanwhile_is_named(order, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(job, "SAVE_SECONDS", -1.0)
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("a.png", "b.jpg"):
        (photos / name).write_bytes((pictures / "photos" / name).read_bytes())
    output = tmp_path / "mine.safetensors"
    with pytest.raises(Interrupted):
        train(replace(order, photos=str(photos)), output, QUICK, on_progress=interrupt_at(2))
    (photos / "b.jpg").unlink()
    with pytest.raises(InputError, match="content images changed since the training was started"):
        resume_training(output)


def test_a_state_that_is_none_is_named(tmp_path):
    output = tmp_path / "mine.safetensors"
    PartFolder(output, job.MANIFEST).create({})
    save_file({"step": torch.tensor(1)}, job.state_of(output), metadata={"order": "{}"})
    with pytest.raises(InputError, match="not a training state"):
        resume_training(output)
    job.state_of(output).unlink()
    with pytest.raises(UsageError, match=r"mine\.safetensors: no unfinished training"):
        resume_training(output)


def test_a_folder_of_somebody_else_is_left_alone(order, tmp_path):
    output, folder = tmp_path / "mine.safetensors", tmp_path / "mine.safetensors.part"
    folder.mkdir()
    (folder / "diary.txt").write_text("dear")
    for begin in (lambda: train(order, output, QUICK, overwrite=True), lambda: resume_training(output)):
        with pytest.raises(UsageError, match=r"mine\.safetensors\.part: is not the folder of a run"):
            begin()
    assert [path.name for path in folder.iterdir()] == ["diary.txt"] and not output.exists()


def test_a_foreign_file_outlives_the_training(order, tmp_path):
    output, folder = tmp_path / "mine.safetensors", tmp_path / "mine.safetensors.part"
    with pytest.raises(Interrupted):
        train(order, output, QUICK, on_progress=interrupt_at(1))
    (folder / "deep").mkdir()
    (folder / "deep" / "diary.txt").write_text("dear")
    train(order, output, QUICK)
    assert output.exists()
    assert [path.name for path in folder.rglob("*")] == ["deep", "diary.txt"]


def test_a_link_as_output_stays_a_link(order, tmp_path):
    link = tmp_path / "link.safetensors"
    link.symlink_to("real.safetensors")
    train(order, link, replace(QUICK, steps=1))
    assert link.is_symlink() and (tmp_path / "real.safetensors").is_file()


def test_a_folder_that_vanishes_ends_the_training_with_a_line(order, tmp_path, monkeypatch):
    monkeypatch.setattr(job, "SAVE_SECONDS", -1.0)
    output = tmp_path / "mine.safetensors"

    def vanish(progress: TrainingProgress) -> None:
        shutil.rmtree(job.state_of(output).parent, ignore_errors=True)

    with pytest.raises(OutputError, match=r"training\.safetensors: cannot be written"):
        train(order, output, QUICK, on_progress=vanish)


def test_a_training_that_diverges_keeps_its_last_good_network(order, tmp_path, monkeypatch):
    advance = Training.advance

    def break_at_step_4(self: Training) -> dict[str, float]:
        if self.step == 3:
            monkeypatch.setattr(
                self.perceptual_loss,
                "losses",
                lambda *_: {"style": sum(w.sum() for w in self.network.parameters()) * float("nan")},
            )
        return advance(self)

    monkeypatch.setattr(Training, "advance", break_at_step_4)
    output = tmp_path / "wild.safetensors"
    with pytest.raises(Diverged, match=r"at step 4.*the network of step 3 is kept as .*last_good\.safetens"):
        train(order, output, QUICK)
    last = load_style(job.state_of(output).with_name("last_good.safetensors"))
    assert torch.isfinite(weights_of(last.network)).all()
    assert not output.exists()


def test_nothing_is_overwritten_unasked(order, tmp_path):
    output = tmp_path / "mine.safetensors"
    output.write_bytes(b"precious")
    with pytest.raises(UsageError, match=r"mine\.safetensors: exists; -y overwrites it"):
        train(order, output, QUICK)
    assert output.read_bytes() == b"precious"
    train(order, output, replace(QUICK, steps=1), overwrite=True)
    assert isinstance(load_style(output).network, StyleNet)
    with pytest.raises(UsageError, match=r"expected a name that ends in \.safetensors"):
        train(order, tmp_path / "mine.pth", QUICK)


def test_two_runs_do_not_write_one_output(order, tmp_path):
    output = tmp_path / "mine.safetensors"
    folder = PartFolder(output, job.MANIFEST)
    folder.create({})
    with pytest.raises(OutputError, match="another run is writing it"):
        train(order, output, QUICK)
    folder.release()
    train(order, output, QUICK)
    train(order, output, QUICK, overwrite=True)


def test_rendered_scenes_stand_in_for_photographs(order, tmp_path):
    train(replace(order, photos=""), tmp_path / "mine.safetensors", replace(QUICK, steps=1))
    assert (tmp_path / "mine.safetensors").exists()
    with pytest.raises(UsageError, match="photos and video are both given"):
        train(replace(order, video="a.mp4"), tmp_path / "other.safetensors", QUICK)
