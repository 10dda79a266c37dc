"""Writing videos: times, audio, subtitles, tags, and resuming after a crash."""

from __future__ import annotations

import json
import os
import shutil
from collections import namedtuple
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from streamstyle import __version__
from streamstyle.effects.identity import Identity
from streamstyle.errors import OutputError, StreamstyleError, UsageError
from streamstyle.frames import Checkpoint, Frame, StreamInfo
from streamstyle.pipeline import Result, run
from streamstyle.sinks import open_sink
from streamstyle.sinks.video import SegmentSink, VideoSink
from streamstyle.sources.memory import MemorySource
from streamstyle.sources.options import ReadOptions
from streamstyle.sources.video import VideoSource
from streamstyle.video.codecs import CODECS, EncodeOptions
from streamstyle.video.job_folder import JobFolder
from streamstyle.video.joining import finish
from streamstyle.video.packet_log import PacketLog
from streamstyle.video.segments import SegmentWriter
from streamstyle.video.video_format import choose_format
from tests.videos import hashes_of, make_video, mux_cues, picture, pictures_of, sound_of, times_of

import av  # isort: skip

FAST = EncodeOptions(preset="ultrafast", quality=10)


def copy(source: Path, target: Path, options: EncodeOptions = FAST, **more: object) -> Result:
    with VideoSource(str(source)) as opened, VideoSink(target, opened.info, options, **more) as sink:
        sink.checkpoint_seconds = 0.4
        return run(opened, Identity(), [sink])


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_irregular_times_and_audio_are_kept(suffix: str, tmp_path: Path) -> None:
    """Exact times and byte-identical audio, in spite of many segments."""
    times = np.cumsum([1, *np.random.default_rng(1).integers(5, 60, 49)]).tolist()
    video = make_video(
        tmp_path / "video.mp4",
        50,
        times=times,
        time_base=Fraction(1, 600),
        audio=[("aac", 0.188), ("ac3", 0)],
    )
    result = copy(video, tmp_path / f"out{suffix}")
    assert (result.frames_in, result.frames_out, result.concealed) == (50, 50, 0)
    before, after = times_of(video), times_of(tmp_path / f"out{suffix}")
    tick = Fraction(1, 1000) if suffix == ".mkv" else Fraction(0)
    shift = after[0] - before[0]
    assert max(abs(b - a - shift) for a, b in zip(before, after, strict=True)) <= tick
    for track in (0, 1):
        (packets, start), (copied, moved) = sound_of(video, track), sound_of(tmp_path / f"out{suffix}", track)
        assert copied == packets
        assert abs(moved - start - shift) <= Fraction(1, 1000)
    assert not (tmp_path / f"out{suffix}.part").exists()


def test_frames_are_the_same(tmp_path: Path) -> None:
    video = make_video(tmp_path / "video.mp4", 30)
    copy(video, tmp_path / "out.mp4", EncodeOptions(preset="ultrafast", quality=0))
    difference = np.abs(pictures_of(tmp_path / "out.mp4").astype(int) - pictures_of(video))
    assert difference.mean() < 1.5


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("out.mp4", EncodeOptions(codec="hevc", preset="ultrafast")),
        ("out.mp4", EncodeOptions(codec="av1", preset="10")),
        ("out.webm", EncodeOptions(preset="8")),
        ("out.mov", EncodeOptions(codec="prores", preset="proxy")),
        ("out.mkv", EncodeOptions(codec="ffv1")),
        ("out.mkv", EncodeOptions(preset="ultrafast", pixel_format="yuv420p10le")),
        ("out.mp4", EncodeOptions(preset="ultrafast", bit_rate=400_000)),
        ("out.avi", EncodeOptions(preset="ultrafast")),
        ("out.gif", EncodeOptions()),
    ],
    ids=lambda value: value if isinstance(value, str) else value.codec,
)
def test_every_codec_and_container_stores_all_frames(
    name: str, options: EncodeOptions, tmp_path: Path
) -> None:
    video = make_video(tmp_path / "video.mp4", 30, draw=lambda index: picture(index, 128, 96))
    copy(video, tmp_path / name, options)
    shown = pictures_of(tmp_path / name)
    assert len(shown) == 30
    assert np.abs(shown[17].astype(int) - picture(17, 128, 96)).mean() < 12
    if not name.endswith(".avi"):
        assert [float(t) for t in times_of(tmp_path / name)] == pytest.approx(
            [n / 25 for n in range(30)], abs=1e-3
        )


