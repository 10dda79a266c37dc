"""Live: from the camera to whoever looks, with the capture's clock, through every loss."""

import time

import numpy as np
import pytest

from streamstyle.apps.live.capture import Capture
from streamstyle.apps.live.motion_gate import TOLERANCE
from streamstyle.apps.live.output import Output
from streamstyle.apps.live.session import Live
from streamstyle.apps.live.stylizer import Controls, Stylizer
from streamstyle.effects import StylizeSettings
from streamstyle.errors import OutOfMemoryError, UsageError
from streamstyle.sinks.memory import MemorySink

from .cameras import Scripted, until


@pytest.fixture
def camera(monkeypatch) -> Scripted:
    """One that is found lost, and opened again, at once."""
    defaults = {"silence": 5.0, "opening": 5.0, "back_off": (0.01, 0.04)}
    monkeypatch.setattr(Capture.__init__, "__kwdefaults__", defaults)
    return Scripted()


def stylizer() -> Stylizer:
    return Stylizer(StylizeSettings(), ["great_wave"], Controls("none"))


def test_results_come_with_their_source_and_rising_numbers(camera):
    with Live(camera.open, stylizer()) as live:
        live.change(mirror=True)
        number, source, result = live.newest(0, 5)
        assert source.shape == result.shape == (24, 32, 3)
        # No style: the source itself, or that of a moment ago, if nothing has moved that one could see.
        assert np.abs(source.astype(int) - result).max() <= TOLERANCE
        following = live.newest(number, 5)
        assert following is not None and following[0] > number
        assert live.newest(10**9, 0.01) is None


def test_changes_reach_the_stylizer_and_wrong_ones_are_refused(camera):
    with Live(camera.open, stylizer()) as live:
        assert live.change(style="great_wave", strength=0.5) == live.controls
        with pytest.raises(UsageError):
            live.change(style="nobody")
        assert live.controls.style == "great_wave" and "great_wave" in live.styles


def test_status_tells_rates_latency_drops_and_state(camera):
    with Live(camera.open, stylizer()) as live:
        assert live.status()["state"] == "starting"
        until(lambda: live.frames > 10)
        number, _, _ = live.newest(0, 5)
        assert live.shown(number) > 0
        status = live.status()
        assert status["state"] == "live" and status["size"] == "32x24" and status["reason"] == ""
        assert status["fps"] > 5 and status["fps_in"] > 5
        assert 0 < status["latency_ms"] <= status["latency_p95_ms"] < 5000
        assert status["target"] == 0 and status["lowered"] == "" and status["every"] == 1
        assert status["drops"] >= 0 and str(status["device"]).startswith(("cpu", "cuda"))
        live.paused = True
        assert live.status()["state"] == "paused"


def test_a_slow_stylizer_drops_frames_and_shows_none_that_is_old(camera):
    class Slow(Stylizer):
        def __call__(self, pixels, seconds):
            time.sleep(0.05)
            ages.append(time.monotonic() - seconds)
            return super().__call__(pixels, seconds)

    ages: list[float] = []
    with Live(camera.open, Slow(StylizeSettings(), ["great_wave"], Controls("none"))) as live:
        until(lambda: live.frames >= 16)
        assert live.status()["drops"] > 20
    assert np.median(ages) < 0.25, "what waits is the newest, however many came"


def test_the_session_outlives_its_camera(camera):
    with Live(camera.open, stylizer()) as live:
        until(lambda: live.frames > 0)
        camera.there = False
        until(lambda: live.status()["state"] == "lost")
        assert live.status()["reason"] == "camera 7: gives no image any more" or "opened" in str(
            live.status()["reason"]
        )
        frames = live.frames
        camera.there, camera.size = True, (40, 30)
        until(lambda: live.frames > frames)
        until(lambda: live.status()["size"] == "40x30")


def test_paused_nothing_is_stylized_and_then_it_goes_on(camera):
    with Live(camera.open, stylizer()) as live:
        until(lambda: live.frames > 0)
        live.paused = True
        time.sleep(0.05)
        frames = live.frames
        time.sleep(0.1)
        assert live.frames == frames
        live.paused = False
        until(lambda: live.frames > frames)


def test_outputs_get_the_frames_with_the_time_of_their_capture(camera):
    sinks = [MemorySink(), MemorySink()]
    outputs = [Output("a", lambda info: sinks[0]), Output("b", lambda info: sinks[1])]
    begin = time.monotonic()
    with Live(camera.open, stylizer(), outputs[:1]) as live:
        until(lambda: outputs[0].frames > 3)
        live.add(outputs[1])
        until(lambda: outputs[1].frames > 3)
        live.remove(outputs[1])
        until(lambda: sinks[1].closed)
        frames = outputs[0].frames
        until(lambda: outputs[0].frames > frames)
    assert sinks[0].closed
    times = [frame.seconds for frame in sinks[0].frames]
    assert times == sorted(set(times)) and begin < times[0] < times[-1] < time.monotonic()
    assert len(sinks[1].frames) < len(sinks[0].frames)


def test_a_rate_is_not_exceeded(camera):
    with Live(camera.open, stylizer(), fps=20) as live:
        until(lambda: live.frames >= 5)
        begin, frames = time.monotonic(), live.frames
        time.sleep(0.5)
        assert (live.frames - frames) / (time.monotonic() - begin) < 24


def test_the_stylizer_is_told_what_frames_take_and_what_the_camera_gives(camera):
    durations, rates = [], []

    class Told(Stylizer):
        def took(self, seconds):
            durations.append(seconds)

        def aim(self, fps):
            rates.append(fps)

    told = Told(StylizeSettings(), ["great_wave"], Controls("none"), fps=24)
    with Live(camera.open, told) as live:
        until(lambda: live.frames > 5 and rates)
        assert live.status()["target"] == 24
    assert len(durations) == live.frames and min(durations) > 0
    assert min(rates) > 1


def test_an_error_of_the_stylizer_is_raised_to_whoever_waits_for_a_result(camera):
    class Broken(Stylizer):
        def __call__(self, pixels, seconds):
            raise OutOfMemoryError("too large")

    with (
        Live(camera.open, Broken(StylizeSettings(), ["great_wave"])) as live,
        pytest.raises(OutOfMemoryError, match="too large"),
    ):
        live.newest(0, 5)


def test_closing_twice_does_no_harm(camera):
    live = Live(camera.open, stylizer())
    with live:
        live.newest(0, 5)
    live.close()
