"""Recordings: videos of what happens live, which play whatever ends them."""

import os
import signal
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from streamstyle.apps.live.output import stream_info
from streamstyle.errors import OutputError, UsageError
from streamstyle.frames import Frame
from streamstyle.sinks.recording import RecordingSink

ROOT = Path(__file__).parents[1]
MICRO = Fraction(1, 1_000_000)
INFO = stream_info("live", 64, 48, MICRO)
TIMES = [5_000_000, 5_040_000, 5_200_000, 6_900_000, 6_910_000]  # microseconds, as frames come live


def frame(number: int, time: int) -> Frame:
    return Frame(np.full((48, 64, 3), 40 * number % 256, np.uint8), time, MICRO)


def times(path: Path) -> list[float]:
    with av.open(str(path)) as video:
        return [picture.time for picture in video.decode(video=0)]


@pytest.mark.parametrize("ending", ["mp4", "mkv", "mov"])
def test_frames_keep_the_times_of_their_capture(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    with RecordingSink(path, INFO) as sink:
        for number, taken in enumerate(TIMES):
            sink.write(frame(number, taken))
    assert times(path) == pytest.approx([(taken - TIMES[0]) / 1e6 for taken in TIMES], abs=0.001)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name], "nothing is left beside it"


def test_a_finished_mp4_is_an_ordinary_one(tmp_path):
    with RecordingSink(tmp_path / "a.mp4", INFO) as sink:
        for number, taken in enumerate(TIMES):
            sink.write(frame(number, taken))
    content = (tmp_path / "a.mp4").read_bytes()
    assert b"moof" not in content
    assert content.index(b"moov") < content.index(b"mdat"), "and begins to play before it is loaded"


def test_what_is_aborted_stays_and_plays(tmp_path):
    with pytest.raises(RuntimeError), RecordingSink(tmp_path / "a.mp4", INFO) as sink:
        for number, taken in enumerate(TIMES):
            sink.write(frame(number, taken))
        raise RuntimeError
    assert not (tmp_path / "a.mp4").exists()
    assert len(times(tmp_path / "a.part.mp4")) == len(TIMES)


def test_an_unfinished_recording_is_never_overwritten(tmp_path):
    for _ in range(2):
        sink = RecordingSink(tmp_path / "a.mp4", INFO)
        sink.write(frame(0, 0))
        sink.abort()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.part-2.mp4", "a.part.mp4"]


def test_what_is_there_is_overwritten_only_when_told(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"dear")
    with pytest.raises(UsageError, match="exists; -y overwrites it"):
        RecordingSink(path, INFO)
    with RecordingSink(path, INFO, overwrite=True) as sink:
        sink.write(frame(0, 0))
        assert path.read_bytes() == b"dear"
    assert len(times(path)) == 1


def test_a_video_that_appears_meanwhile_is_not_overwritten(tmp_path):
    path = tmp_path / "a.mp4"
    sink = RecordingSink(path, INFO)
    sink.write(frame(0, 0))
    path.write_bytes(b"dear")
    with pytest.raises(OutputError, match=r"the recording is in .*a\.part\.mp4"):
        sink.close()
    assert path.read_bytes() == b"dear" and len(times(tmp_path / "a.part.mp4")) == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [("a.gif", "cannot record .gif"), ("a", "without an ending"), ("no/a.mp4", "there is no folder")],
)
def test_names_that_cannot_be_recorded_to_are_refused_at_once(tmp_path, name, message):
    with pytest.raises(UsageError, match=message):
        RecordingSink(tmp_path / name, INFO)


PROGRAM = """
import sys, time
from pathlib import Path
from tests.test_recording import INFO, frame
from streamstyle.sinks.recording import RecordingSink
sink = RecordingSink(Path(sys.argv[1]), INFO)
for number in range(100):
    sink.write(frame(number, 100_000 * number))
print("written", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_what_was_recorded_before_a_kill_plays_up_to_the_last_second(tmp_path, ending):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / f"a.{ending}")]
    with subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"written\n"
        process.send_signal(signal.SIGKILL)
    assert times(tmp_path / f"a.part.{ending}")[-1] > 9.9 - 1.0


def test_a_recording_is_written_as_it_happens(tmp_path):
    """A second of video is on the disk before the next one is over, however few frames there are."""
    sink = RecordingSink(tmp_path / "a.mp4", INFO)
    for number in range(5):
        sink.write(frame(number, 700_000 * number))
    assert len(times(tmp_path / "a.part.mp4")) >= 4
    sink.close()


def test_a_key_frame_comes_every_two_seconds_however_few_frames_there_are(tmp_path):
    with RecordingSink(tmp_path / "a.mkv", INFO) as sink:
        for number in range(20):
            sink.write(frame(number, 500_000 * number))
    with av.open(str(tmp_path / "a.mkv")) as video:
        keys = [float(packet.pts * packet.time_base) for packet in video.demux(video=0) if packet.is_keyframe]
    assert max(b - a for a, b in pairwise([*keys, 9.5])) <= 2.01, "and at changes of the scene"


def test_a_link_as_output_stays_a_link(tmp_path):
    (tmp_path / "link.mkv").symlink_to("real.mkv")
    with RecordingSink(tmp_path / "link.mkv", INFO) as sink:
        sink.write(frame(0, TIMES[0]))
    assert (tmp_path / "link.mkv").is_symlink() and len(times(tmp_path / "real.mkv")) == 1
