"""Deinterlaces frames: each interlaced frame becomes one progressive frame."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import av
from av.filter import Graph

from streamstyle.video.decoding import Decoded

_log = logging.getLogger("streamstyle")


class Deinterlacer:
    """Passes frames through up to the first interlaced one, and filters all later ones with FFmpeg's bwdif.

    bwdif looks one frame ahead, so frames are returned one call later. It does not change progressive frames.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._sent = 0
        self._graph: Graph | None = None
        self._shape: tuple[int, int, str] | None = None
        self._waiting: list[Decoded] = []

    def process(self, decoded: Decoded) -> Iterator[Decoded]:
        """The frames that are ready once `decoded` has been added."""
        frame = decoded.frame
        if frame is None:
            yield from self._keep_order(decoded)
            return
        if self._graph is None and not frame.interlaced_frame:
            yield decoded
            return
        shape = (frame.width, frame.height, frame.format.name)
        if self._graph is None:
            _log.warning("%s: interlaced; deinterlaced with bwdif", self._name)
        if shape != self._shape:
            yield from self.flush()
            self._graph, self._shape = self._build(frame), shape
        assert self._graph is not None
        self._waiting.append(decoded)
        # The graph's timestamps count frames; the real times are restored from the queue.
        frame.pts, frame.time_base = len(self._waiting) + self._sent, Fraction(1, 1000)
        self._graph.push(frame)
        yield from self._ready()

    def flush(self) -> Iterator[Decoded]:
        """The frames still buffered at the end of the stream."""
        if self._graph is not None:
            self._graph.push(None)
            yield from self._ready()
        yield from self._waiting
        self._waiting.clear()
        self._graph, self._shape = None, None

    def _keep_order(self, lost: Decoded) -> Iterator[Decoded]:
        if self._waiting:
            self._waiting.append(lost)
        else:
            yield lost

    def _ready(self) -> Iterator[Decoded]:
        assert self._graph is not None
        while True:
            try:
                frame = self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            while self._waiting and self._waiting[0].frame is None:
                yield self._waiting.pop(0)
            source = self._waiting.pop(0)
            self._sent += 1
            yield replace(source, frame=frame)  # bwdif changes the duration of the last frame
            while self._waiting and self._waiting[0].frame is None:
                yield self._waiting.pop(0)

    def _build(self, frame: av.VideoFrame) -> Graph:
        graph = Graph()
        source = graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=frame.format,
            time_base=Fraction(1, 1000),
        )
        deinterlace = graph.add("bwdif", "mode=send_frame:deint=interlaced")
        graph.link_nodes(source, deinterlace, graph.add("buffersink")).configure()
        return graph
