"""Output: writes beside the painting, loses frames rather than time, and ends alone."""

import threading
from fractions import Fraction

import numpy as np
import pytest

from streamstyle.apps.live.output import QUEUE_FRAMES, Output
from streamstyle.errors import OutputError
from streamstyle.frames import Frame
from streamstyle.sinks.memory import MemorySink

from .cameras import until


def frame(number: int, width: int = 16, height: int = 8) -> Frame:
    return Frame(np.full((height, width, 3), number, np.uint8), number, Fraction(1, 25))


class Failing(MemorySink):
    """Fails while `broken` is set."""

    broken = True

    def write(self, item):
        if Failing.broken:
            raise OutputError("rtmp://there: cannot be written (Broken pipe)")
        super().write(item)


def test_all_frames_are_written_in_order_and_the_sink_is_closed():
    sink = MemorySink()
    output = Output("memory", lambda info: sink)
    for number in range(5):
        output.put(frame(number))
        until(lambda wanted=number + 1: output.frames == wanted)
    output.close()
    assert [item.pts for item in sink.frames] == list(range(5))
    assert sink.closed and output.drops == 0 and output.ended


def test_the_sink_is_opened_with_the_first_frame_and_its_size():
    told = []
    output = Output("memory", lambda info: told.append(info) or MemorySink())
    assert not told
    output.put(frame(1, 40, 30))
    output.close()
    assert [(info.width, info.height) for info in told] == [(40, 30)]


def test_what_a_driver_raises_ends_only_that_output_and_is_logged(caplog):
    class Odd(MemorySink):
        def write(self, item):
            raise RuntimeError("device is gone")

        def abort(self):
            pass

    output = Output("--virtual-camera", lambda info: Odd())
    output.put(frame(1))
    until(lambda: output.error is not None)
    output.close()
    assert "--virtual-camera: RuntimeError: device is gone" in str(output.error)
    assert [record.message for record in caplog.records] == [str(output.error)]


def test_without_a_frame_nothing_is_opened():
    Output("memory", lambda info: pytest.fail("opened")).close()


def test_frames_of_another_size_are_fitted_into_the_first():
    sink = MemorySink()
    output = Output("memory", lambda info: sink)
    output.put(frame(100, 16, 8))
    output.put(frame(200, 8, 8))
    output.close()
    second = sink.frames[1].pixels
    assert second.shape == (8, 16, 3)
    assert (second[:, 4:12] == 200).all() and not second[:, :4].any() and not second[:, 12:].any()


def test_a_slow_sink_drops_frames_counts_them_and_never_blocks():
    gate = threading.Event()

    class Slow(MemorySink):
        def write(self, item):
            gate.wait(10)
            super().write(item)

    output = Output("slow", lambda info: Slow())
    for number in range(QUEUE_FRAMES + 10):
        output.put(frame(number))
    assert output.drops >= 9
    gate.set()
    output.close()
    assert output.frames + output.drops == QUEUE_FRAMES + 10


def test_a_failure_ends_only_that_output():
    Failing.broken = True
    output = Output("disk", lambda info: Failing())
    for number in range(3):
        output.put(frame(number))
    until(lambda: output.ended)
    output.put(frame(9))
    output.close()
    assert isinstance(output.error, OutputError) and output.drops == 4


def test_a_receiver_that_comes_back_is_found_again(caplog):
    Failing.broken = True
    sinks = []

    def opened(info):
        sinks.append(Failing())
        return sinks[-1]

    output = Output("rtmp://there", opened, again=True, pause=0.01)
    until(lambda: output.put(frame(7)) or len(sinks) > 3)
    assert sinks[0].aborted
    Failing.broken = False
    until(lambda: output.error is None and (output.put(frame(7)) or output.frames > 0))
    output.close()
    assert sinks[-1].closed
    assert len(caplog.records) == 1, "said once, however often it fails"
