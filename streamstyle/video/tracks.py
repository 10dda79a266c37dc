"""Which tracks of a video are used: the moving image, and the audio and subtitles beside it."""

from __future__ import annotations

import logging
from fractions import Fraction

from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from streamstyle.errors import InputError

_log = logging.getLogger("streamstyle")

# Frame rates above this are a container's clock, not a rate (FLV and Matroska report 1000).
MAX_RATE = 240


def choose_video(container: InputContainer, name: str) -> VideoStream:
    """The largest moving image track; never cover art, nor an alpha plane.

    The others are named in one warning.

    Raises:
        InputError: there is no image track.
    """
    candidates = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    candidates = [s for s in candidates if s.codec_context is not None] or candidates
    if not candidates:
        held = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
        raise InputError(f"{name}: no image track (the file holds: {held})")
    best = max(candidates, key=_preference)
    others = [s for s in candidates if s is not best]
    if others:
        listed = "; ".join(f"track {s.index}, {_describe(s)}" for s in others)
        _log.warning("%s: track %d, %s, is used; left out: %s", name, best.index, _describe(best), listed)
    if best.metadata.get("alpha_mode") == "1":
        _log.warning("%s: its transparency is not kept", name)
    return best


def _preference(stream: VideoStream) -> tuple[int, bool, int, bool, int, int]:
    context = stream.codec_context
    grey = (context.pix_fmt or "").startswith("gray")
    # Only the MP4 family counts its frames beforehand; elsewhere 0 means unknown.
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


def beside(container: InputContainer) -> dict[int, Stream]:
    """The audio and subtitle tracks by index; other kinds are named in one warning."""
    kept = {s.index: s for s in container.streams if s.type in ("audio", "subtitle")}
    other = [s for s in container.streams if s.type not in ("video", "audio", "subtitle")]
    pictures = [s for s in container.streams.video if s.disposition & Disposition.attached_pic]
    if other or pictures:
        kinds = sorted([s.type for s in other] + ["cover image"] * len(pictures))
        _log.warning("%s: not kept: %s", container.name, ", ".join(f"{kind} track" for kind in kinds))
    return kept


def frame_rate(stream: VideoStream) -> Fraction | None:
    """The nominal rate in frames per second, or None where the container gives no sane one."""
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if rate and 0 < rate <= MAX_RATE:
            return Fraction(rate)
    return None


def expected_frames(container: InputContainer, stream: VideoStream, rate: Fraction | None) -> int | None:
    """The number of frames by the header, by duration and rate otherwise, or None."""
    if stream.frames > 0:
        return int(stream.frames)
    seconds = duration_seconds(container, stream)
    return round(seconds * rate) if seconds and rate else None


def duration_seconds(container: InputContainer, stream: VideoStream) -> float | None:
    """The length of the image track, else of the file, in seconds, or None."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if container.duration:
        return container.duration / 1_000_000
    return None
