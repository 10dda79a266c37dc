"""Several devices render one video: two processes on the CPU stand in for two cards."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from streamstyle import device as devices
from streamstyle.effects import DreamSettings, RenderSettings, StylizeSettings
from streamstyle.errors import OutOfMemoryError, UsageError
from streamstyle.jobs import render as jobs, runners, task_process
from streamstyle.jobs.render import render, resume
from streamstyle.jobs.span_search import SpanSearch
from streamstyle.jobs.spans import Part
from streamstyle.jobs.task_process import Run, TaskProcess
from tests.videos import hashes_of, make_video, sound_of

CPU = torch.device("cpu")
FRAMES, CUT = 24, 11
FAST = {"device": "cpu", "preset": "ultrafast"}
STYLIZE = StylizeSettings(style="starry_night", steady=0.7, **FAST)
EACH = StylizeSettings(style="starry_night", steady=0, **FAST)
DREAM = DreamSettings(layer="texture", octaves=1, steps=2, **FAST)


def shot(number: int) -> np.ndarray:
    """Noise that moves slowly, between bars; another one after the cut."""
    rng = np.random.default_rng(number >= CUT)
    noise = rng.integers(0, 256, (14, 40, 3), np.uint8).repeat(4, 0).repeat(4, 1)
    image = np.zeros((72, 96, 3), np.uint8)
    image[8:64] = noise[:56, number : number + 96]
    return image


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A frame a second, so that a segment has four; one cut in a segment, and sound."""
    times = [25 * number for number in range(FRAMES)]
    return make_video(tmp_path / "video.mp4", FRAMES, times=times, draw=shot, audio=[("aac", 0)])


@pytest.fixture
def two_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runners, "all_of", lambda name: [CPU, CPU])


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> list[Part]:
    """The parts that were given to processes."""
    given: list[Part] = []
    start = TaskProcess.start

    def noted(self: TaskProcess, part: Part) -> Run:
        given.append(part)
        return start(self, part)

    monkeypatch.setattr(TaskProcess, "start", noted)
    return given


def spans(parts: list[Part]) -> list[tuple[int, int | None, int | None]]:
    return [(part.span.first, part.span.end, part.span.begin) for part in parts]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (STYLIZE, [(0, 12, None), (12, None, CUT)]),  # the first frame of a segment after the cut
        (DREAM, [(0, 12, None), (12, None, CUT)]),
        (EACH, [(0, 12, None), (12, None, 12)]),  # anywhere, where nothing depends on earlier frames
        (EACH.model_copy(update={"inertia": 0.5}), [(0, None, None)]),  # nowhere, without flow to find cuts
    ],
)
def test_two_cards_give_the_bytes_of_one(
    settings: RenderSettings, expected: list[object], video: Path, tmp_path: Path, request, parts
) -> None:
    one = render(video, tmp_path / "one.mp4", settings)
    request.getfixturevalue("two_cards")
    two = render(video, tmp_path / "two.mp4", settings)
    assert spans(parts) == expected
    assert (tmp_path / "two.mp4").read_bytes() == (tmp_path / "one.mp4").read_bytes()
    assert (two.frames_in, two.frames_out, two.concealed, two.lost) == (
        one.frames_in, one.frames_out, one.concealed, one.lost
    )  # fmt: skip
    assert sound_of(tmp_path / "two.mp4") == sound_of(video)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.mp4", "two.mp4", "video.mp4"]


def test_what_two_cards_began_one_can_finish_and_the_other_way_round(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts
) -> None:
    render(video, tmp_path / "whole.mp4", STYLIZE)

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    for first, then in ((2, 1), (1, 2)):
        out = tmp_path / f"{first}.mp4"
        with monkeypatch.context() as patch:
            patch.setattr(runners, "all_of", lambda name, count=first: [CPU] * count)
            patch.setattr(jobs, "finish", dies)
            with pytest.raises(KeyboardInterrupt):
                render(video, out, STYLIZE)
        folder = out.with_name(out.name + ".part")
        lines = (folder / "manifest.jsonl").read_text().splitlines(keepends=True)
        assert len(lines) == 7
        (folder / "manifest.jsonl").write_text("".join(lines[:2]))  # died after the first segment
        parts.clear()
        with monkeypatch.context() as patch:
            patch.setattr(runners, "all_of", lambda name, count=then: [CPU] * count)
            assert resume(out).frames_out == FRAMES
        assert spans(parts) == ([(4, 16, None), (16, None, CUT)] if then == 2 else [])
        assert hashes_of(out) == hashes_of(tmp_path / "whole.mp4")


