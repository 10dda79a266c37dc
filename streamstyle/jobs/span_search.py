"""Finds where a video can be divided so that its parts, rendered apart, are those of a single run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

from streamstyle.effects.composite import Composite
from streamstyle.frames import Frame, Item, Moment, Packet
from streamstyle.jobs.spans import OpenRender, Span
from streamstyle.optical_flow import FlowItem
from streamstyle.pipeline import Step
from streamstyle.pipeline.segmentation import Segmentation
from streamstyle.pipeline.step import uploaded
from streamstyle.sinks.video import SegmentSink

UNKNOWN_SPAN = 1000  # frames of a span, where the length of the video is unknown
FARTHEST = 0.5  # share of a span's frames that its process may have to process before it


class SpanSearch:
    """Reads a video and finds spans that can be rendered independently; an iterator.

    Yields, for each frame and at the end, a span that is known by then, or None.

    Args:
        opened: with a source that was not read yet, and an effect that is used for its state only.
        whole: the span to divide.
        count: number of spans of about the same length.
        keep: called with the packets of the other tracks.
        overlap: where no cut allows a span to begin, it may begin in mid-shot, with the effect begun anew
            so many frames before; then the result is only nearly that of a single run. 0 forbids it.

    Attributes:
        frames: number of frames read.
        concealed: how many of them repeat the one before.
    """

    def __init__(
        self,
        opened: OpenRender,
        whole: Span,
        count: int,
        keep: Callable[[Packet], None] | None = None,
        overlap: int = 0,
    ) -> None:
        self.frames = self.concealed = 0
        self._opened, self._whole, self._keep, self._overlap = opened, whole, keep, overlap
        total = opened.info.frames
        self._length = UNKNOWN_SPAN if total is None else max(math.ceil((total - whole.first) / count), 1)
        self._step = Step(opened.effect, opened.device)
        if whole.state:
            self._step.restore(whole.state)
        self._everywhere = opened.motion is None and not opened.settings.carries()

    def __iter__(self) -> Iterator[Span | None]:
        opened = self._opened
        span, place = self._whole, None  # a place: where the effect begins anew, and its state there
        segmentation = Segmentation(SegmentSink.checkpoint_seconds)
        for flow_item in self._flow_items():
            if not isinstance(frame := flow_item.item, Frame):
                if self._keep is not None:
                    self._keep(frame)
                continue
            index, found = self.frames, None
            if index >= span.first:
                cut = frame.reset or (opened.motion is not None and flow_item.motion is None)
                if cut or self._everywhere:
                    opened.effect.reset()
                    place = Span(index, None, self._step.state())
                if segmentation.ends_before(frame) and (begin := self._beginning(span, place, index)):
                    found = replace(span, end=index)
                    span = Span(index, None, begin.state, begin.first)
                self._watch(frame, Moment(index, frame.seconds, cut))
            self.frames += 1
            self.concealed += frame.concealed
            yield found
        yield span

    def _flow_items(self) -> Iterator[FlowItem]:
        motion, items = self._opened.motion, self._items()
        return map(FlowItem, items) if motion is None else motion(items, self._whole.first)

    def _items(self) -> Iterator[Item]:
        """Frames on the device, so that cuts and bars are found as in a single run."""
        for item in self._opened.source:
            yield self._step.uploaded(item) if isinstance(item, Frame) else item

    def _beginning(self, span: Span, place: Span | None, index: int) -> Span | None:
        """Where the effect begins anew, if a span may end before this frame; None if it may not."""
        if index - span.first < self._length:
            return None
        if place is not None and index - place.first <= FARTHEST * self._length:
            return place
        if not self._overlap:
            return None
        self._opened.effect.reset()
        return Span(max(index - self._overlap, 0), None, self._step.state())

    def _watch(self, frame: Frame, moment: Moment) -> None:
        effect = self._opened.effect
        if isinstance(effect, Composite):
            effect.watch(uploaded(frame.picture, self._opened.device), moment)
