"""Time stamps that begin anew, jump or wrap: all tracks are moved together, and nothing is lost."""

import logging
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from streamstyle.effects import StylizeSettings
from streamstyle.frames import Frame, Packet
from streamstyle.jobs.render import render
from streamstyle.sources.video import VideoSource
from streamstyle.video.clock import Clock
from tests.videos import make_video, picture, sound_of, times_of

import av  # isort: skip

FRAME = Fraction(1, 25)
WRAP_SECONDS = 2**33 / 90_000
UNCHANGED = StylizeSettings(style="none", preset="ultrafast", provenance=False)


def part(folder: Path, suffix: str = ".ts", *, offset: float = 0, frames: int = 50) -> bytes:
    """A video of 2 s with sound, whose time stamps begin at `offset` seconds."""
    video = make_video(
        folder / f"part{suffix}",
        frames,
        audio=[("aac" if suffix == ".flv" else "mp2", 0.0)],
        codec="mpeg2video" if suffix == ".mpg" else "flv1" if suffix == ".flv" else "libx264",
        options={"bf": "2", "g": "25"} if suffix == ".ts" else {},
        muxer={"output_ts_offset": str(offset)},
    )
    return video.read_bytes()


def read(path: Path) -> tuple[list[float], list[float]]:
    """Times in seconds of the frames, and of the packets of the sound."""
    with VideoSource(str(path)) as source:
        items = list(source)
        start = source.info.start
    frames = [item.seconds for item in items if isinstance(item, Frame)]
    sound = []
    for item in items:
        if isinstance(item, Packet):
            assert isinstance(item.payload, av.Packet) and item.payload.pts is not None
            sound.append(float(item.payload.pts * item.payload.time_base - start))
    return frames, sound


def is_steady(times: list[float], step: float) -> bool:
    return all(0 < later - earlier < 1.6 * step for earlier, later in pairwise(times))


@pytest.mark.parametrize("offsets", [(0, 0), (3600, 0), (0, 3600), (0, 0, 0)])
def test_joined_recordings_go_on_without_a_gap(
    offsets: tuple[float, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part(tmp_path, offset=offset) for offset in offsets))
    frames, sound = read(joined)
    assert len(frames) == 50 * len(offsets)
    assert [b - a for a, b in pairwise(frames)] == pytest.approx([0.04] * (len(frames) - 1), abs=1e-4)
    assert is_steady(sound, 0.024)
    assert abs(sound[-1] - frames[-1]) < 0.06  # in step at the end as at the beginning
    assert [record.message.count("begin anew") for record in caplog.records] == [1]


@pytest.mark.parametrize("suffix", [".mpg", ".flv"])
def test_other_formats_may_begin_anew_too(suffix: str, tmp_path: Path) -> None:
    joined = tmp_path / f"joined{suffix}"
    head = 13 if suffix == ".flv" else 0  # a joined FLV has one header
    joined.write_bytes(part(tmp_path, suffix) + part(tmp_path, suffix)[head:])
    frames, sound = read(joined)
    assert len(frames) >= 99 and frames[-1] == pytest.approx(3.96, abs=0.06)
    assert is_steady(frames, 0.04) and is_steady(sound, 0.024)
    assert abs(sound[-1] - frames[-1]) < 0.08


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_joined_recordings_become_one_video(suffix: str, tmp_path: Path) -> None:
    joined, output = tmp_path / "joined.ts", tmp_path / f"output{suffix}"
    joined.write_bytes(part(tmp_path, offset=3600) + part(tmp_path))
    assert render(joined, output, UNCHANGED).frames_out == 100
    times = [float(time) for time in times_of(output)]
    assert len(times) == 100 and is_steady(times, 0.04)
    with av.open(str(output)) as container:
        assert container.duration is not None and container.duration / 1e6 == pytest.approx(4.0, abs=0.1)


def test_a_wrapped_counter_loses_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    wrapping = tmp_path / "wrapping.ts"
    wrapping.write_bytes(part(tmp_path, offset=WRAP_SECONDS - 1))
    frames, sound = read(wrapping)
    assert len(frames) == 50 and 0 <= frames[0] < 0.1
    assert is_steady(frames, 0.04) and is_steady(sound, 0.024) and min(sound) >= 0
    assert not caplog.records

    output = tmp_path / "output.mp4"
    render(wrapping, output, UNCHANGED)
    assert len(times_of(output)) == 50 and times_of(output)[0] >= 0
    assert sound_of(output)[0] == sound_of(wrapping)[0]


def test_a_counter_that_wraps_after_a_day_is_followed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """FFmpeg follows a wrap near the beginning itself; later ones arrive as a step back of 26.5 hours."""
    recording = tmp_path / "recording.ts"
    recording.write_bytes(part(tmp_path, offset=3600) + part(tmp_path, offset=3602 - 0.02))
    with av.open(str(recording)) as container:
        packets = [packet for packet in container.demux() if packet.size]
        for packet in packets:
            assert packet.pts is not None and packet.dts is not None
            if packet.dts > 3603.4 * 90_000:
                packet.pts, packet.dts = packet.pts - 2**33, packet.dts - 2**33
        corrected = list(Clock(container, "recording").correct(packets))
        video = sorted(packet.pts or 0 for packet in corrected if packet.stream.type == "video")
    assert len(corrected) == len(packets)
    assert video[-1] - video[0] == pytest.approx(99 * 3600, abs=3600)
    assert not caplog.records


def test_uneven_times_of_reordered_frames_are_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Matroska stores no decoding times, and FFmpeg does not guess the first ones."""
    times = [0, 100, 1900, 2000]
    video = make_video(tmp_path / "video.mkv", 4, times=times, time_base=Fraction(1, 1000))
    assert read(video)[0] == [time / 1000 for time in times]
    assert not caplog.records


def test_a_track_may_be_silent_for_long(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "pause.ts"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=5, width=64, height=48)
        audio = container.add_stream("mp2", rate=48000, layout="mono")
        for index in range(80):  # 16 s
            frame = av.VideoFrame.from_ndarray(picture(index), "rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 5)
            container.mux(video.encode(frame))
            if index in (0, 75):
                silence = av.AudioFrame(format="s16", layout="mono", samples=1152)
                silence.sample_rate, silence.time_base = 48000, Fraction(1, 48000)
                silence.pts = index * 9600
                container.mux(audio.encode(silence))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    frames, sound = read(path)
    assert len(frames) == 80 and frames[-1] == pytest.approx(frames[0] + 15.8, abs=0.01)
    assert sound[-1] - sound[0] == pytest.approx(15.0, abs=0.1)
    assert not caplog.records


def test_an_implausible_duration_is_unknown(tmp_path: Path) -> None:
    joined = tmp_path / "joined.ts"
    joined.write_bytes(part(tmp_path, offset=3600) + part(tmp_path))  # FFmpeg says 25 hours
    with VideoSource(str(joined)) as source:
        assert source.info.frames is None and source.info.length is None
    with VideoSource(str(tmp_path / "part.ts")) as source:
        assert source.info.length == pytest.approx(2.0, abs=0.1)


def test_a_single_wrong_time_stamp_moves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "part.ts"
    part(tmp_path)
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux() if packet.size]
        expected = [packet.dts for packet in packets]
        packets[20].dts += 90_000 * 500
        packets[20].pts += 90_000 * 500
        found = [packet.dts for packet in Clock(container, "part").correct(packets)]
    assert len(found) == len(expected)
    assert found[21:] == pytest.approx(expected[21:], abs=90_000 // 10)


@pytest.fixture(autouse=True)
def _warnings(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
