"""What a container would refuse at the end is found before the render, and costs one warning or one line."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import pytest

from streamstyle.effects.identity import Identity
from streamstyle.errors import UsageError
from streamstyle.frames import StreamInfo
from streamstyle.pipeline import run
from streamstyle.sinks.pipe import PipeSink
from streamstyle.sinks.video import VideoSink
from streamstyle.sources.options import ReadOptions
from streamstyle.sources.video import VideoSource
from streamstyle.video import contents
from streamstyle.video.codecs import EncodeOptions
from tests.videos import make_video, picture

import av  # isort: skip

FILES = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi")
STREAMS = ("matroska", "webm", "nut", "mpegts", "flv")
MILLISECOND = Fraction(1, 1000)


def options(target: Path) -> EncodeOptions:
    return EncodeOptions(preset="8" if target.suffix == ".webm" else "ultrafast")


def copy(video: Path, target: Path) -> None:
    with VideoSource(str(video)) as source, VideoSink(target, source.info, options(target)) as sink:
        run(source, Identity(), [sink])


def stream(video: Path, target: Path, format: str) -> None:
    """Stream to a file, as to stdout."""
    with (
        VideoSource(str(video)) as source,
        target.open("wb", buffering=0) as file,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr("sys.stdout", type("Out", (), {"buffer": file}))
        with PipeSink("-", source.info, options(target), format=format) as sink:
            run(source, Identity(), [sink])


def kinds(path: Path) -> list[str]:
    with av.open(str(path)) as container:
        return [stream.type for stream in container.streams]


def frames(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(packet.size > 0 for packet in container.demux(video=0))


def sounding(path: Path) -> Path:
    return make_video(path, 10, audio=[("aac", 0)])


CHAPTERS: dict[str, list[tuple[int, int, str]]] = {
    "negative": [(-500, 200, "a"), (200, 300, "b")],
    "overlapping": [(0, 400, "a"), (100, 200, "b"), (50, 60, "c")],
    "reversed": [(300, 100, "a"), (200, 100, "b")],
    "without end": [(0, 2**62, "a"), (2**40, 2**62, "b")],
    "endless title": [(0, 100, "t" * 100_000)],
}


@pytest.mark.parametrize("ending", FILES)
@pytest.mark.parametrize("chapters", CHAPTERS.values(), ids=CHAPTERS)
def test_odd_chapters_never_stop_the_end(
    chapters: list[tuple[int, int, str]], ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FFmpeg refuses some and aborts the whole process at others."""
    given = [
        {"id": n, "start": start, "end": end, "time_base": MILLISECOND, "metadata": {"title": title}}
        for n, (start, end, title) in enumerate(chapters)
    ]
    video = sounding(tmp_path / "in.mp4")
    monkeypatch.setattr(av.container.InputContainer, "chapters", lambda self: given)
    copy(video, tmp_path / f"out{ending}")
    assert frames(tmp_path / f"out{ending}") == 10


TAGS: dict[str, dict[str, str]] = {
    "long": {"title": "x" * 200_000, "comment": "y" * 70_000},
    "odd": {
        "a=b;c": "1",
        "\u043a\u043b\u044e\u0447": "\x01\x02",
        "title": "a\nb=;#\\",
        "language": "klingon",
    },
    "no times": {"creation_time": "yesterday", "timecode": "noon", "track": "x/y", "location": "nowhere"},
    "drop frames": {"timecode": "01:00:00;00"},
    "many": {f"key{number}": str(number) for number in range(1000)},
}


@pytest.mark.parametrize("ending", FILES)
@pytest.mark.parametrize("tags", TAGS.values(), ids=TAGS)
def test_odd_tags_never_stop_the_end(
    tags: dict[str, str], ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "video_tags", lambda info: tags)
    copy(sounding(tmp_path / "in.mp4"), tmp_path / f"out{ending}")
    assert frames(tmp_path / f"out{ending}") == 10


@pytest.mark.parametrize("format", STREAMS)
@pytest.mark.parametrize("tags", TAGS.values(), ids=TAGS)
def test_odd_tags_never_stop_a_stream(
    tags: dict[str, str], format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "video_tags", lambda info: tags)
    target = tmp_path / ("out.webm" if format == "webm" else "out")
    stream(sounding(tmp_path / "in.mp4"), target, format)
    assert frames(target) == 10


