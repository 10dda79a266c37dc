"""The in-memory source and sink, which replace videos in other tests."""

from fractions import Fraction

import numpy as np
import pytest

from streamstyle.frames import Checkpoint, Frame, Packet, StreamInfo
from streamstyle.sinks.memory import MemorySink
from streamstyle.sources.memory import MemorySource


def frame(pts: int, duration: int = 0, alpha: np.ndarray | None = None) -> Frame:
    pixels = np.full((4, 6, 3), pts, np.uint8)
    return Frame(pixels, pts, Fraction(1, 1000), duration, alpha)


def test_source_yields_its_items_each_time():
    items = [frame(0), Packet(1, b"sound"), frame(40)]
    source = MemorySource(items)
    assert list(source) == items
    assert list(source) == items


def test_source_derives_size_rate_and_count_from_its_frames():
    info = MemorySource([frame(0, duration=40), Packet(1, b""), frame(40)]).info
    assert (info.width, info.height, info.frames, info.kind) == (6, 4, 2, "video")
    assert info.rate == 25
    assert not info.has_alpha


def test_source_derives_the_rate_from_times_if_frames_have_no_duration():
    assert MemorySource([frame(100), frame(120)]).info.rate == 50
    assert MemorySource([frame(100)]).info.rate is None


def test_source_reports_alpha_of_any_frame():
    assert MemorySource([frame(0), frame(1, alpha=np.zeros((4, 6), np.uint8))]).info.has_alpha


def test_source_keeps_the_info_it_is_given():
    info = StreamInfo("mine", "still", 1, 2, Fraction(1))
    assert MemorySource([], info).info is info


def test_source_without_frames_and_info_is_refused():
    with pytest.raises(ValueError, match="no frame was given"):
        MemorySource([Packet(0, b"")])


def test_sink_keeps_items_by_kind_and_in_order():
    items = [frame(0), Packet(1, b"sound"), Checkpoint({"phase": 2.0}), frame(1)]
    with MemorySink(checkpoint_seconds=2.5) as sink:
        for item in items:
            sink.write(item)
    assert [type(item) for item in sink.items] == [type(item) for item in items]
    assert [kept.pts for kept in sink.frames] == [0, 1]
    assert sink.packets == [items[1]]
    assert sink.checkpoints == [items[2]]
    assert sink.checkpoint_seconds == 2.5
    assert sink.closed and not sink.aborted


def test_sink_keeps_pixels_when_the_writer_uses_its_buffer_again():
    written = frame(7, alpha=np.full((4, 6), 9, np.uint8))
    sink = MemorySink()
    sink.write(written)
    written.pixels[:] = 0
    written.alpha[:] = 0
    assert (sink.frames[0].pixels == 7).all()
    assert (sink.frames[0].alpha == 9).all()


def test_sink_aborts_after_an_exception():
    sink = MemorySink()
    with pytest.raises(RuntimeError), sink:
        raise RuntimeError
    assert sink.aborted and not sink.closed


def test_sink_accepts_nothing_after_its_end():
    sink = MemorySink()
    sink.close()
    with pytest.raises(ValueError, match="the sink is closed"):
        sink.write(frame(0))
