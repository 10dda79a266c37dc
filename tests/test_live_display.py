"""The window itself, on an X server without a screen; skipped where there is none."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

ROOT = Path(__file__).parents[1]
HERE = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "PASSIVE"}
HAS_WINDOWS = bool(cv2.currentUIFramework())  # opencv-python-headless has none
SESSION = """
import time
from streamstyle.effects import StylizeSettings
from streamstyle.apps.live.stylizer import Stylizer, Controls
from streamstyle.apps.live.session import Live
from streamstyle.apps.live.display import show
from streamstyle.apps.live.view import View
from streamstyle.sinks.window import WindowSink
from tests.cameras import Scripted

camera, keys = Scripted(rate=60), iter(["h", "v", "m", "f", "f"])
pressed, states = [], set()

class Window(WindowSink):
    def key(self):
        super().key()
        if live.frames < 5 * (len(pressed) + 1) and live.status()["state"] == "live":
            return ""
        if len(pressed) == 5 and not pressed_out:
            camera.there = False
            pressed_out.append(time.monotonic())
        states.add(live.status()["state"])
        if pressed_out:
            return "q" if "lost" in states else ""
        pressed.append(next(keys))
        return pressed[-1]

pressed_out = []
with Live(camera.open, Stylizer(StylizeSettings(), ["ink"], Controls("none"))) as live:
    window = Window()
    view = View(live, "7")
    show(live, view, window, until=time.monotonic() + 30)
    size = window.size
    window.close()
    window.close()
print(pressed, sorted(states), size, view.done)
"""


@pytest.fixture(scope="module")
def display() -> str:
    """An X server of the test's own."""
    if not HAS_WINDOWS:
        pytest.skip("this OpenCV opens no windows")
    if shutil.which("Xvfb") is None:
        pytest.skip("Xvfb is not installed")
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "800x600x24", "-nolisten", "tcp"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as told:
        number = told.readline().strip()
    if not number:
        server.wait()
        pytest.skip("Xvfb does not start")
    yield f":{number}"
    server.terminate()
    server.wait()


def run(code: str, display: str) -> subprocess.CompletedProcess[str]:
    environment = {**HERE, "DISPLAY": display}
    environment.pop("WAYLAND_DISPLAY", None)
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True
    )


def test_a_window_obeys_keys_outlives_the_camera_and_quits_from_the_slate(display):
    done = run(SESSION, display)
    assert done.returncode == 0, done.stderr
    keys, _, rest = done.stdout.partition("]")
    assert keys == "['h', 'v', 'm', 'f', 'f'"
    assert "['live', 'lost']" in rest and rest.strip().endswith("True")


def test_without_a_display_there_is_one_line_and_what_to_do():
    for display, reason in [("", "no display here"), (":4711", "the display :4711 does not answer")]:
        reason = reason if HAS_WINDOWS else "this OpenCV opens no windows"
        done = run("from streamstyle.sinks.window import WindowSink; WindowSink()", display)
        assert done.returncode == 1
        last = done.stderr.strip().splitlines()[-1]
        assert (
            last.startswith(f"streamstyle.errors.UsageError: {reason}")
            and "--web" in last
            and "--record" in last
        )
