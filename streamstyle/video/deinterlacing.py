"""Weaves the two fields of interlaced frames into one progressive image: one frame per frame."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction

import av
from av.filter import Graph

from streamstyle.video.decoding import Decoded

_log = logging.getLogger("streamstyle")


class Deinterlacer:
    """Passes images on until the first interlaced one comes, and sends all through bwdif from then on.

    bwdif (FFmpeg) looks one frame ahead, so images come out one call later; progressive images pass
    it unchanged.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._sent = 0
        self._graph: Graph | None = None
        self._shape: tuple[int, int, str] | None = None
        self._waiting: list[Decoded] = []

    def process(self, decoded: Decoded) -> Iterator[Decoded]:
        """The images that are ready once `decoded` has been seen."""
        picture = decoded.picture
        if picture is None:
            yield from self._hold(decoded)
            return
        if self._graph is None and not picture.interlaced_frame:
            yield decoded
            return
        shape = (picture.width, picture.height, picture.format.name)
        if self._graph is None:
            _log.warning("%s: interlaced; deinterlaced with bwdif", self._name)
        if shape != self._shape:
            yield from self.flush()
            self._graph, self._shape = self._build(picture), shape
        assert self._graph is not None
        self._waiting.append(decoded)
        # The clock of the graph counts frames: the real times are put back from the queue.
        picture.pts, picture.time_base = len(self._waiting) + self._sent, Fraction(1, 1000)
        self._graph.push(picture)
        yield from self._ready()

    def flush(self) -> Iterator[Decoded]:
        """The images still held at the end of the stream."""
        if self._graph is not None:
            self._graph.push(None)
            yield from self._ready()
        yield from self._waiting
        self._waiting.clear()
        self._graph, self._shape = None, None

    def _hold(self, lost: Decoded) -> Iterator[Decoded]:
        if self._waiting:
            self._waiting.append(lost)
        else:
            yield lost

    def _ready(self) -> Iterator[Decoded]:
        assert self._graph is not None
        while True:
            try:
                picture = self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            while self._waiting and self._waiting[0].picture is None:
                yield self._waiting.pop(0)
            source = self._waiting.pop(0)
            self._sent += 1
            yield Decoded(picture, source.pts, source.damaged)
            while self._waiting and self._waiting[0].picture is None:
                yield self._waiting.pop(0)

    def _build(self, picture: av.VideoFrame) -> Graph:
        graph = Graph()
        source = graph.add_buffer(
            width=picture.width,
            height=picture.height,
            format=picture.format,
            time_base=Fraction(1, 1000),
        )
        weave = graph.add("bwdif", "mode=send_frame:deint=interlaced")
        sink = graph.add("buffersink")
        source.link_to(weave)
        weave.link_to(sink)
        graph.configure()
        return graph
