"""HDR and wide gamut become SDR in the colors of swscale's perceptual intent."""

import struct
import tempfile
from pathlib import Path

import numpy as np
import pytest

import streamstyle.video  # noqa: F401 - cv2 before av
from streamstyle.errors import OutputError
from streamstyle.video.color import ToRGB
from streamstyle.video.tone_mapping import HLG, PQ, Mastering, color_table

import av  # isort: skip

# Codes of red, green and blue in 64ths, and what swscale 9.5 makes of them with intent=perceptual.
COLORS = {
    (9, PQ): {
        (31, 31, 31): (119, 119, 119),
        (19, 31, 25): (0, 126, 80),
        (38, 25, 19): (210, 67, 44),
        (33, 38, 44): (60, 160, 225),
        (48, 46, 44): (236, 195, 174),
        (56, 56, 56): (233, 233, 233),
        (28, 19, 22): (119, 42, 67),
        (40, 35, 13): (204, 145, 1),
        (64, 64, 64): (255, 255, 255),
    },
    (9, HLG): {
        (31, 31, 31): (113, 113, 113),
        (19, 31, 25): (28, 116, 93),
        (38, 25, 19): (158, 88, 72),
        (33, 38, 44): (100, 135, 162),
        (48, 46, 44): (183, 164, 153),
        (56, 56, 56): (211, 211, 211),
        (40, 35, 13): (156, 126, 41),
        (64, 64, 64): (255, 255, 255),
    },
    (12, 13): {
        (31, 31, 31): (130, 130, 130),
        (19, 31, 25): (71, 132, 106),
        (38, 25, 19): (165, 105, 80),
        (33, 38, 44): (133, 158, 182),
        (48, 46, 44): (196, 187, 179),
        (40, 35, 13): (167, 145, 48),
        (64, 64, 64): (255, 255, 255),
    },
}


def plain(codes: tuple[int, ...], transfer: int = PQ, primaries: int = 9, size: int = 16) -> av.VideoFrame:
    """A frame of one color, 10-bit 4:2:0 by the matrix of BT.2020; codes are 64ths."""
    pixels = np.broadcast_to(np.minimum(np.array(codes) * 1024, 65535), (size, size, 3))
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels, np.uint16), "rgb48le")
    frame = frame.reformat(format="yuv420p10le", dst_colorspace=9, dst_color_range="MPEG")
    frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range = 9, primaries, transfer, 1
    return frame


def metadata(peak: float, primaries: tuple[float, ...] = (), *, below: int = 50_000) -> bytes:
    """An AVMasteringDisplayMetadata."""
    corners = [value for x in primaries or [0.0] * 6 for value in (round(x * below), below)]
    light = 0, 10_000, round(peak * 10_000), 10_000
    return struct.pack("=22i", *corners, 15_635, below, 16_450, below, *light, bool(primaries), peak > 0)


@pytest.mark.parametrize(("primaries", "transfer"), COLORS)
def test_colors_are_those_of_swscale(primaries: int, transfer: int) -> None:
    table = color_table(primaries, transfer, Mastering()) * 255
    for (red, green, blue), expected in COLORS[primaries, transfer].items():
        # Near the border of BT.709 swscale's own rounding shows.
        assert np.abs(table[blue, green, red] - expected).max() < 2.5


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_frames_are_read_by_their_matrix_and_mapped(transfer: int) -> None:
    convert = ToRGB("video", (16, 16))
    for codes, expected in COLORS[9, transfer].items():
        assert np.abs(convert(plain(codes, transfer))[8, 8] - np.array(expected)).max() < 4


@pytest.mark.parametrize("transfer", [PQ, HLG, 1, 4, 5, 8, 9, 13, 17])
@pytest.mark.parametrize("primaries", [1, 5, 6, 9, 11, 12, 99])
def test_every_tag_keeps_gray_gray_and_white_white(primaries: int, transfer: int) -> None:
    steps = np.arange(33)
    gray = color_table(primaries, transfer, Mastering(), 33)[steps, steps, steps]
    assert np.ptp(gray, axis=1).max() < 0.005
    assert gray[0, 0] == 0 and gray[-1, 0] > 0.995
    assert (np.diff(gray[:, 1]) > 0).all()  # no shadow is lost, and no highlight is clipped


def test_the_mastering_display_says_what_is_white() -> None:
    code = 48  # about 1,000 cd/m2 of PQ
    known = Mastering.parse(metadata(1000))
    assert known == Mastering(1000.0)
    assert color_table(9, PQ, known)[code, code, code].min() > 0.98
    assert color_table(9, PQ, Mastering())[code, code, code].max() < 0.85


def test_the_mastering_display_says_which_colors_occur() -> None:
    """A video within BT.709 needs no room for the colors of BT.2020, and keeps its own."""
    narrow = Mastering.parse(metadata(0, (0.64, 0.33, 0.3, 0.6, 0.15, 0.06)))
    assert narrow.peak is None and narrow.primaries is not None
    wide, close = (color_table(9, PQ, mastering)[20, 24, 34] for mastering in (Mastering(), narrow))
    assert np.ptp(close) > np.ptp(wide) + 0.01


@pytest.mark.parametrize(
    "data", [b"", bytes(88), metadata(3.0), metadata(1e5), metadata(0, (0.3,) * 6), metadata(0, (9.0,) * 6)]
)
def test_metadata_that_make_no_sense_are_left_out(data: bytes) -> None:
    assert Mastering.parse(data) == Mastering()


def test_tags_may_change_within_a_stream() -> None:
    colors = [(19, 31, 25), (38, 25, 19)]
    convert = ToRGB("video", (16, 16))
    for primaries, transfer in ((9, PQ), (9, HLG), (1, 1), (9, PQ)):
        for codes in colors:
            sdr = np.array(codes) * 255 / 64
            expected = COLORS[primaries, transfer][codes] if primaries == 9 else sdr
            shown = convert(plain(codes, transfer, primaries))[8, 8]
            assert np.abs(shown - np.array(expected)).max() < 4


def test_high_dynamic_range_may_be_scaled_and_transparent() -> None:
    assert ToRGB("video", (8, 12))(plain((31, 31, 31))).shape == (12, 8, 3)
    frame = plain((31, 31, 31)).reformat(format="yuva444p10le")
    frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range = 9, 9, PQ, 1
    frame.planes[3].update(bytes(frame.planes[3].buffer_size))
    assert (ToRGB("video", (16, 16))(frame) == 255).all()


def test_a_machine_without_temporary_files_is_told(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(OutputError, match="HDR needs a temporary file"):
        ToRGB("video", (16, 16))(plain((31, 31, 31)))
