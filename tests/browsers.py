"""What the tests of the page in a real browser share: a camera that is a file, pages, what they show.

Needs playwright and Chromium; STREAMSTYLE_TEST_CHROMIUM names the latter where it lies elsewhere.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

CHROMIUM = os.environ.get("STREAMSTYLE_TEST_CHROMIUM", "/usr/bin/chromium")
LEFT, RIGHT = (40, 90, 200), (220, 120, 60)  # of what the camera sees


@contextmanager
def chromium(folder: Path) -> Iterator[Any]:
    """Chromium with a camera and a microphone; skips where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api")
    if not Path(CHROMIUM).exists():
        pytest.skip(f"{CHROMIUM} is not there")
    video = write_y4m(folder / "camera.y4m")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-video-capture={video}",
            ],
        )
        yield browser
        browser.close()


def camera_sees(index: int) -> np.ndarray:
    """Two colors side by side, and a bar that moves over them."""
    pixels = np.full((240, 320, 3), LEFT, np.uint8)
    pixels[:, 160:] = RIGHT
    pixels[200:, (8 * index) % 300 : (8 * index) % 300 + 20] = 255
    return pixels


def write_y4m(path: Path) -> Path:
    """What the camera sees, as Chromium wants it."""
    with path.open("wb") as file:
        file.write(b"YUV4MPEG2 W320 H240 F25:1 Ip A1:1 C420jpeg\n")
        for index in range(25):
            file.write(b"FRAME\n" + cv2.cvtColor(camera_sees(index), cv2.COLOR_RGB2YUV_I420).tobytes())
    return path


@contextmanager
def opened(browser: Any, url: str, script: str = "", **options: Any) -> Iterator[Any]:
    """A page; at the end nothing must have been complained of in its console."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
    made = context.new_page()
    made.set_default_timeout(60_000)
    complaints: list[str] = []
    made.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    made.on("pageerror", lambda error: complaints.append(str(error)))
    if script:
        made.add_init_script(script)
    made.goto(url)
    made.wait_for_selector("body:not(.offline) #thumbnails input")  # before that keys do nothing
    yield made
    context.close()
    network = ("Failed to load resource", "ERR_CONNECTION_REFUSED")  # which the browser notes by itself
    assert not [text for text in complaints if not any(part in text for part in network)]


def pixels(page: Any, canvas: str, x: float, y: float = 0.4) -> np.ndarray:
    """Mean RGB of a small square of a canvas, around a place in shares of width and height."""
    return np.array(
        page.evaluate(
            """([id, x, y]) => {
                const canvas = document.getElementById(id), side = 16;
                const data = canvas.getContext("2d").getImageData(
                    x * canvas.width - side / 2, y * canvas.height - side / 2, side, side).data;
                const sum = (channel) => data.filter((_, i) => i % 4 === channel).reduce((a, b) => a + b);
                return [0, 1, 2].map((channel) => sum(channel) / side / side);
            }""",
            [canvas, x, y],
        )
    )


def until(condition: Any, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def choose(page: Any, name: str) -> None:
    page.click(f"#inputs label:has(input[value={name}])")


def style(page: Any, name: str) -> None:
    page.click(f"#thumbnails label:has(input[value={name}])")


def is_like(found: np.ndarray, color: Any, tolerance: float = 14) -> bool:
    return bool(np.abs(found - np.array(color)).max() < tolerance)


def start_camera(page: Any) -> None:
    choose(page, "camera")
    until(lambda: is_like(pixels(page, "source", 0.2), RIGHT))  # mirrored, as people see themselves
