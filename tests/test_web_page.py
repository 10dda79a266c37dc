"""The page in a real browser with a camera that is a file: seen, clicked, dragged, typed.

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

from streamstyle.apps.web.studio import Studio
from tests.webs import COLORS, TOKEN, Camera

CHROMIUM = os.environ.get("STREAMSTYLE_TEST_CHROMIUM", "/usr/bin/chromium")
SAMPLES = Path(__file__).parents[1] / "samples"
STYLES = ["starry_night", "great_wave", "ink"]
LEFT, RIGHT = (40, 90, 200), (220, 120, 60)  # of what the camera sees

pytestmark = pytest.mark.browser
sync_api = pytest.importorskip("playwright.sync_api")
if not Path(CHROMIUM).exists():
    pytest.skip(f"{CHROMIUM} is not there", allow_module_level=True)


def camera_sees(index: int) -> np.ndarray:
    """Two colors side by side, and a bar that moves over them."""
    pixels = np.full((240, 320, 3), LEFT, np.uint8)
    pixels[:, 160:] = RIGHT
    pixels[200:, (8 * index) % 300 : (8 * index) % 300 + 20] = 255
    return pixels


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    folder = tmp_path_factory.mktemp("camera")
    video = write_y4m(folder / "camera.y4m")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-video-capture={video}",
            ],
        )
        yield chromium
        chromium.close()


def write_y4m(path: Path) -> Path:
    """What the camera sees, as Chromium wants it."""
    with path.open("wb") as file:
        file.write(b"YUV4MPEG2 W320 H240 F25:1 Ip A1:1 C420jpeg\n")
        for index in range(25):
            file.write(b"FRAME\n" + cv2.cvtColor(camera_sees(index), cv2.COLOR_RGB2YUV_I420).tobytes())
    return path


@pytest.fixture(scope="module")
def studio():
    with Studio(port=0, token=TOKEN, styles=STYLES, most_clip_bytes=2_000_000) as made:
        yield made


@pytest.fixture
def page(browser, studio: Studio):
    with opened(browser, studio.url) as made:
        yield made


@contextmanager
def opened(browser: Any, url: str, script: str = "", **options: Any) -> Iterator[Any]:
    """A page; at the end nothing must have been complained of in its console."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
    made = context.new_page()
    made.set_default_timeout(15_000)
    complaints: list[str] = []
    made.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    made.on("pageerror", lambda error: complaints.append(str(error)))
    if script:
        made.add_init_script(script)
    made.goto(url)
    made.wait_for_selector("#thumbnails input")
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


def until(condition: Any, seconds: float = 15.0) -> None:
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


def test_the_sample_is_painted_before_anything_is_allowed(page) -> None:
    until(lambda: not is_like(pixels(page, "result", 0.1, 0.1), pixels(page, "source", 0.1, 0.1), 20))
    assert page.locator("#thumbnails input").count() == len(STYLES)
    until(
        lambda: page.evaluate(
            "[...document.querySelectorAll('#thumbnails img')].every((i) => i.naturalWidth)"
        )
    )
    assert TOKEN not in page.url and page.evaluate("document.cookie") == ""


def test_the_camera_is_painted_and_a_click_changes_the_style(page) -> None:
    start_camera(page)
    assert page.evaluate("document.getElementById('result').width") == 320
    until(lambda: not is_like(pixels(page, "result", 0.8), LEFT, 20))
    assert pixels(page, "result", 0.8).std() > 12
    style(page, "ink")
    until(lambda: pixels(page, "result", 0.8).std() < 8)  # ink has no colors
    until(lambda: "fps" in page.inner_text("#fps") and "ms" in page.inner_text("#latency"))
    page.click("#mirror")
    until(lambda: is_like(pixels(page, "source", 0.2), LEFT))


def test_keys_and_sliders_are_obeyed(page) -> None:
    start_camera(page)
    page.keyboard.press("3")
    until(lambda: pixels(page, "result", 0.2).std() < 8)
    page.keyboard.press("ArrowLeft")
    assert page.locator("#thumbnails input:checked").get_attribute("value") == "great_wave"
    page.focus("#strength")
    page.keyboard.press("Home")
    until(lambda: is_like(pixels(page, "result", 0.2), RIGHT))
    page.keyboard.press("End")
    until(lambda: not is_like(pixels(page, "result", 0.2), RIGHT, 30))
    page.keyboard.press("b")
    until(lambda: is_like(pixels(page, "result", 0.2), RIGHT))
    assert page.get_attribute("#bypass", "aria-pressed") == "true"
    page.keyboard.press("?")
    assert page.is_visible("#help")


def test_two_styles_are_mixed(page) -> None:
    start_camera(page)
    style(page, "ink")
    until(lambda: pixels(page, "result", 0.8).std() < 8)
    page.select_option("#second", "starry_night")
    until(lambda: pixels(page, "result", 0.8).std() > 8)
    page.focus("#share")
    page.keyboard.press("Home")
    until(lambda: pixels(page, "result", 0.8).std() < 8)
    time.sleep(0.6)  # the server's word about it has come
    assert page.input_value("#second") == "starry_night" and page.is_enabled("#share")


def test_the_divider_is_dragged_and_typed(page) -> None:
    divider, frame = page.locator("#divider"), page.locator("#frame").bounding_box()
    assert divider.get_attribute("role") == "slider"
    divider.focus()
    page.keyboard.press("End")
    assert divider.get_attribute("aria-valuenow") == "100"
    page.keyboard.press("PageDown")
    page.keyboard.press("ArrowLeft")
    assert divider.get_attribute("aria-valuenow") == "88"
    divider.hover()
    page.mouse.down()
    page.mouse.move(frame["x"] + 0.25 * frame["width"], frame["y"] + 50, steps=4)
    page.mouse.up()
    assert divider.get_attribute("aria-valuenow") == "25"


