"""Audio, subtitles, chapters and tags: copied from the source to the finished video."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.stream import Stream
from av.subtitles.stream import SubtitleStream

from streamstyle.video.codecs import ContainerFormat
from streamstyle.video.opening import DAMAGE, reason
from streamstyle.video.tags import with_provenance

if TYPE_CHECKING:
    from av.container.core import Chapter

    from streamstyle.frames import StreamInfo

_log = logging.getLogger("streamstyle")

_TEXT_SUBTITLES = frozenset({"mov_text", "subrip", "srt", "ass", "ssa", "webvtt", "text", "ttml", "microdvd"})
# Tags that every muxer writes itself, or that are wrong for the new file.
_OWN_TAGS = frozenset(
    {"encoder", "major_brand", "minor_version", "compatible_brands", "duration", "rotate", "vendor_id"}
)
# Tags that MP4 stores without use_metadata_tags (libavformat/movenc.c).
_MP4_TAGS = frozenset(
    {
        "title", "artist", "album_artist", "composer", "album", "date", "creation_time", "comment", "genre",
        "copyright", "grouping", "lyrics", "description", "synopsis", "show", "episode_id", "network",
        "keywords", "location", "language", "track", "disc", "media_type", "hd_video", "gapless_playback",
        "compilation",
    }
)  # fmt: skip


def plan_tracks(tracks: Mapping[int, object], form: ContainerFormat, audio: str, name: str) -> dict[int, str]:
    """The mode of each track in a container: "copy", "encode" or "convert"; dropped tracks are missing.

    Each track that is re-encoded or dropped is reported in a warning.

    Args:
        tracks: input tracks by key.
        form: the container format.
        audio: "copy" or "none".
        name: of the input, for the warnings.
    """
    track_modes: dict[int, str] = {}
    for key, track in tracks.items():
        assert isinstance(track, Stream)
        if track.type == "audio" and audio == "none":
            continue
        codec = track.codec_context.name if track.codec_context is not None else "unknown"
        label = f"{name}: {track.type} track {key} ({codec})"
        if _supports(form, track):
            track_modes[key] = "copy"
        elif track.type == "audio" and form.audio:
            track_modes[key] = "encode"
            _log.warning("%s: not supported by %s; re-encoded as %s", label, form.muxer, form.audio)
        elif codec in _TEXT_SUBTITLES and form.subtitle:
            track_modes[key] = "convert"
        else:
            _log.warning("%s: not supported by %s; dropped", label, form.muxer)
    return track_modes


def _supports(form: ContainerFormat, track: Stream) -> bool:
    """Whether the muxer supports a track, by trying: its list of codecs has more than its header accepts."""
    if form.audio is None or track.codec_context is None:
        return False
    probe = av.open(io.BytesIO(), "w", format=form.muxer)
    try:
        probe.add_stream_from_template(track)
        probe.start_encoding()
    except (*DAMAGE, OSError):
        return False
    finally:
        try:
            probe.close()
        except (*DAMAGE, OSError):
            pass  # some muxers cannot finish a file without packets
    return True


class _TrackWriter(Protocol):
    def write(self, packet: av.Packet[Stream]) -> Iterable[av.Packet[Stream]]: ...
    def flush(self) -> Iterable[av.Packet[Stream]]: ...


class SideTracks:
    """The audio and subtitle tracks of an output.

    Args:
        container: open for writing, without any packets.
        tracks: input tracks by key.
        track_modes: from `plan_tracks`.
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
        self._writers: dict[int, _TrackWriter] = {}
        for key, mode in track_modes.items():
            track = tracks[key]
            assert isinstance(track, Stream)
            self._writers[key] = _track_writer(container, track, mode, form)

    def write(self, key: int, packet: av.Packet[Stream]) -> None:
        """Write one packet. A damaged one is dropped with a warning and does not stop the video."""
        writer = self._writers.get(key)
        if writer is None:
            return
        offset = round(self._shift / packet.time_base)
        packet.pts = None if packet.pts is None else packet.pts - offset
        packet.dts = packet.pts if packet.dts is None else packet.dts - offset
        try:
            for ready in writer.write(packet):
                self._container.mux(ready)
        except OSError as error:
            if not isinstance(error, av.error.FFmpegError) or error.errno in _DISK_ERRNOS:
                raise
            self._warn(key, error)
        except DAMAGE as error:
            self._warn(key, error)

    def flush(self) -> None:
        """Write the packets that the encoders still hold."""
        for writer in self._writers.values():
            for ready in writer.flush():
                self._container.mux(ready)

    def _warn(self, key: int, error: BaseException) -> None:
        if key not in self._failed:
            self._failed.add(key)
            _log.warning("track %d: damaged packets are dropped (%s)", key, reason(error))


_DISK_ERRNOS = frozenset({5, 27, 28, 122})  # EIO, EFBIG, ENOSPC, EDQUOT


