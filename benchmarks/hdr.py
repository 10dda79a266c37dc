"""Reading HDR videos against reading the same as SDR: `python benchmarks/hdr.py [FOLDER]`.

The sample clip, or the beginning of every video of a folder, is encoded at 1920x1080 with H.264: as SDR with
8 bits and with 10, and with 10 bits and the tags of PQ and HLG (BT.2020) and of Display P3. All are then read
in turn and reduced to the size at which effects work, several rounds in one run, from opening to the last
frame. Printed are frames a second of the median
round and their ratio to SDR with 8 bits, and the same for frames per second of processor time, which other
programs disturb less.
"""

from __future__ import annotations

import argparse
import logging
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import cv2  # noqa: F401 - before av
import numpy as np

from streamstyle.cores import usable_cores
from streamstyle.effects.composite import working_size
from streamstyle.errors import StreamstyleError
from streamstyle.frames import Frame
from streamstyle.pictures import RGB
from streamstyle.sources import ReadOptions, open_source

import av  # isort: skip

SIZE = 1920, 1080
# Pixel format, and code points of matrix, primaries and transfer.
VARIANTS = {
    "SDR 8 bit": ("yuv420p", (1, 1, 1)),
    "SDR 10 bit": ("yuv420p10le", (1, 1, 1)),
    "PQ": ("yuv420p10le", (9, 9, 16)),
    "HLG": ("yuv420p10le", (9, 9, 18)),
    "Display P3": ("yuv420p10le", (1, 12, 1)),
}


def frames(name: Path, most: int) -> Iterator[np.ndarray]:
    """The first frames of a video at SIZE, (H, W, 3) uint8."""
    with open_source(str(name), ReadOptions(size=SIZE)) as source:
        pictures = (item.pixels for item in source if isinstance(item, Frame))
        yield from islice(pictures, most)


def encode(name: Path, target: Path, pixel_format: str, tags: tuple[int, int, int], most: int) -> None:
    """Encode the first frames of a video, with tags."""
    with av.open(str(target), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "crf": "20"})
        stream.width, stream.height = SIZE
        stream.pix_fmt = pixel_format
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc = tags
        context.color_range = 1
        for number, pixels in enumerate(frames(name, most)):
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format=pixel_format)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def rate(name: Path, options: ReadOptions) -> tuple[float, float]:
    """Frames a second, and per second of processor time, read for an effect, opening included."""
    begin, used = time.perf_counter(), time.process_time()
    count = 0
    with open_source(str(name), options) as source:
        for item in source:
            if isinstance(item, Frame):
                picture = RGB(item.picture) if isinstance(item.picture, np.ndarray) else item.picture
                picture.reduced(*working_size(*picture.size, stroke_size=1.0))
                count += 1
    return count / (time.perf_counter() - begin), count / (time.process_time() - used)


def compare(name: Path, folder: Path, rounds: int, most: int) -> None:
    """Prints one video's rates."""
    files = {variant: folder / f"{number}.mp4" for number, variant in enumerate(VARIANTS)}
    for variant, (pixel_format, tags) in VARIANTS.items():
        encode(name, files[variant], pixel_format, tags, most)
    for title, options in (("at its size", ReadOptions()), ("at 640x360", ReadOptions(size=(640, 360)))):
        rates: dict[str, list[tuple[float, float]]] = {variant: [] for variant in VARIANTS}
        for _ in range(rounds):
            for variant, file in files.items():
                rates[variant].append(rate(file, options))
        medians = {
            variant: [statistics.median(kind) for kind in zip(*found, strict=True)]
            for variant, found in rates.items()
        }
        print(f"{name.name}, {most} frames of {SIZE[0]}x{SIZE[1]} {title}")
        for variant, found in medians.items():
            wall, used = (
                f"{median:8.1f}{median / first:6.2f}"
                for median, first in zip(found, medians["SDR 8 bit"], strict=True)
            )
            print(f"  {variant:12}{wall} fps{used} per second of processor time")


def processor() -> str:
    """The processor's name, if the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "unknown")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--frames", type=int, default=100)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    print(f"{processor()}, {usable_cores()} cores")
    sample = Path(__file__).parents[1] / "samples" / "harbour.mp4"
    names = [sample] if options.folder is None else sorted(options.folder.iterdir())
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            try:
                compare(name, Path(folder), options.rounds, options.frames)
            except StreamstyleError as error:
                print(f"{name.name}: {error}")


if __name__ == "__main__":
    main()
