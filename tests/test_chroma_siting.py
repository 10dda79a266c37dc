"""Chroma of subsampled video lies where its tags say, and beside the left luma sample in our outputs."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import streamstyle.video  # noqa: F401 - cv2 before av
from streamstyle.frames import ColorTags, Frame, StreamInfo
from streamstyle.video.codecs import CODECS, EncodeOptions
from streamstyle.video.color import FromRGB
from streamstyle.video.segments import SegmentWriter
from tests.videos import pictures_of

import av  # isort: skip

BT709 = ColorTags(1, 1, 1)
OFFSETS = {"left": (0.0, 0.5), "center": (0.5, 0.5), "topleft": (0.0, 0.0)}  # columns, rows
WIDTH, HEIGHT = 64, 48
CODED = [
    ("h264", EncodeOptions(preset="ultrafast", quality=0), "mp4"),
    ("hevc", EncodeOptions(preset="ultrafast", quality=0), "mp4"),
    ("av1", EncodeOptions(preset="10", quality=1), "mp4"),
    ("vp9", EncodeOptions(quality=0), "mp4"),
    ("prores", EncodeOptions(), "mov"),
]


def chroma(pixels: np.ndarray) -> np.ndarray:
    """(H, W) Cb in limited range 8-bit code values, by the equations of BT.709."""
    red, green, blue = np.moveaxis(pixels / 255, -1, 0)
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return 128 + 224 * (blue - luma) / 1.8556


def ramps() -> np.ndarray:
    """(H, W, 3) blue that rises to the right and down: a shift of chroma changes its value."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([np.full_like(x, 90), np.full_like(x, 90), 10 + 3 * x + y], -1).astype(np.uint8)


@pytest.mark.parametrize(
    ("pixel_format", "rows"), [("yuv420p", 2), ("yuv422p", 1), ("yuv420p10le", 2), ("yuv422p10le", 1)]
)
def test_chroma_is_sampled_at_the_left_luma_sample(pixel_format: str, rows: int) -> None:
    frame = FromRGB(pixel_format, BT709)(ramps())
    kind, scale = (np.uint16, 4) if pixel_format.endswith("10le") else (np.uint8, 1)
    plane = np.frombuffer(frame.planes[1], kind).reshape(frame.planes[1].height, -1)[:, : WIDTH // 2]
    expected = chroma(ramps()).reshape(HEIGHT // rows, rows, WIDTH).mean(axis=1)[:, ::2]
    inside = (slice(None), slice(1, -1))  # the filter has no left neighbor at the border
    error = (plane / scale - expected)[inside]
    assert np.abs(error).max() <= 1
    assert abs(error.mean()) < 0.2  # half a pixel to the right would be 0.66


def coded(path: Path, codec: str, options: EncodeOptions) -> Path:
    info = StreamInfo("x", "video", WIDTH, HEIGHT, Fraction(1, 25), Fraction(25), color=BT709)
    writer = SegmentWriter(path, path.suffix[1:], CODECS[codec], options, info, info.time_base)
    writer.write(Frame(ramps(), 0, info.time_base, 1))
    writer.close()
    return path


@pytest.mark.parametrize(("codec", "options", "suffix"), CODED, ids=[codec for codec, *_ in CODED])
def test_every_codec_returns_the_chroma_unshifted(
    codec: str, options: EncodeOptions, suffix: str, tmp_path: Path
) -> None:
    shown = pictures_of(coded(tmp_path / f"a.{suffix}", codec, options))[0].astype(int)
    drift = (shown - ramps())[4:-4, 4:-4, 2].mean()  # half a pixel would be 1.5
    assert abs(drift) < 0.5


def stated_location(path: Path) -> str:
    """The location in the stream, as FFmpeg's Matroska muxer writes it for a copy."""
    with av.open(str(path)) as source, av.open(str(path) + ".mkv", "w") as copy:
        copy.add_stream_from_template(source.streams.video[0], opaque=True)
        copy.start_encoding()
    header = Path(str(path) + ".mkv").read_bytes()
    at = header.find(b"\x55\xb7\x81")  # ChromaSitingHorz, then ChromaSitingVert: 1 = co-sited, 2 = half
    return {(1, 2): "left", (2, 2): "center", (1, 1): "topleft"}[header[at + 3], header[at + 7]]


@pytest.mark.parametrize(("codec", "options", "suffix"), CODED[:3], ids=["h264", "hevc", "av1"])
def test_the_location_is_tagged(codec: str, options: EncodeOptions, suffix: str, tmp_path: Path) -> None:
    assert stated_location(coded(tmp_path / f"a.{suffix}", codec, options)) == "left"


def sited(path: Path, codec: str, location: str | None) -> Path:
    """A video whose chroma planes hold the ramps sampled at `location`; None: at the left, without a tag."""
    columns, rows = OFFSETS[location or "left"]
    options = {"chroma_sample_location": location} if location else {}
    options |= {"libx264": {"qp": "0", "preset": "ultrafast"}}.get(codec, {})
    y, x = np.mgrid[: HEIGHT // 2, : WIDTH // 2]
    at = 10 + 3 * (2 * x + columns) + (2 * y + rows)  # blue at the chroma sample
    luma = 0.2126 * 90 + 0.7152 * 90
    cb = 128 + 224 * (at - luma - 0.0722 * at) / 255 / 1.8556
    cr = 128 + 224 * (90 - luma - 0.0722 * at) / 255 / 1.5748
    full = ramps()[..., 2].astype(float)
    planes = (16 + 219 * (luma + 0.0722 * full) / 255, cb, cr)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, width=WIDTH, height=HEIGHT, options=options)
        stream.codec_context.colorspace = 1
        frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
        for plane, values in zip(frame.planes, planes, strict=True):
            padded = np.zeros((plane.height, plane.line_size), np.uint8)
            padded[:, : plane.width] = np.rint(values)
            plane.update(padded.tobytes())
        frame.pts, frame.colorspace = 0, 1
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("codec", "location"),
    [
        *(("libx264", location) for location in (None, *OFFSETS)),
        *(("ffv1", location) for location in (None, *OFFSETS)),
    ],
)
def test_reading_honors_the_location(codec: str, location: str | None, tmp_path: Path) -> None:
    """Without a tag chroma is left-sited, as players assume."""
    shown = pictures_of(sited(tmp_path / "a.mkv", codec, location))[0].astype(int)
    drift = (shown - ramps())[4:-4, 4:-4, 2].mean()  # half a pixel to the side would be 1.5, up or down 0.5
    assert abs(drift) < 0.2