def _track_writer(
    container: OutputContainer, track: Stream, mode: str, form: ContainerFormat
) -> _TrackWriter:
    if mode == "copy":
        writer: _TrackWriter = _Copy(container, track)
    elif mode == "encode":
        assert form.audio is not None and isinstance(track, AudioStream)
        writer = _EncodeAudio(container, track, form.audio)
    else:
        assert form.subtitle is not None and isinstance(track, SubtitleStream)
        writer = _ConvertSubtitle(container, track, form.subtitle)
    return writer


class _Copy:
    """Copies packets byte for byte."""

    def __init__(self, container: OutputContainer, track: Stream) -> None:
        self._stream = container.add_stream_from_template(track)
        _copy_metadata(track, self._stream)
        self._last: int | None = None

    def write(self, packet: av.Packet[Stream]) -> Iterable[av.Packet[Stream]]:
        if packet.dts is None:
            return
        if self._last is not None and packet.dts <= self._last:
            packet.dts = self._last + 1  # muxers require increasing times; some files have equal ones
            packet.pts = max(packet.pts if packet.pts is not None else packet.dts, packet.dts)
        self._last = packet.dts
        packet.stream = self._stream
        yield packet

    def flush(self) -> Iterable[av.Packet[Stream]]:
        return ()


class _EncodeAudio:
    """Re-encodes audio, for containers that do not support the source's codec."""

    def __init__(self, container: OutputContainer, track: AudioStream, encoder: str) -> None:
        self._decoder = track.codec_context
        rates = av.Codec(encoder, "w").audio_rates
        rate = self._decoder.sample_rate
        if rates and rate not in rates:
            rate = 48000 if 48000 in rates else max(rates)
        layout = self._decoder.layout.name
        if encoder == "libmp3lame" and self._decoder.channels > 2:
            layout = "stereo"
        stream = container.add_stream(encoder, rate=rate, layout=layout)
        assert isinstance(stream, AudioStream)
        self._stream = stream
        _copy_metadata(track, self._stream)
        context = self._stream.codec_context
        context.open()
        self._resampler = av.AudioResampler(context.format, context.layout, rate, context.frame_size or None)

    def write(self, packet: av.Packet[Stream]) -> Iterable[av.Packet[Stream]]:
        shifted = packet.pts
        for frame in self._decoder.decode(packet):
            if frame.pts is None:
                frame.pts, frame.time_base = shifted, packet.time_base
            yield from self._encode(frame)

    def flush(self) -> Iterable[av.Packet[Stream]]:
        for frame in self._decoder.decode(None):
            yield from self._encode(frame)
        yield from self._encode(None)
        yield from self._stream.encode(None)

    def _encode(self, frame: av.AudioFrame | None) -> Iterable[av.Packet[Stream]]:
        for resampled in self._resampler.resample(frame):
            yield from self._stream.encode(resampled)


class _ConvertSubtitle:
    """Converts text subtitles to the container's own format."""

    def __init__(self, container: OutputContainer, track: SubtitleStream, encoder: str) -> None:
        self._decoder = track.codec_context
        self._decoder.open(strict=False)
        stream = container.add_stream(encoder)
        assert isinstance(stream, SubtitleStream)
        self._stream = stream
        _copy_metadata(track, self._stream)
        context = self._stream.codec_context
        context.time_base = Fraction(1, 1000)
        context.subtitle_header = self._decoder.subtitle_header
        context.open(strict=False)

    def write(self, packet: av.Packet[Stream]) -> Iterable[av.Packet[Stream]]:
        cue = self._decoder.decode2(packet)
        if cue is None or not len(cue):
            return
        converted = self._stream.codec_context.encode_subtitle(cue)
        converted.stream = self._stream
        converted.time_base = packet.time_base
        converted.pts = converted.dts = packet.pts
        converted.duration = packet.duration
        yield converted

    def flush(self) -> Iterable[av.Packet[Stream]]:
        return ()


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
    return with_provenance(tags, info.provenance)


def muxer_options(form: ContainerFormat, tags: Mapping[str, str]) -> dict[str, str]:
    """Muxer options for a finished file; MP4 stores uncommon tags only with an option."""
    options = dict(form.options)
    uncommon = any(key.split("-")[0].lower() not in _MP4_TAGS for key in tags)
    if form.muxer in ("mp4", "mov") and uncommon:
        options["movflags"] += "+use_metadata_tags"
    return options


def write_metadata(info: StreamInfo, container: OutputContainer, tags: Mapping[str, str]) -> None:
    """Write tags and chapters. Chapters are shifted by `info.start`; those before it are dropped."""
    container.metadata.update(tags)
    source, shift = info.container, info.start
    if source is None:
        return
    assert isinstance(source, InputContainer)
    chapters: list[Chapter] = []
    for chapter in source.chapters():
        offset = round(shift / (chapter["time_base"] or Fraction(1)))
        if chapter["end"] > offset:
            start = max(chapter["start"] - offset, 0)
            moved = chapter.copy()
            moved["start"], moved["end"] = start, chapter["end"] - offset
            chapters.append(moved)
    if chapters:
        container.set_chapters(chapters)
