"""Paintings in a real browser: dropped on the strip of styles, chosen, painted with, taken home, removed."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from streamstyle.apps.web.studio import Studio
from tests.browsers import LEFT, is_like, opened, pixels, start_camera, style, until
from tests.videos import picture
from tests.webs import TOKEN

SAMPLES = Path(__file__).parents[1] / "samples"
STYLES = ["great_wave", "ink"]
OWN = "#thumbnails label[data-own]"

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def studio():
    with Studio(port=0, token=TOKEN, styles=STYLES, fps=24.0) as made:
        yield made


@pytest.fixture(scope="module")
def painting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("paintings") / "My painting.jpg"
    with Image.open(SAMPLES / "painting.png") as image:
        image.convert("RGB").resize((400, 300)).save(path, quality=95)
    return path


def drop(page: Any, path: Path, target: str = "#thumbnails") -> None:
    """Drop a file from outside on an element; what a drag shows on the way is looked at."""
    arguments = [target, path.name, base64.b64encode(path.read_bytes()).decode()]
    page.evaluate(
        """([target, name, data]) => {
            const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([bytes], name, { type: "image/jpeg" }));
            window.drag = (type) => document.querySelector(target)
                .dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer }));
            drag("dragenter");
            drag("dragover");
        }""",
        arguments,
    )
    assert page.is_visible("#drop-style")
    assert ("target" in (page.get_attribute("#drop-style", "class") or "")) == (target == "#thumbnails")
    page.evaluate("drag('drop')")
    assert page.is_hidden("#drop-style") and page.is_hidden("#drop")


def add(page: Any, *paths: Path) -> None:
    before = page.locator(OWN).count()
    page.set_input_files("#painting", list(paths))
    until(lambda: page.locator(OWN).count() == before + len(paths))


def chosen(page: Any) -> str:
    return str(page.inner_text("#thumbnails label:has(input:checked) span"))


def test_a_dropped_painting_is_the_style_at_once(browser, studio: Studio, page, painting: Path) -> None:
    style(page, "ink")
    until(lambda: pixels(page, "result", 0.25, 0.5).std() < 8)
    drop(page, painting)
    until(lambda: page.locator(OWN).count() == 1)
    until(lambda: page.inner_text("#message") == "My painting is the style now.")
    assert chosen(page) == "My painting" and page.get_attribute(f"{OWN} input", "type") == "radio"
    until(lambda: pixels(page, "result", 0.25, 0.5).std() > 30)
    until(lambda: page.locator(f"{OWN} img.loaded").count() == 1)
    assert page.locator("#inputs input:checked").get_attribute("value") == "sample", "it is no clip"
    start_camera(page)
    until(lambda: not is_like(pixels(page, "result", 0.8), LEFT, 20))
    assert pixels(page, "result", 0.8).std() > 5
    page.keyboard.press("2")
    until(lambda: pixels(page, "result", 0.8).std() < 8)  # keys are still those of the other styles
    assert chosen(page) == "Ink"
    page.select_option("#second", label="My painting")
    page.focus("#share")
    page.keyboard.press("End")
    until(lambda: pixels(page, "result", 0.8).std() > 8)
    with opened(browser, studio.url) as other:
        assert other.locator(OWN).count() == 0


def test_what_is_dropped_elsewhere_is_a_clip(page, painting: Path) -> None:
    drop(page, painting, "#stage")
    until(lambda: page.locator("#inputs input:checked").get_attribute("value") == "clip")
    assert page.locator(OWN).count() == 0


def test_a_download_in_a_painting_is_that_of_the_command_line(page, painting: Path, tmp_path: Path) -> None:
    Image.fromarray(picture(0, 200, 120)).save(tmp_path / "in.png")
    page.set_input_files("#file", tmp_path / "in.png")
    until(lambda: page.locator("#inputs input:checked").get_attribute("value") == "clip")
    add(page, painting)
    with page.expect_download(timeout=120_000) as saved:
        page.keyboard.press("d")
    assert saved.value.suggested_filename == "in-My_painting.png"
    saved.value.save_as(tmp_path / "page.png")
    command = [sys.executable, "-m", "streamstyle", "stylize", tmp_path / "in.png", tmp_path / "command.png"]
    subprocess.run([*command, "--style", painting, "--no-provenance"], check=True)
    assert (tmp_path / "page.png").read_bytes() == (tmp_path / "command.png").read_bytes()


def test_keys_and_buttons_add_and_remove(page, painting: Path, tmp_path: Path) -> None:
    long = "a name that is longer than a thumbnail is wide, by far"
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / f"{long}.png")
    asked: list[Any] = []
    page.on("filechooser", lambda chooser: asked.append(chooser))
    for act in (lambda: page.keyboard.press("p"), lambda: page.get_by_role("button", name="Add").click()):
        before = len(asked)
        page.wait_for_timeout(100)  # until the browser knows that it is listened to
        act()
        until(lambda before=before: page.evaluate("true") and len(asked) > before)
    assert page.is_hidden("#remove-painting")
    add(page, painting, tmp_path / f"{long}.png")
    assert chosen(page) == long
    boxes = page.locator("#thumbnails label:not([hidden])").all()
    assert {box.bounding_box()["width"] for box in boxes} == {114}
    page.keyboard.press("ArrowRight")
    assert chosen(page) == "My painting"
    button = page.get_by_role("button", name="Remove this painting")
    button.focus()
    page.keyboard.press("Enter")
    until(lambda: page.locator(OWN).count() == 1)
    assert page.inner_text("#message") == "My painting was removed."
    assert chosen(page) == "Great wave" and button.is_hidden()
    assert page.evaluate("document.activeElement.value") == "great_wave"
    page.keyboard.press("Delete")  # a style that is not the visitor's
    page.keyboard.press("ArrowLeft")
    assert chosen(page) == long and page.locator("#second option").count() == 4
    page.keyboard.press("Delete")
    until(lambda: page.locator(OWN).count() == 0)
    until(lambda: pixels(page, "result", 0.5).std() > 8)
    add(page, painting)  # once more
    until(lambda: page.inner_text("#message") == "My painting is the style now.")
    assert chosen(page) == "My painting"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("notes.txt", "notes.txt: is not an image."),
        ("plain.png", "plain.png: the painting has one color only"),
        ("thin.png", "thin.png: the painting is 31x500 pixels; its shorter side must have at least 128."),
        ("bomb.png", "bomb.png: 20000 × 20000 pixels, the limit is"),
    ],
)
def test_what_is_no_painting_is_said_and_changes_nothing(
    page, tmp_path: Path, name: str, sentence: str
) -> None:
    {
        "notes.txt": lambda path: path.write_text("no painting"),
        "plain.png": lambda path: Image.new("RGB", (200, 200), "red").save(path),
        "thin.png": lambda path: Image.new("RGB", (31, 500)).save(path),
        "bomb.png": lambda path: Image.new("1", (20000, 20000)).save(path),
    }[name](tmp_path / name)
    page.set_input_files("#painting", tmp_path / name)
    page.wait_for_selector("#message:not([hidden])")
    assert sentence in page.inner_text("#message")
    assert page.locator(OWN).count() == 0 and chosen(page) == "Great wave" and page.is_hidden("#uploading")


def test_paintings_come_again_with_the_connection(browser, painting: Path) -> None:
    first = Studio(port=0, token=TOKEN, styles=STYLES)
    first.start()
    try:
        with opened(browser, first.url) as page:
            add(page, painting)
            page.focus("#strength")
            page.keyboard.press("ArrowLeft")
            first.stop()
            until(lambda: "The connection is lost" in page.inner_text("#trouble"))
            with Studio(port=first.port, token=TOKEN, styles=STYLES):
                until(lambda: page.is_hidden("#trouble"))
                until(lambda: chosen(page) == "My painting")
                until(lambda: page.input_value("#strength") == "0.99")
                until(lambda: page.locator(f"{OWN} img.loaded").count() == 1)
                page.goto("about:blank")
    finally:
        first.stop()


@pytest.mark.parametrize(("width", "height"), [(390, 844), (320, 568), (844, 390)])
def test_fingers_find_the_buttons(browser, studio: Studio, painting: Path, width: int, height: int) -> None:
    with opened(browser, studio.url, viewport={"width": width, "height": height}, has_touch=True) as page:
        add(page, painting)
        for name in ("#add-painting", "#remove-painting"):
            box = page.locator(name).bounding_box()
            assert box["width"] >= 44 and box["height"] >= 44 and box["x"] + box["width"] <= width
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.tap("#remove-painting")
        until(lambda: page.locator(OWN).count() == 0)
