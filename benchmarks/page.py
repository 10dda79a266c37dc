"""Speed of the web page in Chromium: python benchmarks/page.py [OTHER_CHECKOUT] [--turns N] [--seconds S]

Starts `streamstyle studio` and opens its page in a fresh Chromium whose camera plays the sample clip at
640x480 and 30 fps. Measured in the page: the time from opening it to the first stylized image, and then, for
the camera at the size of 640, frames per second, and the latency from taking a frame to showing its result.
With another checkout, both take turns, so that what else the machine does meets both; ratios are of the
medians, this one divided by the other. Needs playwright, and Chromium at STREAMSTYLE_TEST_CHROMIUM or
/usr/bin/chromium.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from playwright.sync_api import sync_playwright

from streamstyle.cores import usable_cores
from streamstyle.frames import Frame
from streamstyle.sources import ReadOptions, open_source

ROOT = Path(__file__).parents[1]
CHROMIUM = os.environ.get("STREAMSTYLE_TEST_CHROMIUM", "/usr/bin/chromium")
FRAMES, RATE = 60, 30  # of the camera
SETTLING_SECONDS = 8.0  # until the quality that holds the rate is found
MOST_THUMBNAIL_SECONDS = 60.0  # they are made beside the frames
# Of the camera's image, where the page makes such.
HAS_THUMBNAILS = """
    [...document.querySelectorAll("#thumbnails label:not([hidden]) img")].every((image) =>
        image.naturalWidth && (!document.getElementById("kinds") || image.src.includes("picture=")))
"""
FIGURES = ("open_seconds", "fps", "latency_ms", "latency_p95_ms")
WATCH = """
    window.shown = []; window.taken = []; window.latencies = [];
    const draw = CanvasRenderingContext2D.prototype.drawImage;
    CanvasRenderingContext2D.prototype.drawImage = function (...given) {
        draw.apply(this, given);
        if (this.canvas.id !== "result") return;
        window.shown.push(performance.now());
        if (window.taken.length) window.latencies.push(performance.now() - window.taken.shift());
    };
    const encode = HTMLCanvasElement.prototype.toBlob;
    HTMLCanvasElement.prototype.toBlob = function (...given) {
        window.taken.push(performance.now());
        encode.apply(this, given);
    };
"""


def main() -> None:
    """Measure one checkout, or two in turns, and print a table and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("other", nargs="?", type=Path)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    checkouts = {"this": ROOT, **({"other": given.other.resolve()} if given.other else {})}
    print(f"{processor()}, {usable_cores()} cores")
    print(f"{'':8}" + "".join(f"{name:>16}" for name in FIGURES))
    found: dict[str, list[dict[str, float]]] = {name: [] for name in checkouts}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        camera = write_camera(Path(folder) / "camera.y4m")
        for turn in range(given.turns):
            for name in checkouts if turn % 2 == 0 else reversed(checkouts):
                figures = measure(playwright, checkouts[name], camera, given.seconds)
                found[name].append(figures)
                print(f"{name:8}" + "".join(f"{figures[figure]:16.2f}" for figure in FIGURES), flush=True)
    for figure in FIGURES:
        medians = [statistics.median(turn[figure] for turn in turns) for turns in found.values()]
        print(f"{figure}: {medians[0]:.2f}")
        if given.other:
            print(f"ratio_{figure}: {medians[0] / medians[1]:.2f}")


def measure(playwright: Any, checkout: Path, camera: Path, seconds: float) -> dict[str, float]:
    """The FIGURES of a page that is served by a checkout."""
    command = [sys.executable, "-m", "streamstyle", "studio", "--no-open", "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    arguments = ["--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    with subprocess.Popen(
        command, cwd=checkout, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        time.sleep(3.0)  # it is up
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*arguments, f"--use-file-for-fake-video-capture={camera}"]
        )
        try:
            return figures_of(browser, url, seconds)
        finally:
            browser.close()
            server.send_signal(signal.SIGINT)


def figures_of(browser: Any, url: str, seconds: float) -> dict[str, float]:
    """The FIGURES of a page in a browser."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.add_init_script(WATCH)
    page.goto(url)
    while not page.evaluate("window.shown.length"):
        time.sleep(0.1)
    opened = page.evaluate("window.shown[0]") / 1000
    page.select_option("#size", "640")
    page.click("#inputs label:has(input[value=camera])")
    time.sleep(SETTLING_SECONDS)
    until = time.monotonic() + MOST_THUMBNAIL_SECONDS
    while not page.evaluate(HAS_THUMBNAILS) and time.monotonic() < until:
        time.sleep(0.2)
    time.sleep(SETTLING_SECONDS / 2)
    page.evaluate("window.shown = []; window.latencies = [];")
    time.sleep(seconds)
    shown, latencies = page.evaluate("[window.shown, window.latencies]")
    return {
        "open_seconds": opened,
        "fps": 1000 * (len(shown) - 1) / (shown[-1] - shown[0]),
        "latency_ms": float(np.percentile(latencies, 50)),
        "latency_p95_ms": float(np.percentile(latencies, 95)),
    }


def write_camera(path: Path) -> Path:
    """The sample clip at 640x480 as YUV4MPEG2, forwards and backwards, as Chromium plays it in a loop."""
    clip = ROOT / "samples" / "harbour.mp4"
    with open_source(clip, ReadOptions(size=(640, 480))) as source:
        frames = (item.pixels for item in source if isinstance(item, Frame))
        images = [cv2.cvtColor(next(frames), cv2.COLOR_RGB2YUV_I420) for _ in range(FRAMES)]
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W640 H480 F{RATE}:1 Ip A1:1 C420jpeg\n".encode())
        for image in [*images, *images[-2:0:-1]]:
            file.write(b"FRAME\n" + image.tobytes())
    return path


def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown processor"
    return next(
        (line.partition(": ")[2] for line in lines if line.startswith("model name")), "unknown processor"
    )


if __name__ == "__main__":
    main()
