"""On a slow machine the program says what takes the time, and what would be faster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from streamstyle import DreamSettings, Progress, RenderSettings, StylizeSettings
from streamstyle.apps.cli.hints import ENCODING, LIVE, SlowCamera, slow_render, with_hint
from streamstyle.apps.cli.reporting import Reporter
from streamstyle.effects import EFFECTS

SLOW = Progress(
    frames=40,
    total=2000,
    concealed=0,
    seconds=20.0,
    fps=2.0,
    stage_ms={"read": 3, "effect": 430, "write": 30},
)


def test_a_slow_render_says_what_takes_the_time_and_what_saves_it() -> None:
    assert slow_render(SLOW, StylizeSettings()) == (
        "2.0 fps, 16 minutes left: effect takes 430 ms a frame; --every 2 or --stroke-size 1.5 is faster, "
        "and `streamstyle doctor` says what computes"
    )
    encoding = replace(SLOW, stage_ms={"read": 3, "effect": 30, "write": 430})
    assert "write takes 430 ms a frame; --preset ultrafast is faster" in slow_render(
        encoding, StylizeSettings()
    )


@pytest.mark.parametrize(
    "progress",
    [
        replace(SLOW, fps=24.0),
        replace(SLOW, total=60),  # ends soon
        replace(SLOW, total=None),
        replace(SLOW, seconds=2.0),  # not settled
        replace(SLOW, stage_ms={"read": 500, "effect": 1, "write": 1}),  # a slow network, for instance
    ],
)
def test_nothing_is_said_where_nothing_is_slow_or_nothing_helps(progress: Progress) -> None:
    assert not slow_render(progress, StylizeSettings())


def test_what_is_given_already_is_not_suggested() -> None:
    assert "--every" not in slow_render(SLOW, StylizeSettings(every=2))
    assert not slow_render(SLOW, StylizeSettings(every=2, stroke_size=2.0))
    encoding = replace(SLOW, stage_ms={"write": 430})
    assert not slow_render(encoding, DreamSettings(preset="veryfast"))
    assert not slow_render(encoding, DreamSettings(codec="vp9"))


def test_it_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    report = with_hint(Reporter(), StylizeSettings())
    for _ in range(3):
        report(SLOW)
    assert capsys.readouterr().err.count("16 minutes left") == 1


@pytest.mark.parametrize("kind", EFFECTS.values())
def test_what_is_suggested_exists(kind: type[RenderSettings]) -> None:
    for option in (*kind.FASTER, *ENCODING):
        name = option.partition(" ")[0].removeprefix("--").replace("-", "_")
        assert name in kind.model_fields and name not in kind.OMITTED
    assert all(option.startswith(("--size ", "--fps ")) for option in LIVE)


STATUS: Mapping[str, float | str] = {
    "fps": 10.2, "target": 24.0, "state": "live", "lowered": "strokes 4x, every 4th frame",
}  # fmt: skip


def test_a_camera_that_stays_too_slow_says_so_once() -> None:
    hint = SlowCamera()
    said = [hint(STATUS) for _ in range(30)]
    assert [text for text in said if text] == [
        "10 of 24 fps: strokes 4x, every 4th frame; --size 480x360 or --fps 12 asks less of this machine"
    ]
    assert not any(said[:9])


@pytest.mark.parametrize("change", [{"fps": 22.0}, {"target": 0.0}, {"state": "lost"}, {"fps": 0.0}])
def test_a_camera_that_is_fast_or_away_says_nothing(change: Mapping[str, float | str]) -> None:
    hint = SlowCamera()
    assert not any(hint({**STATUS, **change}) for _ in range(30))


def test_a_moment_of_slowness_is_not_reported() -> None:
    hint = SlowCamera()
    for _ in range(10):
        assert not any(hint(STATUS) for _ in range(9)) and not hint({**STATUS, "fps": 24.0})
