"""Videos that are unusual but not damaged are read right."""

import io
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from streamstyle.effects import StylizeSettings
from streamstyle.errors import InputError
from streamstyle.frames import Frame
from streamstyle.preview.video import sample_frames
from streamstyle.sources.video import VideoSource
from tests.videos import make_video, picture, times_of

import av  # isort: skip

# H.264 has no such sample entry; FFmpeg does not know its codec.
UNKNOWN = {
    ".mp4": (b"avc1", b"xyz1"),
    ".mkv": (b"V_MPEG4/ISO/AVC", b"V_MPEG4/ISO/XYZ"),
    ".avi": (b"FMP4", b"XYZ1"),
}


def read(path: Path) -> list[Frame]:
    with VideoSource(str(path)) as source:
        return [item for item in source if isinstance(item, Frame)]


@pytest.mark.parametrize("suffix", UNKNOWN)
def test_an_unknown_codec_is_refused_in_a_line(suffix: str, tmp_path: Path) -> None:
    video = make_video(tmp_path / f"video{suffix}", 3, codec="mpeg4" if suffix == ".avi" else "libx264")
    known, unknown = UNKNOWN[suffix]
    assert known in video.read_bytes()
    video.write_bytes(video.read_bytes().replace(known, unknown))
    with pytest.raises(InputError, match="codec is unknown"):
        VideoSource(str(video))


def test_the_last_interlaced_frame_is_shown_as_long_as_the_others(tmp_path: Path) -> None:
    video = make_video(tmp_path / "video.mp4", 12, options={"flags": "+ilme+ildct", "x264-params": "tff=1"})
    with av.open(str(video)) as container:
        assert next(container.decode(video=0)).interlaced_frame
    found = read(video)
    assert [frame.duration * frame.time_base for frame in found] == [Fraction(1, 25)] * 12


@pytest.mark.parametrize("suffix", [".avi", ".mkv"])
def test_side_data_of_an_unknown_kind_is_ignored(suffix: str, tmp_path: Path) -> None:
    """FFmpeg attaches the EXIF of Motion JPEG to its frames, as it does the views of spatial video."""
    path = tmp_path / f"video{suffix}"
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25, width=64, height=48)
        stream.codec_context.pix_fmt = "yuvj420p"
        for index in range(3):
            data = io.BytesIO()
            Image.fromarray(picture(index)).save(data, "JPEG", exif=exif)
            packet = av.Packet(data.getvalue())
            packet.pts = packet.dts = index
            packet.time_base, packet.stream, packet.is_keyframe = Fraction(1, 25), stream, True
            container.mux(packet)
    with av.open(str(path)) as container, pytest.raises(ValueError, match="not a valid Type"):
        list(next(container.decode(video=0)).side_data)  # PyAV cannot read it
    found = read(path)
    assert len(found) == 3 and found[0].pixels.shape == (64, 48, 3)
    expected = cv2.rotate(picture(0), cv2.ROTATE_90_CLOCKWISE)
    assert np.abs(found[0].pixels.astype(int) - expected).mean() < 6


def packed(path: Path) -> None:
    """An AVI of MPEG-4 with packed bitstream: each B-frame is in the packet of the frame that follows it."""
    encoder = av.CodecContext.create("mpeg4", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 64, 48, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25)
    encoder.max_b_frames, encoder.options = 1, {"b_strategy": "0"}
    coded = []
    for index in range(21):
        frame = av.VideoFrame.from_ndarray(picture(index), "rgb24")
        frame.pts, frame.time_base = index, Fraction(1, 25)
        coded += encoder.encode(frame)
    vop, skipped = b"\0\0\1\xb6", b"\0\0\1\xb6\x70\x7f"
    data = [bytes(packet) for packet in [*coded, *encoder.encode(None)]]
    chunks: list[bytes] = []
    while data:
        one = data.pop(0)
        is_b_frame = bool(data) and data[0][data[0].find(vop) + 4] >> 6 == 2
        chunks += [one + data.pop(0), skipped] if is_b_frame else [one]
    head = chunks[0].find(vop)
    chunks[0] = chunks[0][:head] + b"\0\0\1\xb2DivX503b1393p" + chunks[0][head:]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, width=64, height=48)
        stream.codec_context.max_b_frames = 0
        for index, chunk in enumerate(chunks):
            packet = av.Packet(chunk)
            packet.pts = packet.dts = index
            packet.time_base, packet.stream = Fraction(1, 25), stream
            container.mux(packet)


def test_a_packed_bitstream_is_steady(tmp_path: Path) -> None:
    path = tmp_path / "packed.avi"
    packed(path)
    found = read(path)
    begin = found[0].pts
    assert [frame.pts - begin for frame in found] == list(range(21))
    assert not any(frame.concealed for frame in found)
    for index in (0, 1, 2, 19):
        assert np.abs(found[index].pixels.astype(int) - picture(index)).mean() < 14


def test_times_that_contradict_the_order_give_way_to_decoding_times(tmp_path: Path) -> None:
    """Presentation times in the order of decoding, as written by some old programs."""
    path = tmp_path / "video.mkv"
    whole = make_video(tmp_path / "right.mkv", 40, options={"bf": "2", "g": "40"})
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        for index, packet in enumerate(packets):
            packet.pts = packet.dts = index * 40
            packet.stream = stream
            target.mux(packet)
    found = [float(time) for time in times_of(path)]
    assert found != sorted(found), "the presentation times are wrong"
    times = [frame.seconds for frame in read(path)]
    assert len(times) == 40
    steps = [later - earlier for earlier, later in pairwise(times)]
    assert steps == pytest.approx([0.04] * 39, abs=0.041)
    assert times[-1] - times[0] == pytest.approx(39 / 25, abs=0.09)


def test_a_preview_of_a_video_without_duration_shows_all_of_it(tmp_path: Path) -> None:
    video = make_video(tmp_path / "live.webm", 50, codec="libvpx", muxer={"live": "1"})
    with VideoSource(str(video)) as source:
        assert source.info.length is None
        samples = sample_frames(source, str(video), StylizeSettings(style="none"), 5)
    seconds = [samples.frames[index].seconds for index in samples.shown]
    assert seconds == pytest.approx([0.2, 0.6, 1.0, 1.4, 1.8], abs=0.05)
    assert samples.total == 50


def test_a_preview_of_joined_recordings_shows_both(tmp_path: Path) -> None:
    """FFmpeg takes the duration of the last one for that of the whole."""
    one = make_video(tmp_path / "one.ts", 50).read_bytes()
    joined = tmp_path / "joined.ts"
    joined.write_bytes(one + one)
    with VideoSource(str(joined)) as source:
        assert source.info.length == pytest.approx(2.0, abs=0.1)
        samples = sample_frames(source, str(joined), StylizeSettings(style="none"), 4)
    seconds = [samples.frames[index].seconds for index in samples.shown]
    assert seconds == pytest.approx([0.5, 1.5, 2.5, 3.5], abs=0.06)
    assert samples.total == 100


def test_a_preview_of_uneven_frame_times_has_rising_ones(tmp_path: Path) -> None:
    """The frames at one position may be later than those at the next."""
    video = make_video(tmp_path / "video.mkv", 4, times=[0, 100, 1900, 2000], time_base=Fraction(1, 1000))
    with VideoSource(str(video)) as source:
        samples = sample_frames(source, str(video), StylizeSettings(style="none"), 6)
    times = [frame.pts for frame in samples.frames]
    assert len(times) > 2 and all(earlier < later for earlier, later in pairwise(times))