def test_tags_chapters_and_aspect_are_kept(tmp_path: Path) -> None:
    video = make_video(
        tmp_path / "video.mp4", 30, tags={"title": "Häfen", "artist": "x"}, chapters=True, audio=[("aac", 0)]
    )
    copy(video, tmp_path / "out.mkv")
    with av.open(str(tmp_path / "out.mkv")) as out:
        assert out.metadata["title"] == "Häfen"
        chapters = [(c["start"] * c["time_base"], c["metadata"]["title"]) for c in out.chapters()]
    assert chapters == [(0, "One"), (Fraction(2, 5), "Two")]


def subtitled(path: Path) -> Path:
    """A video with a SubRip track of two cues."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, width=64, height=48)
        cues = container.add_mux_stream("subrip")
        for index in range(60):
            frame = av.VideoFrame.from_ndarray(picture(index), "rgb24")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        mux_cues(container, cues, (400, 900, b"Hello"), (1500, 2000, b"Bye"))
    return path


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_subtitles_are_kept_or_converted(suffix: str, tmp_path: Path) -> None:
    copy(subtitled(tmp_path / "video.mkv"), tmp_path / f"out{suffix}")
    with av.open(str(tmp_path / f"out{suffix}")) as out:
        packets = [p for p in out.demux(subtitles=0) if p.size > 2 and p.pts is not None]
        cues = [(float(p.pts * p.time_base), bytes(p)[2:] if suffix == ".mp4" else bytes(p)) for p in packets]
    assert cues == [(pytest.approx(0.4), b"Hello"), (pytest.approx(1.5), b"Bye")]


def test_audio_that_a_container_does_not_support_is_re_encoded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    video = make_video(tmp_path / "video.mp4", 50, audio=[("aac", 0.2)])
    copy(video, tmp_path / "out.webm", EncodeOptions(preset="8"))
    assert "re-encoded as libopus" in caplog.text
    with av.open(str(tmp_path / "out.webm")) as out:
        assert out.streams.audio[0].codec_context.name == "opus"
        decoded = list(out.decode(audio=0))
        heard = sum(frame.samples for frame in decoded) / 48000
        assert heard == pytest.approx(2.0, abs=0.06)
        assert float(decoded[0].time) == pytest.approx(0.2, abs=0.03)


def test_audio_none_drops_the_audio(tmp_path: Path) -> None:
    copy(make_video(tmp_path / "video.mp4", 10, audio=[("aac", 0)]), tmp_path / "out.mp4", audio="none")
    with av.open(str(tmp_path / "out.mp4")) as out:
        assert [stream.type for stream in out.streams] == ["video"]


@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 5), (63, 47), (64, 47)])
def test_odd_sizes_grow_by_one_repeated_row_or_column(
    width: int, height: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    frames = [Frame(picture(n, 64, 48)[:height, :width].copy(), n, Fraction(1, 25), 1) for n in range(3)]
    source = MemorySource(frames)
    with VideoSink(tmp_path / "out.mp4", source.info, FAST) as sink:
        run(source, Identity(), [sink])
    shown = pictures_of(tmp_path / "out.mp4")
    assert shown.shape == (3, height + height % 2, width + width % 2, 3)
    assert np.abs(shown[0, :height, :width].astype(int) - frames[0].pixels).mean() < 12
    assert "odd size" in caplog.text


def test_encoding_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    """x264's default preset with its look-ahead, on a moving image: resuming relies on this."""
    with VideoSource(
        str(Path(__file__).parents[1] / "samples" / "harbour.mp4"), ReadOptions(max_size=320)
    ) as source:
        frames = [item for item in source if isinstance(item, Frame)][:60]
        info = source.info
    hashes = set()
    for _ in range(5):
        writer = SegmentWriter(
            tmp_path / "a.mp4", "mp4", CODECS["h264"], EncodeOptions(threads=2), info, info.time_base
        )
        for frame in frames:
            writer.write(frame)
        hashes.add(writer.close().sha256)
    assert len(hashes) == 1


class Dies(Exception):
    """Stands for a crash."""


def interrupted(video: Path, target: Path, after: int) -> None:
    """Copy `video`, with a crash after that many frames."""

    class Crashing(Identity):
        def __call__(self, image, moment):  # type: ignore[no-untyped-def]
            if moment.index == after:
                raise Dies
            return image

    with VideoSource(str(video)) as source:
        sink = VideoSink(target, source.info, FAST, overwrite=True)
        sink.checkpoint_seconds = 0.4
        with pytest.raises(Dies):
            run(source, Crashing(), [sink])


