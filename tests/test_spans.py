"""Spans of a video, rendered each by itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from streamstyle.effects import StylizeSettings
from streamstyle.errors import StreamstyleError, UsageError
from streamstyle.jobs import render as jobs
from streamstyle.jobs.render import render, resume
from streamstyle.jobs.runners import RUNNERS
from tests.videos import hashes_of, make_video, sound_of

SETTINGS = StylizeSettings(style="starry_night", steady=0.7, device="cpu", preset="ultrafast")
# What another machine would run: it is given the job, the span and the state, and renders nothing else.
ALONE = """
import sys
from pathlib import Path
from streamstyle.jobs.resume_record import read_record
from streamstyle.jobs.spans import Span, VideoJob, open_render, render_span
from streamstyle.video.job_folder import JobFolder
from streamstyle.video.video_format import choose_format

kept, alone, segments, first, end = sys.argv[1:]
with JobFolder.reopen(Path(kept)) as folder:
    record, settings = read_record(folder)
    span = Span(int(first), int(end) if end else None, folder.state(int(segments)))
with open_render(record.input, settings, record.provenance) as opened:
    video = choose_format(Path(kept), opened.info, settings.write_options().encoding)
    with JobFolder.start(Path(alone), opened.info, {}) as own:
        print(render_span(VideoJob(opened, video, own), span).frames_out)
"""


class Dies(Exception):
    """Stands for a crash."""


def slow_video(path: Path, frames: int = 12) -> Path:
    """A frame a second, so that a segment has four."""
    return make_video(path, frames, times=[25 * number for number in range(frames)], audio=[("aac", 0)])


def kept_job(video: Path, output: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a render that died when all its segments were there."""

    def die(*_: object) -> None:
        raise Dies

    with monkeypatch.context() as patch, pytest.raises(Dies):
        patch.setattr(jobs, "finish", die)
        render(video, output, SETTINGS)
    return output.with_name(output.name + ".part")


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name.startswith("0")}


@pytest.mark.parametrize(("segments", "first", "end"), [(1, 4, 8), (2, 8, None)])
def test_a_span_rendered_alone_has_the_segments_of_the_whole(
    segments: int, first: int, end: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In another process, from the recorded state; segments and states are the same to the byte."""
    kept = kept_job(slow_video(tmp_path / "video.mp4"), tmp_path / "kept.mp4", monkeypatch)
    whole = files_of(kept)
    assert sorted(name for name in whole if name.endswith("mp4")) == [
        "000000.mp4",
        "000004.mp4",
        "000008.mp4",
    ]
    arguments = [tmp_path / "kept.mp4", tmp_path / "alone.mp4", segments, first, end or ""]
    command = [sys.executable, "-c", ALONE, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    alone = files_of(tmp_path / "alone.mp4.part")
    assert alone == {name: whole[name] for name in whole if first <= int(name[:6]) < (end or 12)}
    assert files_of(kept) == whole


def test_the_result_counts_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = slow_video(tmp_path / "video.mp4")
    assert render(video, tmp_path / "whole.mp4", SETTINGS).frames_out == 12
    kept_job(video, tmp_path / "out.mp4", monkeypatch)
    runner = RUNNERS["local"]

    def forgetful(job, spans, on_progress):  # type: ignore[no-untyped-def]
        result = runner(job, spans, on_progress)
        job.folder._lines.pop()
        return result

    monkeypatch.setitem(RUNNERS, "local", forgetful)
    assert resume(tmp_path / "out.mp4").frames_out == 8


@pytest.mark.parametrize("broken", ["missing", "cut", "foreign"])
@pytest.mark.parametrize("states", [1, 2])
def test_a_broken_state_falls_back_a_segment(
    broken: str,
    states: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    video = slow_video(tmp_path / "video.mp4")
    render(video, tmp_path / "whole.mp4", SETTINGS)
    folder = kept_job(video, tmp_path / "out.mp4", monkeypatch)
    manifest = (folder / "manifest.jsonl").read_text().splitlines(keepends=True)
    (folder / "manifest.jsonl").write_text("".join(manifest[:3]))  # died in the third segment
    (folder / "000008.mp4").unlink()
    for name in ("000004.safetensors", "000000.safetensors")[:states]:
        data = (folder / name).read_bytes()
        (folder / name).unlink()
        if broken != "missing":
            (folder / name).write_bytes(data[:-9] if broken == "cut" else bytes(len(data)))
    assert resume(tmp_path / "out.mp4").frames_out == 12
    assert f"going back to frame {8 - 4 * states}" in caplog.text
    assert hashes_of(tmp_path / "out.mp4") == hashes_of(tmp_path / "whole.mp4")
    assert sound_of(tmp_path / "out.mp4") == sound_of(video)
    assert not folder.exists()


def test_a_refused_resume_touches_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = slow_video(tmp_path / "video.mp4")
    folder = kept_job(video, tmp_path / "out.mp4", monkeypatch)
    (folder / "000004.mp4").write_bytes(b"damaged")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    video.write_bytes(video.read_bytes() + b"x")
    with pytest.raises(StreamstyleError, match=r"video\.mp4: is not the file"):
        resume(tmp_path / "out.mp4")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_an_unknown_runner_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    for start in (
        lambda: render("missing.mp4", tmp_path / "out.mp4", runner="cluster"),
        lambda: resume(tmp_path / "out.mp4", runner="cluster"),
    ):
        with pytest.raises(UsageError, match=r"^runner cluster: expected local$"):
            start()
