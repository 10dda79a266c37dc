"""The page in a real browser with a camera that is a file: seen, clicked, dragged, typed."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from streamstyle.apps.web.studio import Studio
from tests.browsers import LEFT, RIGHT, choose, is_like, opened, pixels, start_camera, style, until
from tests.webs import COLORS, TOKEN, Camera

SAMPLES = Path(__file__).parents[1] / "samples"
STYLES = ["starry_night", "great_wave", "ink"]

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def studio():
    with Studio(port=0, token=TOKEN, styles=STYLES, most_clip_bytes=2_000_000) as made:
        yield made


def test_the_sample_is_painted_before_anything_is_allowed(page) -> None:
    until(lambda: not is_like(pixels(page, "result", 0.1, 0.1), pixels(page, "source", 0.1, 0.1), 20))
    assert page.locator("#thumbnails label:not([hidden]) input").count() == len(STYLES)
    listed = "[...document.querySelectorAll('#thumbnails label:not([hidden]) img')]"
    until(lambda: page.evaluate(f"{listed}.every((image) => image.naturalWidth)"))
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


def test_a_snapshot_of_the_camera_is_a_download(page) -> None:
    start_camera(page)
    with page.expect_download() as snapshot:
        page.click("#snapshot")
    assert snapshot.value.suggested_filename.endswith(".png")
    assert Path(snapshot.value.path()).read_bytes().startswith(b"\x89PNG")


def test_images_become_smaller_where_the_rate_is_not_held_and_larger_again(page) -> None:
    sizes = page.evaluate(
        """async () => {
            const { AutoSize } = await import("/size.js");
            const auto = new AutoSize(), sizes = [];
            for (let seconds = 0; seconds < 60; seconds += 0.5) {
                const isSlow = seconds < 10;
                auto.update(isSlow ? 10 : 24, 24, isSlow, seconds);
                sizes.push([seconds, auto.size, auto.lowered]);
            }
            return sizes;
        }"""
    )
    changes = [after for before, after in pairwise(sizes) if before[1] != after[1]]
    assert changes == [[4, 480, "480 px"], [8.5, 320, "320 px"], [20, 480, "480 px"], [30.5, 640, ""]]


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
            assert page.is_disabled("#download") and page.evaluate("document.getElementById('styles').inert")
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
