"""The list of paintings in a live session: keys, drawing, and styles that come while it runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streamstyle.apps.live import overlay
from streamstyle.apps.live.painting_list import PaintingList
from streamstyle.apps.live.session import Live
from streamstyle.apps.live.stylizer import Stylizer
from streamstyle.apps.live.view import View
from streamstyle.arbitrary_styles import predicted_style
from streamstyle.effects import DreamSettings, StylizeSettings
from streamstyle.errors import InputError, UsageError
from tests.cameras import Scripted

ROOT = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("one", "two"):
        with Image.open(ROOT / "samples" / "painting.png") as image:
            image.resize((320, 240) if name == "one" else (240, 320)).save(tmp_path / f"{name}.png")
    return tmp_path


@pytest.fixture
def view(folder: Path) -> View:
    live = Live(Scripted().open, Stylizer(StylizeSettings(), ["ink"], device="cpu"))
    live.capture.state = "live"
    shown = View(live, paintings=PaintingList(live, folder))
    shown.take((1, *(np.full((120, 160, 3), value, np.uint8) for value in (200, 90))))
    return shown


def test_enter_makes_a_painting_the_style(view: View, folder: Path) -> None:
    paintings = view.paintings
    assert paintings is not None
    before = view.drawn((160, 120))
    assert not view.press("enter")  # the list is closed
    for key in ("l", "down", "enter"):
        assert view.press(key)
    paintings.wait()
    assert view.live.controls.style == str(folder / "two.png")
    assert str(folder / "two.png") in view.live.styles
    assert (view.drawn((160, 120)) != before).any()
    view.press("l")
    assert not paintings.is_open
    frame = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    assert view.live.stylizer(frame, 10.0).shape == frame.shape


def test_the_list_wraps_around_and_shows_what_has_come_since(view: View, folder: Path) -> None:
    paintings = view.paintings
    assert paintings is not None
    view.press("l")
    view.press("up")
    assert paintings.names[paintings.selected] == "two"
    (folder / "three.png").write_bytes((folder / "one.png").read_bytes())
    view.press("esc")
    view.press("l")
    assert paintings.names == ["one", "three", "two"] and paintings.selected == 2


def test_a_bad_painting_is_told_and_changes_nothing(view: View, folder: Path) -> None:
    Image.new("RGB", (200, 200), "red").save(folder / "one.png")
    paintings, style = view.paintings, view.live.controls.style
    assert paintings is not None
    view.press("l")
    view.press("enter")
    paintings.wait()
    assert "one color only" in paintings.news()
    assert view.live.controls.style == style


def test_without_a_folder_the_key_says_how_to_give_one(view: View) -> None:
    plain = View(view.live)
    assert plain.press("l")
    assert "--styles FOLDER" in plain._message


def test_a_folder_without_images_is_refused(view: View, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no image in this folder"):
        PaintingList(view.live, tmp_path / "empty")


def test_an_effect_without_styles_takes_none(folder: Path) -> None:
    stylizer = Stylizer(DreamSettings(), device="cpu")
    with pytest.raises(UsageError, match="the effect takes no styles"):
        stylizer.add_style(str(folder / "one.png"))


def test_a_style_that_was_added_leaves_when_no_transition_shows_it(folder: Path) -> None:
    stylizer = Stylizer(StylizeSettings(), ["ink", "great_wave"], device="cpu")
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    stylizer.add_style("mine", predicted_style(folder / "one.png"))
    stylizer.change(style="mine")
    stylizer(pixels, 0.0)
    painted = stylizer(pixels, 1.0)
    with pytest.raises(UsageError, match="mine: is in use"):
        stylizer.remove_style("mine")
    stylizer.change(style="ink")
    stylizer.remove_style("mine")
    with pytest.raises(UsageError, match="unknown style 'mine'"):
        stylizer.change(style="mine")
    stylizer(pixels, 2.0)
    stylizer(pixels, 2.2)
    assert "mine" in stylizer.styles
    stylizer(pixels, 2.6)
    assert "mine" not in stylizer.styles
    stylizer.add_style("mine", predicted_style(folder / "two.png"))  # another one of that name
    stylizer.change(style="mine")
    stylizer(pixels, 3.0)
    assert (stylizer(pixels, 4.0) != painted).any()


def test_a_long_list_shows_the_part_around_the_selected() -> None:
    names = [f"painting {number}" for number in range(100)]
    images = []
    for selected in (0, 99):
        pixels = np.full((240, 320, 3), 200, np.uint8)
        overlay.draw_list(pixels, "Paintings", names, selected)
        images.append(pixels)
    assert (images[0] != images[1]).any() and (images[0][:8] == 200).all()
