"""Paintings of one color have no style: every command that learns from one says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from streamstyle.apps.cli import app
from streamstyle.errors import InputError
from streamstyle.paintings import read_painting
from tests.videos import picture


def painting(folder: Path, kind: str) -> Path:
    """A painting without a style, or one that seems to have none."""
    pixels = np.full((160, 160, 3), 90, np.uint8)
    match kind:
        case "transparent":
            noise = np.random.default_rng(0).integers(0, 256, (160, 160, 3), np.uint8)
            pixels = np.dstack([noise, np.zeros((160, 160), np.uint8)])
        case "white on white":
            pixels[40:120, 40:120] = 100
    path = folder / ("painting.jpg" if kind == "jpeg" else "painting.png")
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize("kind", ["gray", "jpeg", "transparent"])
@pytest.mark.parametrize("command", ["train", "transfer", "transfer mixture"])
def test_a_painting_of_one_color_is_refused(command: str, kind: str, tmp_path: Path) -> None:
    path = painting(tmp_path, kind)
    Image.fromarray(picture(0)).save(tmp_path / "in.png")
    if command == "train":
        arguments = ["train", path, "-o", tmp_path / "o.safetensors", "--steps", "1"]
    else:
        Image.fromarray(picture(0, 160, 140)).save(tmp_path / "other.png")
        style = f"0.5*{path}+0.5*{tmp_path}/other.png" if "mixture" in command else path
        arguments = ["transfer", tmp_path / "in.png", style, tmp_path / "o.png", "--steps", "1"]
    result = CliRunner().invoke(app, [*map(str, arguments), "--device", "cpu"])
    assert (result.exit_code, len(result.stderr.splitlines())) == (3, 1), result.stderr
    assert f"{path.name}: the painting has one color only" in result.stderr
    assert not list(tmp_path.glob("o.*"))


def test_a_painting_of_one_pixel_is_too_small(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1)).save(tmp_path / "one.png")
    with pytest.raises(InputError, match=r"one\.png: the painting is 1x1 pixels; .* at least 128"):
        read_painting(tmp_path / "one.png")


def test_two_colors_that_are_near_are_a_painting(tmp_path: Path) -> None:
    assert read_painting(painting(tmp_path, "white on white")).shape == (1, 3, 640, 640)
