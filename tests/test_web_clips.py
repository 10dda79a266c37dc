"""Uploads: what is taken, what is refused with which sentence, and that nothing of them is left."""

from __future__ import annotations

import http.client
import io
import os
import signal
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from streamstyle.apps.web import clips as clips_module, site as sites, uploads
from streamstyle.apps.web.clips import Clip, Store
from streamstyle.errors import InputError
from tests.videos import make_video
from tests.webs import COLORS, TOKEN, Tint, Visitor, studio

import av  # isort: skip

SAMPLES = Path(__file__).parents[1] / "samples"
VIDEO = (SAMPLES / "harbour.mp4").read_bytes()
MOST_BYTES = 2_000_000


def still(kind: str, size: tuple[int, int] = (64, 48), color: tuple[int, int, int] = (90, 120, 30)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, color).save(file, kind)
    return file.getvalue()


def stored(data: bytes, folder: Path) -> Store:
    store = Store(folder)
    store.write(data)
    store.finish()
    return store


@pytest.fixture(scope="module")
def served():
    with studio(most_clip_bytes=MOST_BYTES) as made:
        yield made


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Clip]:
    """The clips that were opened."""
    seen: list[Clip] = []

    class Seen(Clip):
        def __init__(self, store: Store, **more: Any) -> None:
            super().__init__(store, **more)
            seen.append(self)

    monkeypatch.setattr(sites, "Clip", Seen)
    return seen


def is_running(clip: Clip) -> bool:
    return clip._process.poll() is None


def soon(condition) -> bool:
    return any(condition() or time.sleep(0.02) for _ in range(250))


def test_a_video_plays_painted_beside_its_source(served) -> None:
    with Visitor(served) as visitor:
        status, about = visitor.upload(VIDEO)
        assert status == 200 and about == {
            "kind": "video", "format": "", "width": 640, "height": 360, "fps": 24.0, "seconds": 5.0,
            "has_sound": True, "warning": "",
        }  # fmt: skip
        visitor.say(input="clip")
        assert visitor.hear("input") == "clip"
        sources = []
        for _ in range(3):
            visitor.say(ready=True)
            source, result = visitor.see()
            assert source is not None and source.shape == result.shape == (360, 640, 3)
            assert np.abs(result.astype(int) - np.array(COLORS["great_wave"])).max() < 8
            sources.append(source.astype(int))
        assert 0 < np.abs(sources[2] - sources[0]).mean() < 30  # it moves


@pytest.mark.parametrize(("kind", "target"), [("picture", None), ("video", 24.0)])
def test_a_clip_is_played_at_its_own_rate_and_an_image_at_the_best_quality(kind, target) -> None:
    tint = Tint()
    with studio(stylizer=lambda: tint) as made, Visitor(made) as visitor:
        visitor.upload(VIDEO if kind == "video" else still("PNG", (64, 48)))
        visitor.say(input="clip")
        visitor.hear("input")
        assert tint.target == target
        visitor.say(ready=True)
        visitor.see()
        assert soon(lambda: len(tint.durations) == 1)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP"])
def test_pictures_are_taken_and_scaled_down(tmp_path: Path, kind: str) -> None:
    with Clip(stored(still(kind, (1200, 600)), tmp_path)) as clip:
        assert clip.about == {
            "kind": "picture", "format": kind.upper(), "width": 960, "height": 480, "fps": 0.0,
            "seconds": 0.0, "has_sound": False, "warning": "",
        }  # fmt: skip
        for _ in range(2):
            pixels, seconds = clip.next()
            assert seconds == 0
            assert pixels.shape == (480, 960, 3) and np.abs(pixels.astype(int) - (90, 120, 30)).max() < 8


