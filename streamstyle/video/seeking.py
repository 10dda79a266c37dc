"""Gets to the start of the part that is read, so that no frame, sound or cue of it is lost.

Seeking is fast, but an index may be missing or wrong, and where time stamps begin anew, a time is found at
several places. So there are several approaches, and the first one that reaches the start is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

import av
from av.container import InputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from streamstyle.video.opening import DAMAGE, is_url

# Formats with an index, or with time stamps that increase from the beginning to the end of the file.
_SEEKABLE = ("mov", "matroska", "avi", "asf", "nut", "mxf", "ogg")
# Tracks may be interleaved loosely, so reading begins this long before the start. A cue of subtitles is
# stored where it begins, and may be shown for long.
_EARLIER_SECONDS, _EARLIER_FOR_SUBTITLES = Fraction(2), Fraction(120)
_MOST_HELD_BYTES = 64_000_000


@dataclass(frozen=True, slots=True)
class Approach:
    """A way to get to the start.

    Attributes:
        seek: begin at a keyframe some seconds before the start, else at the beginning of the file.
        skim: decode only from the last keyframe before the start on, else everything. If that does not give a
            good frame at or before the start, the approach has failed.
        download: store the file first, for servers that cannot seek.
    """

    seek: bool = False
    skim: bool = False
    download: bool = False


def approaches(name: str, start: float) -> list[Approach]:
    """The approaches to try, fastest first.

    Args:
        name: of the input.
        start: in seconds.
    """
    if name == "-":
        return [Approach()]
    found = [Approach(), Approach(download=True)] if is_url(name) else [Approach()]
    return [Approach(seek=True, skim=True), Approach(skim=True), *found] if start > 0 else found


def seek_before(container: InputContainer, start: Fraction, beginning: Fraction) -> bool:
    """Seek to a keyframe well before `start`; returns False if that is impossible or not to be trusted.

    Args:
        container: freshly opened.
        start: in seconds, as the time stamps of the file.
        beginning: of the file, likewise.
    """
    if not container.format.name.startswith(_SEEKABLE):
        return False
    has_subtitles = any(stream.type == "subtitle" for stream in container.streams)
    to = start - (_EARLIER_FOR_SUBTITLES if has_subtitles else _EARLIER_SECONDS)
    if to <= beginning:
        return True
    try:
        container.seek(int(to * 1_000_000), backward=True)
    except (*DAMAGE, OSError):
        return False
    return True


def skim(packets: Iterable[av.Packet[Stream]], video: VideoStream, start: int) -> Iterator[av.Packet[Stream]]:
    """Leave out the video packets that no frame from `start` on needs: those before the last keyframe.

    Args:
        packets: of all tracks.
        video: the video track.
        start: presentation time, in the time base of `video`.
    """
    held: list[av.Packet[Stream]] = []
    held_bytes, skimming = 0, True
    for packet in packets:
        if not skimming:
            yield packet
            continue
        if packet.stream.index == video.index:
            shown = packet.pts if packet.pts is not None else packet.dts
            decoded = packet.dts if packet.dts is not None else packet.pts
            if packet.is_keyframe and shown is not None and shown <= start:
                held = [other for other in held if other.stream.index != video.index]
                held_bytes = 0
            held_bytes += packet.size
            skimming = decoded is not None and decoded < start and held_bytes < _MOST_HELD_BYTES
        held.append(packet)
        if not skimming:
            yield from held
            held = []
    yield from held


def in_range(packet: av.Packet[Stream], begin: Fraction | None, end: Fraction | None) -> bool:
    """Whether a packet of another track is in the range that is read; a cue is clipped to it.

    Args:
        packet: of sound or subtitles.
        begin, end: of the range, in seconds, as the time stamps of the file; None for no limit.
    """
    if packet.pts is None:
        return True
    base = Fraction(packet.time_base)
    first = packet.pts if begin is None else ceil(begin / base)
    last = None if end is None else ceil(end / base)
    if packet.stream.type == "subtitle" and packet.duration:
        shown_until = packet.pts + packet.duration
        if packet.pts < first < shown_until:
            packet.pts = packet.dts = first
        packet.duration = (
            shown_until if last is None else min(shown_until, max(last, packet.pts))
        ) - packet.pts
    return packet.pts >= first and (last is None or packet.pts < last)
