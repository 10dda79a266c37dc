"""Animated GIFs with one palette for the whole video (FFmpeg's palettegen and paletteuse).

These two get slow with the number of distinct colors: 80 s for 30 frames of noise at 640x360, mostly in one
call that no signal interrupts. So colors are rounded first, unless the palette holds all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.filter import Graph
from av.video.stream import VideoStream

from streamstyle.video.encoding import output_error
from streamstyle.video.opening import DAMAGE
from streamstyle.video.segments import Segment

_CLOCK = Fraction(1, 100)  # GIF times are in hundredths of a second
_COLORS = 256  # of a palette
_MOST_REPEATS = 65535  # a field of 16 bits
# To 64 values per channel, each in the middle of the four that it stands for; distances between the colors of
# a palette are larger.
_ROUNDED = ("lutrgb", ":".join(f"{channel}=bitor(bitand(val\\,252)\\,2)" for channel in "rgb"))


def write_gif(folder: Path, segments: list[Segment], target: Path, time_base: Fraction, plays: int) -> None:
    """Encode the frames of `segments` as a GIF.

    The first pass over the segments computes the palette, the second encodes with it. Memory use does not
    grow with the length of the video.

    Args:
        folder: of the segments.
        segments: with all frames.
        target: path of the GIF.
        time_base: seconds per unit of the segments' times.
        plays: how many times viewers play it; 0 = without end.

    Raises:
        OutputError: the file cannot be written; it is removed.
    """
    try:
        palette, exact = _palette(folder, segments, time_base)
        last = max(1, round(segments[-1].last_duration * time_base / _CLOCK))
        options = {"loop": str(_repeats(plays)), "final_delay": str(last)}
        with av.open(str(target), "w", format="gif", container_options=options) as container:
            _draw(container, palette, exact, folder, segments, time_base)
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


def _repeats(plays: int) -> int:
    """The muxer's `loop`: GIF stores the repeats after the first time, 0 = without end; -1 stores nothing."""
    if plays == 0:
        return 0
    return -1 if plays == 1 else min(plays - 1, _MOST_REPEATS)


def _palette(folder: Path, segments: list[Segment], time_base: Fraction) -> tuple[av.VideoFrame, bool]:
    """(palette, whether it has every color of the video)."""
    graph: Graph | None = None
    few: set[int] | None = set()  # the colors, while a palette holds them
    for frame in _frames(folder, segments, time_base):
        if few is not None:
            few |= _colors(frame)
            few = few if len(few) <= _COLORS else None
        if graph is None:
            graph = Graph()
            source = graph.add_buffer(
                width=frame.width, height=frame.height, format=frame.format, time_base=_CLOCK
            )
            rounded = graph.add(*_ROUNDED)
            generate = graph.add("palettegen", "reserve_transparent=0")
            graph.link_nodes(source, rounded, generate, graph.add("buffersink")).configure()
        graph.push(frame)
    assert graph is not None
    if few is not None:
        return _palette_of(few), True
    graph.push(None)
    return graph.vpull(), False


def _colors(frame: av.VideoFrame) -> set[int]:
    """The distinct colors as 0xRRGGBB."""
    red, green, blue = np.moveaxis(frame.to_ndarray(format="rgb24").astype(np.uint32), -1, 0)
    return set(np.unique(red << 16 | green << 8 | blue).tolist())


def _palette_of(colors: set[int]) -> av.VideoFrame:
    """A palette as paletteuse expects it: 16 x 16 opaque pixels."""
    listed = np.array(sorted(colors), np.uint32)
    filled = np.resize(listed, _COLORS)
    channels = [filled >> shift & 255 for shift in (16, 8, 0)]
    pixels = np.stack([*channels, np.full(_COLORS, 255)], -1).astype(np.uint8).reshape(16, 16, 4)
    return av.VideoFrame.from_ndarray(pixels, "rgba").reformat(format="bgra")


def _draw(
    container: OutputContainer,
    palette: av.VideoFrame,
    exact: bool,
    folder: Path,
    segments: list[Segment],
    time_base: Fraction,
) -> None:
    graph: Graph | None = None
    stream: VideoStream | None = None
    for frame in _frames(folder, segments, time_base):
        if graph is None:
            graph = _drawing_graph(frame, palette, exact)
            stream = container.add_stream("gif", rate=25, width=frame.width, height=frame.height)
            stream.codec_context.pix_fmt = "pal8"
            stream.codec_context.time_base = _CLOCK
        graph.push(frame, at=0)
        _drain(graph, container, stream)
    assert graph is not None and stream is not None
    graph.push(None, at=0)
    _drain(graph, container, stream)
    container.mux(stream.encode(None))


def _drawing_graph(frame: av.VideoFrame, palette: av.VideoFrame, exact: bool) -> Graph:
    graph = Graph()
    video, colors = (
        graph.add_buffer(width=p.width, height=p.height, format=p.format, time_base=_CLOCK)
        for p in (frame, palette)
    )
    # Ordered dithering is temporally stable; error diffusion would change from frame to frame.
    dither = "none" if exact else "bayer:bayer_scale=3"
    draw = graph.add("paletteuse", f"dither={dither}:diff_mode=rectangle")
    sink = graph.add("buffersink")
    if exact:
        video.link_to(draw, 0, 0)
    else:
        rounded = graph.add(*_ROUNDED)
        video.link_to(rounded)
        rounded.link_to(draw, 0, 0)
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
