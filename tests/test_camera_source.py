"""Cameras and substitutes for them."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from streamstyle.errors import InputError
from streamstyle.frames import Frame
from streamstyle.sources import camera as module
from streamstyle.sources.camera import CameraSource, Device, list_cameras, open_camera


def video(folder: Path, frames: int = 3, rate: int = 50) -> Path:
    path = folder / "a.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), rate, (32, 24))
    for number in range(frames):
        writer.write(np.full((24, 32, 3), 40 + 60 * number, np.uint8))
    writer.release()
    return path


def first(camera: CameraSource, count: int) -> list[Frame]:
    frames = iter(camera)
    return [next(frames) for _ in range(count)]


def test_a_video_is_played_in_a_loop_in_real_time(tmp_path):
    with open_camera(str(video(tmp_path))) as camera:
        assert (camera.info.width, camera.info.height, camera.info.rate) == (32, 24, 50)
        assert not camera.freezes and not camera.info.replayable
        frames = first(camera, 8)
    levels = [round(frame.pixels.mean() / 60 - 0.67) for frame in frames]
    assert levels == [0, 1, 2, 0, 1, 2, 0, 1]
    assert 7 / 50 - 0.01 < frames[-1].seconds - frames[0].seconds < 1
    assert abs(frames[-1].seconds - time.monotonic()) < 1, "the capture's clock"


def test_an_image_is_a_static_camera(tmp_path):
    Image.fromarray(np.full((10, 20, 3), 9, np.uint8)).save(tmp_path / "a.png")
    with open_camera(str(tmp_path / "a.png")) as camera:
        frames = first(camera, 3)
        assert all((frame.pixels == 9).all() for frame in frames) and not camera.freezes


def test_the_test_image_moves_and_has_the_requested_size_and_rate():
    with open_camera("testsrc", size=(160, 120), fps=50) as camera:
        assert camera.info.rate == 50
        frames = first(camera, 4)
    assert frames[0].pixels.shape == (120, 160, 3)
    assert (frames[0].pixels != frames[3].pixels).any()
    assert frames[3].seconds - frames[0].seconds > 0.04


def test_a_requested_size_scales_a_video_and_large_ones_are_scaled_down(tmp_path, monkeypatch):
    with open_camera(str(video(tmp_path)), size=(16, 16)) as camera:
        assert first(camera, 1)[0].pixels.shape == (16, 16, 3)
    monkeypatch.setattr(module, "LARGEST_SIDE", 16)
    with open_camera(str(video(tmp_path))) as camera:
        assert first(camera, 1)[0].pixels.shape == (12, 16, 3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("99", "camera 99: cannot be opened.*streamstyle live --list"),
        ("/dev/video99", "camera /dev/video99: cannot be opened"),
        ("nothing.mp4", "nothing.mp4: no such file"),
        ("rtsp://127.0.0.1:9/x", "rtsp://127.0.0.1:9/x: cannot be opened"),
        ("screen:4711", "screen:4711: cannot be captured"),
        ("ftp://somewhere/x", "this kind of URL is not supported"),
    ],
)
def test_missing_inputs_are_named_in_the_error(name, message, capfd):
    with pytest.raises(InputError, match=message):
        open_camera(name)
    assert capfd.readouterr().err == "", "OpenCV keeps quiet"


def test_a_missing_display_is_reported(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(InputError, match="screen: no X display"):
        open_camera("screen")


class Capture:
    """Fakes cv2.VideoCapture: a camera that chooses its own size and rate, and is unplugged in the end."""

    def __init__(self, which, api):
        self.which, self.asked, self.released, self.left = which, [], False, 2

    def isOpened(self):  # noqa: N802
        return True

    def set(self, what, value):
        self.asked.append((what, value))
        return True

    def get(self, what):
        return {cv2.CAP_PROP_FRAME_WIDTH: 40, cv2.CAP_PROP_FRAME_HEIGHT: 30, cv2.CAP_PROP_FPS: 15}[what]

    def read(self):
        self.left -= 1
        return (True, np.full((30, 40, 3), (1, 2, 3), np.uint8)) if self.left >= 0 else (False, None)

    def release(self):
        self.released = True


def test_compression_is_requested_before_the_size_and_the_result_is_reported(monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", Capture)
    device = Device("2", (1280, 720), 25.0)
    capture = device._capture
    asked = [what for what, _ in capture.asked]
    assert asked[:2] == [cv2.CAP_PROP_FOURCC, cv2.CAP_PROP_FRAME_WIDTH]
    assert (cv2.CAP_PROP_BUFFERSIZE, 1) in capture.asked and capture.which == 2
    assert (device.width, device.height, device.rate) == (40, 30, 15)


def test_a_camera_gives_rgb_and_an_error_when_it_is_unplugged(monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", Capture)
    with CameraSource(0) as camera:
        assert camera.freezes and camera.info.width == 40
        frames = iter(camera)
        pixels = next(frames).pixels
        assert (pixels == (3, 2, 1)).all()
        next(frames)
        with pytest.raises(InputError, match="camera 0: gives no more images"):
            next(frames)


def test_cameras_are_listed_with_their_names_and_without_their_other_nodes(tmp_path):
    for node, index, name in [
        ("video0", 0, "Cam"),
        ("video1", 1, "Cam"),
        ("video10", 0, "Far"),
        ("video2", 0, "Near"),
    ]:
        (tmp_path / node).mkdir()
        (tmp_path / node / "index").write_text(f"{index}\n")
        (tmp_path / node / "name").write_text(f"{name}\n")
    (tmp_path / "video3").mkdir()
    assert list_cameras(tmp_path) == {"0": "Cam", "2": "Near", "10": "Far"}
    assert list(list_cameras(tmp_path)) == ["0", "2", "10"]


def test_the_screen_can_be_captured():
    if shutil.which("Xvfb") is None:
        pytest.skip("Xvfb is not installed")
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "320x200x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL) as server:
        os.close(write)
        with os.fdopen(read) as told:
            number = told.readline().strip()
        if not number:
            pytest.skip("Xvfb does not start")
        try:
            with open_camera(f"screen:{number}", fps=50) as camera:
                assert [frame.pixels.shape for frame in first(camera, 2)] == [(200, 320, 3)] * 2
                assert not camera.freezes, "a screen may stand still"
        finally:
            server.terminate()
