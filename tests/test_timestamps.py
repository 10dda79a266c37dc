"""Presentation times are kept, or repaired with one warning."""

import logging
from fractions import Fraction

import pytest

from streamstyle.video.timestamps import PresentationTimes


def keyframes() -> PresentationTimes:
    return PresentationTimes(Fraction(1, 1000), Fraction(25), "video")


def test_good_times_are_kept(caplog: pytest.LogCaptureFixture) -> None:
    times = [-80, 0, 40, 41, 900]
    line = keyframes()
    assert [line.place(pts) for pts in times] == times
    assert not caplog.records


def test_missing_times_follow_the_constant_rate_without_drift() -> None:
    line = PresentationTimes(Fraction(1, 1000), Fraction(30), "video")
    assert [line.place(None) for _ in range(301)][::30] == list(range(0, 10001, 1000))


def test_backward_times_follow_the_last_good_one(caplog: pytest.LogCaptureFixture) -> None:
    line = keyframes()
    with caplog.at_level(logging.WARNING):
        assert [line.place(pts) for pts in (0, 40, 10, None, 40, 400)] == [0, 40, 80, 120, 160, 400]
    assert len(caplog.records) == 1 and "out of order" in caplog.text


def test_repaired_times_rise_even_where_a_tick_is_longer_than_a_frame() -> None:
    line = PresentationTimes(Fraction(1, 10), Fraction(60), "video")
    times = [line.place(None) for _ in range(5)]
    assert times == [0, 1, 2, 3, 4]
