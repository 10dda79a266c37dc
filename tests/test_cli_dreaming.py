"""`dream` and `layers` as a user meets them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from streamstyle.apps.cli import app
from streamstyle.effects import DreamSettings, StylizeSettings
from streamstyle.options import bundled_presets, load_preset, make_settings
from streamstyle.video.tags import read_provenance
from tests.videos import hashes_of, make_video, times_of

SAMPLES = Path(__file__).parents[1] / "samples"
QUICK = ["--octaves", "2", "--steps", "2", "--device", "cpu", "-q"]


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return make_video(tmp_path / "film.mp4", 6)


def test_a_picture_is_dreamt_upon_and_tells_how(tmp_path: Path) -> None:
    source, out, again = SAMPLES / "lighthouse.png", tmp_path / "out.png", tmp_path / "again.png"
    done = call("dream", source, out, "--layer", "0.6*thing+0.4*-texture", *QUICK, "--max-size", "160")
    assert done.exit_code == 0, done.stderr
    recipe = read_provenance(out)
    assert recipe["effect"] == "dream" and recipe["settings"]["layer"] == "0.6*thing+0.4*-texture"
    repeated = call("rerun", out, source, again, "--device", "cpu", "-q")
    assert repeated.exit_code == 0, repeated.stderr
    pictures = [cv2.imread(str(path)) for path in (out, again)]
    assert (pictures[0] == pictures[1]).all()


def test_a_video_is_dreamt_upon_and_carries_on(video: Path, tmp_path: Path) -> None:
    for name, options in {"a.mp4": [], "b.mp4": [], "alone.mp4": ["--carry", "0"]}.items():
        done = call("dream", video, tmp_path / name, *QUICK, *options, "--preset", "ultrafast")
        assert done.exit_code == 0, done.stderr
    assert times_of(tmp_path / "a.mp4") == times_of(video)
    assert hashes_of(tmp_path / "a.mp4") == hashes_of(tmp_path / "b.mp4")
    assert hashes_of(tmp_path / "a.mp4") != hashes_of(tmp_path / "alone.mp4")


def test_a_guide_and_a_preset_are_used(tmp_path: Path) -> None:
    guide = tmp_path / "guide.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)).save(guide)
    outs = []
    for number, options in enumerate([[], ["--guide", guide], ["--config", "flowers"]]):
        outs.append(tmp_path / f"{number}.png")
        source = SAMPLES / "lighthouse.png"
        done = call("dream", source, outs[-1], *QUICK, "--max-size", "160", *options)
        assert done.exit_code == 0, done.stderr
    pictures = [cv2.imread(str(path)).astype(int) for path in outs]
    assert np.abs(pictures[0] - pictures[1]).mean() > 1
    assert np.abs(pictures[0] - pictures[2]).mean() > 1
    assert read_provenance(outs[2])["settings"]["layer"] == "thing:29"


@pytest.mark.parametrize("name", bundled_presets(DreamSettings))
def test_every_preset_is_read(name: str) -> None:
    assert make_settings(load_preset(name, DreamSettings), DreamSettings).layer != ""


def test_there_are_presets_and_those_of_styles_stay_apart() -> None:
    assert len(bundled_presets(DreamSettings)) >= 8
    assert not {"dogs", "eyes"} & set(bundled_presets(StylizeSettings))


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--layer", "thign"], 2, "no layer 'thign' (did you mean thing?); there are thing, "),
        (["--layer", "thing:9999"], 2, "thing has channels 0 to 511"),
        (["--guide", "absent.png"], 3, "absent.png"),
        (["--features", "absent.safetensors"], 3, "absent.safetensors"),
        (["--features", "vgg61"], 2, "unknown feature network 'vgg61'"),
        (["--octaves", "9"], 2, "--octaves 9: 64x48 pixels allow 2"),
        (["--carry", "2"], 2, "--carry 2: "),
        (["--config", "cats"], 2, "no such file or preset; presets: branches"),
    ],
)
def test_what_is_not_there_is_named(tmp_path: Path, options: list[str], code: int, message: str) -> None:
    Image.new("RGB", (64, 48), (90, 120, 160)).save(tmp_path / "small.png")
    result = call("dream", tmp_path / "small.png", tmp_path / "out.png", *options)
    assert (result.exit_code, message in result.stderr) == (code, True), result.stderr
    assert not (tmp_path / "out.png").exists()


def test_layers_are_listed_and_drawn(tmp_path: Path) -> None:
    listed = call("layers")
    assert listed.exit_code == 0 and "thing  512 channels" in listed.stdout
    # So small that not all octaves fit; there is no option to choose fewer.
    Image.new("RGB", (48, 40), (90, 120, 160)).save(tmp_path / "image.png")
    sheet = tmp_path / "sheet.png"
    options = ["--layer", "part", "--count", "2", "--image", tmp_path / "image.png", "-o", sheet]
    done = call("layers", *options)
    assert done.exit_code == 0, done.stderr
    assert cv2.imread(str(sheet)).shape[1] > 3 * 48
    assert "exists; -y overwrites it" in call("layers", *options).stderr
    unknown = call("layers", "--layer", "prat", "-o", tmp_path / "x.png")
    assert unknown.exit_code == 2 and "no layer 'prat' (did you mean part?); there are part" in unknown.stderr
    beyond = call("layers", "--layer", "part", "--first", "600", "-o", tmp_path / "x.png")
    assert beyond.exit_code == 2 and "part has channels 0 to 511" in beyond.stderr
