"""Selects the tracks of a video: one video track, and the audio and subtitle tracks."""

from __future__ import annotations

import logging
from fractions import Fraction

from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from streamstyle.errors import InputError
from streamstyle.video.clock import may_begin_anew

_log = logging.getLogger("streamstyle")

_PACKET_BYTES = 188  # a frame of a transport stream takes a packet at least
_LEAST_BITS_PER_PIXEL = 0.002  # of a frame, even of a film in which nothing moves

# Frame rates above this are the container's timescale, not a rate (FLV and Matroska report 1000).
MAX_RATE = 240


def choose_video(container: InputContainer, name: str) -> VideoStream:
    """The video track with the largest frames; never cover art or a separate alpha plane.

    The other video tracks are listed in one warning.

    Raises:
        InputError: there is no video track, or none that can be decoded.
    """
    found = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    candidates = [s for s in found if s.codec_context is not None]
    if found and not candidates:
        raise InputError(f"{name}: its video codec is unknown, so it cannot be decoded")
    if not candidates:
        types = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
        raise InputError(f"{name}: no video track (the file has: {types})")
    best = max(candidates, key=_preference)
    others = [s for s in candidates if s is not best]
    if others:
        listed = "; ".join(f"track {s.index}, {_describe(s)}" for s in others)
        _log.warning("%s: using track %d, %s; ignored: %s", name, best.index, _describe(best), listed)
    if best.metadata.get("alpha_mode") == "1":
        _log.warning("%s: its transparency is not kept", name)
    return best


def _preference(stream: VideoStream) -> tuple[int, bool, int, bool, int, int]:
    context = stream.codec_context
    grey = (context.pix_fmt or "").startswith("gray")
    # Only the MP4 family stores the number of frames; elsewhere 0 means unknown.
    counted = stream.container.format.name.startswith("mov")
    frames = stream.frames if counted else 2
    return (
        min(frames, 2),
        not grey,
        context.width * context.height,
        bool(stream.disposition & Disposition.default),
        stream.frames,
        -stream.index,
    )


def _describe(stream: VideoStream) -> str:
    context = stream.codec_context
    return f"{context.name} {context.width}x{context.height}"


def audio_and_subtitles(container: InputContainer) -> dict[int, Stream]:
    """The audio and subtitle tracks by index; other kinds are listed in one warning."""
    kept = {s.index: s for s in container.streams if s.type in ("audio", "subtitle")}
    other = [s for s in container.streams if s.type not in ("video", "audio", "subtitle")]
    covers = [s for s in container.streams.video if s.disposition & Disposition.attached_pic]
    if other or covers:
        kinds = sorted([s.type for s in other] + ["cover image"] * len(covers))
        _log.warning("%s: not kept: %s", container.name, ", ".join(f"{kind} track" for kind in kinds))
    return kept


def beginning_of(container: InputContainer, stream: VideoStream) -> Fraction:
    """The time stamp in seconds at which a file begins, and which becomes 0 for all of its tracks.

    Below 0 it counts only if the video begins there, as before a wrap of a broadcast's counter. Sound may
    begin slightly earlier than the video, with samples that its decoder skips.
    """
    start = Fraction(container.start_time or 0, 1_000_000)
    video = (stream.start_time or 0) * Fraction(stream.time_base or 1)
    return start if video < 0 else max(start, Fraction(0))


def frame_rate(stream: VideoStream) -> Fraction | None:
    """The nominal rate in frames per second, or None if the container has no plausible one."""
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if rate and 0 < rate <= MAX_RATE:
            return Fraction(rate)
    return None


def expected_frames(container: InputContainer, stream: VideoStream, rate: Fraction | None) -> int | None:
    """The number of frames from the header, else from duration and rate, or None."""
    if stream.frames > 0:
        return int(stream.frames)
    seconds = duration_seconds(container, stream)
    return round(seconds * rate) if seconds and rate else None


def duration_seconds(container: InputContainer, stream: VideoStream) -> float | None:
    """The duration of the video track, else of the file, in seconds; None if it is unknown or implausible."""
    if stream.duration and stream.time_base:
        seconds = float(stream.duration * stream.time_base)
    elif container.duration:
        seconds = container.duration / 1_000_000
    else:
        return None
    return seconds if _is_plausible(container, stream, seconds) else None


def _is_plausible(container: InputContainer, stream: VideoStream, seconds: float) -> bool:
    """Whether so long a video fits into the bytes of the file.

    FFmpeg takes the duration of a transport stream from its first and last time stamps, which may jump.
    """
    if not may_begin_anew(container) or container.size <= 0:
        return True
    context = stream.codec_context
    frame_bytes = max(_PACKET_BYTES, context.width * context.height * _LEAST_BITS_PER_PIXEL / 8)
    return seconds * float(frame_rate(stream) or 1) * frame_bytes <= container.size
