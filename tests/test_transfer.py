"""Transfer by optimization: losses fall, videos are consistent over time, masks apply, steps are reported."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from typer.testing import CliRunner

from streamstyle.apps.cli import app
from streamstyle.effects.resizing import blurred
from streamstyle.effects.transfer.effect import BLUR, Transfer, sharpened
from streamstyle.effects.transfer.loss import Optimization
from streamstyle.effects.transfer.settings import LOSSES
from streamstyle.frames import Moment, OpticalFlow, OptimizationStep
from streamstyle.keyframes import keyframes_of
from streamstyle.losses import covariance, masked_covariance
from streamstyle.training.data import read_rgb
from streamstyle.weights import best_perceptual_network
from tests.videos import make_video

QUICK = Optimization(scales=1, steps=8, later_steps=4)


def picture(seed: int = 0, height: int = 64, width: int = 80) -> Tensor:
    coarse = torch.rand(1, 3, height // 8, width // 8, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")[0].clamp(0, 1)


def stripes() -> Tensor:
    """A painting of red and white stripes."""
    rows = (torch.arange(160) // 6 % 2).float()[None, :, None].expand(1, 160, 160)
    return torch.cat((torch.ones_like(rows), rows, rows))


def transfer(how: Optimization = QUICK, **more: object) -> Transfer:
    return Transfer(keyframes_of("a"), {"a": stripes()}, how, device="cpu", **more)


def test_the_losses_fall_and_every_step_is_reported():
    steps: list[OptimizationStep] = []
    result = transfer(Optimization(scales=2, steps=12), on_step=steps.append)(
        picture(0, 128, 160), Moment(3, 0.0)
    )
    assert result.shape == (3, 128, 160) and result.min() >= 0 and result.max() <= 1
    last = [step for step in steps if step.size == (320, 256)]  # a small image is enlarged twofold
    assert sum(last[-1].losses.values()) < 0.7 * sum(last[0].losses.values())
    assert [step.step for step in steps] == list(range(1, len(steps) + 1))
    assert {(step.frame, step.steps) for step in steps} == {(3, 24)}
    assert {step.size for step in steps} == {(160, 128), (320, 256)}
    assert set(last[-1].losses) == set(LOSSES) - {"temporal"}


def test_the_same_call_gives_the_same_image():
    image = picture()
    assert torch.equal(transfer()(image, Moment(0, 0.0)), transfer()(image, Moment(0, 0.0)))


def test_a_video_that_stands_still_holds_still_by_its_temporal_term():
    """Noise on the source is not stylized anew where the last frame is known to lie."""
    still = OpticalFlow(torch.zeros(2, 64, 80), torch.ones(1, 64, 80))
    changes = []
    for weight in (0.0, 1000.0):
        effect = transfer(Optimization(scales=1, steps=8, later_steps=16, temporal_weight=weight))
        first = effect(picture(), Moment(0, 0.0))
        noisy = (picture() + 0.1 * torch.randn(3, 64, 80, generator=torch.Generator().manual_seed(1))).clamp(
            0, 1
        )
        second = effect(noisy, Moment(1, 0.04, motion=still))
        changes.append((second - first).square().mean())
    assert changes[1] < 0.3 * changes[0]


def test_without_motion_a_frame_is_stylized_by_itself():
    effect = transfer()
    effect(picture(1), Moment(0, 0.0))
    assert torch.equal(effect(picture(), Moment(1, 0.04)), transfer()(picture(), Moment(0, 0.0)))


def test_strength_leads_back_to_the_source():
    image = picture()
    half = Transfer(keyframes_of("a", strength=0.5), {"a": stripes()}, QUICK, device="cpu")
    full = transfer()(image, Moment(0, 0.0))
    torch.testing.assert_close(half(image, Moment(0, 0.0)), torch.lerp(image, full, 0.5))
    none = Transfer(keyframes_of("a", strength=0), {"a": stripes()}, QUICK, device="cpu")
    assert none(image, Moment(0, 0.0)) is image


def test_a_style_seen_through_a_full_mask_is_the_style():
    features = torch.rand(1, 5, 12, 16)
    for one, other in zip(
        covariance(features), masked_covariance(torch.ones(1, 1, 48, 64))(features), strict=True
    ):
        torch.testing.assert_close(one, other)


def test_a_style_seen_through_a_mask_is_that_of_the_part():
    features = torch.rand(1, 5, 12, 16)
    cover = torch.zeros(1, 1, 48, 64)
    cover[..., 32:] = 1
    for one, other in zip(covariance(features[..., 8:]), masked_covariance(cover)(features), strict=True):
        torch.testing.assert_close(one, other)


def test_a_painting_with_a_mask_applies_there():
    """Red stripes on the left, blue ones on the right."""
    blue = stripes().flip(0)
    left = np.zeros((64, 80), np.uint8)
    left[:, :40] = 255
    masks = {"red": lambda _: left, "blue": lambda _: 255 - left}
    how = Optimization(scales=1, steps=25, content_weight=0.5)
    effect = Transfer(
        keyframes_of("red+blue"), {"red": stripes(), "blue": blue}, how, masks=masks, device="cpu"
    )
    result = effect(torch.full((3, 64, 80), 0.5), Moment(0, 0.0))
    redness = (result[0] - result[2]).mean(dim=0)
    assert redness[:30].mean() > 0.02 and redness[50:].mean() < -0.02


def test_sharpening_is_undone_by_the_blur():
    image = picture()[None]
    once, twice = (blurred(start, BLUR) - image for start in (image, sharpened(image)))
    assert twice.abs().mean() < 0.3 * once.abs().mean()


def test_an_image_smaller_than_the_network_needs_is_stylized():
    assert transfer()(picture()[:, :9, :11], Moment(0, 0.0)).shape == (3, 9, 11)


def save(path: Path, image: Tensor) -> str:
    Image.fromarray((image.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)).save(path)
    return str(path)


COMMON = ["--scales", "1", "--steps", "4", "--later-steps", "2", "--device", "cpu"]


def test_the_command_paints_shows_and_tells(tmp_path, monkeypatch):
    monkeypatch.setattr("streamstyle.apps.cli.optimization_report.WATCH_SECONDS", 0.0)
    content, style = save(tmp_path / "c.png", picture()), save(tmp_path / "s.png", stripes())
    out, watch, losses = tmp_path / "o.png", tmp_path / "w.png", tmp_path / "l.csv"
    command = ["transfer", content, style, str(out), *COMMON, "--watch", str(watch), "--losses", str(losses)]
    told = CliRunner().invoke(app, command)
    assert told.exit_code == 0, told.output
    assert "perceptual loss: distilled" in told.output
    assert read_rgb(out).size == (80, 64)
    assert read_rgb(watch).size == (160, 128)  # as it is optimized
    with losses.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == [str(step) for step in range(1, len(rows) + 1)]
    assert float(rows[-1]["style"]) < float(rows[0]["style"])
    again = CliRunner().invoke(app, [*command[:3], str(tmp_path / "p.png"), *command[4:]])
    assert again.exit_code == 2 and "w.png: exists" in again.output


def test_a_video_is_stylized_with_two_paintings(tmp_path):
    make_video(tmp_path / "in.mp4", 3, audio=[("aac", 0.0)])
    one, other = save(tmp_path / "s.png", stripes()), save(tmp_path / "t.png", picture(4, 160, 160))
    mask = save(tmp_path / "m.png", torch.ones(3, 8, 8))
    command = ["transfer", str(tmp_path / "in.mp4"), f"0.7*{one}+0.3*{other}", str(tmp_path / "out.mp4")]
    told = CliRunner().invoke(app, [*command, *COMMON, "--style-mask", f"{one}={mask}"])
    assert told.exit_code == 0, told.output
    assert "3 frames in, 3 out" in told.output


@pytest.mark.parametrize(
    ("style", "more", "code", "message"),
    [
        ("starry_night", [], 3, "starry_night: no such file"),
        ("s.png", ["--style-mask", "x.png=m.png"], 2, "not one of the paintings"),
        ("s.png", ["--style-mask", "s.png"], 2, "expected PAINTING=MASK"),
        ("s.png", ["--watch", "w.jpg"], 2, "ends in .png"),
        ("s.png", ["--features", "vgg99"], 2, "unknown feature network"),
        ("s.png", ["--steps", "-1"], 2, "--steps"),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path, monkeypatch, style, more, code, message):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "c.png", picture())
    save(tmp_path / "s.png", stripes())
    told = CliRunner().invoke(app, ["transfer", "c.png", style, "o.png", *COMMON, *more])
    assert told.exit_code == code and message in told.output
    assert not (tmp_path / "o.png").exists()


def test_vgg19_judges_where_its_weights_are(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert best_perceptual_network() == "distilled"
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "vgg19-dcbb9e9d.pth").touch()
    assert best_perceptual_network() == "vgg19"


def test_a_painting_is_not_overwritten(tmp_path):
    content, style = save(tmp_path / "c.png", picture()), save(tmp_path / "s.png", stripes())
    before = Path(style).read_bytes()
    told = CliRunner().invoke(app, ["transfer", content, style, style, "-y", *COMMON])
    assert told.exit_code == 2 and "is the input itself" in told.output
    assert Path(style).read_bytes() == before
