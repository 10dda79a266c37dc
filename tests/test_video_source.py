"""Reading videos: every frame once, at its time, with the other tracks."""

import logging
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from streamstyle.errors import InputError
from streamstyle.frames import Frame, Item, Packet
from streamstyle.sources.options import ReadOptions
from streamstyle.sources.video import VideoSource, at_constant_rate
from tests.videos import damaged, make_video, picture, times_of

import av  # isort: skip


def frames(items: list[Item]) -> list[Frame]:
    return [item for item in items if isinstance(item, Frame)]


def read(path: Path, **options: object) -> list[Frame]:
    with VideoSource(str(path), ReadOptions(**options)) as source:
        return frames(list(source))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".webm", ".avi", ".ts"])
def test_every_frame_comes_once(suffix: str, tmp_path: Path) -> None:
    codec = "libvpx-vp9" if suffix == ".webm" else "mpeg4" if suffix == ".avi" else "libx264"
    video = make_video(tmp_path / f"video{suffix}", 30, codec=codec)
    found = read(video)
    assert len(found) == 30
    for index in (0, 13, 29):
        assert np.abs(found[index].pixels.astype(int) - picture(index)).mean() < 14
    assert found[0].reset and not any(frame.reset for frame in found[1:])


def test_irregular_times_are_kept_exactly(tmp_path: Path) -> None:
    times = [5, 6, 40, 41, 300, 1000]
    video = make_video(tmp_path / "video.mp4", 6, times=times, time_base=Fraction(1, 600))
    found = read(video)
    # The video starts late; it is moved to 0 as a whole.
    assert [frame.pts * frame.time_base * 600 for frame in found] == [t - times[0] for t in times]


def test_audio_that_starts_late_stays_late(tmp_path: Path) -> None:
    video = make_video(tmp_path / "video.mp4", 30, audio=[("aac", 0.25)])
    with VideoSource(str(video)) as source:
        first = next(item for item in source if isinstance(item, Packet))
        assert isinstance(first.payload, av.Packet)
        assert float(first.payload.pts * first.payload.time_base) == pytest.approx(0.25, abs=0.025)
        assert source.info.start == 0


def test_a_part_begins_at_its_start_and_has_its_length(tmp_path: Path) -> None:
    video = make_video(tmp_path / "video.mp4", 60)
    found = read(video, start=1.0, length=0.4)
    assert [frame.seconds for frame in found] == pytest.approx([n / 25 for n in range(10)])
    assert np.abs(found[0].pixels.astype(int) - picture(25)).mean() < 8


def test_sizes_are_known_before_the_first_frame(tmp_path: Path) -> None:
    video = make_video(tmp_path / "video.mp4", 3)
    assert read(video, max_size=32)[0].pixels.shape == (24, 32, 3)
    with VideoSource(str(video), ReadOptions(size=(40, 40))) as source:
        assert source.info.sample_aspect == Fraction(4, 3)  # the video keeps its shape
        assert frames(list(source))[0].pixels.shape == (40, 40, 3)


@pytest.mark.parametrize("fps", [Fraction(10), Fraction(60)])
def test_a_constant_rate_keeps_the_length(fps: Fraction, tmp_path: Path) -> None:
    found = read(make_video(tmp_path / "video.mp4", 50), fps=fps)
    assert [frame.pts for frame in found] == list(range(round(2 * fps)))
    assert all(frame.time_base == 1 / fps for frame in found)
    assert sum(frame.reset for frame in found) == 1


def test_at_each_tick_the_latest_frame_is_shown() -> None:
    pixels = [np.full((1, 1, 3), n, np.uint8) for n in range(3)]
    given = [Frame(pixels[n], at, Fraction(1, 100), 10) for n, at in enumerate((0, 35, 40))]
    shown = frames(list(at_constant_rate(given, Fraction(10))))
    assert [int(frame.pixels[0, 0, 0]) for frame in shown] == [0, 0, 0, 0, 2]


def test_damaged_frames_repeat_the_last_good_one(tmp_path: Path) -> None:
    video = make_video(tmp_path / "video.mp4", 30, options={"bf": "0"})
    found = read(damaged(video))
    assert [frame.seconds for frame in found] == pytest.approx([float(t) for t in times_of(video)])
    assert [frame.concealed for frame in found[9:13]] == [False, True, True, True]
    assert np.array_equal(found[12].pixels, found[9].pixels)


def test_a_truncated_video_reports_the_missing_frames(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    video = make_video(tmp_path / "video.mov", 60, options={"bf": "0"})
    data = video.read_bytes()
    with av.open(str(video)) as container:
        last = [p.pos for p in container.demux(video=0) if p.size][40]
    moov = data.rindex(b"moov") - 4
    # The index in front, the image data cut: as an interrupted download leaves a "fast start" file.
    cut = tmp_path / "cut.mov"
    cut.write_bytes(data[:last] + b"\0" * (moov - last) + data[moov:])
    with caplog.at_level(logging.WARNING), VideoSource(str(cut)) as source:
        found = frames(list(source))
    assert len(found) == 60 and sum(frame.concealed for frame in found) == 20


def test_the_largest_video_track_is_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "video.mkv"
    with av.open(str(path), "w") as container:
        streams = [
            container.add_stream("libx264", rate=25, width=width, height=height)
            for width, height in ((32, 32), (64, 48), (48, 32))
        ]
        for index in range(5):
            for stream in streams:
                frame = av.VideoFrame.from_ndarray(picture(index, stream.width, stream.height), "rgb24")
                frame.pts = index
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    assert read(path)[0].pixels.shape == (48, 64, 3)
    assert "track 1" in caplog.text and "32x32" in caplog.text


def test_a_new_size_is_scaled_to_the_first_with_a_reset(media: Path) -> None:
    found = read(media / "clips" / "bad" / "oh264_Error_I_P.264")
    assert {frame.pixels.shape for frame in found} == {(288, 352, 3)}


def test_interlaced_videos_give_one_frame_per_frame(media: Path, caplog: pytest.LogCaptureFixture) -> None:
    video = media / "clips" / "good" / "sony_a7m3.mts"
    woven, combed = read(video), read(video, deinterlace=False)
    assert [f.pts for f in woven] == [f.pts for f in combed]
    assert "interlaced" in caplog.text

    def combing(found: list[Frame]) -> float:
        rows = np.stack([frame.pixels[..., 1].astype(float) for frame in found])
        return float(np.abs(2 * rows[:, 1:-1] - rows[:, :-2] - rows[:, 2:]).mean())

    assert combing(woven) < 0.9 * combing(combed)


@pytest.mark.parametrize("content", [b"\0" * 4096, b"\x1aE\xdf\xa3" + b"\xff" * 400])
def test_invalid_files_are_refused_in_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "video.mkv").write_bytes(content)
    with pytest.raises(InputError, match=r"video\.mkv: .+") as caught:
        VideoSource(str(tmp_path / "video.mkv"))
    assert "\n" not in str(caught.value)
