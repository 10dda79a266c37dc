"""The moving pictures of README and pages, made of the samples: `python docs/pictures.py [NAME...]`.

Each is an animated WebP in docs/pictures. That of the page needs playwright and Chromium as well.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from streamstyle import TransferSettings, open_source, render
from streamstyle.device import download
from streamstyle.frames import Frame, OptimizationStep

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "pictures"
CLIP = "samples/harbour.mp4"
WIDE, NARROW = 560, 400  # pixels, the widths of the picture on top and of the others
STEP = 2  # every second frame of a video is shown, so 12 a second
FRAME_MS, HOLD_MS = 83, 1600  # how long a frame is shown, and one to look at
QUALITY = 42  # of WebP, 0 to 100
COMMANDS = {
    "stylize": f"streamstyle stylize {CLIP} painted.mp4",
    "dream": f"streamstyle dream {CLIP} dream.mp4 --config dogs -t 4",
    "zoom": "streamstyle zoom samples/lighthouse.png zoom.mp4 --loop --seconds 5 --rotate 8 --max-size 480",
    "transfer": "streamstyle transfer samples/lighthouse.png samples/painting.png transfer.png",
}
PAINTINGS = ("painting", "mosaic", "watercolour")  # of samples/
STYLES = ("great_wave", "mosaic", "in_the_rain")  # that are chosen on the page
CHROMIUM = "/usr/bin/chromium"


def run(command: str, output: Path) -> list[Image.Image]:
    """Run a command of the program; the frames of its result, which becomes `output` without loss."""
    words = shlex.split(command)[1:]
    words[2] = str(output)
    lossless = ["--codec", "ffv1", "-y", "-q"]
    subprocess.run([sys.executable, "-m", "streamstyle", *words, *lossless], cwd=ROOT, check=True)
    return frames_of(output)


def frames_of(file: Path) -> list[Image.Image]:
    """Every second frame of a video, or the image."""
    with open_source(file) as source:
        frames = [Image.fromarray(item.pixels) for item in source if isinstance(item, Frame)]
    return frames[::STEP]


def scaled(image: Image.Image, width: int) -> Image.Image:
    """The image at this width in pixels."""
    return image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)


def save(name: str, frames: Sequence[Image.Image], durations: int | list[int] = FRAME_MS) -> None:
    """Write docs/pictures/NAME.webp, which plays without end; durations are in milliseconds."""
    FOLDER.mkdir(exist_ok=True)
    first, *others = frames
    file = FOLDER / f"{name}.webp"
    options: dict[str, Any] = {"append_images": others, "duration": durations, "loop": 0, "method": 6}
    first.save(file, save_all=True, quality=QUALITY, **options)


def split(before: Image.Image, after: Image.Image, share: float) -> Image.Image:
    """`before` left of a line at a share of the width, `after` right of it."""
    place = round(share * before.width)
    made = after.copy()
    made.paste(before.crop((0, 0, place, before.height)), (0, 0))
    ImageDraw.Draw(made).line([(place, 0), (place, before.height)], fill="white", width=3)
    return made


def with_inset(image: Image.Image, inset: Image.Image, share: float = 0.34) -> Image.Image:
    """The image with a smaller one, framed, in its lower left corner."""
    made, side = image.copy(), round(share * image.height)
    small = inset.resize((round(side * inset.width / inset.height), side), Image.Resampling.LANCZOS)
    framed = Image.new("RGB", (small.width + 6, small.height + 6), "white")
    framed.paste(small, (3, 3))
    made.paste(framed, (8, image.height - framed.height - 8))
    return made


def make_stylize(folder: Path) -> None:
    """The clip, and the line between before and after, which sways."""
    before = [scaled(frame, WIDE) for frame in frames_of(ROOT / CLIP)]
    after = [scaled(frame, WIDE) for frame in run(COMMANDS["stylize"], folder / "painted.mkv")]
    turns = np.linspace(0, 2 * np.pi, len(before), endpoint=False)
    shares = 0.5 - 0.42 * np.sin(turns)
    save("stylize", [split(*each) for each in zip(before, after, shares, strict=True)])


def make_dream(folder: Path) -> None:
    """The clip as a dream."""
    save("dream", [scaled(frame, NARROW) for frame in run(COMMANDS["dream"], folder / "dream.mkv")])


def make_zoom(folder: Path) -> None:
    """A zoom whose end is its beginning."""
    save("zoom", [scaled(frame, NARROW) for frame in run(COMMANDS["zoom"], folder / "zoom.mkv")])


def make_transfer(folder: Path) -> None:
    """A photograph that becomes a painting while it is optimized."""
    steps: list[np.ndarray] = []

    def keep(step: OptimizationStep) -> None:
        if step.step % 6 == 1:
            steps.append(download(step.image))

    _, content, painting, _ = shlex.split(COMMANDS["transfer"])[1:]
    settings = TransferSettings(style=str(ROOT / painting), max_size=640)
    render(ROOT / content, folder / "transfer.png", settings, on_step=keep, overwrite=True)
    source = scaled(Image.open(ROOT / content).convert("RGB"), NARROW)
    shown = [image.resize(source.size, Image.Resampling.LANCZOS) for image in map(Image.fromarray, steps)]
    end = scaled(Image.open(folder / "transfer.png").convert("RGB"), NARROW)
    inset = Image.open(ROOT / painting).convert("RGB")
    frames = [with_inset(image, inset) for image in (source, *shown, end)]
    save("transfer", frames, [HOLD_MS, *[2 * FRAME_MS] * len(shown), 2 * HOLD_MS])


def make_painting(folder: Path) -> None:
    """The clip in the styles of three paintings, one after the other."""
    frames: list[Image.Image] = []
    for number, name in enumerate(PAINTINGS):
        painting = f"samples/{name}.png"
        command = f"streamstyle stylize {CLIP} any.mp4 --style {painting} -ss {1.6 * number:g} -t 1.6"
        inset = Image.open(ROOT / painting).convert("RGB")
        stylized = run(command, folder / f"{name}.mkv")
        frames += [with_inset(scaled(frame, NARROW), inset) for frame in stylized]
    save("painting", frames)


def make_page(folder: Path) -> None:
    """The page in Chromium, with one style chosen after the other."""
    from playwright.sync_api import sync_playwright

    from streamstyle.apps.web.studio import Studio

    shots: list[Image.Image] = []
    with Studio(port=0) as studio, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(studio.url)
        page.wait_for_selector("#thumbnails input")
        page.set_input_files("#file", str(ROOT / CLIP))
        time.sleep(15)  # until the thumbnails are painted, on a slow machine
        for name in STYLES:
            page.click(f"#thumbnails label:has(input[value={name}])")
            page.mouse.move(640, 790)  # away from what it points at
            time.sleep(12)  # until it is painted, on a slow machine
            page.screenshot(path=folder / "page.png")
            with Image.open(folder / "page.png") as shot:
                shots.append(scaled(shot.convert("RGB"), 2 * NARROW))
        browser.close()
    save("page", shots, HOLD_MS)


def main(names: Sequence[str]) -> None:
    """Make the named pictures, or all."""
    with tempfile.TemporaryDirectory() as folder:
        for name in names or ("stylize", "dream", "zoom", "transfer", "painting", "page"):
            globals()[f"make_{name}"](Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