def test_a_video_of_high_dynamic_range_is_mapped(tmp_path: Path) -> None:
    """The process that reads it may not write files, except for the table of tone mapping."""
    path = tmp_path / "hdr.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx265", rate=25, options={"x265-params": "log-level=error"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p10le"
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace = 9, 16, 9  # BT.2020, PQ
        frame = av.VideoFrame(64, 48, "yuv420p10le")
        for plane, code in zip(frame.planes, (400, 512, 512), strict=True):
            plane.update(code.to_bytes(2, "little") * (plane.buffer_size // 2))
        for pts in range(3):
            frame.pts, frame.time_base = pts, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with Clip(stored(path.read_bytes(), tmp_path)) as clip:
        grey, _ = clip.next()
    assert np.ptp(grey) < 3 and 60 < grey.mean() < 120


def test_a_clip_begins_anew_when_it_ends(tmp_path: Path) -> None:
    """Three images of a GIF, seen more than once."""
    frames = [Image.new("RGB", (32, 24), (grey,) * 3) for grey in (0, 100, 200)]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=20, loop=0)
    with Clip(stored(file.getvalue(), tmp_path)) as clip:
        assert clip.about["kind"] == "video"
        frames = [clip.next() for _ in range(10)]
    seen = [(int(pixels.mean().round(-2)), round(seconds, 2)) for pixels, seconds in frames]
    assert seen.count((0, 0.0)) >= 2 and seen.count((200, 0.04)) >= 2


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "The file is empty."),
        (
            b"#!/bin/sh\necho it\n" * 100,
            "This file cannot be played: not a video or an image that can be read",
        ),
        (b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n", "not a video or an image that can be read"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "not a video or an image that can be read"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"><image href="/etc/passwd"/></svg>', "cannot be played"),
        (still("JPEG", (640, 480))[:900], "cannot be played"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "cannot be played"),
        (VIDEO[:3000], "cannot be played"),
    ],
)
def test_what_is_no_video_is_refused_with_a_sentence(served, data: bytes, match: str) -> None:
    with Visitor(served) as visitor:
        status, answer = visitor.upload(data)
        assert status == 422 and match in answer["refused"]
        assert answer["refused"].endswith(".") and "\n" not in answer["refused"]
        assert "/proc" not in answer["refused"] and "/tmp" not in answer["refused"]
        visitor.say(input="clip")
        assert "no clip yet" in visitor.hear("refused")


def test_an_upload_that_is_too_large_is_refused_before_it_comes(served) -> None:
    with Visitor(served) as visitor:
        name = visitor.hear("welcome")["visit"]
        connection = http.client.HTTPConnection(visitor.address, timeout=10)
        connection.putrequest("POST", f"/clips?visit={name}&token={TOKEN}")
        connection.putheader("origin", f"http://{visitor.address}")
        connection.putheader("content-length", str(MOST_BYTES + 1))
        connection.endheaders()
        answer = connection.getresponse()
        assert answer.status == 413 and b"too large; the limit is 2 MB" in answer.read()
        connection.close()


