"""Parsing of mixtures and keyframes, and interpolation between keyframes."""

import itertools
import math
from pathlib import Path

import pytest

from streamstyle.errors import UsageError
from streamstyle.keyframes import (
    Parameters,
    keyframes_of,
    read_keyframe,
    read_mixture,
    read_seconds,
    with_absolute_files,
)


@pytest.mark.parametrize(
    ("text", "shares"),
    [
        ("starry_night", {"starry_night": 1.0}),
        ("0.6*a+0.4*b", {"a": 0.6, "b": 0.4}),
        (" 3*a + b ", {"a": 0.75, "b": 0.25}),
        ("a+a+b+none", {"a": 0.5, "b": 0.25, "none": 0.25}),
    ],
)
def test_a_mixture_is_shares_that_add_up_to_one(text, shares):
    assert read_mixture(text) == pytest.approx(shares)


@pytest.mark.parametrize("text", ["", "+", "a+", "0*a", "-1*a", "x*a", "nan*a", "inf*a+b", "0.5*"])
def test_what_is_no_mixture_is_refused_and_quoted(text):
    with pytest.raises(UsageError, match="expected a name"):
        read_mixture(text)


def test_a_file_may_have_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    odd = tmp_path / "2*a+b.safetensors"
    odd.touch()
    assert read_mixture(str(odd)) == {str(odd): 1.0}
    monkeypatch.chdir(tmp_path)
    assert with_absolute_files(odd.name) == str(odd)
    (tmp_path / "mine.safetensors").touch()
    mine = str(tmp_path / "mine.safetensors")
    assert with_absolute_files("0.6*mine.safetensors+0.4*great_wave") == f"0.6*{mine}+0.4*great_wave"
    assert with_absolute_files("4s=mine.safetensors,strength:0.5") == f"4s={mine},strength:0.5"


@pytest.mark.parametrize(
    ("text", "seconds"), [("4", 4), ("4s", 4), ("1:30", 90), ("01:02:03.5", 3723.5), (".5s", 0.5)]
)
def test_times(text, seconds):
    assert read_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "x", "-1", "1:2:3:4", "1e3", "nan", "4 s 5", "99999999"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match="expected seconds or HH:MM:SS"):
        read_seconds(text)


def test_a_keyframe_has_a_time_a_transition_and_values():
    keyframe = read_keyframe("4s+2s=0.5*a+0.5*b,strength:0.5,stroke-size:2")
    assert (keyframe.seconds, keyframe.fade) == (4, 2)
    assert keyframe.values == {"style": {"a": 0.5, "b": 0.5}, "strength": 0.5, "stroke_size": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("great_wave", "expected TIME=STYLE"),
        ("4s=", "expected TIME=STYLE"),
        ("soon=a", "soon is not a time, expected seconds"),
        ("4s=strength:2", "strength is '2', expected 0 to 1"),
        ("4s=strength:x", "strength is 'x', expected 0 to 1"),
        ("4s=stroke_size:9", "expected 0.25 to 4"),
        ("4s=a,,b", "expected a name"),
    ],
)
def test_an_invalid_keyframe_is_refused(text, message):
    with pytest.raises(UsageError, match=message):
        read_keyframe(text)


def test_parameters_out_of_range_are_refused():
    for name, value in (("strength", 1.1), ("keep_colors", -0.1), ("stroke_size", math.nan)):
        with pytest.raises(UsageError, match=f"{name.replace('_', '-')} is .*, expected"):
            keyframes_of("a", **{name: value})


def test_a_crossfade_is_a_mixture_on_a_cosine():
    keyframes = keyframes_of("a", at=["4=b"], fade=2)
    assert keyframes.at(0) == keyframes.at(4) == Parameters({"a": 1.0})
    assert keyframes.at(4.5).style == pytest.approx({"a": 0.8536, "b": 0.1464}, abs=1e-4)
    assert keyframes.at(5).style == pytest.approx({"a": 0.5, "b": 0.5})
    assert keyframes.at(6).style == keyframes.at(99).style == {"b": 1.0}


def test_parameters_never_jump_even_where_transitions_overlap():
    keyframes = keyframes_of("a", at=["1+3=b", "2+2=none,strength:0.5", "2.5=a,stroke_size:4", "3+0.5=b"])
    parameters = [keyframes.at(number / 1000) for number in range(6000)]
    for before, after in itertools.pairwise(parameters):
        for name in {*before.style, *after.style}:
            assert abs(before.style.get(name, 0) - after.style.get(name, 0)) < 0.01
        assert abs(before.strength - after.strength) < 0.01
        assert abs(math.log(after.stroke_size / before.stroke_size)) < 0.01
        assert sum(after.style.values()) == pytest.approx(1)
    assert parameters[-1] == Parameters({"b": 1.0}, strength=0.5, stroke_size=4)


def test_stroke_size_changes_by_equal_ratios():
    keyframes = keyframes_of("a", at=["0=stroke_size:4"], fade=2)
    assert keyframes.at(1).stroke_size == pytest.approx(2)


def test_keyframes_may_be_given_in_any_order_and_without_transition():
    keyframes = keyframes_of("a", at=["8=none", "4=b", "6+0=c"])
    assert keyframes.at(5.5).style == {"b": 1.0}
    assert keyframes.at(6).style == {"c": 1.0}
    assert keyframes.styles() == ["a", "b", "c"]


def test_an_invalid_file_name_is_a_style_name():
    """A name that is too long for the file system is a style that does not exist, not a crash."""
    long = "é" * 300
    assert read_mixture(long) == {long: 1.0}
    assert with_absolute_files(f"0.5*{long}+0.5*ink") == f"0.5*{long}+0.5*ink"
