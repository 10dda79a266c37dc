"""Runs frames through an effect. Files, cameras and the page are made of the same parts.

reader (-> optical flow) -> step -> writer

Reader and writer have threads of their own, so does optical flow; the step runs in the calling thread.
Between two threads lies a `Buffer`. For files it is bounded and nothing is lost; for cameras the newest
frame wins. `run` puts the parts together for files, `streamstyle.apps.live` for cameras.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from streamstyle.device import choose
from streamstyle.frames import Checkpoint, Effect, Frame, Item, Packet, Progress, Sink, SinkItem, Source
from streamstyle.optical_flow import FlowEstimation, FlowItem
from streamstyle.pipeline.buffer import Buffer
from streamstyle.pipeline.reader import Reader
from streamstyle.pipeline.step import Step
from streamstyle.pipeline.writer import Writer

__all__ = ["Buffer", "Progress", "Reader", "Result", "Step", "Writer", "run"]

_QUEUE_BYTES = 96_000_000  # of frames waiting between two stages
_PACKETS = 256  # of other tracks that may wait beside the frames
_MOTIONS = 2  # frames whose motion is known and that wait for the effect
_REPORT_SECONDS = 0.25
_GIVE_UP_SECONDS = 1.0  # for which a thread that reads is waited for after an error


@dataclass(frozen=True, slots=True)
class Result:
    """What a finished run did.

    Attributes:
        frames_in: frames that the source gave, those before a resume included.
        frames_out: frames that the sinks have taken, those of the run before a resume included.
        concealed: frames among them that repeat their predecessor, as the input was damaged.
        lost: frames that are missing from the input and from the output.
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
) -> Result:
    """Send every frame of `source` through `effect` into all `sinks`; nothing is lost, nothing is added.

    Closes the sinks at the end, so that their outputs are complete; aborts them on any error.

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
        motion: tells the effect how each frame moved, and where cuts are, across which it is reset.
        device: "auto", "cpu", "cuda" or "cuda:N".
        on_progress: called a few times a second from this thread.
        resume_at: number of frames that are done already.
        stop_at: number of the first frame to leave out, with all after it; a checkpoint is written in its
            place. None for the end of the source.
        state: the effect's state after the frames that are done, from their checkpoint.

    Raises:
        StreamstyleError: whatever source, effect or sinks raise.
    """
    chosen = choose(device) if isinstance(device, str) else device
    step = Step(effect, chosen, resume_at)
    if state:
        step.restore(state)
    return _Run(source, step, sinks, motion, on_progress, resume_at, stop_at).run()


class _Run:
    """The state of one `run`."""

    def __init__(
        self,
        source: Source,
        step: Step,
        sinks: Sequence[Sink],
        motion: FlowEstimation | None,
        on_progress: Callable[[Progress], None] | None,
        resume_at: int,
        stop_at: int | None,
    ) -> None:
        self._source = source
        self._step = step
        self._sinks = sinks
        self._motion = motion
        self._on_progress = on_progress
        self._resume_at = resume_at
        self._stop_at = stop_at
        self._seconds = {"read": 0.0, "effect": 0.0}
        self._given = 0  # frames that the source gave
        self._concealed = 0
        self._segment_start: float | None = None
        intervals = [sink.checkpoint_seconds for sink in sinks if sink.checkpoint_seconds]
        self._interval = min(intervals, default=None)
        self._begin = time.perf_counter()
        self._reported = self._begin

    def run(self) -> Result:
        info = self._source.info
        depth = _depth(3 * info.width * info.height)
        writer = Writer(self._sinks, _room(depth))
        items: Buffer[Item] = Buffer(_room(depth))
        moved: Buffer[FlowItem] = Buffer(lambda moved: _room(_MOTIONS)(moved.item))
        readers: list[Reader[Any]] = [Reader(self._timed(), items.put, items.end)]
        if self._motion is not None:
            flow = self._motion(items, self._resume_at)
            readers.append(Reader(flow, moved.put, moved.end, name="optical flow"))
        try:
            for item in map(FlowItem, items) if self._motion is None else moved:
                if self._given == self._stop_at and isinstance(item.item, Frame):
                    writer.put(Checkpoint(self._step.state()))
                    break
                self._process(item, writer)
            self._end(readers, items, moved)
            writer.finish()
            self._report(writer, last=True)
            for sink in self._sinks:
                sink.close()
        except BaseException:
            self._end(readers, items, moved)
            writer.end()
            writer.join()
            for sink in self._sinks:
                sink.abort()
            raise
        seconds = time.perf_counter() - self._begin
        return Result(
            frames_in=self._given,
            frames_out=self._resume_at + writer.frames,
            concealed=self._concealed,
            lost=self._source.lost,
            seconds=seconds,
            fps=writer.frames / max(seconds, 1e-9),
        )

    @staticmethod
    def _end(readers: Sequence[Reader[Any]], *buffers: Buffer[Any]) -> None:
        """Ends what reads; at the end of the source it has ended by itself."""
        for buffer in buffers:
            buffer.stop()
        for reader in readers:
            reader.join(_GIVE_UP_SECONDS)  # it may hang in a read, as of a silent pipe

    def _timed(self) -> Iterator[Item]:
        items = iter(self._source)
        while True:
            begin = time.perf_counter()
            try:
                item = next(items)
            except StopIteration:
                return
            self._seconds["read"] += time.perf_counter() - begin
            yield item

    def _process(self, moved: FlowItem, writer: Writer) -> None:
        item = moved.item
        if isinstance(item, Packet):
            writer.put(item)
            return
        index = self._given
        self._concealed += item.concealed
        if index >= self._resume_at:
            if self._ends_segment(item):
                writer.put(Checkpoint(self._step.state()))
            begin = time.perf_counter()
            pixels = self._step(
                item.pixels,
                item.seconds,
                cut=item.reset or (self._motion is not None and moved.motion is None),
                motion=moved.motion,
                next_frame=moved.next_frame,
                forward_motion=moved.forward_motion,
            )
            self._seconds["effect"] += time.perf_counter() - begin
            writer.put(replace(item, pixels=pixels))
        self._given = index + 1
        self._report(writer)

    def _ends_segment(self, frame: Frame) -> bool:
        """Whether a segment ends before `frame`; decided by times alone, so that a resumed run agrees."""
        if self._segment_start is None:
            self._segment_start = frame.seconds
        if self._interval is None or frame.seconds - self._segment_start < self._interval:
            return False
        self._segment_start = frame.seconds
        return True

    def _report(self, writer: Writer, last: bool = False) -> None:
        now = time.perf_counter()
        if self._on_progress is None or (now - self._reported < _REPORT_SECONDS and not last):
            return
        self._reported = now
        seconds = now - self._begin
        fresh = max(self._given - self._resume_at, 0)
        stages = {**self._seconds, "write": writer.seconds}
        counts = {"read": self._given, "effect": fresh, "write": writer.frames}
        self._on_progress(
            Progress(
                frames=self._given,
                total=self._source.info.frames,
                concealed=self._concealed,
                seconds=seconds,
                fps=fresh / seconds,
                stage_ms={name: 1000 * spent / max(counts[name], 1) for name, spent in stages.items()},
            )
        )


def _depth(frame_bytes: int) -> int:
    """Frames that may wait between two stages."""
    return max(2, min(16, _QUEUE_BYTES // max(frame_bytes, 1)))


def _room(frames: int) -> Callable[[Item | SinkItem], int]:
    """Room in a buffer for so many frames; packets are small."""
    return lambda item: frames if isinstance(item, Frame) else frames + _PACKETS
