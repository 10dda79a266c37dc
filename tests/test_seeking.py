"""Every container: the first frame at or after the start is found, with its sound and cues."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from streamstyle.frames import Frame, Item, Packet
from streamstyle.sources import ReadOptions
from streamstyle.sources.video import VideoSource
from streamstyle.video.seeking import approaches
from tests.videos import make_video, mux_cues, picture

import av  # isort: skip

# Suffix -> video codec, audio codec.
CONTAINERS = {
    ".mp4": ("libx264", "aac"),
    ".mov": ("libx264", "aac"),
    ".mkv": ("libx264", "aac"),
    ".webm": ("libvpx-vp9", "libopus"),
    ".avi": ("mpeg4", "mp2"),
    ".flv": ("libx264", "aac"),
    ".ts": ("libx264", "mp2"),
    ".mpg": ("mpeg2video", "mp2"),
    ".nut": ("libx264", "mp2"),
    ".wmv": ("wmv2", "mp2"),
    ".mxf": ("mpeg2video", None),
    ".h264": ("libx264", None),
    ".hevc": ("libx265", None),
}
FAR_KEYFRAMES = {"g": "60", "bf": "2", "keyint_min": "60", "sc_threshold": "0"}


def make(path: Path, frames: int = 90) -> Path:
    codec, audio = CONTAINERS[path.suffix]
    options = {
        "libx265": {"x265-params": "log-level=error"},
        "wmv2": {"g": "60"},
    }.get(codec, FAR_KEYFRAMES)
    return make_video(path, frames, codec=codec, audio=[(audio, 0.0)] if audio else (), options=options)


def items(path: Path, **options: object) -> list[Item]:
    with VideoSource(str(path), ReadOptions(**options)) as source:
        return list(source)


def frames(found: list[Item]) -> list[Frame]:
    return [item for item in found if isinstance(item, Frame)]


def sound(found: list[Item]) -> list[bytes]:
    return [bytes(item.payload) for item in found if isinstance(item, Packet)]  # type: ignore[call-overload]


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_a_part_is_the_same_as_in_the_whole(suffix: str, tmp_path: Path) -> None:
    video = make(tmp_path / f"video{suffix}")
    whole, part = items(video), items(video, start=1.0)
    expected = [frame for frame in frames(whole) if frame.seconds >= 1.0]
    found = frames(part)
    assert len(found) == len(expected) >= 64
    for ours, theirs in zip(found[:3] + found[-1:], expected[:3] + expected[-1:], strict=True):
        assert ours.seconds == pytest.approx(theirs.seconds - 1.0, abs=0.002)
        assert np.array_equal(ours.pixels, theirs.pixels)
    # The same packets up to the end, from the one at the start on.
    assert sound(whole)[-len(sound(part)) :] == sound(part) or not sound(whole)
    if CONTAINERS[suffix][1]:
        assert len(sound(part)) / len(sound(whole)) == pytest.approx(2.6 / 3.6, abs=0.03)


def test_a_start_beyond_the_only_keyframe_needs_no_index(tmp_path: Path) -> None:
    """A live WebM has no index and no duration."""
    video = make_video(tmp_path / "live.webm", 60, codec="libvpx", options={"g": "200"}, muxer={"live": "1"})
    found = frames(items(video, start=1.5))
    assert len(found) == len(frames(items(video))) - 38
    assert found[0].seconds == pytest.approx(0.02, abs=0.001)


def test_sound_before_the_picture_is_kept_from_the_start_on(tmp_path: Path) -> None:
    path = tmp_path / "late.mp4"
    with av.open(str(path), "w") as container:
        audio = container.add_stream("aac", rate=48000, layout="mono")
        video = container.add_stream("libx264", rate=25, width=64, height=48)
        for number in range(140):  # 3 s
            samples = np.zeros((1, 1024), np.float32)
            silence = av.AudioFrame.from_ndarray(samples, "fltp", "mono")
            silence.sample_rate, silence.time_base, silence.pts = 48000, Fraction(1, 48000), number * 1024
            container.mux(audio.encode(silence))
        container.mux(audio.encode(None))
        for index in range(25):
            frame = av.VideoFrame.from_ndarray(picture(index), "rgb24")
            frame.pts, frame.time_base = index + 50, Fraction(1, 25)  # from 2 s on
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    whole, part = items(path), items(path, start=1.0)
    assert len(frames(part)) == 25 and frames(part)[0].seconds == pytest.approx(1.0, abs=0.01)
    assert len(sound(part)) == pytest.approx(len(sound(whole)) - 47, abs=1)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_a_cue_that_is_still_shown_is_clipped(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"cues{suffix}"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, width=64, height=48, options={"g": "10"})
        cues = container.add_mux_stream("mov_text" if suffix == ".mp4" else "subrip")
        texts = ((200, 2600, b"long"), (2700, 3000, b"short"))
        for begin, end, text in texts:
            mux_cues(
                container, cues, (begin, end, len(text).to_bytes(2) + text if suffix == ".mp4" else text)
            )
        for index in range(100):
            frame = av.VideoFrame.from_ndarray(picture(index), "rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    with VideoSource(str(path), ReadOptions(start=2.0, length=0.9)) as source:
        begin = source.info.start
        found = [item.payload for item in source if isinstance(item, Packet)]
    shown = []
    for packet in found:
        assert isinstance(packet, av.Packet) and packet.pts is not None and packet.time_base is not None
        if b"long" in bytes(packet) or b"short" in bytes(packet):
            start = packet.pts * packet.time_base - begin
            shown.append((float(start), float(start + (packet.duration or 0) * packet.time_base)))
    assert shown == [pytest.approx((0.0, 0.6), abs=0.002), pytest.approx((0.7, 0.9), abs=0.002)]


def test_time_stamps_that_begin_anew_do_not_mislead(tmp_path: Path) -> None:
    joined = tmp_path / "joined.ts"
    one = make(tmp_path / "one.ts", 50).read_bytes()
    joined.write_bytes(one + one)
    found = frames(items(joined, start=3.0))
    assert len(found) == 25 and np.array_equal(found[0].pixels, frames(items(joined))[75].pixels)


def test_a_pipe_cannot_be_read_twice() -> None:
    assert [approach.seek or approach.skim for approach in approaches("-", 5.0)] == [False]
