"""What goes into an output besides its frames: tracks, tags and chapters.

What the container would refuse when the video is finished is found before the render starts: the header is
written to memory, with everything as planned, by the same code as the output's.
"""

from __future__ import annotations

import io
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from streamstyle.errors import UsageError
from streamstyle.frames import StreamInfo
from streamstyle.video.codecs import Codec, ContainerFormat, EncodeOptions
from streamstyle.video.encoding import Encoder
from streamstyle.video.opening import DAMAGE, reason
from streamstyle.video.side_tracks import SideTracks, shifted_chapters, track_writer, video_tags

if TYPE_CHECKING:
    from av.container.core import Chapter

_log = logging.getLogger("streamstyle")

_TEXT_SUBTITLES = frozenset({"mov_text", "subrip", "srt", "ass", "ssa", "webvtt", "text", "ttml", "microdvd"})
# Tags that MP4 stores without use_metadata_tags (libavformat/movenc.c).
_MP4_TAGS = frozenset(
    {
        "title", "artist", "album_artist", "composer", "album", "date", "creation_time", "comment", "genre",
        "copyright", "grouping", "lyrics", "description", "synopsis", "show", "episode_id", "network",
        "keywords", "location", "language", "track", "disc", "media_type", "hd_video", "gapless_playback",
        "compilation",
    }
)  # fmt: skip
_NOT_TRIED = ("gif", "rtsp")  # muxers that hold nothing besides the frames, or need a network
# MP4 describes its tracks at the end, but for this option.
_WHOLE_HEADER = {"movflags": "empty_moov"}
_IN_PACKETS = ("ac3", "eac3", "truehd", "mlp")  # codecs that MP4 can only describe after the first packet


