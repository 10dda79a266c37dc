"""Several devices: each renders spans of a video in a process of its own, with the result of a single one.

This process reads the video once and finds where spans may begin: where a single run would begin a segment. A
span's process starts at the last cut before, where the effect has forgotten everything but the bars, and
processes the frames up to its span without writing them. Finished spans are taken over in order, so that an
unfinished video can be resumed on any number of devices.
"""

from __future__ import annotations

import logging
import math
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from streamstyle.effects.composite import Composite
from streamstyle.frames import Frame, Item, Moment, Progress
from streamstyle.jobs.span_process import Part, SpanProcess
from streamstyle.jobs.spans import OnProgress, Span, VideoJob, render_span
from streamstyle.optical_flow import FlowItem
from streamstyle.pipeline import Result, Step
from streamstyle.pipeline.segmentation import Segmentation
from streamstyle.pipeline.step import uploaded
from streamstyle.sinks.video import SegmentSink
from streamstyle.video.job_folder import JobFolder

_log = logging.getLogger("streamstyle")

UNKNOWN_SPAN = 1000  # frames of a span, where the length of the video is unknown
FARTHEST = 0.5  # share of a span's frames that its process may have to process before it
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


class SpanSearch:
    """Reads a video and finds spans that can be rendered independently; an iterator.

    Yields, for each frame and at the end, a span that is known by then, or None. Stores the packets of the
    other tracks.

    Args:
        job: with an open source that was not read yet, and an effect that is used for its state only.
        whole: the span to divide.
        count: number of spans of about the same length.

    Attributes:
        frames: number of frames read.
        concealed: how many of them repeat the one before.
    """

    def __init__(self, job: VideoJob, whole: Span, count: int) -> None:
        self.frames = self.concealed = 0
        self._job, self._whole = job, whole
        total = job.opened.info.frames
        self._length = UNKNOWN_SPAN if total is None else max(math.ceil((total - whole.first) / count), 1)
        opened = job.opened
        self._step = Step(opened.effect, opened.device)
        if whole.state:
            self._step.restore(whole.state)
        self._everywhere = opened.motion is None and not opened.settings.carries()

    def __iter__(self) -> Iterator[Span | None]:
        opened = self._job.opened
        span, place = self._whole, None  # a place: where the effect begins anew, and its state there
        segmentation = Segmentation(SegmentSink.checkpoint_seconds)
        for flow_item in self._flow_items():
            if not isinstance(frame := flow_item.item, Frame):
                if self._job.log is not None and frame.track in self._job.video.track_modes:
                    self._job.log.append(frame)
                continue
            index, found = self.frames, None
            if index >= span.first:
                cut = frame.reset or (opened.motion is not None and flow_item.motion is None)
                if cut or self._everywhere:
                    opened.effect.reset()
                    place = Span(index, None, self._step.state())
                if segmentation.ends_before(frame) and place is not None and self._fits(span, place, index):
                    found = replace(span, end=index)
                    span = Span(index, None, place.state, place.first)
                self._watch(frame, Moment(index, frame.seconds, cut))
            self.frames += 1
            self.concealed += frame.concealed
            yield found
        yield span

    def _flow_items(self) -> Iterator[FlowItem]:
        motion, items = self._job.opened.motion, self._items()
        return map(FlowItem, items) if motion is None else motion(items, self._whole.first)

    def _items(self) -> Iterator[Item]:
        """Frames on the device, so that cuts and bars are found as in a single run."""
        for item in self._job.opened.source:
            yield self._step.uploaded(item) if isinstance(item, Frame) else item

    def _fits(self, span: Span, place: Span, index: int) -> bool:
        """Whether a span may end before the frame, and the next one begin anew at that place."""
        return index - span.first >= self._length and index - place.first <= FARTHEST * self._length

    def _watch(self, frame: Frame, moment: Moment) -> None:
        effect = self._job.opened.effect
        if isinstance(effect, Composite):
            effect.watch(uploaded(frame.picture, self._job.opened.device), moment)


class _Render:
    """The state of one `render_on_all`."""

    def __init__(
        self, job: VideoJob, span: Span, devices: Sequence[torch.device], own: Path, on_progress: OnProgress
    ) -> None:
        self._job, self._own, self._on_progress = job, own, on_progress
        self._search = SpanSearch(job, span, len(devices))
        self._first = span.first
        self._spans: list[Span] = []  # found, in order
        self._processes: list[SpanProcess] = []  # started, in the same order
        self._slots: dict[int, tuple[torch.device, SpanProcess | None]] = {
            slot: (device, None) for slot, device in enumerate(devices)
        }
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
            for process in self._processes:
                process.stop()
            if self._taken < len(self._processes):  # what the first unfinished span has got so far
                adopt(self._job.folder, self._processes[self._taken].part.own)
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
        for slot, (device, process) in self._slots.items():
            if process is not None and process.running:
                continue
            if process is not None:
                process.check()
            if len(self._processes) < len(self._spans):
                process = SpanProcess(self._part(len(self._processes), device))
                self._processes.append(process)
                self._slots[slot] = device, process
        while self._taken < len(self._processes) and self._processes[self._taken].succeeded:
            self._taken += 1
            adopt(self._job.folder, self._processes[self._taken - 1].part.own)
        self._report()

    def _part(self, number: int, device: torch.device) -> Part:
        opened, output = self._job.opened, self._job.folder.output
        return Part(
            name=opened.name,
            settings=opened.settings.model_copy(update={"device": str(device)}),
            provenance=opened.info.provenance,
            output=output,
            own=self._own / f"{number}{output.suffix}",
            span=self._spans[number],
        )

    def _report(self) -> None:
        now = time.perf_counter()
        if self._on_progress is None or now - self._reported < REPORT_SECONDS:
            return
        self._reported = now
        done, seconds = sum(process.frames for process in self._processes), now - self._started
        total, concealed = self._job.opened.info.frames, self._search.concealed
        self._on_progress(Progress(self._first + done, total, concealed, seconds, done / seconds, {}))


def adopt(folder: JobFolder, output: Path) -> None:
    """Move the finished segments of another job, which follow those of a folder, into that folder.

    Args:
        folder: receives them.
        output: of the other job, which nobody is writing any more; it may not have begun.
    """
    if not output.with_name(f"{output.name}.part").is_dir():
        return
    with JobFolder.reopen(output) as other:
        for number, segment in enumerate(other.segments, 1):
            file = other.path / segment.file
            unfinished = folder.unfinished(file.suffix.removeprefix("."))
            file.replace(unfinished)
            folder.add(replace(segment, file=unfinished.name), folder.frames, other.state(number))
