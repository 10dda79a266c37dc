"""AVI shows frames at a constant rate: variable ones move to its grid, in step and never two to a tick."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from streamstyle.effects.identity import Identity
from streamstyle.frames import StreamInfo
from streamstyle.pipeline import run
from streamstyle.sinks.video import VideoSink
from streamstyle.sources.video import VideoSource
from streamstyle.video.codecs import EncodeOptions
from streamstyle.video.frame_grid import FrameGrid, grid_rate
from tests.test_video_sink import interrupted, resumed
from tests.videos import make_video, sound_of

import av  # isort: skip

MILLISECOND = Fraction(1, 1000)
IRREGULAR = [n * 40 + (0, 12, 3, 15, 6, 18)[n % 6] for n in range(50)]
BURSTS = [n * 8 for n in range(20)] + [160 + n * 67 for n in range(30)]  # eight frames for two ticks


def ticks(path: Path) -> tuple[list[int], Fraction]:
    """(tick of each frame, frames per second) of an AVI."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        times = [packet.dts * packet.time_base for packet in container.demux(stream) if packet.size]
        rate = Fraction(stream.average_rate)
        return [round(time * rate) for time in times], rate


def copy(video: Path, target: Path) -> None:
    options = EncodeOptions(preset="ultrafast", quality=10)  # as those of `resumed`
    with VideoSource(str(video)) as source, VideoSink(target, source.info, options) as sink:
        sink.checkpoint_seconds = 0.4
        run(source, Identity(), [sink])


def test_times_that_are_multiples_of_a_step_are_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As of a screen recording, which only has the frames that differ."""
    times = [n * 40 for n in range(45) if n % 3]
    video = make_video(tmp_path / "in.mp4", 30, times=times, time_base=MILLISECOND)
    copy(video, tmp_path / "out.avi")
    found, rate = ticks(tmp_path / "out.avi")
    assert [tick / rate * 1000 for tick in found] == [time - times[0] for time in times]
    assert "AVI" not in caplog.text


def test_irregular_times_move_to_the_nearest_free_tick(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    video = make_video(tmp_path / "in.mp4", 50, times=IRREGULAR, time_base=MILLISECOND)
    copy(video, tmp_path / "out.avi")
    found, rate = ticks(tmp_path / "out.avi")
    assert len(found) == 50 and found == sorted(set(found))
    moved = [abs(tick / rate * 1000 - time) for tick, time in zip(found, IRREGULAR, strict=True)]
    assert max(moved) <= 1000 / rate
    warnings = [record.getMessage() for record in caplog.records if "AVI" in record.getMessage()]
    assert len(warnings) == 1 and "in.mp4: frame times vary" in warnings[0]


@pytest.mark.parametrize("times", [IRREGULAR, BURSTS], ids=["irregular", "bursts"])
def test_a_resumed_video_has_the_same_bytes(times: list[int], tmp_path: Path) -> None:
    video = make_video(tmp_path / "in.mp4", 50, times=times, time_base=MILLISECOND, audio=[("mp3", 0)])
    copy(video, tmp_path / "whole.avi")
    for after in (12, 33):
        interrupted(video, tmp_path / "out.avi", after)
        resumed(video, tmp_path / "out.avi")
        assert (tmp_path / "out.avi").read_bytes() == (tmp_path / "whole.avi").read_bytes()
    assert sound_of(tmp_path / "out.avi")[0] == sound_of(video)[0]


def test_frames_too_close_for_the_grid_are_left_out_and_the_rest_stays_in_step(
    caplog: pytest.LogCaptureFixture,
) -> None:
    grid = FrameGrid(Fraction(1, 25), "in")
    placed = [(time, grid.place(Fraction(time, 1000))) for time in BURSTS]
    kept = [(time, tick) for time, tick in placed if tick is not None]
    assert [tick for _, tick in kept] == sorted({tick for _, tick in kept})
    assert all(-20 <= tick * 40 - time <= 40 for time, tick in kept)
    assert len(kept) == 35  # five of the twenty in the first 160 ms, and all thirty after them
    assert caplog.text.count("left out") == 1


def test_halves_of_a_tick_do_not_collide() -> None:
    grid = FrameGrid(Fraction(1, 25), "in")
    assert [grid.place(Fraction(n * 40 + 20, 1000)) for n in range(4)] == [1, 2, 3, 4]


def test_a_source_without_a_container_keeps_its_rate() -> None:
    assert grid_rate(StreamInfo("x", "video", 64, 48, MILLISECOND, Fraction(30))) == 30
    assert grid_rate(StreamInfo("x", "video", 64, 48, MILLISECOND)) == 25
