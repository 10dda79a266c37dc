"""The virtual camera: what is said where it cannot be, and what it is given where it can."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from streamstyle.apps.live.output import stream_info
from streamstyle.errors import UsageError
from streamstyle.frames import Frame
from streamstyle.sinks.virtual_camera import VirtualCameraSink
from streamstyle.sources.camera import TIME_BASE

INFO = stream_info("live", 64, 48, TIME_BASE)


def test_without_the_extra_the_pip_line_is_given(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(UsageError, match=r"pip install 'streamstyle\[vcam\]'"):
        VirtualCameraSink(INFO)


def test_without_a_device_it_is_said_where_one_comes_from(monkeypatch):
    def camera(*_):
        raise RuntimeError("'v4l2loopback' backend: No v4l2 loopback device found\nTry again")

    monkeypatch.setitem(sys.modules, "pyvirtualcam", SimpleNamespace(Camera=camera))
    with pytest.raises(UsageError, match=r"no virtual camera device.*v4l2loopback.*OBS") as error:
        VirtualCameraSink(INFO)
    assert "\n" not in str(error.value)


def test_frames_are_sent_and_the_camera_is_closed_once(monkeypatch):
    sent, closed = [], []

    def camera(width, height, fps):
        assert (width, height, fps) == (64, 48, 30)
        return SimpleNamespace(device="/dev/video9", send=sent.append, close=lambda: closed.append(1))

    monkeypatch.setitem(sys.modules, "pyvirtualcam", SimpleNamespace(Camera=camera))
    with VirtualCameraSink(INFO) as sink:
        assert sink.device == "/dev/video9"
        pixels = np.zeros((48, 64, 3), np.uint8)
        sink.write(Frame(pixels, 0, TIME_BASE))
    sink.close()
    assert sent == [pixels] and closed == [1]