def resumed(video: Path, target: Path) -> Result:
    with JobFolder.reopen(target) as folder, VideoSource(str(video)) as source:
        folder.check_source(source.info)
        video, log = choose_format(target, source.info, FAST), PacketLog(folder.tracks, source.info.tracks)
        sink = SegmentSink(folder, video, first=folder.frames, log=log)
        sink.checkpoint_seconds = 0.4
        result = run(source, Identity(), [sink], resume_at=folder.frames, state=folder.state())
        finish(folder, video, log)
        return result


@pytest.mark.parametrize("after", [0, 9, 10, 25, 59])
def test_a_resumed_video_is_the_uninterrupted_one(after: int, tmp_path: Path) -> None:
    video = make_video(tmp_path / "video.mp4", 60, audio=[("aac", 0.1)])
    copy(video, tmp_path / "whole.mp4")
    interrupted(video, tmp_path / "out.mp4", after)
    assert not (tmp_path / "out.mp4").exists()
    if after == 0:
        assert not (tmp_path / "out.mp4.part").exists()  # nothing to go on with
        return
    result = resumed(video, tmp_path / "out.mp4")
    assert result.frames_out == 60
    assert hashes_of(tmp_path / "out.mp4") == hashes_of(tmp_path / "whole.mp4")
    assert times_of(tmp_path / "out.mp4") == times_of(tmp_path / "whole.mp4")
    assert sound_of(tmp_path / "out.mp4") == sound_of(video)


def test_finished_segments_are_playable(tmp_path: Path) -> None:
    source = MemorySource([Frame(picture(n), n, Fraction(1, 25), 1) for n in range(25)])
    sink = VideoSink(tmp_path / "out.mp4", source.info, FAST)
    for n, frame in enumerate(source):
        if n in (10, 20):
            sink.write(Checkpoint({}))
        sink.write(frame)
    sink.abort()
    parts = sorted((tmp_path / "out.mp4.part").glob("*.mp4"))
    assert [path.stem for path in parts] == ["000000", "000010", "unfinished"]
    assert [len(times_of(path)) for path in parts] == [10, 10, 5]


def test_a_manifest_cut_anywhere_falls_back_to_the_segment_before(tmp_path: Path) -> None:
    video = make_video(tmp_path / "video.mp4", 40)
    interrupted(video, tmp_path / "out.mp4", 39)
    manifest = tmp_path / "out.mp4.part" / "manifest.jsonl"
    lines = manifest.read_bytes().splitlines(keepends=True)
    assert len(lines) == 4
    for cut in range(0, len(lines[-1]), 7):
        manifest.write_bytes(b"".join(lines[:-1]) + lines[-1][:cut])
        with JobFolder.reopen(tmp_path / "out.mp4") as folder:
            assert folder.frames == 20
    manifest.write_bytes(b"".join(lines[:-1]) + lines[-1][:30])
    assert resumed(video, tmp_path / "out.mp4").frames_out == 40


def test_a_damaged_segment_is_rendered_again(tmp_path: Path) -> None:
    video = make_video(tmp_path / "video.mp4", 40)
    copy(video, tmp_path / "whole.mp4")
    interrupted(video, tmp_path / "out.mp4", 39)
    broken = tmp_path / "out.mp4.part" / "000010.mp4"
    broken.write_bytes(broken.read_bytes()[:-1] + b"x")
    resumed(video, tmp_path / "out.mp4")
    assert hashes_of(tmp_path / "out.mp4") == hashes_of(tmp_path / "whole.mp4")


def test_another_input_is_refused_on_resume(tmp_path: Path) -> None:
    video = make_video(tmp_path / "video.mp4", 40)
    interrupted(video, tmp_path / "out.mp4", 30)
    with video.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"x")
    with pytest.raises(StreamstyleError, match=r"video\.mp4: is not the file"):
        resumed(video, tmp_path / "out.mp4")


def test_the_second_of_two_runs_refuses(tmp_path: Path) -> None:
    info = MemorySource([Frame(picture(0), 0, Fraction(1, 25))]).info
    with JobFolder.start(tmp_path / "out.mp4", info, {}):
        with pytest.raises(OutputError, match=r"out\.mp4: another run is writing it"):
            JobFolder.start(tmp_path / "out.mp4", info, {}, overwrite=True)
        with pytest.raises(OutputError, match=r"out\.mp4: another run is writing it"):
            JobFolder.reopen(tmp_path / "out.mp4")
    assert list(tmp_path.iterdir()) == []


