"""A video is rendered in spans, each by itself: in this process, in another one, or on another machine.

A span needs the settings, the input and the effect's state at its start, nothing of the spans before it. Its
segments are those, byte for byte, that one run over the whole video writes in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch

from streamstyle.device import choose, shared_cores
from streamstyle.effects import RenderSettings
from streamstyle.frames import Effect, OptimizationStep, Progress, Sink, Source, StreamInfo
from streamstyle.jobs.build import open_effect, open_flow
from streamstyle.optical_flow import FlowEstimation
from streamstyle.pipeline import Result, run
from streamstyle.sinks.video import SegmentSink
from streamstyle.video.job_folder import JobFolder, State
from streamstyle.video.packet_log import PacketLog
from streamstyle.video.video_format import VideoFormat

OnProgress = Callable[[Progress], None] | None


@dataclass(frozen=True)
class Span:
    """Consecutive frames of a video, from one checkpoint to another.

    Attributes:
        first: number of the first frame, from 0.
        end: number of the frame after the last one, at which a segment begins; None for the end of the video.
        state: the effect's state before the first frame, from its checkpoint.
    """

    first: int = 0
    end: int | None = None
    state: State = field(default_factory=dict)


@dataclass(frozen=True)
class OpenRender:
    """What a render needs, open.

    Attributes:
        source: of the frames.
        info: of the source, with the provenance of the output.
        effect: on the device.
        motion: estimates the optical flow, or None where the effect needs none.
        device: where the effect computes.
    """

    source: Source
    info: StreamInfo
    effect: Effect
    motion: FlowEstimation | None
    device: torch.device

    def run(self, sink: Sink, on_progress: OnProgress, span: Span | None = None) -> Result:
        """Send the frames of a span, by default all, through the effect into a sink.

        The input is decoded from its beginning: nothing else gives the same frames.
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
        )


@contextmanager
def open_render(
    name: str,
    settings: RenderSettings,
    provenance: str,
    on_step: Callable[[OptimizationStep], None] | None = None,
) -> Iterator[OpenRender]:
    """Open the input and the effect that settings ask for.

    Args:
        name: of the input: a path, folder or URL, or "-" for stdin.
        settings: with absolute names of files.
        provenance: how the output is made, for its tags.
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
        beside = 1 if source.info.kind == "video" else 0  # decoder and encoder work beside the network
        with shared_cores(device, beside):
            yield OpenRender(source, replace(source.info, provenance=provenance), effect, motion, device)


@dataclass(frozen=True)
class VideoJob:
    """A video that is rendered in segments.

    Attributes:
        opened: source and effect.
        video: how it is written.
        folder: takes the segments.
        log: takes the packets of the other tracks, from a span that goes to the end of the video; or None.
    """

    opened: OpenRender
    video: VideoFormat
    folder: JobFolder
    log: PacketLog | None = None


def plan(folder: JobFolder) -> list[Span]:
    """What is left to render: one span, from the first missing frame to the end.

    Only a run that has come to a checkpoint knows the effect's state there, so a single process gains nothing
    from shorter spans.
    """
    return [Span(folder.frames, None, folder.state())]


def render_span(job: VideoJob, span: Span, on_progress: OnProgress = None) -> Result:
    """Render the frames of one span into segments.

    Args:
        job: its folder gets the segments of this span.
        span: which frames.
        on_progress: called a few times a second.

    Raises:
        StreamstyleError: as `render`; finished segments stay in the folder.
    """
    log = job.log if span.end is None else None
    return job.opened.run(SegmentSink(job.folder, job.video, first=span.first, log=log), on_progress, span)