@pytest.mark.parametrize("ending", [".mp4", ".mov"])
@pytest.mark.parametrize(("start", "kept"), [(0.0, "01:00:00:00"), (0.2, None)], ids=["whole", "trimmed"])
def test_a_time_code_is_kept_where_it_is_true(
    start: float, kept: str | None, ending: str, tmp_path: Path
) -> None:
    """The muxer makes a track of it, for which it needs the frame rate."""
    video = make_video(tmp_path / "in.mkv", 10, tags={"timecode": "01:00:00:00"})
    with (
        VideoSource(str(video), ReadOptions(start=start)) as source,
        VideoSink(tmp_path / f"out{ending}", source.info, options(tmp_path)) as sink,
    ):
        run(source, Identity(), [sink])
    with av.open(str(tmp_path / f"out{ending}")) as out:
        assert out.streams.video[0].metadata.get("timecode") == kept


def test_what_is_refused_is_dropped_with_one_warning_and_the_rest_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(contents, "video_tags", lambda info: {"title": "x" * 200_000, "artist": "kept"})
    stream(sounding(tmp_path / "in.mp4"), tmp_path / "out", "mpegts")
    assert kinds(tmp_path / "out") == ["video", "audio"]
    refused = [record.getMessage() for record in caplog.records if "refused" in record.getMessage()]
    assert len(refused) == 1 and "tag 'title': refused by mpegts" in refused[0]


def test_a_video_that_no_encoder_takes_is_refused_in_a_line(tmp_path: Path) -> None:
    info = StreamInfo("x", "video", 16384, 16384, Fraction(1, 25), Fraction(25))
    for name in ("out.mp4", "out.gif", "out.avi"):
        with pytest.raises(UsageError, match=r"^libx264(rgb)? cannot encode 16384x16384 [^\n]+$"):
            VideoSink(tmp_path / name, info, EncodeOptions(preset="ultrafast"))
    with pytest.raises(UsageError, match="cannot encode 16384x16384"):
        PipeSink("-", info, EncodeOptions(preset="ultrafast"))
    assert list(tmp_path.iterdir()) == []


def test_a_video_that_the_container_refuses_is_refused_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = sounding(tmp_path / "in.mp4")
    monkeypatch.setattr(contents, "_refusal", lambda *_: ValueError("no"))
    with VideoSource(str(video)) as source, pytest.raises(UsageError, match=r"^out\.mp4: mp4 cannot hold"):
        VideoSink(tmp_path / "out.mp4", source.info, options(tmp_path))
    assert list(tmp_path.iterdir()) == [video]


@pytest.mark.parametrize("format", ["mpegts", "flv"])
def test_receivers_get_sound_that_they_can_decode(format: str, tmp_path: Path) -> None:
    """These muxers accept more than their readers."""
    video = make_video(tmp_path / "in.avi", 10, codec="mpeg4", audio=[("pcm_mulaw", 0)])
    stream(video, tmp_path / "out", format)
    with av.open(str(tmp_path / "out")) as out:
        assert out.streams.audio[0].codec_context.name == "aac"


@pytest.mark.parametrize("ending", FILES)
def test_a_track_without_a_known_codec_is_dropped_with_a_warning(
    ending: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    video = sounding(tmp_path / "in.mp4")
    video.write_bytes(video.read_bytes().replace(b"mp4a", b"xyz9").replace(b"esds", b"free"))
    copy(video, tmp_path / f"out{ending}")
    assert kinds(tmp_path / f"out{ending}") == ["video"]
    assert "audio track 1 (unknown)" in caplog.text


def bitmap_subtitled(path: Path) -> Path:
    """A Matroska video with a track of DVD subtitles."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, width=64, height=48)
        cues = container.add_mux_stream("dvd_subtitle")
        for index in range(10):
            frame = av.VideoFrame.from_ndarray(picture(index), "rgb24")
            frame.pts = index
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        packet = av.Packet(struct.pack(">HH", 6, 4) + b"\x00\xff")
        packet.stream, packet.time_base, packet.pts, packet.dts = cues, MILLISECOND, 0, 0
        packet.duration = 200
        container.mux(packet)
    return path


@pytest.mark.parametrize("ending", FILES)
def test_bitmap_subtitles_are_kept_or_dropped(
    ending: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy(bitmap_subtitled(tmp_path / "in.mkv"), tmp_path / f"out{ending}")
    assert frames(tmp_path / f"out{ending}") == 10
    held = "subtitle" in kinds(tmp_path / f"out{ending}")
    assert held != ("subtitle track 1" in caplog.text)
