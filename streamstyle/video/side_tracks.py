"""Audio, subtitles, chapters and tags: copied from the source to the finished video."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.stream import Stream
from av.subtitles.stream import SubtitleStream
from av.subtitles.subtitle import AssSubtitle, SubtitleSet

from streamstyle.video.audio_encoding import EncodeAudio
from streamstyle.video.codecs import ContainerFormat
from streamstyle.video.cues import Cue, CueSequence
from streamstyle.video.opening import DAMAGE, reason
from streamstyle.video.tags import with_provenance

if TYPE_CHECKING:
    from av.container.core import Chapter

    from streamstyle.frames import StreamInfo

_log = logging.getLogger("streamstyle")

# Tags that every muxer writes itself, or that are wrong for the new file.
_OWN_TAGS = frozenset(
    {"encoder", "major_brand", "minor_version", "compatible_brands", "duration", "rotate", "vendor_id"}
)


class TrackWriter(Protocol):
    @property
    def stream(self) -> Stream: ...
    def write(self, packet: av.Packet[Stream]) -> Iterable[av.Packet[Stream]]: ...
    def flush(self) -> Iterable[av.Packet[Stream]]: ...


class SideTracks:
    """The audio and subtitle tracks of an output.

    Args:
        container: open for writing, without any packets.
        tracks: input tracks by key.
        track_modes: from `plan_contents`.
        form: the container format.
        shift: seconds to subtract from every time.
    """

    def __init__(
        self,
        container: OutputContainer,
        tracks: Mapping[int, object],
        track_modes: Mapping[int, str],
        form: ContainerFormat,
        shift: Fraction,
    ) -> None:
        self._container = container
        self._shift = shift
        self._failed: set[int] = set()
        self._writers: dict[int, TrackWriter] = {}
        for key, mode in track_modes.items():
            track = tracks[key]
            assert isinstance(track, Stream)
            self._writers[key] = track_writer(container, track, mode, form)

    def write(self, key: int, packet: av.Packet[Stream]) -> None:
        """Write one packet. A damaged one is dropped with a warning and does not stop the video."""
        writer = self._writers.get(key)
        if writer is None:
            return
        offset = round(self._shift / packet.time_base)
        packet.pts = None if packet.pts is None else packet.pts - offset
        packet.dts = packet.pts if packet.dts is None else packet.dts - offset
        self._mux(key, writer.write(packet))

    def flush(self) -> None:
        """Write the packets that the encoders still hold."""
        for key, writer in self._writers.items():
            self._mux(key, writer.flush())

    def _mux(self, key: int, packets: Iterable[av.Packet[Stream]]) -> None:
        try:
            for ready in packets:
                self._container.mux(ready)
        except OSError as error:
            if not isinstance(error, av.error.FFmpegError) or error.errno in _DISK_ERRNOS:
                raise
            self._warn(key, error)
        except DAMAGE as error:
            self._warn(key, error)

    def _warn(self, key: int, error: BaseException) -> None:
        if key not in self._failed:
            self._failed.add(key)
            _log.warning("track %d: damaged packets are dropped (%s)", key, reason(error))


_LONGEST_TITLE = 65_000  # bytes: MP4 stores the length in 16 bits, and FFmpeg aborts above them
_DISK_ERRNOS = frozenset({5, 27, 28, 122})  # EIO, EFBIG, ENOSPC, EDQUOT


def track_writer(container: OutputContainer, track: Stream, mode: str, form: ContainerFormat) -> TrackWriter:
    """Add a track to the container.

    Raises:
        FFmpegError, ValueError: the container, a decoder or an encoder refuses it.
    """
    writer: TrackWriter
    if mode == "copy":
        writer = _Copy(container, track)
    elif mode == "encode":
        assert form.audio is not None and isinstance(track, AudioStream)
        writer = EncodeAudio(container, track, form.audio)
    else:
        assert form.subtitle is not None and isinstance(track, SubtitleStream)
        writer = _ConvertSubtitle(container, track, form.subtitle)
    _copy_metadata(track, writer.stream)
    return writer


class _Copy:
    """Copies packets byte for byte."""

    def __init__(self, container: OutputContainer, track: Stream) -> None:
        self.stream: Stream = container.add_stream_from_template(track)
        self._last: int | None = None

    def write(self, packet: av.Packet[Stream]) -> Iterable[av.Packet[Stream]]:
        if packet.dts is None:
            return
        if self._last is not None and packet.dts <= self._last:
            packet.dts = self._last + 1  # muxers require increasing times; some files have equal ones
            packet.pts = max(packet.pts if packet.pts is not None else packet.dts, packet.dts)
        self._last = packet.dts
        packet.stream = self.stream
        yield packet

    def flush(self) -> Iterable[av.Packet[Stream]]:
        return ()


class _ConvertSubtitle:
    """Converts text subtitles to the container's own format."""

    def __init__(self, container: OutputContainer, track: SubtitleStream, encoder: str) -> None:
        self._decoder = track.codec_context
        self._decoder.open(strict=False)
        stream = container.add_stream(encoder)
        assert isinstance(stream, SubtitleStream)
        self.stream = stream
        context = stream.codec_context
        context.time_base = Fraction(1, 1000)
        context.subtitle_header = self._decoder.subtitle_header
        context.open(strict=False)
        self._sequence = CueSequence() if encoder == "mov_text" else None
        self._time_base = context.time_base

    def write(self, packet: av.Packet[Stream]) -> Iterable[av.Packet[Stream]]:
        decoded = self._decoder.decode2(packet)
        if decoded is None or packet.pts is None:
            return
        self._time_base = packet.time_base
        for line in decoded:
            if isinstance(line, AssSubtitle):
                cue = Cue(packet.pts, packet.pts + (packet.duration or 0), line.ass)
                yield from map(self._encoded, (cue,) if self._sequence is None else self._sequence.add(cue))

    def flush(self) -> Iterable[av.Packet[Stream]]:
        if self._sequence is not None:
            yield from map(self._encoded, self._sequence.flush())

    def _encoded(self, cue: Cue) -> av.Packet[Stream]:
        duration = cue.end - cue.start
        encoded = self.stream.codec_context.encode_subtitle(SubtitleSet.create(cue.text, 0, duration))
        encoded.stream, encoded.time_base = self.stream, self._time_base
        encoded.pts = encoded.dts = cue.start
        encoded.duration = duration
        return encoded


