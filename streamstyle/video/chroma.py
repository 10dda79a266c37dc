"""Where chroma samples lie between the luma samples of subsampled video.

Our outputs have them beside the left one of each pair (H.273, type 0), as players assume where nothing is
said. PyAV does not expose the location, but passes it on from the decoder to swscale, which interpolates
accordingly.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from fractions import Fraction

import av
from av.filter import Graph
from av.stream import Stream

from streamstyle.pictures import LEFT
from streamstyle.video.opening import DAMAGE

# Option of encoders, which tag their output with it, and of decoders, for videos that do not say.
LEFT_OPTION: Mapping[str, str] = {"chroma_sample_location": "left"}
# Matroska's ChromaSitingHorz and ChromaSitingVert, which are only written if the location is known.
_SITING = re.compile(rb"\x55\xb7\x81([\x01\x02])\x55\xb8\x81([\x01\x02])")

Siting = tuple[float, float]  # of the first chroma sample: luma samples right of and below the first one


def chroma_siting(stream: Stream) -> Siting | None:
    """Where chroma lies; None if PyAV cannot tell, as for codecs that Matroska does not store.

    If neither container nor codec says so, it is LEFT, and the decoder is told.
    """
    header = io.BytesIO()
    try:
        with av.open(header, "w", format="matroska") as container:
            container.add_stream_from_template(stream, opaque=True)
            container.start_encoding()
    except (*DAMAGE, OSError):
        return None
    stated = _SITING.search(header.getvalue())
    if stated is None:
        stream.codec_context.options = {**stream.codec_context.options, **LEFT_OPTION}
        return LEFT
    horizontal, vertical = (place[0] - 1 for place in stated.groups())  # 0: at the first, 1: halfway
    return horizontal / 2, vertical / 2


class LeftSited:
    """Marks RGB frames so that swscale computes left-sited chroma from them, without a copy."""

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._size = (0, 0)

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        if self._graph is None or self._size != (frame.width, frame.height):
            self._graph, self._size = _marking_graph(frame), (frame.width, frame.height)
        frame.pts, frame.time_base = 0, Fraction(1)
        self._graph.push(frame)
        return self._graph.vpull()


def _marking_graph(frame: av.VideoFrame) -> Graph:
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1)
    )
    mark = graph.add("setparams", "chroma_location=left")
    graph.link_nodes(source, mark, graph.add("buffersink")).configure()
    return graph
