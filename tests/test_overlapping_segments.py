"""A segment is finished while the next one is written, if two encoders fit into memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import streamstyle.sinks.video as video_sinks
from streamstyle.errors import OutputError
from streamstyle.frames import Checkpoint, Frame, StreamInfo
from streamstyle.sinks.video import SegmentSink
from streamstyle.video.codecs import EncodeOptions
from streamstyle.video.job_folder import JobFolder
from streamstyle.video.segments import Segment, SegmentWriter
from streamstyle.video.video_format import choose_format

INFO = StreamInfo("in.mp4", "video", 64, 48, Fraction(1, 25), Fraction(25))
WAIT = 10  # seconds after which a deadlock is a failure


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[JobFolder]:
    with JobFolder.start(tmp_path / "out.mp4", INFO, {}) as folder:
        yield folder


def open_sink(folder: JobFolder) -> SegmentSink:
    options = EncodeOptions(preset="ultrafast")
    return SegmentSink(folder, choose_format(Path("out.mp4"), INFO, options))


def frame(number: int) -> Frame:
    return Frame(np.full((48, 64, 3), 8 * number, np.uint8), number, INFO.time_base, 1)


def test_the_next_segment_is_written_meanwhile(folder: JobFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    written, close = threading.Event(), SegmentWriter.close

    def slow(self: SegmentWriter) -> Segment:
        assert written.wait(WAIT)
        return close(self)

    monkeypatch.setattr(SegmentWriter, "close", slow)
    sink = open_sink(folder)
    for number in range(4):
        sink.write(frame(number))
    sink.write(Checkpoint({"number": 4}))
    sink.write(frame(4))
    assert folder.segments == []
    written.set()
    for number in range(5, 9):
        sink.write(frame(number))
    sink.write(Checkpoint({"number": 9}))
    sink.close()
    assert [segment.frames for segment in folder.segments] == [4, 5]
    assert [folder.state(count)["number"] for count in (1, 2)] == [4, 9]


def test_large_frames_have_one_encoder_at_a_time(folder: JobFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_sinks, "_LARGEST_OVERLAPPED", 64 * 48 - 1)
    sink = open_sink(folder)
    sink.write(frame(0))
    sink.write(Checkpoint({}))
    assert [segment.frames for segment in folder.segments] == [1]
    sink.close()


@pytest.mark.parametrize("late", [False, True], ids=["at the next frame", "at the end"])
def test_a_segment_that_cannot_be_finished_ends_the_run(
    late: bool, folder: JobFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: SegmentWriter) -> Segment:
        raise OutputError("the disk is full")

    sink = open_sink(folder)
    sink.write(frame(0))
    monkeypatch.setattr(SegmentWriter, "close", fail)
    sink.write(Checkpoint({}))
    with pytest.raises(OutputError, match="the disk is full"):
        if late:
            sink.close()
        while not late:
            sink.write(frame(1))
    sink.abort()
    assert folder.segments == []
