"""A visitor's look: styles and dreams, what they become in a render, and thumbnails of the input."""

from __future__ import annotations

import numpy as np
import pytest

from streamstyle.apps.web.gallery import Gallery
from streamstyle.apps.web.jpeg import read_jpeg
from streamstyle.apps.web.look import Look
from streamstyle.effects import DreamSettings, StylizeSettings
from streamstyle.errors import UsageError

STEADY = StylizeSettings().steadiness("video")


@pytest.fixture(scope="module")
def gallery() -> Gallery:
    return Gallery(["great_wave", "ink"], "cpu", fps=24.0)


@pytest.fixture
def look(gallery: Gallery) -> Look:
    return Look(gallery, gallery.stylizer())


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)


def test_a_render_looks_like_the_page_and_is_otherwise_the_command_line_s(look: Look) -> None:
    look.play_clip(True)
    look.change({"style": "ink"})
    assert look.wanted["steady"] == STEADY
    assert look.settings() == StylizeSettings(style="ink", device="cpu")
    look.change({"style": "0.25*ink+0.75*great_wave", "strength": 0.5, "steady": 0.2})
    mixed = StylizeSettings(
        style="0.25*ink+0.75*great_wave", strength=0.5, steady=0.2, mix_by="weights", device="cpu"
    )
    assert look.settings() == mixed


def test_videos_are_steadied_unless_one_has_decided(look: Look) -> None:
    look.play_clip(True)
    look.play_clip(False)
    assert look.wanted["steady"] == 0
    look.change({"steady": 0.3})
    look.play_clip(True)
    assert look.wanted["steady"] == 0.3
    look.restore_defaults()
    assert look.wanted["steady"] == STEADY


def test_defaults_leave_the_style(look: Look) -> None:
    look.change({"style": "ink", "strength": 0.2, "mirror": True, "bypass": True})
    look.restore_defaults()
    wanted = look.wanted
    assert wanted["style"] == {"ink": 1.0} and wanted["strength"] == 1 and wanted["mirror"]
    assert not wanted["bypass"]


def test_dreams_have_a_depth_of_their_own_and_take_the_other_controls_along(
    look: Look, pixels: np.ndarray
) -> None:
    look.change({"keep_colors": 1.0, "steady": 0.5})
    look.change({"style": "dream-eyes"})
    assert look.wanted["style"] == {"dream-eyes": 1.0} and look.wanted["depth"] == 0.35
    assert (look(pixels, 0.0) != pixels).any()
    look.change({"depth": 0.9})
    dreamt = look.settings()
    expected = DreamSettings(layer="thing:32", depth=0.9, keep_colors=1.0, device="cpu")
    assert dreamt == expected and look.wanted["keep_colors"] == 1
    look.change({"style": "ink"})
    assert look.wanted["style"] == {"ink": 1.0} and look.wanted["depth"] == 0
    assert look(pixels, 1.0).shape == pixels.shape


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"depth": 2.0}, "depth is 2.0, expected 0 to 1"),
        ({"depth": True}, "depth is True"),
        ({"style": "dream-of-riches"}, "unknown style 'dream-of-riches'"),
        ({"style": "ink", "strength": 9.0}, "strength is 9"),
        ({"style": "ink+dream-dogs"}, "unknown style 'dream-dogs'"),
    ],
)
def test_what_is_not_allowed_changes_nothing(look: Look, values: dict[str, object], match: str) -> None:
    look.change({"style": "dream-dogs"})
    before = look.wanted
    with pytest.raises(UsageError, match=match):
        look.change(values)
    assert look.wanted == before


def test_files_of_the_server_are_not_named_in_results(tmp_path) -> None:
    from streamstyle.weights import STYLES

    file = tmp_path / "mine.safetensors"
    file.write_bytes(STYLES["ink"].path.read_bytes())
    gallery = Gallery([str(file), "ink"], "cpu")
    look = Look(gallery, gallery.stylizer())
    look.change({"style": "mine"})
    assert look.settings().provenance is False
    look.change({"style": "ink"})
    assert look.settings().provenance is True


def test_a_spare_stylizer_is_warm_for_the_first_visitor_alone(gallery: Gallery) -> None:
    gallery = Gallery(["ink"], "cpu")
    gallery.warm_up()
    first, second = gallery.stylizer(), gallery.stylizer()
    assert first is not second
    gallery.warm_up()  # nothing is left to warm up


def test_thumbnails_are_of_the_image_and_of_all_that_is_offered(gallery: Gallery) -> None:
    white = np.full((100, 40, 3), 255, np.uint8)
    shown = {name: gallery.thumbnail(name, white) for name in ("ink", "great_wave", "dream-fur")}
    means = {name: read_jpeg(jpeg).mean() for name, jpeg in shown.items() if jpeg}
    assert len(means) == 3 and read_jpeg(shown["ink"] or b"").shape == (180, 270, 3)
    sample = read_jpeg(gallery.thumbnail("ink") or b"")
    assert means["ink"] > sample.mean() + 30
    assert gallery.thumbnail("monet", white) is None
    assert gallery.thumbnail("ink") == gallery.thumbnail("ink"), "the sample's is rendered once"
