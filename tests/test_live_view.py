"""View, keys and overlay: what every key does and what is seen of it."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streamstyle.apps.live import overlay
from streamstyle.apps.live.keys import BY_KEY, KEYS
from streamstyle.apps.live.output import Output
from streamstyle.apps.live.session import Live
from streamstyle.apps.live.stylizer import Controls, Stylizer
from streamstyle.apps.live.view import MESSAGE_SECONDS, View, lowered_quality
from streamstyle.effects import StylizeSettings
from streamstyle.errors import OutputError
from streamstyle.frames import Frame
from streamstyle.sinks.memory import MemorySink

from .cameras import Scripted

STYLES = ["starry_night", "great_wave", "ink"]
SOURCE, RESULT = np.full((120, 160, 3), 200, np.uint8), np.full((120, 160, 3), 90, np.uint8)


class Clock:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture(scope="module")
def stylizer() -> Stylizer:
    return Stylizer(StylizeSettings(), STYLES)


@pytest.fixture
def view(stylizer: Stylizer, tmp_path: Path) -> View:
    """Of a session that does not run, but has an image to show."""
    stylizer.change(
        style="starry_night", **{n: getattr(Controls(), n) for n in Controls.__slots__ if n != "style"}
    )
    live = Live(Scripted().open, stylizer)
    live.capture.state = "live"

    def recorder(path: Path) -> Output:
        return Output(str(path), lambda info: MemorySink())

    shown = View(live, "7", folder=tmp_path, now=Clock(), recorder=recorder)
    shown.take((1, SOURCE, RESULT))
    return shown


def test_every_key_has_a_method_a_help_and_a_meaning_of_its_own():
    names = [name for key in KEYS for name in key.keys]
    assert len(names) == len(set(names)) == len(BY_KEY)
    for key in KEYS:
        assert callable(getattr(View, key.action)) and key.help and key.label


def test_the_font_has_every_character_of_the_help():
    """A character that is missing is drawn as the same box as one that exists nowhere."""
    box = overlay.text_mask("\ufffe", 20)
    for character in {c for key in KEYS for c in key.label + key.help} - {" "}:
        drawn = overlay.text_mask(character, 20)
        assert drawn.shape != box.shape or (drawn != box).any(), character


@pytest.mark.parametrize(
    ("lowered", "words"),
    [
        ("strokes 1.4x, every 2nd frame", "10 of 24 fps: strokes 1.4x, every 2nd frame; [ for finer"),
        ("every 2nd frame", "10 of 24 fps: every 2nd frame; ] for more fps"),
        ("", ""),
    ],
)
def test_what_is_lowered_to_hold_the_rate_is_said_in_a_line(lowered, words):
    assert lowered_quality({"fps": 10.2, "target": 24.0, "lowered": lowered}) == words


def test_the_line_of_what_is_lowered_is_above_the_status_line():
    plain, noted = (np.full((480, 640, 3), 200, np.uint8) for _ in range(2))
    overlay.draw_status_line(plain, "starry night", "", "10.0 fps")
    overlay.draw_status_line(noted, "starry night", "", "10.0 fps", note="10 of 24 fps: strokes 1.4x")
    rows = np.flatnonzero((plain != noted).any(axis=(1, 2)))
    assert rows.min() > 400 and (plain[rows] == 200).all()


def test_a_key_without_meaning_does_nothing(view):
    assert not view.press("") and not view.press("z")
    assert view.live.controls == Controls("starry_night")


@pytest.mark.parametrize(
    ("keys", "values"),
    [
        (["n"], {"style": "great_wave"}),
        (["n", "right", "n"], {"style": "starry_night"}),
        (["p"], {"style": "ink"}),
        (["left", "p"], {"style": "great_wave"}),
        (["3"], {"style": "ink"}),
        (["9"], {}),
        (["-"], {"strength": 0.9}),
        (["-", "-", "+", "up", "+"], {"strength": 1.0}),
        (["-"] * 12, {"strength": 0.0}),
        (["s"], {"steady": 0.25}),
        (["s"] * 5, {"steady": 0.0}),
        (["s", "s", "S"], {"steady": 0.25}),
        (["a"], {"steady": 0.0}),
        (["c"], {"keep_colors": 0.5}),
        (["c", "c"], {"keep_colors": 1.0}),
        (["c", "c", "c"], {"keep_colors": 0.0}),
        (["]"] * 4, {"stroke_size": pytest.approx(2, rel=0.01)}),
        (["["] * 20, {"stroke_size": 0.25}),
        (["m"], {"mirror": True}),
        (["m", "m"], {"mirror": False}),
        (["b"], {"bypass": True}),
        (["b", "n"], {"bypass": False, "style": "great_wave"}),
    ],
)
def test_keys_change_the_controls(view, keys, values):
    for key in keys:
        assert view.press(key)
    expected = {name: getattr(Controls("starry_night"), name) for name in Controls.__slots__} | values
    assert {name: getattr(view.live.controls, name) for name in Controls.__slots__} == expected


def test_switches_of_the_view(view):
    for key, name in [
        ("v", "shows_split"),
        ("h", "shows_help"),
        ("o", "shows_overlay"),
        ("f", "fills_screen"),
    ]:
        before = getattr(view, name)
        view.press(key)
        assert getattr(view, name) != before
        view.press(key)
        assert getattr(view, name) == before
    view.press("space")
    assert view.live.paused
    view.press("space")
    assert not view.live.paused
    for key in ("q", "esc"):
        view.done = False
        view.press(key)
        assert view.done


def test_the_frame_fills_the_window_and_keeps_its_aspect_ratio(view):
    view.press("o")
    assert (view.drawn((160, 120)) == RESULT).all()
    assert (RESULT == 90).all(), "what was stylized is not drawn upon"
    wide = view.drawn((320, 120))
    assert (wide[:, 80:240] == 90).all() and not wide[:, :80].any() and not wide[:, 240:].any()
    assert view.drawn((1, 1)).shape == (1, 1, 3)


def test_the_split_shows_the_source_left_and_the_result_right(view):
    view.press("o")
    view.press("v")
    drawn = view.drawn((320, 120))  # the image lies from 80 to 240
    assert (drawn[60:, 82:156] == 200).all() and (drawn[60:, 164:238] == 90).all()
    assert (drawn[60:, 159:161] > 240).any(), "a line between"


def test_the_overlay_darkens_only_its_band(view):
    plain = RESULT.shape[0] * 4
    drawn = view.drawn((640, plain))
    assert (drawn[: int(0.9 * plain)] == 90).all()
    band = drawn[int(0.96 * plain) :]
    assert np.median(band) < 50 and band.max() > 150


def test_help_and_message_are_drawn_and_the_message_goes_by_itself(view):
    view.press("o")
    view.press("h")
    drawn = view.drawn((640, 480))
    assert np.median(drawn[150:330, 150:490]) < 50 and drawn.max() > 200
    view.press("h")
    view.say("saved")
    assert (view.drawn((640, 480)) != 90).any()
    view._now.seconds += MESSAGE_SECONDS + 0.1
    assert (view.drawn((640, 480)) == 90).all()


@pytest.mark.parametrize("size", [(160, 120), (640, 360), (1920, 1080), (90, 300), (200, 30), (1, 1)])
def test_everything_can_be_drawn_at_every_size(view, size):
    for key in ("h", "v", "m", "s", "c"):
        view.press(key)
        view.say("something that is said")
        assert view.drawn(size).shape == (size[1], size[0], 3)


def test_a_lost_camera_shows_a_slate_with_the_reason(view):
    live, drawn = view.live, view.drawn((640, 480))
    live.capture.state, live.capture.reason = "lost", "camera 7: gives no image any more"
    slate = view.drawn((640, 480))
    assert np.median(slate) < 60 < np.median(drawn)
    assert slate.max() > 200, "with words on it"
    live.capture.state = "live"
    assert (view.drawn((640, 480))[:400] == 90).all()


def test_before_the_first_frame_there_is_a_slate(stylizer):
    shown = View(Live(Scripted().open, stylizer), "0")
    assert shown.drawn((320, 240)).max() > 150
    shown.press("w")
    assert "no image yet" in shown._message


def test_a_snapshot_is_the_result_and_overwrites_nothing(view, tmp_path):
    view.press("w")
    view.press("w")
    saved = sorted(tmp_path.glob("*.png"))
    assert len(saved) == 2
    for path in saved:
        assert (np.asarray(Image.open(path)) == RESULT).all()
    assert "saved streamstyle-" in view._message


def test_a_snapshot_that_cannot_be_written_says_so(view, tmp_path):
    view.folder = tmp_path / "gone"
    assert view.press("w")
    assert "cannot be written" in view._message


def test_recording_is_switched_on_and_off(view):
    view.press("r")
    recording = view.recording
    assert recording is not None and recording.name.endswith(".mp4")
    assert view.drawn((640, 480)).max() > 200
    recording.put(Frame(RESULT, 0, Fraction(1, 25)))
    view.press("r")
    assert view.recording is None
    recording.close()
    view.drawn((640, 480))
    assert "saved streamstyle-" in view._message


def test_a_recording_without_a_frame_is_not_called_saved(view):
    view.press("r")
    recording = view.recording
    view.press("r")
    recording.close()
    view.drawn((640, 480))
    assert view._message == "nothing was recorded"


def test_a_recording_that_fails_is_reported_and_no_longer_shown_as_running(view):
    def full(info):
        raise OutputError("a.mp4: cannot be written (No space left on device)")

    view.recorder = lambda path: Output(str(path), full)
    view.press("r")
    recording = view.recording
    recording.put(Frame(RESULT, 0, Fraction(1, 25)))
    recording.close()
    view.drawn((640, 480))
    assert view.recording is None and "No space left" in view._message
