"""Training from frames and their versions painted by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from streamstyle.apps.cli import app
from streamstyle.apps.cli.command import repeated_for_each
from streamstyle.errors import InputError, Interrupted, UsageError
from streamstyle.styles import load_style
from streamstyle.training import Recipe, Training, TrainingJob, TrainingProgress, resume_training, train
from streamstyle.training.pairs import Pairs
from streamstyle.weights import load_features
from tests.device_fakes import FakeDevice

QUICK = Recipe(steps=4, batch=1, crop=64, seed=3)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A frame, and the same with inverted colors."""
    coarse = np.random.default_rng(1).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    frame = Image.fromarray(coarse).resize((192, 144), Image.Resampling.BICUBIC)
    frame.save(tmp_path / "frame.png")
    Image.fromarray(255 - np.asarray(frame)).save(tmp_path / "painted.png")
    return tmp_path / "frame.png", tmp_path / "painted.png"


def job_of(*pairs: tuple[Path, Path]) -> TrainingJob:
    texts = tuple((str(frame), str(painted)) for frame, painted in pairs)
    return TrainingJob(painting=texts[0][1], pairs=texts, device="cpu")


def test_both_crops_show_the_same_place(pair: tuple[Path, Path]) -> None:
    frames, painted = Pairs([pair]).crops_of_step(3, replace(QUICK, batch=4))
    assert frames.shape == painted.shape == (4, 3, 64, 64)
    torch.testing.assert_close(frames + painted, torch.ones(4, 3, 64, 64), atol=1.1 / 255, rtol=0)
    assert not torch.equal(frames[0], frames[1])


def test_the_painted_version_may_have_another_size(pair: tuple[Path, Path], tmp_path: Path) -> None:
    Image.open(pair[1]).resize((640, 480)).save(tmp_path / "large.png")
    assert Pairs([(pair[0], tmp_path / "large.png")]).painted[0].size == (192, 144)


def test_another_shape_is_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    Image.new("RGB", (120, 120)).save(tmp_path / "square.png")
    with pytest.raises(InputError, match=r"square.png: shows another part than .*192x144 and 120x120"):
        Pairs([(pair[0], tmp_path / "square.png")])


def test_the_network_learns_to_paint_the_frame(pair: tuple[Path, Path]) -> None:
    recipe = replace(QUICK, steps=60, style_weight=0.0, content_weight=0.0, temporal_weight=0.0)
    base = load_style("base").network
    training = Training(None, Pairs([pair]), load_features(), recipe, base=base)  # type: ignore[arg-type]
    losses = []
    training.run(lambda progress: losses.append(progress.losses["pixels"]))
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])


def test_a_pair_is_trained_interrupted_and_resumed(pair: tuple[Path, Path], tmp_path: Path) -> None:
    def stop(progress: TrainingProgress) -> None:
        if progress.step == 2:
            raise Interrupted("stopped")

    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    train(job_of(pair), whole, QUICK)
    with pytest.raises(Interrupted), pytest.MonkeyPatch.context() as patch:
        patch.setattr("streamstyle.training.job.SAVE_SECONDS", 0.0)
        train(job_of(pair), parts, QUICK, on_progress=stop)
    resume_training(parts)
    expected, resumed = (load_style(path).network.state_dict() for path in (whole, parts))
    assert all(torch.equal(expected[key], resumed[key]) for key in expected)


def test_a_repainted_frame_is_noticed(pair: tuple[Path, Path], tmp_path: Path) -> None:
    output = tmp_path / "mine.safetensors"

    def stop(progress: TrainingProgress) -> None:
        raise Interrupted("stopped")

    with pytest.raises(Interrupted), pytest.MonkeyPatch.context() as patch:
        patch.setattr("streamstyle.training.job.SAVE_SECONDS", 0.0)
        train(job_of(pair), output, QUICK, on_progress=stop)
    Image.new("RGB", (192, 144)).save(pair[0])
    with pytest.raises(InputError, match="content images changed"):
        resume_training(output)


def test_nothing_in_a_step_waits_for_the_device(pair: tuple[Path, Path], fake_device: FakeDevice) -> None:
    base = load_style("base").network
    training = Training(None, Pairs([pair]), load_features(), replace(QUICK, steps=8), base=base)  # type: ignore[arg-type]
    training.run()
    assert fake_device.replays > 0


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_command_takes_several_pairs(pair: tuple[Path, Path], tmp_path: Path) -> None:
    output = tmp_path / "mine.safetensors"
    recipe = tmp_path / "small.toml"
    recipe.write_text("batch = 1\ncrop = 64\nsteps = 2\n")
    options = "-o", output, "--recipe", recipe, "--device", "cpu", "-q"
    result = call("train", "--pair", *pair, "--pair", *reversed(pair), *options)
    assert result.exit_code == 0, result.stderr
    assert load_style(output).metadata["painting"] == "painted"
    assert json.loads(load_style(output).metadata["recipe"])["steps"] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train"], "PAINTING is missing, or --pair FRAME PAINTED"),
        (["train", "--pair", "frame.png"], "--pair frame.png: expected two images, FRAME PAINTED"),
        (["train", "--pair", "frame.png", "--steps", "3"], "--pair frame.png: expected two images"),
    ],
)
def test_an_incomplete_pair_is_refused(arguments: list[str], message: str) -> None:
    result = call(*arguments)
    assert result.exit_code == 2 and message in result.stderr


def test_pairs_and_photographs_are_not_mixed(pair: tuple[Path, Path], tmp_path: Path) -> None:
    job = replace(job_of(pair), photos=str(tmp_path))
    with pytest.raises(UsageError, match="photos and pairs are both given"):
        train(job, tmp_path / "mine.safetensors", QUICK)


def test_only_the_next_two_words_belong_to_a_pair() -> None:
    words = ["train", "--pair", "a", "b", "--pair", "c", "d", "-q"]
    expected = ["train", "--pair", "a", "--pair", "b", "--pair", "c", "--pair", "d", "-q"]
    assert list(repeated_for_each(words)) == expected
