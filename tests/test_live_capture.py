"""Capture: the newest frame wins, and a camera that is lost comes back."""

import threading
import time

import pytest

from streamstyle.apps.live.capture import LOST, RUNNING, STARTING, Capture

from .cameras import Scripted, until

QUICK = {"silence": 0.4, "opening": 0.4, "back_off": (0.01, 0.04)}
PATIENT = {**QUICK, "silence": 5.0}  # where silence is not what is tried: a busy machine is not lost


@pytest.fixture(autouse=True)
def _no_noise(caplog):
    """Losses are logged; nothing else is."""
    yield
    assert all("camera" in record.message for record in caplog.records)


def test_the_newest_frame_wins_and_the_others_are_counted():
    camera = Scripted()
    with Capture(camera.open, **PATIENT) as capture:
        until(lambda: capture.frames >= 5)
        frame = capture.newest(1)
        assert frame is not None and capture.drops >= 4
        following = capture.newest(1)
        assert following is not None and following.seconds > frame.seconds


def test_waiting_ends_without_a_frame():
    camera = Scripted(there=False)
    with Capture(camera.open, **QUICK) as capture:
        assert capture.newest(0.01) is None


def test_the_rate_is_measured():
    camera = Scripted(rate=50)
    with Capture(camera.open, **PATIENT) as capture:
        until(lambda: capture.frames >= 10)
        assert 0 < capture.rate <= 51


def test_a_camera_absent_at_start_is_waited_for(caplog):
    camera = Scripted(there=False)
    capture = Capture(camera.open, **PATIENT)
    assert capture.state == STARTING
    with capture:
        until(lambda: capture.state == LOST and camera.opened > 2)
        assert capture.reason == "camera 7: cannot be opened"
        camera.there = True
        until(lambda: capture.state == RUNNING)
        assert capture.reason == ""
    told = [record.message for record in caplog.records if "lost" in record.message]
    assert len(told) == 1, "said once, not with every try"


def test_a_camera_that_is_pulled_out_comes_back():
    camera = Scripted()
    with Capture(camera.open, **PATIENT) as capture:
        until(lambda: capture.state == RUNNING)
        camera.there = False
        until(lambda: capture.state == LOST)
        camera.there = True
        begin = time.monotonic()
        until(lambda: capture.state == RUNNING)
        assert time.monotonic() - begin < 3
        assert capture.losses == 1


def test_a_frozen_camera_is_lost_until_its_image_changes():
    camera = Scripted()
    with Capture(camera.open, **QUICK) as capture:
        until(lambda: capture.state == RUNNING)
        camera.frozen = True
        until(lambda: capture.state == LOST)
        assert "the same image" in capture.reason
        opened = camera.opened
        until(lambda: camera.opened > opened + 1)
        assert capture.state == LOST, "the same old image is no image"
        camera.frozen = False
        until(lambda: capture.state == RUNNING)


def test_a_static_image_is_not_taken_for_a_frozen_camera():
    camera = Scripted()
    camera.frozen, camera.freezes = True, False
    with Capture(camera.open, **QUICK) as capture:
        until(lambda: capture.frames * camera.period > 2 * QUICK["silence"])
        assert capture.losses == 0


def test_a_camera_that_blocks_in_a_read_is_abandoned_and_opened_again():
    blocked, camera = Scripted(), Scripted()
    blocked.silent = True
    cameras = iter([blocked])
    with Capture(lambda: next(cameras, camera).open(), **QUICK) as capture:
        until(lambda: capture.state == LOST)
        assert "no image" in capture.reason
        until(lambda: capture.state == RUNNING)
        blocked.gate.set()
        until(lambda: blocked.closed == 1)  # its thread ends when it can, and takes nothing
        assert capture.state == RUNNING


def test_only_a_few_blocked_threads_are_abandoned_at_a_time(monkeypatch):
    monkeypatch.setattr("streamstyle.apps.live.capture.MAX_ABANDONED", 2)
    camera = Scripted()
    camera.silent = True
    with Capture(camera.open, silence=0.02, opening=0.2, back_off=(0.01, 0.02)) as capture:
        until(lambda: camera.opened == 2)
        time.sleep(0.2)
        assert camera.opened == 2
        camera.silent = False
        camera.gate.set()
        until(lambda: capture.state == RUNNING)


def test_a_camera_comes_back_also_when_blocked_reads_never_end(monkeypatch):
    monkeypatch.setattr("streamstyle.apps.live.capture.MAX_ABANDONED", 1)
    monkeypatch.setattr("streamstyle.apps.live.capture.CROWDED_SECONDS", 0.1)
    camera = Scripted()
    camera.silent = True
    with Capture(camera.open, silence=0.1, opening=0.2, back_off=(0.01, 0.02)) as capture:
        until(lambda: capture.state == LOST)
        camera.silent = False  # for whoever opens it anew; the old read hangs on
        until(lambda: capture.state == RUNNING)
    camera.gate.set()


def test_a_camera_that_never_opens_is_lost():
    gate = threading.Event()

    def hangs():
        gate.wait(10)
        return Scripted()

    with Capture(hangs, **QUICK) as capture:
        until(lambda: capture.state == LOST)
        assert "open" in capture.reason
        gate.set()


def test_a_camera_that_opens_slowly_and_then_says_nothing_is_lost_by_its_silence():
    """The long time that opening may take does not count once it is open."""
    camera = Scripted()
    camera.silent = True

    def slowly() -> Scripted:
        time.sleep(0.05)
        return camera.open()

    with Capture(slowly, silence=0.1, opening=60.0) as capture:
        until(lambda: capture.state == LOST)
        assert "no image" in capture.reason
        camera.silent = False
        camera.gate.set()


def test_a_camera_may_change_its_size():
    camera = Scripted()
    with Capture(camera.open, **PATIENT) as capture:
        until(lambda: capture.size == (32, 24))
        camera.size = 48, 20
        until(lambda: capture.size == (48, 20))
        assert capture.losses == 0


def test_an_error_of_a_driver_is_a_loss_like_any_other():
    def fails():
        raise OSError("device or resource busy")

    with Capture(fails, **QUICK) as capture:
        until(lambda: capture.state == LOST)
        assert capture.reason == "OSError: device or resource busy"


def test_fifty_losses_leave_no_thread_and_no_camera_open():
    camera = Scripted(rate=1000)
    before = threading.active_count()
    with Capture(camera.open, silence=5.0, back_off=(0.001, 0.001)) as capture:
        for number in range(50):
            camera.there = True
            until(lambda: capture.state == RUNNING)
            camera.there = False
            until(lambda wanted=number + 1: capture.losses == wanted)
        assert threading.active_count() <= before + 2
        assert not capture._abandoned
    assert threading.active_count() == before
    until(lambda: camera.closed >= 50)


def test_closing_does_not_wait_for_a_camera_that_hangs():
    camera = Scripted()
    camera.silent = True
    capture = Capture(camera.open)
    with capture:
        until(lambda: camera.opened == 1)
        begin = time.monotonic()
    assert time.monotonic() - begin < 2
    camera.gate.set()
