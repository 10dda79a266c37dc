"""Encoders of very short and very small videos."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

import streamstyle.video  # noqa: F401 - cv2 before av
from streamstyle.frames import Frame, StreamInfo
from streamstyle.video.codecs import CODECS, EncodeOptions
from streamstyle.video.encoding import Encoder
from tests.videos import picture

import av  # isort: skip


@pytest.mark.parametrize("frames", [1, 2])
def test_one_or_two_frames_of_hevc_have_decoding_times(frames: int) -> None:
    """x265 leaves them undefined, and the muxer refused most of these values."""
    base = Fraction(1, 25)
    info = StreamInfo("x", "video", 64, 48, base, Fraction(25))
    with av.open(io.BytesIO(), "w", format="mp4") as container:
        encoder = Encoder(container, CODECS["hevc"], EncodeOptions(preset="slower"), info, base)
        packets = [packet for n in range(frames) for packet in encoder.encode(Frame(picture(n), n, base, 1))]
        packets += encoder.flush()
        assert [(packet.pts, packet.dts) for packet in packets] == [(n, n) for n in range(frames)]
        container.mux(packets)


@pytest.mark.parametrize("width", [40, 48])
def test_narrow_hevc_does_not_abort(width: int, tmp_path: Path) -> None:
    """In a process of its own, as x265 would end it."""
    program = (
        "import sys; from streamstyle import StylizeSettings, render\n"
        "settings = StylizeSettings(style='none', codec='hevc', max_size=int(sys.argv[2]), length=1.0)\n"
        "print(render('samples/harbour.mp4', sys.argv[1], settings).frames_out)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "out.mp4"), str(width)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
    )
    assert run.returncode == 0 and run.stdout.strip() == b"24"


@pytest.mark.parametrize("preset", [None, "superfast"])
def test_few_large_frames_are_held(preset: str | None) -> None:
    """Each of them needs much memory; of smaller ones x264 holds 42."""
    base = Fraction(1, 25)
    info = StreamInfo("x", "video", 4096, 2304, base, Fraction(25))
    frame = Frame(picture(0, 4096, 2304), 0, base, 1)
    with av.open(io.BytesIO(), "w", format="mp4") as container:
        encoder = Encoder(container, CODECS["h264"], EncodeOptions(preset=preset, threads=8), info, base)
        assert any(encoder.encode(replace(frame, pts=n)) for n in range(8))