def test_an_unfinished_run_is_not_overwritten_by_default(tmp_path: Path) -> None:
    video = make_video(tmp_path / "video.mp4", 40)
    interrupted(video, tmp_path / "out.mp4", 30)
    with pytest.raises(UsageError, match="streamstyle resume"):
        copy(video, tmp_path / "out.mp4")
    copy(video, tmp_path / "out.mp4", overwrite=True)
    assert len(times_of(tmp_path / "out.mp4")) == 40


def test_an_existing_video_is_not_overwritten_by_default(tmp_path: Path) -> None:
    (tmp_path / "out.mp4").write_text("precious")
    with pytest.raises(UsageError, match=r"out\.mp4: exists; -y overwrites it"):
        copy(make_video(tmp_path / "video.mp4", 3), tmp_path / "out.mp4")
    assert (tmp_path / "out.mp4").read_text() == "precious"


def test_the_record_and_state_are_restored(tmp_path: Path) -> None:
    info = MemorySource([Frame(picture(0), 0, Fraction(1, 25))]).info
    with JobFolder.start(tmp_path / "out.mp4", info, {"effect": "x"}) as folder:
        sink = SegmentSink(folder, choose_format(tmp_path / "out.mp4", info, FAST))
        sink.write(Frame(picture(0), 0, Fraction(1, 25), 1))
        sink.write(Checkpoint({"mean": np.arange(3.0), "count": 7}))
        sink.abort()
    with JobFolder.reopen(tmp_path / "out.mp4") as again:
        state = again.state()
        assert again.head["effect"] == "x" and again.frames == 1
    assert state["count"] == 7 and np.array_equal(state["mean"], [0.0, 1.0, 2.0])


Usage = namedtuple("Usage", "total used free")


def test_too_little_space_is_reported_before_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 0, 17_000_000))
    info = StreamInfo("x", "video", 1920, 1080, Fraction(1, 25), Fraction(25), frames=10_000, length=400.0)
    with pytest.raises(OutputError, match=r"too little disk space: about \d+ MB needed, 17 MB free"):
        VideoSink(tmp_path / "out.mp4", info, FAST)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_keeps_the_finished_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = make_video(tmp_path / "video.mp4", 40)
    left = iter([10**9, 10**9, 10**9])
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 0, next(left, 100)))
    with pytest.raises(OutputError, match="too little disk space"):
        copy(video, tmp_path / "out.mp4")
    monkeypatch.undo()
    assert resumed(video, tmp_path / "out.mp4").frames_out == 40


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (EncodeOptions(codec="h265"), r"--codec h265: unknown \(did you mean hevc\?\); known: auto h264"),
        (EncodeOptions(codec="prores"), r"--codec prores: not supported by out\.mp4"),
        (EncodeOptions(quality=99), "--crf 99: codec h264 takes 0 to 51"),
        (EncodeOptions(preset="warp"), "--preset warp: codec h264 takes ultrafast"),
        (EncodeOptions(pixel_format="rgb555"), "--pix-fmt rgb555: codec h264 takes yuv420p"),
    ],
)
def test_wrong_options_name_the_value_and_the_allowed_ones(
    options: EncodeOptions, message: str, tmp_path: Path
) -> None:
    info = MemorySource([Frame(picture(0), 0, Fraction(1, 25))]).info
    with pytest.raises(UsageError, match=message):
        VideoSink(tmp_path / "out.mp4", info, options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["out.xyz", "out.mp3"])
def test_unknown_suffixes_are_refused(name: str, tmp_path: Path) -> None:
    info = MemorySource([Frame(picture(0), 0, Fraction(1, 25))]).info
    with pytest.raises(UsageError, match=r"cannot write \.\w+( \(did you mean \.mp4\?\))?; videos: \.mp4"):
        open_sink(tmp_path / name, info)


def test_the_manifest_names_what_made_the_video(tmp_path: Path) -> None:
    interrupted(make_video(tmp_path / "video.mp4", 40), tmp_path / "out.mp4", 30)
    head = json.loads((tmp_path / "out.mp4.part" / "manifest.jsonl").read_text().splitlines()[0])
    assert head["version"] == 1 and head["streamstyle"] == __version__
    assert len(head["source"]["sha256"]) == 64
