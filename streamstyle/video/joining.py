"""Joins finished segments and the other tracks into the video, packet by packet."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.stream import Stream
from av.video.stream import VideoStream

from streamstyle.errors import InputError
from streamstyle.video.contents import add_contents, muxer_options
from streamstyle.video.encoding import output_error
from streamstyle.video.gif import write_gif
from streamstyle.video.job_folder import JobFolder
from streamstyle.video.opening import DAMAGE
from streamstyle.video.packet_log import PacketLog
from streamstyle.video.segments import Segment, packet_times, presentation_time
from streamstyle.video.video_format import VideoFormat


def finish(folder: JobFolder, video: VideoFormat, log: PacketLog) -> None:
    """Join the segments of a job and the packets of the other tracks into the video, under its final name.

    Args:
        folder: with all segments; it is removed.
        video: how the video is written.
        log: packets of all other tracks.

    Raises:
        InputError: there is no segment.
        OutputError: the video cannot be written; segments and folder are kept.
    """
    if not folder.segments:
        raise InputError(f"{video.info.name}: no frame to write")
    if video.container.muxer == "gif":
        write_gif(folder.path, folder.segments, folder.joined, video.time_base, video.info.plays)
    else:
        join(folder.path, folder.segments, folder.joined, video, log)
    folder.finish(folder.joined)


def join(folder: Path, segments: list[Segment], target: Path, video: VideoFormat, log: PacketLog) -> None:
    """Write `segments` and the tracks of `log` to `target`, without re-encoding the video.

    Raises:
        OutputError: the file cannot be written; it is removed.
    """
    muxer, options = video.container.muxer, muxer_options(video.target, video.contents)
    try:
        with av.open(str(target), "w", format=muxer, container_options=options) as container:
            _write(container, folder, segments, video, log)
    except (*DAMAGE, OSError) as error:
        target.unlink(missing_ok=True)
        raise output_error(target, error) from error


def _write(
    container: av.container.OutputContainer,
    folder: Path,
    segments: list[Segment],
    video: VideoFormat,
    log: PacketLog,
) -> None:
    time_base = video.time_base
    with av.open(str(folder / segments[0].file)) as first:
        stream, side = add_contents(container, video.target, first.streams.video[0], video.contents)
    others = iter(log)
    waiting = next(others, None)
    for packet in video_packets(folder, segments, time_base):
        assert packet.dts is not None
        due = packet.dts * time_base + video.info.start
        while waiting is not None and _start_time(waiting[1]) <= due:
            side.write(*waiting)
            waiting = next(others, None)
        packet.stream = stream
        container.mux(packet)
    while waiting is not None:
        side.write(*waiting)
        waiting = next(others, None)
    side.flush()


def _start_time(packet: av.Packet[Stream]) -> Fraction:
    time = packet.dts if packet.dts is not None else packet.pts
    return Fraction(0) if time is None else time * packet.time_base


def video_packets(
    folder: Path, segments: list[Segment], time_base: Fraction
) -> Iterator[av.Packet[VideoStream]]:
    """The video packets of all segments with their times in the video.

    Decoding times are recomputed, as those of consecutive segments may overlap: the n-th packet is decoded
    when the frame `reorder` places earlier in presentation order is shown.
    """
    reorder = max(segment.reorder for segment in segments)
    presentation = _presentation(folder, segments, time_base)
    earlier: deque[int] = deque()
    for segment in segments:
        durations: dict[int, int] = {}
        order: list[int] = []
        for pts, duration in (next(presentation) for _ in range(segment.frames)):
            durations[pts] = duration
            order.append(pts)
        if not earlier:
            step = max(durations[order[0]], 1)
            earlier.extend(order[0] - step * places for places in range(reorder, 0, -1))
        earlier.extend(order)
        with av.open(str(folder / segment.file)) as container:
            for packet in container.demux(video=0):
                if not packet.size:
                    continue
                pts = segment.first + presentation_time(packet, time_base)
                packet.time_base = time_base
                packet.pts, packet.dts = pts, earlier.popleft()
                packet.duration = durations[pts]
                yield packet


def _presentation(
    folder: Path, segments: Iterable[Segment], time_base: Fraction
) -> Iterator[tuple[int, int]]:
    """(presentation time, duration) of every frame in presentation order."""
    previous: int | None = None
    last_duration = 1
    for segment in segments:
        for pts in sorted(packet_times(folder / segment.file, time_base)):
            if previous is not None:
                yield previous, segment.first + pts - previous
            previous = segment.first + pts
        last_duration = segment.last_duration
    if previous is not None:
        yield previous, last_duration
