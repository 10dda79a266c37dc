"""What encoders return for very short videos."""

from __future__ import annotations

import io
from fractions import Fraction

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
