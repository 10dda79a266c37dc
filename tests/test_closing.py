"""Containers are closed without a crash, whoever reads from them. A crash would take the tests along, so the
programs run in processes of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import pytest

from streamstyle.errors import UsageError
from streamstyle.sources.video import VideoSource
from streamstyle.video import streaming
from streamstyle.video.codecs import EncodeOptions
from streamstyle.video.contents import Contents
from tests.videos import make_video

ROOT = Path(__file__).parents[1]
CLOSED_EARLY = """
from streamstyle.sources.video import VideoSource
with VideoSource(sys.argv[1]) as source:
    items = iter(source)
    next(items)
print(sum(1 for _ in items))
"""
SOUND_CLOSED_EARLY = """
from streamstyle.video.audio import AudioTracks
sound = AudioTracks(sys.argv[1])
packets = sound.packets(100.0)
next(packets)
sound.close()
print(sum(1 for _ in packets))
"""
CLOSED_IN_A_READ = """
import threading
from streamstyle.sources.video import VideoSource
seen = []
with VideoSource("-") as source:
    reader = threading.Thread(target=lambda: seen.extend(source))
    reader.start()
    print("reading", flush=True)
    while len(seen) < 5:
        time.sleep(0.01)
    time.sleep(0.5)
print("closed", flush=True)
reader.join(20)
print(reader.is_alive())
"""
INTERRUPTED = """
import signal
from streamstyle.effects.identity import Identity
from streamstyle.pipeline import run
from streamstyle.sinks.memory import MemorySink
from streamstyle.sources.video import VideoSource

def stop(*_):
    raise KeyboardInterrupt

signal.signal(signal.SIGALRM, stop)
sink = MemorySink()
try:
    with VideoSource("-") as source:
        signal.setitimer(signal.ITIMER_REAL, 2)
        run(source, Identity(), [sink], device="cpu")
except KeyboardInterrupt:
    print(f"aborted {sink.aborted} after frames {bool(sink.frames)}", flush=True)
"""


def program(code: str, *arguments: object, **more: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", f"import sys, time\n{code}", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more
    )


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("closing") / "video.mkv", 300, audio=[("aac", 0)])


@pytest.mark.parametrize("code", [CLOSED_EARLY, SOUND_CLOSED_EARLY])
def test_reading_from_a_closed_file_does_not_crash(code: str, video: Path) -> None:
    process = program(code, video)
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert int(out) < 100


def test_closing_a_pipe_while_a_thread_reads_from_it_does_not_crash(video: Path) -> None:
    data = video.read_bytes()
    process = program(CLOSED_IN_A_READ, stdin=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    process.stdin.buffer.write(data[: len(data) // 2])
    process.stdin.flush()
    assert process.stdout.readline() == "reading\n" and process.stdout.readline() == "closed\n"
    process.stdin.buffer.write(data[len(data) // 2 :])  # the read returns
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, out, errors) == (0, "False\n", "")


def test_an_interrupted_run_ends_even_if_blocked_on_a_pipe(video: Path) -> None:
    data = video.read_bytes()
    process = program(INTERRUPTED, stdin=subprocess.PIPE)
    try:
        assert process.stdin is not None and process.stderr is not None and process.stdout is not None
        process.stdin.buffer.write(data[: len(data) // 2])
        process.stdin.flush()  # and nothing more comes
        assert process.wait(timeout=60) == 0, process.stderr.read()
        assert process.stdout.read() == "aborted True after frames True\n"
    finally:
        process.kill()
        process.communicate()


def test_a_stream_is_closed_if_its_encoder_raises(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Watched:
        """A container that tells when it is closed."""

        def __init__(self, container: Any) -> None:
            self._container, self.closed = container, False

        def __getattr__(self, name: str) -> Any:
            return getattr(self._container, name)

        def close(self) -> None:
            self.closed = True
            self._container.close()

    watched: list[Watched] = []

    def refusing(container: Any, *args: Any) -> Any:
        watched.append(container)
        raise UsageError("cannot encode")

    opened = av.open
    with VideoSource(str(video)) as source:
        target, options = video.with_name("out.mkv"), EncodeOptions(codec="h264")
        monkeypatch.setattr(streaming, "plan_contents", lambda *args: Contents())
        monkeypatch.setattr(streaming.av, "open", lambda *args, **more: Watched(opened(*args, **more)))
        monkeypatch.setattr(streaming, "Encoder", refusing)
        with pytest.raises(UsageError, match="cannot encode"):
            streaming.VideoStreamWriter(str(target), "out", source.info, options, "none", None)
    assert [container.closed for container in watched] == [True]
