"""The time line of a file: the time stamps of all its tracks, understood together.

Recordings joined end to end, broadcasts and 33-bit counters give time stamps that begin anew, jump or wrap
around. Picture, sound and subtitles are then moved by the same amount, so that they stay in step, and the
picture continues without a gap. Everything else is left as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
from av.container import InputContainer
from av.format import Flags
from av.stream import Stream

_log = logging.getLogger("streamstyle")

# A decoding time never decreases in a sound track. Formats that are cut and joined freely, as broadcasts are,
# may begin anew at any time; elsewhere a small step back is an inexact time stamp.
_BACK_SECONDS, _BACK_SECONDS_ELSEWHERE = Fraction(1, 10), Fraction(1)
_GAP_SECONDS = Fraction(
    10
)  # a longer gap in such a format is a jump of its clock; FFmpeg uses the same value
_OVERLAP_SECONDS = Fraction(1)  # by which a track may begin before the end of its previous part
_LEAD_SECONDS = Fraction(1, 10)  # sound may outlast the picture by this much at a joint
_WRAP_SECONDS = Fraction(2**33, 90_000)  # of the counter of MPEG streams (ISO/IEC 13818-1)
_MOST_OFFSETS = 7  # remembered besides the latest; damaged time stamps may jump at every packet
_ZERO = Fraction(0)
_MOST_HELD = 256  # sound packets that wait for the picture's first packet after a joint


@dataclass(slots=True)
class _Track:
    """What is known of a track, in seconds.

    Attributes:
        offset: added to its time stamps.
        decoded: the latest decoding time, corrected; None before the first packet.
        end: when its latest packet ends, corrected; 0 before the first packet.
        joint: the next packet begins a new part.
    """

    offset: Fraction = Fraction(0)
    decoded: Fraction | None = None
    end: Fraction = Fraction(0)
    joint: bool = False


class Clock:
    """Corrects the time stamps of packets, in place.

    Args:
        container: that the packets come from.
        name: of the input, for the warning.
    """

    def __init__(self, container: InputContainer, name: str) -> None:
        self._name = name
        self._joinable = may_begin_anew(container)
        self._back = _BACK_SECONDS if self._joinable else _BACK_SECONDS_ELSEWHERE
        self._tracks: dict[int, _Track] = {}
        self._offsets = [Fraction(0)]  # in use so far, the latest one last
        self._video: int | None = None  # index of the video track, once it has a packet
        self._held: list[av.Packet[Stream]] = []
        self._tried = self._offsets[-1]  # the latest offset that the held packets were tried with
        self._warned = False

    def correct(self, packets: Iterable[av.Packet[Stream]]) -> Iterator[av.Packet[Stream]]:
        """The packets with corrected times.

        At a joint, sound waits for the first packet of the picture, and what overlaps the previous part of
        its own track is left out.
        """
        for packet in packets:
            if packet.stream.type == "video":
                self._video = packet.stream.index
            yield from self._corrected(packet, waits=len(self._held) < _MOST_HELD)
            if self._offsets[-1] != self._tried or len(self._held) >= _MOST_HELD:
                yield from self._release()
        yield from self._release()

    def now(self) -> Fraction:
        """When picture and sound have ended so far, in seconds."""
        return max((track.end for track in self._tracks.values() if track.decoded is not None), default=_ZERO)

    def _corrected(self, packet: av.Packet[Stream], waits: bool) -> Iterator[av.Packet[Stream]]:
        """The packet at its time; nothing if it has to wait, or overlaps the previous part."""
        time = packet.dts
        if time is None and packet.stream.type != "video":  # video is not stored in the order of presentation
            time = packet.pts
        track = self._tracks.setdefault(packet.stream.index, _Track())
        if time is None or packet.time_base is None:
            yield _moved(packet, track.offset)
            return
        seconds, regular = time * Fraction(packet.time_base), packet.stream.type in ("video", "audio")
        if not regular:
            track.offset = self._nearest(seconds)
        elif self._jumps(track, seconds) and not self._adopt(track, seconds):
            if waits and packet.stream.index != self._video and self._video is not None:
                self._held.append(packet)
                return
            self._begin_anew(track, packet, seconds)
        overlaps = track.joint and track.decoded is not None and seconds + track.offset <= track.decoded
        if overlaps and packet.stream.type == "audio":
            return
        yield from self._strays(packet.stream.index, track)
        moved = _moved(packet, track.offset)
        if regular:
            base = Fraction(packet.time_base)
            shown = seconds + track.offset if moved.pts is None else moved.pts * base
            end = shown + (packet.duration or 0) * base
            track.end = end if track.decoded is None else max(track.end, end)
            track.decoded, track.joint = seconds + track.offset, False
        yield moved

    def _jumps(self, track: _Track, seconds: Fraction) -> bool:
        """Whether a time does not continue that of the track's previous packet."""
        if track.decoded is None:
            return False
        corrected = seconds + track.offset
        step = corrected - track.decoded
        if step > _GAP_SECONDS and self._joinable:
            return corrected - self.now() > _GAP_SECONDS  # a track may be silent while the others go on
        return step < -self._back

    def _adopt(self, track: _Track, seconds: Fraction) -> bool:
        """Continue a track with an offset in use by another track, or after a wrap; False if none fits."""
        assert track.decoded is not None
        offsets = [offset for offset in reversed(self._offsets) if offset != track.offset]
        if self._joinable:
            offsets += [track.offset + _WRAP_SECONDS, track.offset - _WRAP_SECONDS]
        for offset in offsets:
            if -_OVERLAP_SECONDS < seconds + offset - track.decoded < _GAP_SECONDS:
                self._use(track, offset)
                return True
        return False

    def _begin_anew(self, track: _Track, packet: av.Packet[Stream], seconds: Fraction) -> None:
        """Choose the offset with which all tracks continue where picture and sound have ended."""
        video = None if self._video is None else self._tracks.get(self._video)
        seam = self.now()
        if video is not None and seam - video.end < _LEAD_SECONDS:
            seam = video.end
        shown = seconds if packet.pts is None else packet.pts * Fraction(packet.time_base)
        self._use(track, seam - shown)
        if not self._warned:
            self._warned = True
            _log.warning("%s: its time stamps begin anew; its parts are joined without a gap", self._name)

    def _use(self, track: _Track, offset: Fraction) -> None:
        if offset not in self._offsets:
            self._offsets = [*self._offsets[-_MOST_OFFSETS:], offset]
        # After a single wrong time stamp a track returns to an earlier offset.
        track.offset, track.joint = offset, offset == self._offsets[-1]

    def _nearest(self, seconds: Fraction) -> Fraction:
        """The offset that places a cue nearest to picture and sound; subtitles have gaps of any length."""
        now = self.now()
        return min(reversed(self._offsets), key=lambda offset: abs(seconds + offset - now))

    def _strays(self, index: int, track: _Track) -> Iterator[av.Packet[Stream]]:
        """The packets of a track that have waited, but were single wrong times, as the track goes on."""
        strays = [packet for packet in self._held if packet.stream.index == index]
        self._held = [packet for packet in self._held if packet.stream.index != index]
        for packet in strays:
            assert track.decoded is not None and packet.time_base is not None
            packet.pts = packet.dts = round(track.decoded / packet.time_base) + 1
            yield packet

    def _release(self) -> Iterator[av.Packet[Stream]]:
        """The packets that have waited."""
        held, self._held, self._tried = self._held, [], self._offsets[-1]
        for packet in held:
            yield from self._corrected(packet, waits=False)


def may_begin_anew(container: object) -> bool:
    """Whether time stamps may begin anew in the format of an input; its duration is then a guess."""
    return isinstance(container, InputContainer) and Flags.ts_discont in Flags(container.format.flags)


def _moved(packet: av.Packet[Stream], offset: Fraction) -> av.Packet[Stream]:
    if offset and packet.time_base is not None:
        ticks = round(offset / packet.time_base)
        packet.pts = None if packet.pts is None else packet.pts + ticks
        packet.dts = None if packet.dts is None else packet.dts + ticks
    return packet
