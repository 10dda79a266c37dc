"""Selects the tracks of a video: one video track, and the audio and subtitle tracks."""

from __future__ import annotations

import logging
from fractions import Fraction

from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from streamstyle.errors import InputError

_log = logging.getLogger("streamstyle")

# Frame rates above this are the container's timescale, not a rate (FLV and Matroska report 1000).
MAX_RATE = 240


def choose_video(container: InputContainer, name: str) -> VideoStream:
    """The video track with the largest frames; never cover art or a separate alpha plane.

    The other video tracks are listed in one warning.

    Raises:
        InputError: there is no video track.
    """
    candidates = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    candidates = [s for s in candidates if s.codec_context is not None] or candidates
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
    """The duration of the video track, else of the file, in seconds, or None."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if container.duration:
        return container.duration / 1_000_000
    return None
