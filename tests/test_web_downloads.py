"""What the page renders: where it goes, how it ends, and that nothing of it is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from streamstyle.apps.web.renders import Render, RenderJob
from streamstyle.effects import StylizeSettings
from tests.videos import make_video, times_of
from tests.webs import TOKEN, Visitor, ask, picture, studio

NO_STYLE = StylizeSettings(style="none", device="cpu")
LOOK = {"state": "running"}


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return make_video(tmp_path_factory.mktemp("clips") / "ball.mp4", 6)


def test_a_visitor_downloads_the_clip_in_its_look(clip: Path) -> None:
    """With doubles for the painter on the page, but not for the renderer."""
    with studio() as made, Visitor(made) as visitor:
        name = visitor.hear("welcome")["visit"]
        assert ask(made.url, "GET", f"/renders/{name}?token={TOKEN}")[0] == 404
        visitor.say(render="clip")
        assert visitor.hear("render") == {"state": "failed", "message": "there is no clip yet; upload one"}
        visitor.upload(clip.read_bytes(), name)
        visitor.say(want={"style": "none", "strength": 0.5})
        visitor.say(render="clip")
        assert visitor.hear("render") == LOOK
        while (message := visitor.hear("render"))["state"] == "running":
            pass
        assert message == {"state": "done", "name": "stylized.mp4", "frames": 6, "concealed": 0, "lost": 0,
                           "bytes": message["bytes"]}  # fmt: skip
        status, headers, data = ask(made.url, "GET", f"/renders/{name}?token={TOKEN}")
        assert (status, headers["content-type"], len(data)) == (200, "video/mp4", message["bytes"])
        assert headers["content-disposition"] == "attachment"
        (clip.parent / "made.mp4").write_bytes(data)
        assert times_of(clip.parent / "made.mp4") == times_of(clip)
        assert ask(made.url, "GET", f"/renders/someone?token={TOKEN}")[0] == 404
        visitor.say(render="")
        assert visitor.hear("render") == {"state": "cancelled"}
        assert ask(made.url, "GET", f"/renders/{name}?token={TOKEN}")[0] == 404


def test_what_cannot_be_rendered_is_said() -> None:
    with studio() as made, Visitor(made) as visitor:
        visitor.say(render="everything")
        assert "render is 'everything', expected clip, sample" in visitor.hear("refused")
        assert visitor.paint(picture()).shape == (48, 64, 3)


def test_that_the_renderer_cannot_be_started_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def no(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with studio() as made, Visitor(made) as visitor:
        monkeypatch.setattr("streamstyle.apps.web.renders.subprocess.Popen", no)
        visitor.say(render="sample")
        assert visitor.hear("render") == LOOK
        assert "cannot start the renderer" in visitor.hear("render")["message"]
        monkeypatch.setattr("streamstyle.apps.web.renders.tempfile.mkdtemp", no)
        visitor.say(render="sample")
        assert visitor.hear("render")["message"] == "the server cannot write: No space left on device"


def test_two_visitors_render_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    may = threading.Event()

    def run(self: Render, on_message: Any) -> None:
        may.wait(20)
        on_message({"refused": "it was a test"})

    monkeypatch.setattr(Render, "run", run)
    with studio() as made, Visitor(made) as first, Visitor(made) as second:
        first.say(render="sample")
        assert first.hear("render") == LOOK
        second.say(render="sample")
        assert second.hear("render") == {"state": "waiting"}
        may.set()
        assert first.hear("render") == {"state": "failed", "message": "it was a test"}
        assert second.hear("render") == LOOK


def rendered(render: Render) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    render.run(messages.append)
    return messages


def test_the_result_is_there_until_it_is_closed(clip: Path, tmp_path: Path) -> None:
    render = Render(RenderJob(str(clip), (), NO_STYLE, "stylized.mp4"), tmp_path)
    assert rendered(render)[-1]["done"]["frames"] == 6
    data = b"".join(render.read(start, 1000) for start in range(0, render.bytes, 1000))
    assert len(data) == render.bytes and data[4:8] == b"ftyp"
    assert sys.platform == "win32" or not list(tmp_path.iterdir()), "it has no name any more"
    render.close()
    render.close()
    assert render.read(0, 10) == b"" and not list(tmp_path.iterdir())


def test_errors_name_no_path(tmp_path: Path) -> None:
    (tmp_path / "secret.mp4").write_bytes(b"nothing")
    render = Render(RenderJob(str(tmp_path / "secret.mp4"), (), NO_STYLE, "stylized.mp4"), tmp_path)
    (message,) = rendered(render)
    assert message["refused"] and str(tmp_path) not in message["refused"]
    render.close()


def test_a_renderer_that_dies_is_said_to_have(clip: Path, tmp_path: Path) -> None:
    render = Render(RenderJob(str(clip), (), NO_STYLE, "stylized.mp4"), tmp_path)
    messages: list[dict[str, Any]] = []
    running = threading.Thread(target=render.run, args=(messages.append,))
    running.start()
    while render._process is None:
        time.sleep(0.01)
    render._process.kill()
    running.join(20)
    assert "crashed" in messages[-1]["refused"]
    render.close()


def test_closing_ends_a_render(clip: Path, tmp_path: Path) -> None:
    render = Render(RenderJob(str(clip), (), NO_STYLE, "stylized.mp4"), tmp_path)
    running = threading.Thread(target=render.run, args=(lambda _: None,))
    running.start()
    while render._process is None:
        time.sleep(0.01)
    process = render._process
    render.close()
    running.join(20)
    assert not running.is_alive() and process.returncode is not None and not list(tmp_path.iterdir())


def test_a_render_without_a_server_ends_and_leaves_nothing(clip: Path, tmp_path: Path) -> None:
    """The server was killed, so stdin of the process ends."""
    folder = tmp_path / "results"
    folder.mkdir()
    values = {"style": "none", "device": "cpu"}
    job = {"source": str(clip), "output": str(folder / "o.mp4"), "effect": "stylize", "settings": values}
    command = [sys.executable, "-P", "-m", "streamstyle.apps.web.render_process"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stdin is not None
        os.kill(process.pid, signal.SIGSTOP)
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.close()
        os.kill(process.pid, signal.SIGCONT)
        assert process.wait(60) == 1 and not folder.exists()