def _copy_metadata(track: Stream, stream: Stream) -> None:
    """Copy the language, title and disposition of a track."""
    stream.metadata.update({k: v for k, v in track.metadata.items() if k.lower() not in _OWN_TAGS})
    stream.disposition = track.disposition


def video_tags(info: StreamInfo) -> dict[str, str]:
    """The tags of the input that are also true of the output, and the provenance."""
    source, tags = info.container, {}
    if source is not None:
        assert isinstance(source, InputContainer)
        tags = {k: v for k, v in source.metadata.items() if k.lower() not in _OWN_TAGS}
        if info.start * 1_000_000 > max(source.start_time or 0, 0):  # the first frame has another one
            tags = {k: v for k, v in tags.items() if k.lower() != "timecode"}
    return with_provenance(tags, info.provenance)


def shifted_chapters(info: StreamInfo) -> list[Chapter]:
    """The chapters of the input, shifted by `info.start`; those before it are dropped."""
    source, shift = info.container, info.start
    if source is None:
        return []
    assert isinstance(source, InputContainer)
    chapters: list[Chapter] = []
    for chapter in source.chapters():
        offset = round(shift / (chapter["time_base"] or Fraction(1)))
        if chapter["end"] > offset:
            start = max(chapter["start"] - offset, 0)
            moved = chapter.copy()
            moved["start"], moved["end"] = start, max(chapter["end"] - offset, start)
            moved["metadata"] = {name: _shortened(text) for name, text in chapter["metadata"].items()}
            chapters.append(moved)
    return chapters


def _shortened(title: str) -> str:
    return title.encode(errors="replace")[:_LONGEST_TITLE].decode(errors="ignore")