def test_an_upload_is_played_and_painted(page) -> None:
    page.set_input_files("#file", SAMPLES / "harbour.mp4")
    until(lambda: page.locator("#inputs input:checked").get_attribute("value") == "clip")
    until(lambda: page.evaluate("document.getElementById('result').height") == 360)
    first = pixels(page, "result", 0.5)
    style(page, "ink")
    until(lambda: pixels(page, "result", 0.5).std() < 8)
    assert not is_like(pixels(page, "result", 0.5), first, 10)
    choose(page, "sample")
    until(lambda: page.evaluate("document.getElementById('result').height") == 427)
    choose(page, "clip")  # it is still there
    until(lambda: page.evaluate("document.getElementById('result').height") == 360)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"this is no film", "This file cannot be played: not a video or an image that can be read"),
        ((SAMPLES / "harbour.mp4").read_bytes()[:5000], "This file cannot be played"),
        (bytes(2_000_001), "The file is too large; the limit is 2 MB."),
        (b"", "The file is empty."),
    ],
)
def test_refused_uploads_are_said_on_the_page(page, data: bytes, sentence: str) -> None:
    page.set_input_files("#file", {"name": "film.mp4", "mimeType": "video/mp4", "buffer": data})
    page.wait_for_selector("#message:not([hidden])")
    until(lambda: sentence in page.inner_text("#message"))
    assert page.locator("#inputs input:checked").get_attribute("value") == "sample"
    assert page.is_hidden("#uploading")


def test_snapshot_and_recording_are_downloads(page) -> None:
    start_camera(page)
    with page.expect_download() as snapshot:
        page.click("#snapshot")
    assert snapshot.value.suggested_filename.endswith(".png")
    assert Path(snapshot.value.path()).read_bytes().startswith(b"\x89PNG")
    page.click("#record")
    page.wait_for_selector("#recording:not([hidden])")
    time.sleep(0.6)
    with page.expect_download() as video:
        page.click("#record")
    assert video.value.suggested_filename.endswith(".webm") and page.is_hidden("#recording")
    assert Path(video.value.path()).stat().st_size > 1000


def test_a_refused_camera_is_said(browser, studio: Studio) -> None:
    refuse = (
        "navigator.mediaDevices.getUserMedia = "
        'async () => { throw new DOMException("", "NotAllowedError"); };'
    )
    with opened(browser, studio.url, refuse) as page:
        choose(page, "camera")
        until(lambda: "The camera was refused" in page.inner_text("#message"))
        assert page.locator("#inputs input:checked").get_attribute("value") == "sample"


def test_that_another_device_s_camera_needs_https_is_said(browser) -> None:
    with Studio("0.0.0.0", 0, TOKEN, styles=["ink"]) as made:
        if "127.0.0.1" in made.url:
            pytest.skip("this machine is on no network")
        with opened(browser, made.url) as page:
            choose(page, "camera")
            until(lambda: "only to https or localhost" in page.inner_text("#message"))


def test_a_lost_connection_is_said_and_made_again(browser) -> None:
    first = Studio(port=0, token=TOKEN, styles=STYLES)
    first.start()
    try:
        with opened(browser, first.url) as page:
            style(page, "ink")
            until(lambda: pixels(page, "result", 0.5).std() < 8)
            first.stop()
            until(lambda: "The connection is lost" in page.inner_text("#trouble"))
            with Studio(port=first.port, token=TOKEN, styles=STYLES):
                until(lambda: page.is_hidden("#trouble"))
                until(lambda: pixels(page, "result", 0.5).std() < 8)
                assert page.locator("#thumbnails input:checked").get_attribute("value") == "ink"
                style(page, "great_wave")
                until(lambda: pixels(page, "result", 0.5).std() > 8)
            context_is_quiet(page)
    finally:
        first.stop()


def context_is_quiet(page: Any) -> None:
    """Leave before the second studio's end is complained of."""
    page.goto("about:blank")


def test_the_machine_s_camera_is_shown_first_and_its_loss_is_said(browser) -> None:
    camera = Camera()
    with (
        Studio(port=0, token=TOKEN, styles=STYLES, machine=camera) as made,
        opened(browser, made.url) as page,
    ):
        until(lambda: page.locator("#inputs input:checked").get_attribute("value") == "machine")
        until(lambda: is_like(pixels(page, "source", 0.5), (90, 90, 90)))
        until(lambda: is_like(pixels(page, "result", 0.5), COLORS["great_wave"]))
        style(page, "ink")
        until(lambda: is_like(pixels(page, "result", 0.5), COLORS["ink"]))
        camera.state, camera.sleeps = "lost", True
        until(lambda: "camera is lost" in page.inner_text("#trouble"))
        camera.state, camera.sleeps = "live", False
        until(lambda: page.is_hidden("#trouble"))
        choose(page, "sample")
        until(lambda: page.evaluate("document.getElementById('result').width") == 640)


@pytest.mark.parametrize(("width", "height"), [(390, 844), (320, 568), (844, 390), (1280, 800)])
def test_nothing_hangs_over_the_edge(browser, studio: Studio, width: int, height: int) -> None:
    with opened(browser, studio.url, viewport={"width": width, "height": height}) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        box = page.locator("#frame").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width + 1 and box["height"] > height / 5
        for name in ("strength", "steady", "second", "size"):
            page.locator(f"#{name}").scroll_into_view_if_needed()
            assert page.locator(f"#{name}").bounding_box()["width"] > 60
