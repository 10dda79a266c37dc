"""Spans: parts of a video that are rendered independently, in this process or elsewhere.

A span needs the settings, the input and the effect's state at its start, but nothing from earlier spans.
Its segments are byte for byte those that one run over the whole video writes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from streamstyle.device import choose
from streamstyle.effects import RenderSettings
from streamstyle.frames import Effect, OptimizationStep, Packet, Progress, Sink, Source, StreamInfo
from streamstyle.jobs.build import cores_for, open_effect, open_flow
from streamstyle.optical_flow import FlowEstimation
from streamstyle.pipeline import Result, run
from streamstyle.sinks.video import SegmentSink
from streamstyle.video.job_folder import JobFolder, State
from streamstyle.video.packet_log import PacketLog
from streamstyle.video.video_format import VideoFormat, choose_format

OnProgress = Callable[[Progress], None] | None


@dataclass(frozen=True)
class Span:
    """Consecutive frames of a video, from one checkpoint to another.

    Attributes:
        first: number of the first frame, from 0.
        end: number of the frame after the last one, which starts a new segment; None = the end of the video.
        state: the effect's state before the first frame, from its checkpoint; or before `begin`.
        begin: number of an earlier frame from which frames are processed, but not written; None = `first`.
    """

    first: int = 0
    end: int | None = None
    state: State = field(default_factory=dict)
    begin: int | None = None


@dataclass(frozen=True)
class OpenRender:
    """An open source and effect, ready to render.

    Attributes:
        source: source of the frames.
        info: of the source, with the provenance of the output.
        effect: on the device.
        motion: estimates the optical flow, or None if the effect needs none.
        device: where the effect runs.
        name: of the input.
        settings: of the render.
    """

    source: Source
    info: StreamInfo
    effect: Effect
    motion: FlowEstimation | None
    device: torch.device
    name: str
    settings: RenderSettings

    def run(self, sink: Sink, on_progress: OnProgress, span: Span | None = None) -> Result:
        """Send the frames of a span, by default all, through the effect into a sink.

        The input is decoded from the start, since decoding after a seek may give other frames.
        """
        span = span or Span()
        return run(
            self.source,
            self.effect,
            [sink],
            motion=self.motion,
            device=self.device,
            on_progress=on_progress,
            resume_at=span.first,
            stop_at=span.end,
            state=span.state,
            begin_at=span.begin,
        )


@contextmanager
def open_render(
    name: str,
    settings: RenderSettings,
    provenance: str,
    on_step: Callable[[OptimizationStep], None] | None = None,
) -> Iterator[OpenRender]:
    """Open the input and the effect.

    Args:
        name: of the input: a path, folder or URL, or "-" for stdin.
        settings: with absolute file names.
        provenance: of the output, for its metadata.
        on_step: called after each step of a transfer.

    Raises:
        StreamstyleError: one of them cannot be opened.
    """
    device = choose(settings.device)
    with (
        settings.open_source(name) as source,
        open_effect(settings, source.info.kind, on_step) as effect,
    ):
        motion = open_flow(settings, source.info.kind)
        with cores_for(device, source.info.kind):
            info = replace(source.info, provenance=provenance)
            yield OpenRender(source, info, effect, motion, device, name, settings)


@dataclass(frozen=True)
class VideoJob:
    """A video that is rendered in segments.

    Attributes:
        opened: source and effect.
        video: the format of the output.
        folder: where segments are written.
        log: stores the packets of the other tracks, from a span that ends with the video; or None.
    """

    opened: OpenRender
    video: VideoFormat
    folder: JobFolder
    log: PacketLog | None = None

    def keep(self, packet: Packet) -> None:
        """Store a packet of another track, if the output has that track and there is a log."""
        if self.log is not None and packet.track in self.video.track_modes:
            self.log.append(packet)


def plan(folder: JobFolder) -> list[Span]:
    """The spans left to render: one, from the first missing frame to the end.

    The effect's state at a checkpoint is known only once a run has reached it, so a single process gains
    nothing from shorter spans.
    """
    return [Span(folder.frames, None, folder.state())]


def render_span(job: VideoJob, span: Span, on_progress: OnProgress = None) -> Result:
    """Render the frames of one span into segments.

    Args:
        job: its folder receives the segments of this span.
        span: the frames to render.
        on_progress: called a few times a second.

    Raises:
        StreamstyleError: as `render`; finished segments stay in the folder.
    """
    log = job.log if span.end is None else None
    return job.opened.run(SegmentSink(job.folder, job.video, first=span.first, log=log), on_progress, span)


@dataclass(frozen=True)
class Part:
    """A span of a video, with what another process needs to know; a `Task`.

    Attributes:
        source: name of the input.
        settings: of the render, with the device of this span.
        provenance: of the output, for its metadata.
        output: path of the whole video.
        own: path whose job folder receives the segments; what is there already is gone on with.
        span: the frames to render.
    """

    source: str
    settings: RenderSettings
    provenance: str
    output: Path
    own: Path
    span: Span

    @property
    def name(self) -> str:
        """For messages."""
        return self.settings.device

    def __call__(self, on_progress: OnProgress) -> Result:
        """Render it.

        Raises:
            StreamstyleError: as `render_span`; finished segments stay in the own folder.
        """
        with open_render(self.source, self.settings, self.provenance) as opened:
            options = self.settings.write_options()
            video = choose_format(self.output, opened.info, options.encoding, options.audio)
            with own_folder(self.own, opened.info) as folder:
                return render_span(VideoJob(opened, video, folder), rest_of(self.span, folder), on_progress)


def own_folder(own: Path, info: StreamInfo) -> JobFolder:
    """The job folder of a span, new or as it was left.

    Raises:
        InputError: the input has changed since.
        StreamstyleError: as `JobFolder.reopen`.
    """
    if not own.with_name(f"{own.name}.part").is_dir():
        return JobFolder.start(own, info, {})
    folder = JobFolder.reopen(own)
    try:
        folder.check_source(info)
    except BaseException:
        folder.leave()
        raise
    return folder


def rest_of(span: Span, folder: JobFolder) -> Span:
    """What a folder lacks of a span."""
    if not folder.segments:
        return span
    return Span(span.first + folder.frames, span.end, folder.state())


def adopt(folder: JobFolder, output: Path) -> None:
    """Take the finished segments of another job, which follow those of a folder, into that folder.

    They stay in the other one as well, so that a crash loses none.

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
            _copy(file, unfinished)
            folder.add(replace(segment, file=unfinished.name), folder.frames, other.state(number))


def _copy(file: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the system has no links."""
    target.unlink(missing_ok=True)
    try:
        os.link(file, target)
    except OSError:
        shutil.copyfile(file, target)
