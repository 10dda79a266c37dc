"""The walk through the page in a real browser: a clip in, a look chosen, and what is taken home."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from streamstyle.apps.web.studio import Studio
from streamstyle.jobs.render import render
from tests.browsers import LEFT, choose, is_like, opened, pixels, start_camera, style, until
from tests.videos import make_video, picture, sound_of, times_of
from tests.webs import TOKEN

import av  # isort: skip

SAMPLES = Path(__file__).parents[1] / "samples"
STYLES = ["great_wave", "ink"]

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def studio():
    with Studio(port=0, token=TOKEN, styles=STYLES, fps=24.0) as made:
        yield made


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """Three seconds with sound."""
    return make_video(tmp_path_factory.mktemp("clips") / "ball.mp4", 75, audio=[("aac", 440.0)])


def play(page: Any, clip: Path) -> None:
    page.set_input_files("#file", clip)
    until(lambda: page.locator("#inputs input:checked").get_attribute("value") == "clip")
    page.wait_for_selector("#frame:not(.waiting)")


@contextmanager
def download(page: Any, path: Path):
    """What is done within gives a download, which is saved there."""
    with page.expect_download(timeout=120_000) as saved:
        yield saved
    saved.value.save_as(path)


def test_a_clip_is_downloaded_as_the_command_line_renders_it(page, clip: Path, tmp_path: Path) -> None:
    play(page, clip)
    style(page, "ink")
    with download(page, tmp_path / "page.mp4") as saved:
        page.click("#download")
        page.wait_for_selector("#rendering:not([hidden])")
    assert saved.value.suggested_filename == "ball-ink.mp4"
    until(lambda: "ball-ink.mp4 is in your downloads" in page.inner_text("#message"))
    assert "75 frames" in page.inner_text("#message") and page.is_hidden("#rendering")
    command = [
        sys.executable,
        "-m",
        "streamstyle",
        "stylize",
        clip,
        tmp_path / "command.mp4",
        "--style",
        "ink",
    ]
    subprocess.run(command, check=True)
    assert (tmp_path / "page.mp4").read_bytes() == (tmp_path / "command.mp4").read_bytes()
    assert times_of(tmp_path / "page.mp4") == times_of(clip)
    assert sound_of(tmp_path / "page.mp4") == sound_of(clip)


def test_a_render_is_cancelled_and_the_clip_plays_on(page) -> None:
    play(page, SAMPLES / "harbour.mp4")
    page.click("#download")
    until(lambda: page.inner_text("#render-text").startswith("Frame "), 60)
    assert page.get_attribute("#play", "aria-label") == "Play", "it stands still meanwhile"
    page.click("#cancel-render")
    until(lambda: "cancelled" in page.inner_text("#message"))
    assert page.is_hidden("#rendering") and page.is_enabled("#download")
    assert page.get_attribute("#play", "aria-label") == "Pause"


def test_an_image_is_saved_at_its_full_size(page, tmp_path: Path) -> None:
    Image.fromarray(picture(0, 1200, 60)).save(tmp_path / "wide.png")
    play(page, tmp_path / "wide.png")
    style(page, "ink")
    assert page.evaluate("document.getElementById('result').width") == 960 and page.is_hidden("#player")
    with download(page, tmp_path / "page.png"):
        page.keyboard.press("s")
    with Image.open(tmp_path / "page.png") as saved:
        assert saved.size == (1200, 60)


def test_a_clip_is_paused_moved_and_heard(page, clip: Path) -> None:
    play(page, clip)
    assert page.input_value("#steady") == "0.7", "videos are steadied"
    page.keyboard.press(" ")
    assert page.get_attribute("#play", "aria-label") == "Play"
    page.evaluate(
        """() => { const slider = document.getElementById("position"); slider.value = 2.2;
        for (const name of ["input", "change"]) slider.dispatchEvent(new Event(name)); }"""
    )
    until(lambda: page.inner_text("#time") == "0:02 / 0:03")
    time.sleep(0.5)
    assert abs(float(page.input_value("#position")) - 2.2) < 0.05, "it stands still"
    page.click("#sound")
    page.click("#play")
    until(lambda: page.inner_text("#time") != "0:02 / 0:03")  # at its end it begins anew
    assert page.get_attribute("#sound", "aria-pressed") == "true"
    choose(page, "sample")
    until(lambda: page.is_hidden("#player") and page.input_value("#steady") == "0")


def test_a_clip_that_is_cut_off_is_said_to_be(page, clip: Path, tmp_path: Path) -> None:
    render(SAMPLES / "harbour.mp4", whole := tmp_path / "whole.mkv", settings_of_a_copy())
    (tmp_path / "cut.mkv").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    play(page, tmp_path / "cut.mkv")
    until(lambda: "cut.mkv: it is cut off" in page.inner_text("#message"))
    play(page, clip)
    until(lambda: page.is_hidden("#message"))  # what is over is said no more


def settings_of_a_copy() -> Any:
    from streamstyle import StylizeSettings

    return StylizeSettings(style="none", max_size=96, length=2.0)


def test_it_dreams_as_deep_as_one_likes(page, clip: Path) -> None:
    play(page, clip)
    style(page, "ink")
    until(lambda: pixels(page, "result", 0.3).std() < 8)
    page.keyboard.press("y")
    assert page.is_visible("#thumbnails label:has(input[value=dream-dogs])") and page.is_hidden("#depth")
    assert page.is_hidden("#thumbnails label:has(input[value=ink])")
    style(page, "dream-dogs")
    until(lambda: pixels(page, "result", 0.3).std() > 8, 30)
    assert page.is_visible("#depth") and page.is_hidden("#steady") and page.is_hidden("#second")
    assert "animals" in page.inner_text("#note")
    page.focus("#depth")
    page.keyboard.press("End")
    time.sleep(0.6)  # the server has answered
    assert page.input_value("#depth") == "1"
    page.keyboard.press("Shift+Digit1")
    assert page.locator("#thumbnails input:checked").get_attribute("value") == "dream-snails", "the 11th"


def test_thumbnails_show_the_input(page, tmp_path: Path) -> None:
    def mean(name: str) -> np.ndarray:
        return np.array(
            page.evaluate(
                """(name) => {
                    const image = document.querySelector(`#thumbnails label:has(input[value=${name}]) img`);
                    if (!image.complete || !image.naturalWidth) return [0, 0, 0];
                    const canvas = new OffscreenCanvas(1, 1), context = canvas.getContext("2d");
                    context.drawImage(image, 0, 0, 1, 1);
                    return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
                }""",
                name,
            )
        )

    until(lambda: mean("ink").any() and mean("great_wave").any())
    before = mean("ink")
    Image.new("RGB", (90, 60), (255, 255, 255)).save(tmp_path / "white.png")
    play(page, tmp_path / "white.png")
    until(lambda: mean("ink").mean() > before.mean() + 40)


def test_five_seconds_are_recorded_at_a_constant_rate_with_the_microphone(page, tmp_path: Path) -> None:
    start_camera(page)
    page.select_option("#microphone", "default")
    until(lambda: page.locator("#microphone option").count() > 2)
    times = [time.monotonic()]
    page.click("#record")
    page.wait_for_selector("#recording:not([hidden])")
    times.append(time.monotonic())
    time.sleep(5)
    with download(page, tmp_path / "recorded.mp4") as saved:
        times.append(time.monotonic())
        page.click("#record")
        times.append(time.monotonic())
    assert saved.value.suggested_filename.endswith(".mp4") and page.is_hidden("#recording")
    with av.open(str(tmp_path / "recorded.mp4")) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        seconds = container.duration / 1e6
        assert times[2] - times[1] - 0.2 < seconds < times[3] - times[0] + 0.2
        assert video.average_rate == 24 and abs(float(audio.duration * audio.time_base) - seconds) < 0.1
        frames = list(container.decode(video))
    assert len({after.pts - before.pts for before, after in pairwise(frames)}) == 1
    assert is_like(frames[-1].to_ndarray(format="rgb24")[80:96, 240:256].mean((0, 1)), pixels_of(page), 30)
    assert not is_like(pixels_of(page), LEFT, 20), "it is the stylized image"


def pixels_of(page: Any) -> np.ndarray:
    return pixels(page, "result", 248 / 320, 88 / 240)


def test_what_was_recorded_is_kept_when_the_input_is_switched(page, tmp_path: Path) -> None:
    start_camera(page)
    page.click("#record")
    page.wait_for_selector("#recording:not([hidden])")
    with download(page, tmp_path / "recorded.mp4"):
        choose(page, "sample")
    with av.open(str(tmp_path / "recorded.mp4")) as container:
        assert next(container.decode(video=0)).width == 320 and container.duration > 0
    until(lambda: page.inner_text("#record") == "Record")


def test_full_screen_shows_nothing_but_the_image(page) -> None:
    page.keyboard.press("f")
    until(lambda: page.evaluate("document.fullscreenElement?.id") == "frame")
    until(lambda: page.get_attribute("#divider", "aria-valuenow") == "0")
    for name in (".tag.left", ".tag.right", "#recording"):
        assert page.is_hidden(name)
    page.evaluate("document.exitFullscreen()")
    until(lambda: page.get_attribute("#divider", "aria-valuenow") == "50")


@pytest.mark.parametrize(("width", "height"), [(390, 844), (844, 390)])
def test_fingers_find_what_they_press(browser, studio: Studio, clip: Path, width: int, height: int) -> None:
    with opened(browser, studio.url, viewport={"width": width, "height": height}, has_touch=True) as page:
        play(page, clip)
        for selector in ("#tools button", "#player button", "#inputs span", "#look select", "#reset"):
            for button in page.locator(selector).all():
                if button.is_visible():
                    box = button.bounding_box()
                    assert box["width"] >= 44 and box["height"] >= 44, selector
        frame = page.locator("#frame").bounding_box()
        assert frame["height"] > 0.3 * height
