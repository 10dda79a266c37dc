"""Runs a film through an effect; threads exist only here, where nothing is lost, and in `live`.

reader thread -> queue (-> motion in a thread of its own -> queue) -> effect in the calling thread
-> queue -> writer thread

The queues are bounded, so memory does not grow with the film. Packets of other tracks pass round the effect
in their place. An error in any thread reaches the caller; then all sinks are told to abort.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch

from streamstyle.device import choose, download, upload
from streamstyle.frames import (
    Checkpoint,
    Effect,
    Frame,
    Item,
    Moment,
    Next,
    Packet,
    Progress,
    Sink,
    SinkItem,
    Source,
)
from streamstyle.optical_flow import FlowEstimation, FlowItem

T = TypeVar("T")

_QUEUE_BYTES = 96_000_000  # of frames waiting between two stages
_MOTIONS = 2  # frames whose motion is known and that wait for the effect
_REPORT_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Result:
    """What a finished run did.

    Attributes:
        frames_in: frames that the source gave, those before a resume included.
        frames_out: frames of the output, those of the run before a resume included.
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


def ahead(items: Iterable[T], depth: Callable[[T], int]) -> Generator[T, None, None]:
    """Iterate in a thread of its own, up to `depth(item)` items ahead of the consumer.

    An exception in `items` is raised at its place in the consumer. Closing the generator ends the thread.
    """
    waiting: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue()
    room = threading.Condition()
    stop = threading.Event()

    def read() -> None:
        try:
            for item in items:
                limit = depth(item)
                with room:
                    room.wait_for(lambda: stop.is_set() or waiting.qsize() < limit)  # noqa: B023
                if stop.is_set():
                    return
                waiting.put((item, None))
            waiting.put((None, _EndOfItems()))
        except BaseException as error:
            waiting.put((None, error))

    thread = threading.Thread(target=read, name="reader", daemon=True)
    thread.start()
    try:
        while True:
            item, error = _get(waiting)
            with room:
                room.notify()
            if isinstance(error, _EndOfItems):
                return
            if error is not None:
                raise error
            yield item  # type: ignore[misc]
    finally:
        stop.set()
        with room:
            room.notify()
        thread.join()


class _EndOfItems(Exception):
    pass


def _get(waiting: queue.Queue[T]) -> T:
    """Like `Queue.get`, but a signal handler can raise meanwhile on every system."""
    while True:
        try:
            return waiting.get(timeout=0.5)
        except queue.Empty:
            continue


