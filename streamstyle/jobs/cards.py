"""Several devices: each renders spans of a video in a process of its own, with the result of a single one.

This process reads the video once and finds where spans may begin: where a single run would begin a segment. A
span's process starts at the last cut before, where the effect has forgotten everything but the bars, and
processes the frames up to its span without writing them. Finished spans are taken over in order, so that an
unfinished video can be resumed on any number of devices.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from streamstyle.frames import Progress
from streamstyle.jobs.span_search import SpanSearch
from streamstyle.jobs.spans import OnProgress, Part, Span, VideoJob, adopt, render_span
from streamstyle.jobs.task_process import Died, Run, TaskProcess
from streamstyle.pipeline import Result

_log = logging.getLogger("streamstyle")

REPORT_SECONDS, WAIT_SECONDS = 0.25, 0.02


def render_on_all(
    job: VideoJob, span: Span, devices: Sequence[torch.device], on_progress: OnProgress = None
) -> Result:
    """Render a span that ends with the video on several devices.

    Inputs that cannot be read again, and AVI, whose frame times depend on all before, are left to the first.

    Args:
        job: its folder receives the segments.
        span: from the first missing frame to the end of the video.
        devices: each runs one process at a time.
        on_progress: called a few times a second.

    Raises:
        StreamstyleError: as `render_span`; the segments before the first missing one stay in the folder.
    """
    info = job.opened.info
    if not info.replayable or job.video.container.muxer == "avi":
        _log.warning("%s: is rendered on one device only", info.name)
        return render_span(job, span, on_progress)
    folder = job.folder
    with tempfile.TemporaryDirectory(prefix=f".{folder.output.name}.", dir=folder.path.parent) as own:
        return _Render(job, span, devices, Path(own), on_progress).run()


class _Render:
    """The state of one `render_on_all`."""

    def __init__(
        self, job: VideoJob, span: Span, devices: Sequence[torch.device], own: Path, on_progress: OnProgress
    ) -> None:
        self._job, self._own_folder, self._on_progress = job, own, on_progress
        self._search = SpanSearch(job.opened, span, len(devices), job.keep)
        self._first = span.first
        self._spans: list[Span] = []  # found, in order
        self._runs: list[Run] = []  # started, in the same order
        self._devices = list(devices)
        self._processes: dict[int, TaskProcess] = {}  # by place in the list of devices
        self._running: dict[int, Run] = {}
        self._taken = 0  # number of spans whose segments are in the job's folder
        self._started = self._reported = time.perf_counter()

    def run(self) -> Result:
        self._job.folder.started = True
        try:
            for span in self._search:
                if span is not None:
                    self._spans.append(span)
                self._advance()
            while self._taken < len(self._spans):
                self._advance()
                time.sleep(WAIT_SECONDS)
        finally:
            for process in self._processes.values():
                process.stop()
            if self._taken < len(self._runs):  # what the first unfinished span has got so far
                adopt(self._job.folder, self._own(self._taken))
        frames, seconds = self._search.frames, time.perf_counter() - self._started
        return Result(
            frames_in=frames,
            frames_out=frames,
            concealed=self._search.concealed,
            lost=self._job.opened.source.lost,
            seconds=seconds,
            fps=(frames - self._first) / seconds,
        )

    def _advance(self) -> None:
        """Start processes on free devices, take over what is finished, and report.

        Raises:
            StreamstyleError: what a process raised.
        """
        for slot, device in enumerate(self._devices):
            run = self._running.get(slot)
            if run is not None and run.outcome is None:
                continue
            if run is not None:
                _check(run)
            if len(self._runs) < len(self._spans):
                process = self._processes.get(slot) or TaskProcess()
                self._processes[slot] = process
                self._running[slot] = process.start(self._part(len(self._runs), device))
                self._runs.append(self._running[slot])
        while self._taken < len(self._runs) and self._runs[self._taken].succeeded:
            self._taken += 1
            adopt(self._job.folder, self._own(self._taken - 1))
        self._report()

    def _own(self, number: int) -> Path:
        return self._own_folder / f"{number}{self._job.folder.output.suffix}"

    def _part(self, number: int, device: torch.device) -> Part:
        opened, output = self._job.opened, self._job.folder.output
        return Part(
            source=opened.name,
            settings=opened.settings.model_copy(update={"device": str(device)}),
            provenance=opened.info.provenance,
            output=output,
            own=self._own(number),
            span=self._spans[number],
        )

    def _report(self) -> None:
        now = time.perf_counter()
        if self._on_progress is None or now - self._reported < REPORT_SECONDS:
            return
        self._reported = now
        done, seconds = sum(map(frames_of, self._runs)), now - self._started
        total, concealed = self._job.opened.info.frames, self._search.concealed
        self._on_progress(Progress(self._first + done, total, concealed, seconds, done / seconds, {}))


def frames_of(run: Run) -> int:
    """Number of frames of its span that the run of a part has processed."""
    part, progress = run.task, run.progress
    assert isinstance(part, Part)
    return 0 if progress is None else max(progress.frames - part.span.first, 0)


def _check(run: Run) -> None:
    try:
        run.check()
    except Died as error:
        raise Died(f"{error}; `resume` continues") from error
