"""Errors advise to resume only what can be resumed."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamstyle.apps.cli.reporting import resume_hint
from streamstyle.effects import StylizeSettings
from streamstyle.errors import Interrupted, OutputError, StreamstyleError
from streamstyle.frames import StreamInfo
from streamstyle.jobs import render as jobs
from streamstyle.jobs.render import render
from streamstyle.part_folder import PartFolder
from streamstyle.video.job_folder import JobFolder
from tests.videos import make_video

SETTINGS = StylizeSettings(style="none", preset="ultrafast", device="cpu")


def hinted(output: Path, error: StreamstyleError) -> str:
    with pytest.raises(type(error)) as raised, resume_hint(output):
        raise error
    return str(raised.value)


@pytest.fixture
def unfinished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The output of a render that was stopped after its last segment."""
    video = make_video(tmp_path / "in.mp4", 3)

    def stop(*_: object) -> None:
        raise Interrupted("stopped by SIGINT")

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(jobs, "finish", stop)
        render(video, tmp_path / "my video.mp4", SETTINGS)
    return tmp_path / "my video.mp4"


def test_what_is_unfinished_can_be_resumed(unfinished: Path) -> None:
    text = hinted(unfinished, Interrupted("stopped by SIGINT"))
    assert text == (
        f"stopped by SIGINT; finished parts are in {unfinished}.part; "
        f"`streamstyle resume '{unfinished}'` continues"
    )
    assert "resume" in hinted(unfinished, OutputError("disk full"))


def test_a_second_run_is_not_told_to_resume_the_first(unfinished: Path, tmp_path: Path) -> None:
    with JobFolder.reopen(unfinished):
        with pytest.raises(OutputError) as raised:
            render(tmp_path / "in.mp4", unfinished, SETTINGS, overwrite=True)
        assert hinted(unfinished, raised.value).endswith("another run is writing it")


@pytest.mark.parametrize("name", ["o.mp4", "o.safetensors"])
def test_without_a_finished_part_there_is_nothing_to_resume(name: str, tmp_path: Path) -> None:
    output = tmp_path / name
    assert hinted(output, Interrupted("stopped")) == "stopped"
    folder = PartFolder(output, "manifest.jsonl" if name.endswith("mp4") else "training.jsonl")
    folder.create({"source": {"sha256": ""}})
    folder.release()
    assert hinted(output, OutputError("disk full")) == "disk full"


def test_a_video_from_a_pipe_cannot_be_resumed(unfinished: Path) -> None:
    manifest = unfinished.with_name("my video.mp4.part") / "manifest.jsonl"
    info = StreamInfo("-", "video", 64, 48, time_base=SETTINGS.fade, replayable=False)  # type: ignore[arg-type]
    with JobFolder.start(unfinished, info, {}, overwrite=True) as folder:
        lines = manifest.read_text().splitlines(keepends=True)
        folder.begin()
        manifest.write_text(manifest.read_text() + lines[1])
    assert hinted(unfinished, Interrupted("stopped")) == "stopped"