@dataclass(frozen=True)
class Contents:
    """What an output contains besides its frames.

    Attributes:
        track_modes: "copy", "encode" or "convert" for each track by key; dropped tracks are missing.
        tags: of the output.
        chapters: of the output, from time 0.
    """

    track_modes: Mapping[int, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    chapters: Sequence[Chapter] = ()


@dataclass(frozen=True)
class Target:
    """An output, before its first frame.

    Attributes:
        name: of the output, for messages.
        info: of the source.
        form: the container format.
        time_base: seconds per unit of the video's presentation times.
    """

    name: str
    info: StreamInfo
    form: ContainerFormat
    time_base: Fraction


def plan_contents(target: Target, codec: Codec, options: EncodeOptions, audio: str) -> Contents:
    """The contents of an output, as far as its container accepts them.

    Each track that is re-encoded or dropped, and each tag or chapter that is dropped, is reported in a
    warning.

    Args:
        target: of the output.
        codec: of the frames.
        options: of the encoder.
        audio: "copy" or "none".

    Raises:
        UsageError: the encoder or the container refuses the video itself.
    """
    info, form = target.info, target.form
    wanted = Contents(_plan_tracks(info, form, audio), video_tags(info), shifted_chapters(info))
    with av.open(io.BytesIO(), "w", format=codec.segment) as scratch:
        video = Encoder(scratch, codec, options, info, target.time_base).stream
        if form.muxer in _NOT_TRIED:
            return wanted
        scratch.start_encoding()
        if _refusal(target, video, wanted) is None:
            return wanted
        error = _refusal(target, video, Contents())
        if error is not None:
            raise UsageError(f"{target.name}: {form.muxer} cannot hold this video ({reason(error)})")
        return _accepted_part(target, video, wanted)


def _accepted_part(target: Target, video: VideoStream, wanted: Contents) -> Contents:
    """Add one thing after another, and leave out what the container refuses."""
    name = target.info.name
    accepted = Contents()
    for key, mode in wanted.track_modes.items():
        more = replace(accepted, track_modes={**accepted.track_modes, key: mode})
        accepted = more if _tried(target, video, more, f"{name}: track {key}") else accepted
    for tag, text in wanted.tags.items():
        more = replace(accepted, tags={**accepted.tags, tag: text})
        accepted = more if _tried(target, video, more, f"{name}: tag {tag!r}") else accepted
    for chapter in wanted.chapters:
        more = replace(accepted, chapters=[*accepted.chapters, chapter])
        accepted = more if _tried(target, video, more, f"{name}: chapter {chapter['id']}") else accepted
    return accepted


def _tried(target: Target, video: VideoStream, contents: Contents, what: str) -> bool:
    error = _refusal(target, video, contents)
    if error is not None:
        _log.warning("%s: refused by %s (%s); dropped", what, target.form.muxer, reason(error))
    return error is None


def _refusal(target: Target, video: VideoStream, contents: Contents) -> BaseException | None:
    """Why the container refuses these contents; None if it accepts them."""
    add = partial(add_contents, target=target, video=video, contents=contents)
    return _header_error(target.form, add, muxer_options(target, contents))


def _header_error(
    form: ContainerFormat, add: Callable[[OutputContainer], object], options: Mapping[str, str]
) -> BaseException | None:
    """Why the header of a file with what `add` adds cannot be written; None if it can."""
    header = io.BytesIO()
    container = av.open(header, "w", format=form.muxer, container_options=dict(options))
    try:
        add(container)
        container.start_encoding()
    except (*DAMAGE, OSError) as error:
        return error
    finally:
        header.close()  # so that PyAV does not end the file: some muxers abort if it has no packets
        container.close()
    return None


def add_contents(
    container: OutputContainer, target: Target, video: VideoStream, contents: Contents
) -> tuple[VideoStream, SideTracks]:
    """Add the video track, the other tracks, tags and chapters to an open output, in this order.

    Args:
        container: open for writing, without any packets.
        target: of the output.
        video: a track with the video's parameters, or an encoder's own of this container.
        contents: what to add.

    Raises:
        FFmpegError, ValueError: the container refuses something.
    """
    form, info = target.form, target.info
    stream = video
    if video.container is not container:
        stream = container.add_stream_from_template(video, opaque=True)
        if video.codec_context.codec.canonical_name == "hevc" and form.muxer in ("mp4", "mov"):
            stream.codec_context.codec_tag = "hvc1"  # the only one that Apple's players support
        stream.time_base = target.time_base
        if info.rate is not None:
            stream.codec_context.framerate = info.rate  # else that of the clock; time codes depend on it
    side = SideTracks(container, info.tracks, contents.track_modes, form, info.start)
    container.metadata.update(contents.tags)
    if contents.chapters:
        container.set_chapters(list(contents.chapters))
    return stream, side


def muxer_options(target: Target, contents: Contents) -> dict[str, str]:
    """Muxer options of the finished file."""
    options = dict(target.form.options)
    if target.form.muxer in ("mp4", "mov"):
        options["movie_timescale"] = str(_movie_timescale(target, contents))
        if any(tag.split("-")[0].lower() not in _MP4_TAGS for tag in contents.tags):
            options["movflags"] += "+use_metadata_tags"
    return options


def _movie_timescale(target: Target, contents: Contents) -> int:
    """Ticks per second of the MP4 edit lists, which store the start times of all tracks exactly."""
    timescales = [_track_timescale(target.info.tracks[key]) for key in contents.track_modes]
    exact = math.lcm(target.time_base.denominator, *timescales)
    return exact if exact < 2**31 else 1_000_000


def _track_timescale(track: object) -> int:
    """Ticks per second of a track in MP4; for audio, the sample rate."""
    assert isinstance(track, Stream)
    if isinstance(track, AudioStream):
        return track.codec_context.sample_rate or 1
    return track.time_base.denominator if track.time_base else 1


def _plan_tracks(info: StreamInfo, form: ContainerFormat, audio: str) -> dict[int, str]:
    """The mode of each track in the container, tried with each track alone."""
    track_modes: dict[int, str] = {}
    for key, track in info.tracks.items():
        assert isinstance(track, Stream)
        if track.type == "audio" and audio == "none":
            continue
        codec = track.codec_context.name if track.codec_context is not None else "unknown"
        label = f"{info.name}: {track.type} track {key} ({codec})"
        mode = _mode_of(track, form, codec)
        if mode == "encode":
            _log.warning("%s: not supported by %s; re-encoded as %s", label, form.muxer, form.audio)
        if mode is None:
            _log.warning("%s: not supported by %s; dropped", label, form.muxer)
        else:
            track_modes[key] = mode
    return track_modes


def _mode_of(track: Stream, form: ContainerFormat, codec: str) -> str | None:
    """The first mode in which the container accepts the track; None if there is none."""
    if track.codec_context is None or form.audio is None:
        return None
    modes = ["copy"] if not form.copied or track.codec_context.codec.canonical_name in form.copied else []
    if track.type == "audio":
        modes.append("encode")
    elif codec in _TEXT_SUBTITLES and form.subtitle:
        modes.append("convert")
    if form.muxer in _NOT_TRIED:
        return next(iter(modes), None)
    options = _WHOLE_HEADER if form.muxer in ("mp4", "mov") and codec not in _IN_PACKETS else {}
    for mode in modes:
        if _header_error(form, partial(_add_track, track, mode, form), options) is None:
            return mode
    return None


def _add_track(track: Stream, mode: str, form: ContainerFormat, container: OutputContainer) -> None:
    track_writer(container, track, mode, form)
