"""Settings are checked; presets load; later sources win."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from streamstyle.effects import StylizeSettings, ZoomSettings
from streamstyle.errors import InputError, UsageError
from streamstyle.options import bundled_presets, load_preset, make_settings


@pytest.mark.parametrize("name", bundled_presets(StylizeSettings))
def test_bundled_presets_load(name: str) -> None:
    assert make_settings(load_preset(name, StylizeSettings), StylizeSettings) != StylizeSettings()


def test_there_are_bundled_presets() -> None:
    assert {"draft", "master", "small"} <= set(bundled_presets(StylizeSettings))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"styel": "x"}, "styel: unknown setting (did you mean style?); known are strength"),
        ({"strength": 1.5}, "--strength 1.5: expected 0 to 1"),
        ({"size": "640"}, "--size 640: expected WIDTHxHEIGHT"),
        ({"size": "0x5"}, "--size 0x5: expected sides from 1"),
        ({"fps": "fast"}, "--fps fast: expected a number or a fraction"),
        ({"fps": "1/0"}, "--fps 1/0: expected"),
        ({"bitrate": "lots"}, "--bitrate lots: expected bits per second"),
        ({"audio": "loud"}, "--audio loud: "),
        ({"max_size": 0}, "--max-size 0: expected 2 to 16384"),
    ],
)
def test_wrong_values_are_named_with_what_is_allowed(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_settings(values, StylizeSettings)
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)


def test_values_are_understood_as_people_write_them() -> None:
    settings = make_settings({"size": "640x360", "fps": "30000/1001", "bitrate": "4.5M"}, StylizeSettings)
    assert settings.size == (640, 360)
    assert settings.fps == Fraction(30000, 1001)
    assert settings.bitrate == 4_500_000


def test_settings_survive_the_manifest() -> None:
    settings = make_settings({"size": "64x36", "fps": "24000/1001", "crf": 20, "start": 1.5}, StylizeSettings)
    assert make_settings(settings.model_dump(mode="json"), StylizeSettings) == settings


def test_a_wrong_preset_names_the_file_and_the_key(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("strenght = 1\n")
    with pytest.raises(UsageError, match=r"mine\.toml: strenght: unknown setting .did you mean strength.."):
        load_preset(str(path), StylizeSettings)
    path.write_text("strength = \n")
    with pytest.raises(InputError, match=r"mine\.toml: cannot be read as a preset"):
        load_preset(str(path), StylizeSettings)
    with pytest.raises(UsageError, match="--config nothing: no such file or preset; presets: draft"):
        load_preset("nothing", StylizeSettings)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (StylizeSettings, {"size": 640}),
        (StylizeSettings, {"size": ["a", "b"]}),
        (StylizeSettings, {"bitrate": "inf"}),
        (ZoomSettings, {"pan": 0.1}),
        (ZoomSettings, {"pan": ["a", "b"]}),
    ],
)
def test_values_of_another_kind_are_refused_in_a_line(kind, values):
    with pytest.raises(UsageError, match="expected"):
        make_settings(values, kind, "preset.toml")


def test_only_settings_that_the_effect_accepts_are_suggested() -> None:
    with pytest.raises(UsageError, match=r"^flow_sise: unknown setting") as caught:
        make_settings({"flow_sise": 3}, ZoomSettings)
    assert "flow_size" not in str(caught.value)