class _Writer:
    """Hands items to the sinks in a thread of its own."""

    def __init__(self, sinks: Sequence[Sink], depth: int) -> None:
        self._sinks = sinks
        self._room = threading.Semaphore(depth)
        self._waiting: queue.Queue[SinkItem | None] = queue.Queue()
        self._error: BaseException | None = None
        self.frames = 0
        self.seconds = 0.0
        self._thread = threading.Thread(target=self._write, name="writer", daemon=True)
        self._thread.start()

    def put(self, item: SinkItem) -> None:
        """Queue an item; waits while too many frames are waiting. Raises what the writer met."""
        if isinstance(item, Frame):
            while not self._room.acquire(timeout=0.5):
                self._check()
        self._check()
        self._waiting.put(item)

    def finish(self) -> None:
        """Wait until everything is written."""
        self._waiting.put(None)
        while self._thread.is_alive():
            self._thread.join(0.5)
        self._check()

    def stop(self) -> None:
        """Wait until what was queued is written: a few frames, and with them perhaps a whole segment."""
        self._waiting.put(None)
        self._thread.join()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _write(self) -> None:
        try:
            while (item := self._waiting.get()) is not None:
                begin = time.perf_counter()
                for sink in self._sinks:
                    sink.write(item)
                self.seconds += time.perf_counter() - begin
                if isinstance(item, Frame):
                    self.frames += 1
                    self._room.release()
        except BaseException as error:
            self._error = error
            self._room.release()


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

    Args:
        source: open.
        effect: on `device`.
        sinks: open.
        motion: tells the effect how each frame moved, and where cuts are, across which it is reset.
        device: "auto", "cpu", "cuda" or "cuda:N".
        on_progress: called a few times a second from this thread.
        resume_at: number of frames that are done already.
        stop_at: number of the first frame that is left out, with all behind it; a checkpoint is written in
            its place. None for the end of the source.
        state: the effect's state behind them, from their checkpoint.

    Raises:
        StreamstyleError: whatever source, effect or sinks raise.
    """
    chosen = choose(device) if isinstance(device, str) else device
    if state:
        effect.restore(_on_device(state, chosen))
    return _Run(source, effect, sinks, motion, chosen, on_progress, resume_at, stop_at).run()


class _Run:
    """The state of one `run`."""

    def __init__(
        self,
        source: Source,
        effect: Effect,
        sinks: Sequence[Sink],
        motion: FlowEstimation | None,
        device: torch.device,
        on_progress: Callable[[Progress], None] | None,
        resume_at: int,
        stop_at: int | None = None,
    ) -> None:
        self._source = source
        self._effect = effect
        self._sinks = sinks
        self._motion = motion
        self._device = device
        self._on_progress = on_progress
        self._resume_at = resume_at
        self._stop_at = stop_at
        self._seconds = {"read": 0.0, "effect": 0.0}
        self._done = 0
        self._concealed = 0
        self._segment_start: float | None = None
        self._following: tuple[Frame, torch.Tensor] | None = None  # the frame that was looked at ahead
        intervals = [sink.checkpoint_seconds for sink in sinks if sink.checkpoint_seconds]
        self._interval = min(intervals, default=None)
        self._begin = time.perf_counter()
        self._reported = self._begin

    def run(self) -> Result:
        info = self._source.info
        depth = _depth(3 * info.width * info.height)
        writer = _Writer(self._sinks, depth)
        read = ahead(self._timed(), lambda item: depth if isinstance(item, Frame) else 256 + depth)
        items = self._moved(read)
        try:
            for item in items:
                if self._done == self._stop_at and isinstance(item.item, Frame):
                    writer.put(self._checkpoint())
                    break
                self._process(item, writer)
            items.close()
            read.close()
            writer.finish()
            self._report(writer, last=True)
            for sink in self._sinks:
                sink.close()
        except BaseException:
            items.close()
            read.close()
            writer.stop()
            for sink in self._sinks:
                sink.abort()
            raise
        seconds = time.perf_counter() - self._begin
        fresh = self._done - min(self._resume_at, self._done)
        return Result(
            self._done, self._done, self._concealed, self._source.lost, seconds, fresh / max(seconds, 1e-9)
        )

    def _moved(self, items: Iterator[Item]) -> Generator[FlowItem, None, None]:
        """The items, frames with their motion, which is estimated in a thread of its own."""
        if self._motion is None:
            return (FlowItem(item) for item in items)
        moved = self._motion(items, self._resume_at)
        return ahead(moved, lambda moved: _MOTIONS if isinstance(moved.item, Frame) else 256 + _MOTIONS)

    def _timed(self) -> Iterator[Frame | Packet]:
        items = iter(self._source)
        while True:
            begin = time.perf_counter()
            try:
                item = next(items)
            except StopIteration:
                return
            self._seconds["read"] += time.perf_counter() - begin
            yield item

    def _process(self, moved: FlowItem, writer: _Writer) -> None:
        item = moved.item
        if isinstance(item, Packet):
            writer.put(item)
            return
        index = self._done
        self._concealed += item.concealed
        if index >= self._resume_at:
            if self._ends_segment(item):
                writer.put(self._checkpoint())
            begin = time.perf_counter()
            styled = self._styled(item, index, moved)
            self._seconds["effect"] += time.perf_counter() - begin
            writer.put(styled)
        self._done = index + 1
        self._report(writer)

    def _checkpoint(self) -> Checkpoint:
        return Checkpoint(_on_host(self._effect.state()))

    def _ends_segment(self, frame: Frame) -> bool:
        """Whether a segment ends before `frame`; decided by times alone, so that a resumed run agrees."""
        if self._segment_start is None:
            self._segment_start = frame.seconds
        if self._interval is None or frame.seconds - self._segment_start < self._interval:
            return False
        self._segment_start = frame.seconds
        return True

    def _styled(self, frame: Frame, index: int, moved: FlowItem) -> Frame:
        cut = frame.reset or (self._motion is not None and moved.motion is None)
        if cut:
            self._effect.reset()
        with torch.inference_mode():
            # What was looked at ahead is there already.
            known = self._following
            image = known[1] if known and known[0] is frame else upload(frame.pixels, self._device)
            following, self._following = None, None
            if moved.following is not None and moved.onward is not None:
                coming = upload(moved.following.pixels, self._device)
                self._following = moved.following, coming
                following = Next(coming, Moment(index + 1, moved.following.seconds), moved.onward)
            image = self._effect(image, Moment(index, frame.seconds, cut, moved.motion, following))
            return replace(frame, pixels=download(image))

    def _report(self, writer: _Writer, last: bool = False) -> None:
        now = time.perf_counter()
        if self._on_progress is None or (now - self._reported < _REPORT_SECONDS and not last):
            return
        self._reported = now
        seconds = now - self._begin
        fresh = max(self._done - self._resume_at, 0)
        stages = {**self._seconds, "write": writer.seconds}
        counts = {"read": self._done, "effect": fresh, "write": writer.frames}
        self._on_progress(
            Progress(
                frames=self._done,
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


def _on_host(state: Mapping[str, torch.Tensor | float | int]) -> dict[str, np.ndarray | float | int]:
    return {
        key: value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else value
        for key, value in state.items()
    }


def _on_device(
    state: Mapping[str, np.ndarray | float | int], device: torch.device
) -> dict[str, torch.Tensor | float | int]:
    return {
        key: torch.from_numpy(value).to(device) if isinstance(value, np.ndarray) else value
        for key, value in state.items()
    }
