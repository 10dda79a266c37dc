"""A painting wherever a style is named: stylize, mixtures, keyframes, rerun, resume, sheets, files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from streamstyle.effects import StylizeSettings
from streamstyle.effects.stylize.effect import Style
from streamstyle.errors import InputError, UsageError
from streamstyle.files import sha256_of
from streamstyle.frames import Moment
from streamstyle.jobs.predict import predict
from streamstyle.jobs.provenance import file_hashes, settings_of_output
from streamstyle.jobs.render import render, resume
from streamstyle.networks import StyleNet
from streamstyle.styles import load_style
from streamstyle.training import Recipe, TrainingJob
from streamstyle.training.job import first_network, prepared
from streamstyle.weights import WEIGHTS
from tests.test_extending import stop_at
from tests.videos import make_video

ROOT = Path(__file__).parents[1]
PAINTING = ROOT / "samples" / "painting.png"


@pytest.fixture
def painting(tmp_path: Path) -> Path:
    path = tmp_path / "my=own+painting.png"
    with Image.open(PAINTING) as image:
        image.resize((320, 240)).save(path)
    return path


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    with Image.open(ROOT / "samples" / "still_life.png") as image:
        image.resize((96, 72)).save(path)
    return path


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def stylized(photo: Path, style: str, name: str = "out.png", **settings: object) -> np.ndarray:
    output = photo.with_name(name)
    render(photo, output, StylizeSettings(style=style, device="cpu", **settings), overwrite=True)
    return pixels(output)


def test_a_painting_is_a_style(painting: Path, photo: Path) -> None:
    loaded = load_style(painting)
    assert isinstance(loaded.network, StyleNet) and loaded.name == painting.stem
    assert loaded.metadata["painting_sha256"] == sha256_of(painting)
    assert loaded.metadata["base_sha256"] == WEIGHTS["base"].sha256
    result = stylized(photo, str(painting))
    assert np.abs(result - pixels(photo)).mean() > 5
    faint = stylized(photo, str(painting), strength=0.2)
    assert np.abs(faint - pixels(photo)).mean() < np.abs(result - pixels(photo)).mean()


def test_a_predicted_file_stylizes_as_the_painting_does(painting: Path, photo: Path) -> None:
    output = painting.with_name("predicted.safetensors")
    predict(painting, output)
    assert np.array_equal(stylized(photo, str(painting)), stylized(photo, str(output)))
    assert load_style(output).metadata["predictor_sha256"] == WEIGHTS["predictor"].sha256
    with pytest.raises(UsageError, match=r"predicted\.safetensors: exists"):
        predict(painting, output)
    with pytest.raises(UsageError, match=r"expected a name that ends in \.safetensors"):
        predict(painting, painting.with_name("x.png"))


def test_a_painting_mixes_with_bundled_styles(painting: Path) -> None:
    image = torch.rand(3, 32, 48, generator=torch.Generator().manual_seed(0))
    moment = Moment(0, 0.0)
    mixture = f"0.25*ink+0.75*{painting}"
    parts = [Style(name, device="cpu")(image, moment) for name in ("ink", str(painting))]
    torch.testing.assert_close(Style(mixture, device="cpu")(image, moment), 0.25 * parts[0] + 0.75 * parts[1])
    assert len(Style(mixture, mix_by="weights", device="cpu").families) == 1


def test_a_style_can_be_added_to_a_running_effect(painting: Path) -> None:
    image = torch.rand(3, 32, 48, generator=torch.Generator().manual_seed(0))
    for mix_by in ("pictures", "weights"):
        style = Style("ink", mix_by=mix_by, device="cpu")
        style.add(str(painting))
        style.keyframes = Style(str(painting), device="cpu").keyframes
        expected = Style(str(painting), device="cpu")(image, Moment(0, 0.0))
        assert torch.equal(style(image, Moment(0, 0.0)), expected)


def test_keyframes_take_paintings(painting: Path) -> None:
    settings = StylizeSettings(style="ink", at=(f"4s={painting}",))
    assert settings.keyframes().styles() == ["ink", str(painting)]


def test_what_decides_the_network_of_a_painting_is_hashed(painting: Path) -> None:
    hashes = file_hashes(StylizeSettings(style=f"0.5*ink+0.5*{painting}"))
    assert hashes == {
        "ink": WEIGHTS["ink"].sha256,
        str(painting): sha256_of(painting),
        "predictor": WEIGHTS["predictor"].sha256,
        "features": WEIGHTS["features"].sha256,
    }
    assert "predictor" not in file_hashes(StylizeSettings(style="ink"))


def test_rerun_refuses_another_painting(painting: Path, photo: Path) -> None:
    stylized(photo, str(painting))
    assert settings_of_output(photo.with_name("out.png")).style == str(painting)
    Image.new("RGB", (200, 200), "red").save(painting)
    with pytest.raises(InputError, match=r"was made with a version of .* that differs"):
        settings_of_output(photo.with_name("out.png"))


def test_resume_goes_on_with_the_same_painting_only(painting: Path, tmp_path: Path) -> None:
    video = make_video(tmp_path / "in.mp4", 130)
    settings = StylizeSettings(style=str(painting), preset="ultrafast", device="cpu", steady=0)
    stop_at(tmp_path / "out.mp4", video, settings, 120)
    kept = painting.read_bytes()
    Image.new("RGB", (200, 200), "red").save(painting)
    with pytest.raises(UsageError, match=r"my=own\+painting\.png: has changed since"):
        resume(tmp_path / "out.mp4")
    painting.write_bytes(kept)
    assert resume(tmp_path / "out.mp4").frames_out == 130


@pytest.mark.parametrize(
    ("size", "message"),
    [((31, 500), "the painting is 31x500 pixels; its shorter side"), ((200, 200), "has one color only")],
)
def test_images_without_a_style_are_refused_in_a_line(
    size: tuple[int, int], message: str, tmp_path: Path
) -> None:
    Image.new("RGB", size, "green").save(tmp_path / "bad.png")
    with pytest.raises(InputError, match=f"bad.png: .*{message}") as error:
        load_style(tmp_path / "bad.png")
    assert "\n" not in str(error.value)


def test_an_image_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"monet\.jpg: no such file"):
        load_style(tmp_path / "monet.jpg")


def test_what_is_no_image_is_refused_in_a_line(tmp_path: Path) -> None:
    for name in ("text.jpg", "text.txt"):
        (tmp_path / name).write_text("hello\n")
        with pytest.raises(InputError, match=name) as error:
            load_style(tmp_path / name)
        assert "\n" not in str(error.value)


def test_a_training_starts_at_the_prediction_unless_told_otherwise(painting: Path) -> None:
    recipe = Recipe(steps=1, batch=1, crop=64)
    job = TrainingJob(painting=str(painting))
    training, _ = prepared(job, recipe)
    predicted = load_style(painting).network
    for own, wanted in zip(training.network.parameters(), predicted.parameters(), strict=True):
        assert torch.equal(own, wanted) and own.requires_grad
    base = first_network(TrainingJob(painting=str(painting), start="base"), torch.rand(1, 3, 64, 64))
    assert base is not None
    for own, wanted in zip(base.parameters(), load_style("base").network.parameters(), strict=True):
        assert torch.equal(own, wanted)
    assert first_network(TrainingJob(painting="x", start="random"), torch.rand(1, 3, 64, 64)) is None
    with pytest.raises(UsageError, match="start is 'middle', expected predicted, base or random"):
        TrainingJob(painting="x", start="middle")
