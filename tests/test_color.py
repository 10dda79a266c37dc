"""Matrix and range are right in pixels and in tags."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import streamstyle.video  # noqa: F401 - cv2 before av
from streamstyle.frames import ColorTags, Frame, StreamInfo
from streamstyle.video.codecs import CODECS, EncodeOptions
from streamstyle.video.color import FromRGB, ToRGB, resolve_tags
from streamstyle.video.segments import SegmentWriter
from tests.videos import pictures_of

import av  # isort: skip

COLORS = ((200, 40, 90), (30, 180, 60), (20, 30, 220), (128, 128, 128), (255, 255, 255), (0, 0, 0))
TAGS = {
    "709": ColorTags(1, 1, 1),
    "709 full": ColorTags(1, 1, 1, full_range=True),
    "601": ColorTags(6, 6, 6),
    "601 PAL full": ColorTags(5, 5, 6, full_range=True),
    "709 sRGB": ColorTags(1, 1, 13),
}


def patches() -> np.ndarray:
    return np.repeat(np.repeat(np.array([COLORS], np.uint8), 16, 0), 16, 1)


@pytest.mark.parametrize("tags", TAGS.values(), ids=TAGS)
def test_colors_and_tags_survive_a_lossless_video(tags: ColorTags, tmp_path: Path) -> None:
    pixels = patches()
    height, width = pixels.shape[:2]
    info = StreamInfo("x", "video", width, height, Fraction(1, 25), Fraction(25), color=tags)
    writer = SegmentWriter(
        tmp_path / "a.mp4", "mp4", CODECS["h264"], EncodeOptions(quality=0), info, info.time_base
    )
    writer.write(Frame(pixels, 0, info.time_base, 1))
    writer.close()
    difference = np.abs(pictures_of(tmp_path / "a.mp4")[0].astype(int) - pixels)
    assert difference[8, 8::16].max() <= 2  # in the middle of the patches: chroma has half the resolution
    with av.open(str(tmp_path / "a.mp4")) as container:
        context = container.streams.video[0].codec_context
        found = (context.colorspace, context.color_primaries, context.color_trc, context.color_range)
    assert tuple(map(int, found)) == (
        tags.matrix,
        tags.primaries,
        tags.transfer,
        2 if tags.full_range else 1,
    )


def test_the_matrix_is_the_tagged_one_and_not_always_601() -> None:
    """Luma of pure green by the weights of both standards."""
    green = np.zeros((16, 16, 3), np.uint8)
    green[..., 1] = 255
    luma = {name: int(FromRGB("yuv420p", TAGS[name])(green).to_ndarray()[0, 0]) for name in ("601", "709")}
    assert luma["601"] == pytest.approx(16 + 219 * 0.587, abs=1)
    assert luma["709"] == pytest.approx(16 + 219 * 0.7152, abs=1)


@pytest.mark.parametrize(("height", "matrix"), [(480, 6), (720, 1), (1080, 1)])
def test_untagged_videos_are_read_by_their_height(height: int, matrix: int) -> None:
    assert resolve_tags(av.VideoFrame(64, height, "yuv420p")).matrix == matrix


def test_ten_bits_become_eight_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    grey = av.VideoFrame.from_ndarray(np.full((16, 16, 3), 120, np.uint8), "rgb24").reformat(
        format="yuv420p10le"
    )
    convert = ToRGB("video", (16, 16))
    assert np.abs(convert(grey).astype(int) - 120).max() <= 1
    convert(grey)
    assert [record.getMessage() for record in caplog.records] == [
        "video: 10-bit frames are converted to 8-bit"
    ]


def test_high_dynamic_range_becomes_standard(caplog: pytest.LogCaptureFixture) -> None:
    """Shadows of PQ are lifted far above SDR's: read as SDR, 1 cd/m2 would be 38, white 255 either way."""
    shown = []
    for code in (0.15, 1.0):
        frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), round(code * 65535), np.uint16), "rgb48le")
        frame = frame.reformat(format="yuv420p10le", dst_colorspace=9, dst_color_range="MPEG")
        frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range = 9, 9, 16, 1
        shown.append(ToRGB("video", (64, 64))(frame).mean())
    assert 10 < shown[0] < 30 and shown[1] > 250
    assert "high dynamic range" in caplog.text


def test_transparent_parts_become_white(caplog: pytest.LogCaptureFixture) -> None:
    rgba = np.random.default_rng(0).integers(0, 256, (16, 16, 4), np.uint8)
    shown = ToRGB("video", (16, 16))(av.VideoFrame.from_ndarray(rgba, "rgba"))
    cover = rgba[..., 3:] / 255
    assert np.array_equal(shown, np.round(rgba[..., :3] * cover + 255 * (1 - cover)))
    assert shown.flags.c_contiguous
    assert [record.getMessage() for record in caplog.records] == [
        "video: transparent areas of the video become white"
    ]
