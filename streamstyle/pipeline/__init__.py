"""Runs frames through an effect; files, cameras and the web page use the same parts.

reader (-> optical flow) -> step -> writer

Reader, optical flow and writer each have a thread; the step runs in the calling thread. A `Buffer` connects
two threads. For files it is bounded and nothing is lost; for cameras the newest frame replaces older ones.
`run` connects the parts for files, `streamstyle.apps.live` for cameras.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from streamstyle.device import choose
from streamstyle.errors import InputError
from streamstyle.frames import Checkpoint, Effect, Frame, Item, Packet, Progress, Sink, SinkItem, Source
from streamstyle.optical_flow import FlowEstimation, FlowItem
from streamstyle.pipeline.buffer import Buffer
from streamstyle.pipeline.reader import Reader
from streamstyle.pipeline.segmentation import Segmentation
from streamstyle.pipeline.step import Pixels, Step
from streamstyle.pipeline.writer import Writer

__all__ = ["Buffer", "Progress", "Reader", "Result", "Step", "Writer", "run"]

_QUEUE_BYTES = 96_000_000  # of frames waiting between two stages
_PACKETS = 256  # of other tracks that may wait in addition to the frames
_FLOW_FRAMES = 2  # frames with optical flow that may wait for the effect
_REPORT_SECONDS = 0.25
_GIVE_UP_SECONDS = 1.0  # how long to wait for a reading thread to end


@dataclass(frozen=True, slots=True)
class Result:
    """What a finished run did.

    Attributes:
        frames_in: frames read from the source, including those before a resume.
        frames_out: frames written, including those of the run before a resume.
        concealed: how many of them repeat the previous frame, because the input is damaged.
        lost: frames that are missing from the input, and therefore from the output.
        seconds: wall time of this run.
        fps: frames per second of this run.
    """

    frames_in: int
    frames_out: int
    concealed: int
    lost: int
    seconds: float
    fps: float


def run(
    source: Source,
    effect: Effect,
    sinks: Sequence[Sink],
    *,
    motion: FlowEstimation | None = None,
    device: str | torch.device = "auto",
    on_progress: Callable[[Progress], None] | None = None,
    resume_at: int = 0,
    stop_at: int | None = None,
    state: Mapping[str, np.ndarray | float | int] | None = None,
    begin_at: int | None = None,
) -> Result:
    """Send every frame of `source` through `effect` to all `sinks`, without dropping or adding any.

    Closes the sinks at the end, which completes their outputs; aborts them on any error.

    Example:
        from streamstyle import ReadOptions, StylizeSettings, open_effect, open_sink, open_source, run

        settings = StylizeSettings(style="ink", device="cpu")
        with open_source("samples/harbour.mp4", ReadOptions(max_size=160, length=0.2)) as source:
            with open_effect(settings, source.info.kind) as effect:
                print(run(source, effect, [open_sink("frames/", source.info)], device="cpu"))

    Args:
        source: open.
        effect: on `device`.
        sinks: open.
        motion: estimates optical flow for the effect and detects scene cuts, at which the effect is reset.
        device: "auto", "cpu", "cuda" or "cuda:N".
        on_progress: called a few times per second in this thread.
        resume_at: number of frames already rendered.
        stop_at: number of the frame to stop before; a checkpoint is written in its place. None for the end
            of the source.
        state: the effect's state after the frames already rendered, from their checkpoint.
        begin_at: number of an earlier frame that the state belongs to. Frames from there on are processed,
            but not written before `resume_at`.

    Raises:
        InputError: the source has no frame; the outputs are aborted, so nothing is left of them.
        StreamstyleError: whatever source, effect or sinks raise.
    """
    chosen = choose(device) if isinstance(device, str) else device
    begin_at = resume_at if begin_at is None else begin_at
    step = Step(effect, chosen, begin_at)
    if state:
        step.restore(state)
    return _Run(source, step, sinks, motion, on_progress, begin_at, resume_at, stop_at).run()


class _Run:
    """The state of one `run`."""

    def __init__(
        self,
        source: Source,
        step: Step,
        sinks: Sequence[Sink],
        motion: FlowEstimation | None,
        on_progress: Callable[[Progress], None] | None,
        begin_at: int,
        resume_at: int,
        stop_at: int | None,
    ) -> None:
        self._source = source
        self._step = step
        self._sinks = sinks
        self._motion = motion
        self._on_progress = on_progress
        self._begin_at = begin_at
        self._resume_at = resume_at
        self._stop_at = stop_at
        self._seconds = {"read": 0.0, "effect": 0.0}
        self._frames_read = 0  # frames read from the source
        self._concealed = 0
        self._started_frame: tuple[Frame, Callable[[], Pixels]] | None = None  # and what waits for its result
        intervals = [sink.checkpoint_seconds for sink in sinks if sink.checkpoint_seconds]
        self._segmentation = Segmentation(min(intervals, default=None))
        self._started = time.perf_counter()
        self._reported = self._started

    def run(self) -> Result:
        info = self._source.info
        length = _queue_length(3 * info.width * info.height)
        writer = Writer(self._sinks, _capacity(length))
        items: Buffer[Item] = Buffer(_capacity(length))
        flow_items: Buffer[FlowItem] = Buffer(lambda flow_item: _capacity(_FLOW_FRAMES)(flow_item.item))
        readers: list[Reader[Any]] = [Reader(self._timed(), items.put, items.end)]
        if self._motion is not None:
            flow = self._motion(items, self._begin_at)
            readers.append(Reader(flow, flow_items.put, flow_items.end, name="optical flow"))
        try:
            for flow_item in map(FlowItem, items) if self._motion is None else flow_items:
                if self._frames_read == self._stop_at and isinstance(flow_item.item, Frame):
                    self._write_started(writer)
                    writer.put(Checkpoint(self._step.state()))
                    break
                self._process(flow_item, writer)
            self._write_started(writer)
            self._end(readers, items, flow_items)
            if self._frames_read == 0:
                raise InputError(f"{info.name}: no frame in the part that is read (-ss, -t)")
            writer.finish()
            self._report(writer, last=True)
            for sink in self._sinks:
                sink.close()
        except BaseException:
            self._end(readers, items, flow_items)
            writer.end()
            writer.join()
            for sink in self._sinks:
                sink.abort()
            raise
        seconds = time.perf_counter() - self._started
        return Result(
            frames_in=self._frames_read,
            frames_out=self._resume_at + writer.frames,
            concealed=self._concealed,
            lost=self._source.lost,
            seconds=seconds,
            fps=writer.frames / max(seconds, 1e-9),
        )

    @staticmethod
    def _end(readers: Sequence[Reader[Any]], *buffers: Buffer[Any]) -> None:
        """Ends the reading threads; at the end of the source they have ended by themselves."""
        for buffer in buffers:
            buffer.stop()
        for reader in readers:
            reader.join(_GIVE_UP_SECONDS)  # it may be blocked in a read, as from a silent pipe

    def _timed(self) -> Iterator[Item]:
        items, frames = iter(self._source), 0
        while True:
            begin = time.perf_counter()
            try:
                item = next(items)
            except StopIteration:
                return
            if isinstance(item, Frame):
                if frames >= self._begin_at - _FLOW_FRAMES:  # the others are not looked at
                    item = self._step.uploaded(item)
                frames += 1
            self._seconds["read"] += time.perf_counter() - begin
            yield item

    def _process(self, flow_item: FlowItem, writer: Writer) -> None:
        item = flow_item.item
        if isinstance(item, Packet):
            writer.put(item)
            return
        index = self._frames_read
        self._concealed += item.concealed
        if index >= self._begin_at:
            if index >= self._resume_at and self._segmentation.ends_before(item):
                self._write_started(writer)
                writer.put(Checkpoint(self._step.state()))
            begin = time.perf_counter()
            finish = self._step.start(
                item.picture,
                item.seconds,
                cut=item.reset or (self._motion is not None and flow_item.motion is None),
                motion=flow_item.motion,
                next_frame=flow_item.next_frame,
                forward_motion=flow_item.forward_motion,
                next_motion=flow_item.next_motion,
            )
            self._write_started(writer)  # a device works on the new frame meanwhile
            if index >= self._resume_at:
                self._started_frame = item, finish
            if self._step.on_host:
                self._write_started(writer)
            self._seconds["effect"] += time.perf_counter() - begin
        self._frames_read = index + 1
        self._report(writer)

    def _write_started(self, writer: Writer) -> None:
        """Wait for the frame that was started, and write it."""
        started, self._started_frame = self._started_frame, None
        if started is not None:
            frame, finish = started
            writer.put(replace(frame, picture=finish()))

    def _report(self, writer: Writer, last: bool = False) -> None:
        now = time.perf_counter()
        if self._on_progress is None or (now - self._reported < _REPORT_SECONDS and not last):
            return
        self._reported = now
        seconds = now - self._started
        processed = max(self._frames_read - self._resume_at, 0)
        stages = {**self._seconds, "write": writer.seconds}
        counts = {"read": self._frames_read, "effect": processed, "write": writer.frames}
        self._on_progress(
            Progress(
                frames=self._frames_read,
                total=self._source.info.frames,
                concealed=self._concealed,
                seconds=seconds,
                fps=processed / seconds,
                stage_ms={name: 1000 * spent / max(counts[name], 1) for name, spent in stages.items()},
            )
        )


def _queue_length(frame_bytes: int) -> int:
    """Number of frames that may wait between two stages."""
    return max(1, min(16, _QUEUE_BYTES // max(frame_bytes, 1)))


def _capacity(frames: int) -> Callable[[Item | SinkItem], int]:
    """The capacity of a buffer by item: so many frames, and packets, which are small, in addition."""
    return lambda item: frames if isinstance(item, Frame) else frames + _PACKETS