def test_an_error_in_a_process_is_that_of_the_render_and_the_rest_can_be_resumed(
    video: Path, tmp_path: Path, two_cards, monkeypatch: pytest.MonkeyPatch
) -> None:
    render(video, tmp_path / "whole.mp4", STYLIZE)
    with monkeypatch.context() as patch:
        patch.setattr(task_process, "COMMAND", [task_process.COMMAND[0], "-c", FAILING])
        with pytest.raises(OutOfMemoryError, match=r"^too large$"):
            render(video, tmp_path / "out.mp4", STYLIZE)
    assert {path.name for path in tmp_path.iterdir()} == {"video.mp4", "whole.mp4", "out.mp4.part"}
    assert resume(tmp_path / "out.mp4").frames_out == FRAMES
    assert hashes_of(tmp_path / "out.mp4") == hashes_of(tmp_path / "whole.mp4")


FAILING = """
import time
from streamstyle.errors import OutOfMemoryError
from streamstyle.jobs import spans, task_process
render_span = spans.render_span

def failing(job, span, on_progress):
    if span.first == 0:
        return render_span(job, span, on_progress)
    first = job.folder.output.parent / "0.mp4.part" / "manifest.jsonl"
    while not (first.exists() and first.read_text().count(chr(10)) > 1):
        time.sleep(0.02)
    raise OutOfMemoryError("too large")

spans.render_span = failing
task_process.main()
"""


def test_a_process_that_is_killed_is_said(video: Path, tmp_path: Path, two_cards, monkeypatch) -> None:
    killed = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    monkeypatch.setattr(task_process, "COMMAND", [task_process.COMMAND[0], "-c", killed])
    with pytest.raises(Exception, match="cpu: its process ended too early"):
        render(video, tmp_path / "out.mp4", STYLIZE)


def test_no_process_outlives_the_render(video: Path, tmp_path: Path, two_cards, monkeypatch) -> None:
    started: list[TaskProcess] = []
    advance = SpanSearch._watch

    def interrupted(self: SpanSearch, frame, moment) -> None:
        if self.frames == FRAMES - 1:
            raise KeyboardInterrupt
        advance(self, frame, moment)

    begin = TaskProcess.__init__

    def noted(self: TaskProcess) -> None:
        started.append(self)
        begin(self)

    monkeypatch.setattr(TaskProcess, "__init__", noted)
    monkeypatch.setattr(SpanSearch, "_watch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        render(video, tmp_path / "out.mp4", STYLIZE)
    assert len(started) == 1
    assert not started[0].alive


def test_avi_is_left_to_one_device_and_that_is_said(
    video: Path, tmp_path: Path, two_cards, parts, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "streamstyle"):
        render(video, tmp_path / "out.avi", STYLIZE.model_copy(update={"style": "none"}))
    assert not parts
    assert "is rendered on one device only" in caplog.text


def test_progress_counts_the_frames_of_all_cards(video: Path, tmp_path: Path, two_cards, monkeypatch) -> None:
    monkeypatch.setattr("streamstyle.jobs.cards.REPORT_SECONDS", 0.0)
    counted: list[int] = []
    render(video, tmp_path / "out.mp4", STYLIZE, on_progress=lambda now: counted.append(now.frames))
    assert counted == sorted(counted)
    assert counted[-1] >= FRAMES - 1


def test_without_cuda_all_cards_are_refused_in_a_line(video: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match=r"^device cuda:all: not available here; available: auto, cpu$"):
        render(video, tmp_path / "out.mp4", STYLIZE.model_copy(update={"device": "cuda:all"}))
    assert not (tmp_path / "out.mp4.part").exists()


def test_all_cards_are_each_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for count in (1, 3):
        monkeypatch.setattr(torch.cuda, "device_count", lambda count=count: count)
        assert [str(card) for card in devices.all_of("cuda:all")] == [f"cuda:{n}" for n in range(count)]
        assert devices.choose("cuda:all") == devices.choose("cuda:0")
    assert devices.all_of("cuda:1") == [torch.device("cuda", 1)]
    assert devices.all_of("cpu") == [CPU]
