"""Animated GIFs with one palette for the whole video (FFmpeg's palettegen and paletteuse)."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer
from av.filter import Graph
from av.video.stream import VideoStream

from streamstyle.video.encoding import output_error
from streamstyle.video.opening import DAMAGE
from streamstyle.video.segments import Segment

_CLOCK = Fraction(1, 100)  # GIF times are in hundredths of a second


def write_gif(folder: Path, segments: list[Segment], target: Path, time_base: Fraction) -> None:
    """Encode the frames of `segments` as a GIF that loops forever.

    The first pass over the segments computes the palette, the second encodes with it. Memory use does not
    grow with the length of the video.

    Raises:
        OutputError: the file cannot be written; it is removed.
    """
    try:
        palette = _palette(folder, segments, time_base)
        last = max(1, round(segments[-1].last_duration * time_base / _CLOCK))
        options = {"loop": "0", "final_delay": str(last)}
        with av.open(str(target), "w", format="gif", container_options=options) as container:
            _draw(container, palette, folder, segments, time_base)
    except (*DAMAGE, OSError) as error:
        target.unlink(missing_ok=True)
        raise output_error(target, error) from error


def _frames(folder: Path, segments: list[Segment], time_base: Fraction) -> Iterator[av.VideoFrame]:
    for segment in segments:
        with av.open(str(folder / segment.file)) as container:
            for frame in container.decode(video=0):
                assert frame.pts is not None and frame.time_base is not None
                seconds = segment.first * time_base + frame.pts * frame.time_base
                frame.pts, frame.time_base = round(seconds / _CLOCK), _CLOCK
                yield frame


def _palette(folder: Path, segments: list[Segment], time_base: Fraction) -> av.VideoFrame:
    graph: Graph | None = None
    for frame in _frames(folder, segments, time_base):
        if graph is None:
            graph = Graph()
            source = graph.add_buffer(
                width=frame.width, height=frame.height, format=frame.format, time_base=_CLOCK
            )
            generate = graph.add("palettegen", "reserve_transparent=0")
            sink = graph.add("buffersink")
            source.link_to(generate)
            generate.link_to(sink)
            graph.configure()
        graph.push(frame)
    assert graph is not None
    graph.push(None)
    return graph.vpull()


def _draw(
    container: OutputContainer,
    palette: av.VideoFrame,
    folder: Path,
    segments: list[Segment],
    time_base: Fraction,
) -> None:
    graph: Graph | None = None
    stream: VideoStream | None = None
    for frame in _frames(folder, segments, time_base):
        if graph is None:
            graph = _drawing_graph(frame, palette)
            stream = container.add_stream("gif", rate=25, width=frame.width, height=frame.height)
            stream.codec_context.pix_fmt = "pal8"
            stream.codec_context.time_base = _CLOCK
        graph.push(frame, at=0)
        _drain(graph, container, stream)
    assert graph is not None and stream is not None
    graph.push(None, at=0)
    _drain(graph, container, stream)
    container.mux(stream.encode(None))


def _drawing_graph(frame: av.VideoFrame, palette: av.VideoFrame) -> Graph:
    graph = Graph()
    video, colors = (
        graph.add_buffer(width=p.width, height=p.height, format=p.format, time_base=_CLOCK)
        for p in (frame, palette)
    )
    # Ordered dithering is temporally stable; error diffusion would change from frame to frame.
    draw = graph.add("paletteuse", "dither=bayer:bayer_scale=3:diff_mode=rectangle")
    sink = graph.add("buffersink")
    video.link_to(draw, 0, 0)
    colors.link_to(draw, 0, 1)
    draw.link_to(sink)
    graph.configure()
    palette.pts, palette.time_base = 0, _CLOCK
    graph.push(palette, at=1)
    graph.push(None, at=1)
    return graph


def _drain(graph: Graph, container: OutputContainer, stream: VideoStream | None) -> None:
    assert stream is not None
    while True:
        try:
            frame = graph.vpull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        container.mux(stream.encode(frame))
