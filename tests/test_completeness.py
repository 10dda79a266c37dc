"""Videos that are cut off, and servers and pipes that end early, are read as far as they go and reported."""

import http.server
import io
import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from streamstyle.errors import InputError
from streamstyle.frames import Frame
from streamstyle.sources import ReadOptions
from streamstyle.sources.video import VideoSource
from streamstyle.video import opening, spooling
from tests.videos import make_video

FRAGMENTED = {"movflags": "frag_keyframe+empty_moov"}
PLAIN = {"movflags": "faststart"}


def make(path: Path, frames: int = 100) -> Path:
    """A video of which each keyframe is followed by 7 frames."""
    muxer = FRAGMENTED if path.stem == "fragmented" else PLAIN if path.stem == "first" else {}
    sound = {".webm": "libopus", ".ts": "mp2", ".avi": "mp2", ".wmv": "mp2"}.get(path.suffix, "aac")
    codec = {".webm": "libvpx", ".avi": "mpeg4", ".wmv": "wmv2"}.get(path.suffix, "libx264")
    options = {"g": "8", "threads": "1"}  # threads of libvpx take 100 times as long beside other processes
    return make_video(path, frames, codec=codec, audio=[(sound, 0.0)], muxer=muxer, options=options)


def read(name: str, **options: object) -> tuple[list[Frame], int]:
    """The frames, and how many are missing."""
    with VideoSource(name, ReadOptions(**options)) as source:
        frames = [item for item in source if isinstance(item, Frame)]
        return frames, source.lost


@pytest.mark.parametrize(
    "name", ["fragmented.mp4", "first.mp4", "cut.mkv", "cut.webm", "cut.flv", "cut.avi", "cut.ts", "cut.wmv"]
)
def test_a_video_that_is_cut_off_is_reported(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = make(tmp_path / name)
    frames, lost = read(str(whole))
    assert len(frames) == 100 and lost == 0
    assert not caplog.records, "a whole video is not reported"

    data = whole.read_bytes()
    whole.write_bytes(data[: len(data) * 6 // 10 // 188 * 188 + 50])
    frames, lost = read(str(whole))
    concealed = sum(frame.concealed for frame in frames)
    assert 10 < len(frames) - concealed < 95
    assert lost + concealed >= 1
    assert "missing at its end" in caplog.text or concealed


def test_the_part_that_is_there_needs_no_report(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = make(tmp_path / "cut.mkv")
    data = whole.read_bytes()
    whole.write_bytes(data[: len(data) * 6 // 10])
    frames, lost = read(str(whole), length=0.4)
    assert (len(frames), lost) == (10, 0) and not caplog.records


def test_a_file_that_is_removed_meanwhile_is_read_to_its_end(tmp_path: Path) -> None:
    whole = make(tmp_path / "video.mkv")
    with VideoSource(str(whole)) as source:
        whole.unlink()
        assert sum(isinstance(item, Frame) for item in source) == 100 and source.lost == 0


def test_an_mp4_without_index_is_named_so(tmp_path: Path) -> None:
    whole = make(tmp_path / "cut.mp4")
    data = whole.read_bytes()
    whole.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="no index"):
        read(str(whole))


@contextmanager
def serving(
    data: bytes, *, sent: int | None = None, ranges: bool = False, stalls: bool = False
) -> Iterator[str]:
    """The address of a server that sends `sent` of the bytes that it promises, then ends or falls silent."""
    end = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            begin = 0
            if ranges and (asked := self.headers.get("Range")):
                begin = int(asked.removeprefix("bytes=").split("-")[0])
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(data) - begin))
            self.end_headers()
            try:
                self.wfile.write(data[begin:sent])
                if stalls:
                    end.wait(60)
            except OSError:
                pass

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/video"
    finally:
        end.set()
        server.shutdown()
        server.server_close()


def test_a_server_that_stops_early_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = make(tmp_path / "video.mkv").read_bytes()
    with serving(data) as address:
        frames, lost = read(address)
        assert len(frames) == 100 and lost == 0
    with serving(data, sent=len(data) // 2) as address:
        frames, lost = read(address)
        assert 30 < len(frames) < 70 and lost == pytest.approx(100 - len(frames), abs=5)
    assert "ended early" in caplog.text


def test_a_server_that_falls_silent_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(opening, "_TIMEOUT_SECONDS", (1.0, 1.0))
    data = make(tmp_path / "video.mkv").read_bytes()
    with serving(data, sent=len(data) // 2, stalls=True) as address:
        frames, lost = read(address)
    assert 30 < len(frames) < 70 and lost > 20
    assert "ended early" in caplog.text


@pytest.mark.parametrize("ranges", [False, True])
@pytest.mark.parametrize("start", [0.0, 2.0])
def test_an_index_at_the_end_is_read_from_any_server(ranges: bool, start: float, tmp_path: Path) -> None:
    data = large_mp4(tmp_path / "video.mp4")
    with serving(data, ranges=ranges) as address:
        frames, lost = read(address, start=start)
    assert (len(frames), lost) == (100 - round(25 * start), 0)


def test_an_index_at_the_end_that_never_comes_is_refused(tmp_path: Path) -> None:
    data = large_mp4(tmp_path / "video.mp4")
    with serving(data, sent=len(data) // 2) as address, pytest.raises(InputError, match="stopped before"):
        read(address)


@pytest.mark.parametrize("index", ["first", "last"])
def test_an_mp4_is_read_from_a_pipe(index: str, tmp_path: Path) -> None:
    data = large_mp4(tmp_path / f"{index}.mp4")
    assert (data.index(b"moov") < data.index(b"mdat")) == (index == "first")
    program = (
        "import sys; from streamstyle.sources.video import VideoSource\n"
        "with VideoSource('-') as source: print(sum(hasattr(item, 'pixels') for item in source))"
    )
    run = subprocess.run([sys.executable, "-c", program], input=data, capture_output=True, check=True)
    assert int(run.stdout) == 100


def test_only_an_mp4_with_its_index_at_the_end_is_stored(tmp_path: Path) -> None:
    last = large_mp4(tmp_path / "last.mp4")
    for data in (large_mp4(tmp_path / "first.mp4"), make(tmp_path / "a.mkv").read_bytes(), b"", b"\0" * 50):
        stream = spooling.readable_in_one_pass(io.BytesIO(data), "-")
        assert isinstance(stream, spooling.ReplayedStream)
        assert b"".join(iter(lambda stream=stream: stream.read(1000), b"")) == data
    stored = spooling.readable_in_one_pass(io.BytesIO(last), "-")
    assert isinstance(stored, spooling.StoredStream) and stored.read() == last


def test_a_silent_server_is_no_video() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(InputError, match="cannot be opened"):
        read(f"http://127.0.0.1:{port}/video.mp4")  # refused: nothing listens there


def large_mp4(path: Path) -> bytes:
    """An MP4 that does not fit into FFmpeg's buffers, so that it cannot go back to its beginning."""
    muxer = PLAIN if path.stem == "first" else {}
    return make_video(path, 100, draw=noise, options={"crf": "0"}, muxer=muxer).read_bytes()


def noise(index: int) -> np.ndarray:
    """(96, 128, 3) pixels that do not compress."""
    return np.random.default_rng(index).integers(0, 256, (96, 128, 3), np.uint8)


@pytest.fixture(autouse=True)
def _warnings(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