def test_an_upload_that_hides_its_size_is_cut_off(served) -> None:
    with Visitor(served) as visitor:
        name = visitor.hear("welcome")["visit"]
        connection = http.client.HTTPConnection(visitor.address, timeout=10)
        headers = {"origin": f"http://{visitor.address}"}
        chunks = (bytes(50_000) for _ in range(MOST_BYTES // 50_000 + 2))
        connection.request("POST", f"/clips?visit={name}&token={TOKEN}", chunks, headers, encode_chunked=True)
        assert connection.getresponse().status == 413
        connection.close()


def test_uploads_belong_to_a_page_that_is_connected(served) -> None:
    with Visitor(served) as visitor:
        status, answer = visitor.upload(VIDEO, visit="nobody")
        assert status == 409 and "not connected" in answer["refused"]


def test_an_upload_that_stands_still_is_given_up(served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "UPLOAD_SECONDS", 0.1)
    with Visitor(served) as visitor:
        name = visitor.hear("welcome")["visit"]
        connection = http.client.HTTPConnection(visitor.address, timeout=10)
        connection.putrequest("POST", f"/clips?visit={name}&token={TOKEN}")
        connection.putheader("origin", f"http://{visitor.address}")
        connection.putheader("content-length", "1000")
        connection.endheaders(b"x" * 10)
        assert connection.getresponse().status == 408
        connection.close()


def test_the_process_is_killed_and_the_file_gone_when_the_browser_goes(served, opened: list[Clip]) -> None:
    with Visitor(served) as visitor:
        assert visitor.upload(VIDEO)[0] == 200
        assert is_running(opened[0])
        visitor.say(input="clip")
        visitor.say(ready=True)
        visitor.see()
    assert soon(lambda: not is_running(opened[0]))
    assert soon(lambda: opened[0].store._file.closed)


def test_a_new_clip_takes_the_place_of_the_old_one(served, opened: list[Clip]) -> None:
    with Visitor(served) as visitor:
        name = visitor.hear("welcome")["visit"]
        assert visitor.upload(VIDEO, name)[0] == 200 and visitor.upload(still("PNG"), name)[0] == 200
        assert not is_running(opened[0]) and is_running(opened[1])
        visitor.say(input="clip")
        visitor.say(ready=True)
        assert visitor.see()[1].shape == (48, 64, 3)


def test_a_refused_clip_leaves_the_old_one_playing(served, opened: list[Clip]) -> None:
    with Visitor(served) as visitor:
        name = visitor.hear("welcome")["visit"]
        assert visitor.upload(VIDEO, name)[0] == 200 and visitor.upload(b"nothing", name)[0] == 422
        assert is_running(opened[0])


def test_a_reader_that_dies_is_told_and_the_page_lives_on(served, opened: list[Clip]) -> None:
    with Visitor(served) as visitor:
        assert visitor.upload(VIDEO)[0] == 200
        visitor.say(input="clip")
        os.kill(opened[0].pid, signal.SIGKILL)
        opened[0]._process.wait()
        visitor.say(ready=True)
        assert visitor.hear("refused")
        visitor.say(input="browser")
        assert visitor.paint(still("JPEG")).shape == (48, 64, 3)


def test_a_reader_that_hangs_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Clip(stored(VIDEO, tmp_path)) as clip:
        monkeypatch.setattr(clips_module, "FRAME_SECONDS", 0.1)
        os.kill(clip.pid, signal.SIGSTOP)
        with pytest.raises(InputError, match="could not be read within"):
            clip.next()
        assert clip._process.wait(10) == -signal.SIGKILL


def test_closing_while_somebody_waits_ends_the_wait(tmp_path: Path) -> None:
    clip = Clip(stored(VIDEO, tmp_path))
    os.kill(clip.pid, signal.SIGSTOP)
    ended: list[BaseException] = []

    def wait() -> None:
        try:
            clip.next()
        except InputError as error:
            ended.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    clip.close()
    clip.close()
    waiting.join(10)
    assert ended and not waiting.is_alive()


@pytest.mark.skipif(sys.platform != "linux", reason="address space is bounded on Linux alone")
def test_a_clip_that_needs_too_much_memory_is_refused_and_another_is_not(tmp_path: Path) -> None:
    large = still("PNG", (7000, 7000))
    with pytest.raises(InputError, match="memory"):
        Clip(stored(large, tmp_path), memory_bytes=700 << 20)
    with Clip(stored(still("PNG"), tmp_path), memory_bytes=700 << 20) as clip:
        assert clip.next()[0].shape == (48, 64, 3)


def test_a_video_of_enormous_pictures_is_refused_by_its_header(tmp_path: Path) -> None:
    video = make_video(
        tmp_path / "huge.avi",
        1,
        codec="mjpeg",
        pixel_format="yuvj420p",
        draw=lambda _: np.zeros((2400, 4096, 3), np.uint8),
    )
    with pytest.raises(InputError, match="it has 4096x2400 pixels, videos of at most 4096x2304 are accepted"):
        Clip(stored(video.read_bytes(), tmp_path))


def test_where_files_need_names_they_are_removed_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clips_module, "_DESCRIPTORS", tmp_path / "no such folder")
    with Clip(stored(still("PNG"), tmp_path)) as clip:
        assert clip.next()[0].shape == (48, 64, 3) and len(list(tmp_path.iterdir())) == 1
    assert not list(tmp_path.iterdir())


def test_no_file_is_left_whatever_happens(tmp_path: Path) -> None:
    Clip(stored(VIDEO, tmp_path)).close()
    with pytest.raises(InputError):
        Clip(stored(b"nothing", tmp_path))
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a file has a name")
def test_not_even_a_kill_leaves_a_file_or_a_process(tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom streamstyle.apps.web.clips import Clip, Store\n"
        f"s = Store({str(tmp_path)!r}); s.write(open({str(SAMPLES / 'harbour.mp4')!r}, 'rb').read())\n"
        "s.finish(); c = Clip(s); c.next(); print(c.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert done.returncode == -signal.SIGKILL and not list(tmp_path.iterdir())
    reader = Path(f"/proc/{int(done.stdout)}/cmdline")
    assert soon(lambda: not reader.exists() or not reader.read_bytes())  # gone, or waits to be buried


def test_a_clip_that_is_being_opened_is_let_go_of_when_the_page_ends(tmp_path: Path) -> None:
    """Its reader does not answer; whoever ends the page closes it, and the wait is over."""
    begun: list[Clip] = []

    def stopped(clip: Clip) -> None:
        os.kill(clip.pid, signal.SIGSTOP)
        begun.append(clip)

    ended: list[BaseException] = []

    def open_it() -> None:
        try:
            Clip(stored(VIDEO, tmp_path), begun=stopped)
        except InputError as error:
            ended.append(error)

    opening = threading.Thread(target=open_it)
    opening.start()
    assert soon(lambda: bool(begun))
    begun[0].close()
    opening.join(10)
    assert ended and not opening.is_alive()
