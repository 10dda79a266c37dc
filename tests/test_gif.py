"""GIFs: how many times they play, their colors, and how soon a signal stops their making."""

from __future__ import annotations

import signal
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import streamstyle.video  # noqa: F401 - cv2 before av
from streamstyle.effects import StylizeSettings
from streamstyle.errors import Interrupted
from streamstyle.frames import Frame, StreamInfo
from streamstyle.jobs.render import render, resume
from streamstyle.video import gif
from streamstyle.video.codecs import CODECS, EncodeOptions
from streamstyle.video.gif import write_gif
from streamstyle.video.segments import Segment, SegmentWriter
from tests.videos import make_video, picture, pictures_of

NONE = StylizeSettings(style="none", device="cpu")
BASE = Fraction(1, 25)


def animated(path: Path, loop: int | None) -> Path:
    """Three frames; `loop` as the format stores it, None for no loop field."""
    first, *rest = [Image.fromarray(picture(20 * n)).quantize(16) for n in range(3)]
    if path.suffix != ".gif":
        first, *rest = [image.convert("RGB") for image in (first, *rest)]
    more = {} if loop is None else {"loop": loop}
    first.save(path, save_all=True, append_images=rest, duration=80, **more)
    return path


def loop_of(path: Path) -> int | None:
    """The repeats that a GIF stores: 0 = without end, None = it plays once."""
    with Image.open(path) as image:
        loop = image.info.get("loop")
        return None if loop is None else int(loop)


@pytest.mark.parametrize(
    ("name", "loop", "expected"),
    [
        ("in.gif", None, None),
        ("in.gif", 0, 0),
        ("in.gif", 1, 1),
        ("in.gif", 3, 3),
        ("in.gif", 65535, 65535),
        # WebP and PNG store how many times they play; GIF how many times they play again.
        ("in.webp", 0, 0),
        ("in.webp", 1, None),
        ("in.webp", 3, 2),
        ("in.png", 0, 0),
        ("in.png", 1, None),
        ("in.png", 3, 2),
    ],
)
def test_a_gif_plays_as_often_as_its_source(
    name: str, loop: int | None, expected: int | None, tmp_path: Path
) -> None:
    render(animated(tmp_path / name, loop), tmp_path / "out.gif", NONE)
    assert loop_of(tmp_path / "out.gif") == expected


def test_a_gif_of_a_video_plays_without_end(tmp_path: Path) -> None:
    render(make_video(tmp_path / "in.mp4", 3), tmp_path / "out.gif", NONE)
    assert loop_of(tmp_path / "out.gif") == 0


def test_few_colors_are_kept_exactly(tmp_path: Path) -> None:
    source = animated(tmp_path / "in.gif", 0)
    render(source, tmp_path / "out.gif", NONE)
    assert np.array_equal(pictures_of(tmp_path / "out.gif"), pictures_of(source))


def segment(folder: Path, frames: int, width: int, height: int) -> Segment:
    """Noise, in which nearly every pixel has a color of its own."""
    info = StreamInfo("x", "video", width, height, BASE, Fraction(25))
    writer = SegmentWriter(folder / "a.mp4", "mp4", CODECS["lossless_rgb"], EncodeOptions(), info, BASE)
    noise = np.random.default_rng(0)
    for n in range(frames):
        writer.write(Frame(noise.integers(0, 256, (height, width, 3), np.uint8), n, BASE, 1))
    return writer.close()


def test_a_signal_stops_the_palette_within_seconds(tmp_path: Path) -> None:
    """However many colors there are: without rounding them, one call took 14 s here."""
    noise = segment(tmp_path, 24, 320, 240)

    def interrupt(*_: object) -> None:
        raise Interrupted("stopped")

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        began = time.monotonic()
        with pytest.raises(Interrupted):
            write_gif(tmp_path, [noise], tmp_path / "out.gif", BASE, 0)
        assert time.monotonic() - began < 6
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("phase", ["_palette", "_draw"])
def test_an_interrupted_gif_can_be_resumed(
    phase: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = make_video(tmp_path / "in.mp4", 6)
    render(video, tmp_path / "whole.gif", NONE)

    def interrupt(*_: object) -> None:
        raise Interrupted("stopped")

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(gif, phase, interrupt)
        render(video, tmp_path / "out.gif", NONE)
    assert (tmp_path / "out.gif.part").is_dir() and not (tmp_path / "out.gif").exists()
    assert resume(tmp_path / "out.gif").frames_out == 6
    assert (tmp_path / "out.gif").read_bytes() == (tmp_path / "whole.gif").read_bytes()
    assert not (tmp_path / "out.gif.part").exists()
