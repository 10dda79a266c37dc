"""Live controls: what a person changes shows in the next frames."""

import numpy as np
import pytest

from streamstyle.apps.live.motion_gate import TOLERANCE, MotionGate
from streamstyle.apps.live.rate import Quality
from streamstyle.apps.live.stylizer import Controls, Stylizer
from streamstyle.apps.live.transition import FADE, Transition
from streamstyle.effects import DreamSettings, StylizeSettings
from streamstyle.effects.dream.ascent import octaves_of
from streamstyle.errors import UsageError
from streamstyle.keyframes import Parameters

STYLES = ["starry_night", "great_wave"]
TICK = 1 / 25


def pictures(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """A smooth texture that moves two pixels to the right with each image."""
    rng = np.random.default_rng(0)
    import cv2

    wide = cv2.resize(rng.integers(0, 256, (12, 40, 3), np.uint8), (width + 2 * count, height))
    return [np.ascontiguousarray(wide[:, 2 * n : 2 * n + width][:, ::-1]) for n in range(count)]


def difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(int) - other).mean())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"strength": 1.5}, "strength is 1.5, expected 0 to 1"),
        ({"stroke_size": 0.1}, "stroke-size is 0.1, expected 0.25 to 4"),
        ({"steady": -1}, "steady is -1, expected 0 to 1"),
        ({"steady": float("nan")}, "steady is nan"),
        ({"keep_colors": "much"}, "keep-colors is 'much', expected a number"),
        ({"strength": True}, "strength is True, expected a number"),
        ({"mirror": 1}, "mirror is 1, expected true or false"),
        ({"style": 3}, "style is 3, expected a name"),
        ({"style": "0*ink"}, "'0\\*ink': expected a name"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused(values, message):
    with pytest.raises(UsageError, match=message):
        Controls(**values)


def test_a_change_that_is_refused_changes_nothing():
    stylizer = Stylizer(StylizeSettings(), STYLES)
    for values in ({"style": "ink"}, {"strength": 2}, {"wish": 1}, {"style": "0.5*starry_night+0.5*nobody"}):
        with pytest.raises(UsageError):
            stylizer.change(**values)
    with pytest.raises(UsageError, match="unknown style 'ink'; known: starry_night, great_wave, none"):
        stylizer.change(style="ink")
    assert stylizer.controls == Controls()


def test_the_stylizer_keeps_size_and_kind_and_its_input():
    stylizer = Stylizer(StylizeSettings(), STYLES, Controls("great_wave"))
    for size in ((48, 64), (33, 57), (48, 64)):
        given = pictures(1, *size)[0]
        kept = given.copy()
        result = stylizer(given, 1.0)
        assert result.shape == given.shape and result.dtype == np.uint8
        assert difference(result, given) > 5
        assert (given == kept).all()


def test_a_style_is_changed_within_half_a_second_and_without_a_leap():
    """Weights are interpolated: each frame is near the one before, the last has the new style."""
    still = pictures(1)[0]
    stylizer = Stylizer(StylizeSettings(), STYLES, Controls("starry_night"))
    first = stylizer(still, 0.0)
    controls = stylizer.change(style="great_wave")
    assert controls.style == stylizer.controls.style == "great_wave"
    steps = [stylizer(still, n * TICK) for n in range(1, round(FADE / TICK) + 3)]
    goal = Stylizer(StylizeSettings(), STYLES, Controls("great_wave"))(still, 0.0)
    assert difference(steps[-1], goal) == 0
    leaps = [difference(a, b) for a, b in zip([first, *steps], steps, strict=False)]
    assert max(leaps) < 0.5 * difference(first, goal)
    assert difference(steps[0], first) < 0.15 * difference(first, goal)


def test_nothing_moved_means_the_same_result_again():
    still = pictures(1)[0]
    stylizer = Stylizer(StylizeSettings(), STYLES)
    first = stylizer(still, 0.0)
    noisy = still + np.random.default_rng(1).integers(0, 2, still.shape, np.uint8) * (still < 255)
    assert stylizer(noisy, TICK) is first
    assert stylizer.skipped == 1
    moved = pictures(6)[5]
    assert stylizer(moved, 2 * TICK) is not first
    assert stylizer.skipped == 1


def test_a_change_is_stylized_though_nothing_moves():
    still = pictures(1)[0]
    stylizer = Stylizer(StylizeSettings(), STYLES)
    first = stylizer(still, 0.0)
    stylizer.change(strength=0.5)
    for n in range(1, 30):
        result = stylizer(still, n * TICK)
    assert difference(result, first) > 1
    assert stylizer.skipped > 0, "and when the fade is over, it is given again"


def test_none_bypass_and_strength_0_show_the_source():
    still = pictures(1)[0]
    for controls in (Controls("none"), Controls(bypass=True), Controls(strength=0)):
        assert (Stylizer(StylizeSettings(), STYLES, controls)(still, 0.0) == still).all()


def test_a_mirror_exchanges_left_and_right():
    still = pictures(1)[0]
    stylizer = Stylizer(StylizeSettings(), STYLES, Controls("none", mirror=True))
    assert (stylizer(still, 0.0) == still[:, ::-1]).all()
    assert stylizer.source is not None and (stylizer.source == still[:, ::-1]).all()


def test_mixtures_can_be_chosen_and_mixed_from():
    stylizer = Stylizer(StylizeSettings(), ["0.5*starry_night+0.5*ink"], Controls("great_wave"))
    assert stylizer.styles == ["0.5*starry_night+0.5*ink", "great_wave"]
    stylizer.change(style="0.2*ink+0.8*none")


def test_temporal_consistency_can_be_changed_live():
    """On, results follow the motion more closely; off, each frame is stylized on its own."""
    frames = pictures(8)
    alone, held = Stylizer(StylizeSettings(), STYLES), Stylizer(StylizeSettings(), STYLES)
    for number, frame in enumerate(frames):
        if number == 3:
            held.change(steady=1.0)
        a, b = alone(frame, number * TICK), held(frame, number * TICK)
        if number == 2:
            assert (a == b).all()
    assert (a != b).any()
    held.change(steady=0.0)
    more = pictures(9)[8]
    assert (alone(more, 9 * TICK) == held(more, 9 * TICK)).all()


def played(stylizer: Stylizer, seconds: float, frames: int = 40) -> list[np.ndarray]:
    """The results for frames of which each one takes so many seconds at full quality."""
    results = []
    for number, frame in enumerate(pictures(frames, 96, 128)):
        results.append(stylizer(frame, number * TICK))
        stylizer.took(seconds * stylizer.quality.work)
    return results


def test_a_rate_that_cannot_be_held_lowers_the_quality():
    stylizer = Stylizer(StylizeSettings(), STYLES, fps=24)
    assert stylizer.target == 24 and stylizer.lowered == ""
    played(stylizer, 0.1)
    assert stylizer.quality.coarseness > 1
    assert stylizer.lowered.startswith("strokes")
    best = Stylizer(StylizeSettings(), STYLES)
    played(best, 0.1)
    assert best.target is None and best.quality == Quality() and best.lowered == ""


def test_frames_that_are_not_painted_follow_the_motion():
    stylizer = Stylizer(StylizeSettings(), STYLES, Controls(stroke_size=2.0), fps=24)
    stylizer.change(stroke_size=1.0)  # by hand, so it stays
    results = played(stylizer, 0.1)
    assert stylizer.quality.coarseness == 1 and stylizer.quality.every > 1
    painted = Stylizer(StylizeSettings(), STYLES)
    for frame, result in list(zip(pictures(40, 96, 128), results, strict=True))[-5:]:
        assert difference(result, painted(frame, 0.0)) < 0.5 * difference(result, frame)


def test_the_target_is_no_more_than_the_camera_gives():
    stylizer = Stylizer(StylizeSettings(), STYLES, fps=24)
    for camera, target in ((15.0, 15.0), (60.0, 24.0), (0.0, None), (30.0, 24.0)):
        stylizer.aim(camera)
        assert stylizer.target == target
    best = Stylizer(StylizeSettings(), STYLES)
    best.aim(15.0)
    assert best.target is None


def test_frames_that_take_no_time_are_not_measured():
    """Nothing moves, so the last result is given again; that says nothing about what the next one takes."""
    stylizer, still = Stylizer(StylizeSettings(), STYLES, fps=24), pictures(1)[0]
    for number in range(60):
        stylizer(still, number * TICK)
        stylizer.took(0.2)
    assert stylizer.lowered == ""


def test_dreams_grow_from_frame_to_frame():
    settings = DreamSettings(layer="pattern", octaves=2, steps=12)
    stylizer = Stylizer(settings)
    assert stylizer.styles == ["pattern"]
    still = pictures(1, 96, 128)[0]
    results = [stylizer(still, n * TICK) for n in range(4)]
    assert stylizer.skipped == 0
    assert difference(results[3], still) > difference(results[0], still) > 0


def test_dreams_may_have_a_guide(tmp_path):
    from PIL import Image

    Image.fromarray(pictures(1, 64, 64)[0]).save(tmp_path / "guide.png")
    settings = DreamSettings(layer="pattern", octaves=1, guide=str(tmp_path / "guide.png"))
    still = pictures(1, 48, 64)[0]
    guided, free = Stylizer(settings), Stylizer(DreamSettings(layer="pattern", octaves=1))
    assert (guided(still, 0.0) != free(still, 0.0)).any()


def test_dreams_take_few_steps_and_as_many_octaves_as_fit():
    ascent = DreamSettings(steps=12, octaves=4).live_ascent()
    assert (ascent.steps, ascent.steps_later, ascent.limit) == (2, 1, 6)
    assert octaves_of(240, 320, ascent) == 4
    assert octaves_of(60, 80, ascent) == 2
    assert octaves_of(8, 8, ascent) == 1


def test_a_transition_can_be_redirected_on_the_way():
    a, b = Parameters({"x": 1.0}), Parameters({"y": 1.0}, strength=0.5)
    transition = Transition(a, ["x", "y", "none"])
    assert transition.styles() == ["x", "y"]
    transition.set_target(b, 10.0)
    assert transition.at(10.0) == a and transition.is_running(10.4) and not transition.is_running(10.5)
    middle = transition.at(10.25)
    assert middle.style == pytest.approx({"x": 0.5, "y": 0.5}) and middle.strength == pytest.approx(0.75)
    transition.set_target(a, 10.25)
    assert transition.at(10.25).strength == pytest.approx(0.75), "no leap where it turns back"
    assert transition.at(10.75) == a


def test_the_motion_gate_ignores_noise_and_sees_a_hand():
    rng = np.random.default_rng(2)
    scene = rng.integers(40, 200, (480, 640, 1), np.uint8).repeat(3, axis=2)

    def seen() -> np.ndarray:
        return np.clip(scene + rng.normal(0, 5, scene.shape), 0, 255).astype(np.uint8)

    gate = MotionGate()
    assert not gate(seen())
    gate.keep()
    assert all(gate(seen()) for _ in range(5))
    with_hand = seen()
    with_hand[200:240, 300:330] = 220
    assert not gate(with_hand)


def test_slow_changes_add_up():
    gate = MotionGate()
    gate(np.full((480, 640, 3), 100, np.uint8))
    gate.keep()
    still = [gate(np.full((480, 640, 3), 100 + n, np.uint8)) for n in range(8)]
    assert still == [n <= TOLERANCE for n in range(8)]


def test_strokes_grow_in_few_sizes_and_end_in_the_target():
    """Each size of the working image is slow the first time."""
    transition = Transition(Parameters({"x": 1.0}), ["x"])
    transition.set_target(Parameters({"x": 1.0}, stroke_size=1.2), 0.0)
    sizes = [transition.at(n / 60).stroke_size for n in range(40)]
    assert sizes == sorted(sizes) and sizes[0] == 1 and sizes[-1] == 1.2
    assert len(set(sizes)) <= 6
