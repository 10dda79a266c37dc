"""A preview of a video: some stylized frames, and an estimate of the time and size of the whole."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

from streamstyle.contact_sheet import Cell, sheet
from streamstyle.device import choose, upload
from streamstyle.effects import RenderSettings
from streamstyle.errors import InputError, UsageError
from streamstyle.files import refuse_overwrite, refuse_same_file
from streamstyle.frames import Frame, Moment, Source, StreamInfo
from streamstyle.jobs.build import cores_for, open_effect, open_flow
from streamstyle.keyframes import NONE
from streamstyle.pipeline import run
from streamstyle.sinks.images import FORMATS, StillSink
from streamstyle.sinks.memory import MemorySink
from streamstyle.sinks.video import CHECKPOINT_SECONDS, VideoSink
from streamstyle.sources.memory import MemorySource
from streamstyle.sources.video import VideoSource
from streamstyle.video.clock import may_begin_anew
from streamstyle.video.codecs import CONTAINERS
from streamstyle.video.decoding import measured_seconds
from streamstyle.video.segments import packet_bytes

SNIPPET = 10  # consecutive frames at each position; the first is shown, all serve to estimate time and size


@dataclass(frozen=True)
class RenderEstimate:
    """Expected time and size of a whole render.

    Attributes:
        style: as requested.
        seconds: expected render time on this machine, or None if the length of the video is unknown.
        bytes: expected size of the video track, without audio, or None if unknown.
    """

    style: str
    seconds: float | None
    bytes: int | None

    def __str__(self) -> str:
        if self.seconds is None:
            return "the render time cannot be estimated: the length is unknown"
        size = "" if self.bytes is None else f" and {self.bytes / 1e6:.1f} MB"
        return f"the whole render takes about {readable_time(self.seconds)}{size}"


@dataclass(frozen=True)
class Samples:
    """The frames that are stylized for a preview.

    Attributes:
        frames: from all positions, with their times in the video.
        shown: indices of the frames on the sheet.
        seconds: time to read one frame.
        total: number of frames of the whole video, or None if unknown.
    """

    frames: list[Frame]
    shown: list[int]
    seconds: float
    total: int | None


def sheet_path(output: str) -> Path:
    """Path of the sheet: OUT if it is an image, else NAME.preview.png next to it."""
    path = Path(output)
    if path.suffix.lower() in FORMATS:
        return path
    return path.with_name(f"{path.stem if path.name else 'streamstyle'}.preview.png")


def preview(
    source: str,
    output: str,
    styles: Sequence[str],
    settings: RenderSettings,
    count: int,
    *,
    overwrite: bool = False,
) -> list[RenderEstimate]:
    """Stylizes some frames of a video and writes a contact sheet, one row for each style.

    Args:
        source: as for `render`.
        output: the planned video, which decides codec and container and is not written; or an image, which
            becomes the sheet.
        styles: names or mixtures.
        settings: all other settings, the same for each style.
        count: number of frames, taken evenly from the whole.
        overwrite: replace an existing sheet that `output` names.

    Raises:
        StreamstyleError: as `render`.
    """
    target = sheet_path(output)
    for file in (source, *settings.files()):
        refuse_same_file(file, target)
    if target == Path(output):
        refuse_overwrite(target, overwrite)
    cells, estimates = [], []
    with StillSink(target) as sink:
        with settings.open_source(source) as opened:
            info = opened.info
            samples = sample_frames(opened, source, settings, count)
        for style in styles:
            chosen = {settings.MIXTURE: style} if settings.MIXTURE else {}
            style_settings = settings.model_copy(update=chosen).absolute()
            frames, seconds, size = stylized(samples, info, output, style_settings)
            whole = None if samples.total is None else seconds * samples.total
            estimates.append(RenderEstimate(style, whole, size))
            title = "source" if style == NONE else style
            for frame in (frames[index] for index in samples.shown):
                where = readable_time(frame.seconds) if info.kind == "video" else frame.name
                cells.append(Cell(frame.pixels, f"{where}  {title}".strip()))
        square = len(styles) == 1 or len(samples.shown) == 1
        columns = math.ceil(math.sqrt(len(cells))) if square else len(samples.shown)
        sink.write(Frame(sheet(cells, columns), 0, Fraction(1, 25)))
    return estimates


def sample_frames(opened: Source, source: str, settings: RenderSettings, count: int) -> Samples:
    """Frames taken evenly from a video or folder.

    Raises:
        UsageError: the video can be read only once.
        InputError: no frame can be read.
    """
    info, begin = opened.info, time.perf_counter()
    if not isinstance(opened, VideoSource):
        total = info.frames or 1
        chosen = {(2 * number + 1) * total // (2 * count) for number in range(count)}
        items = (item for item in opened if isinstance(item, Frame))
        frames = [frame for index, frame in enumerate(items) if index in chosen]
        return Samples(frames, list(range(len(frames))), (time.perf_counter() - begin) / total, info.frames)
    if not info.replayable:
        raise UsageError(f"{source}: can be read only once; --preview needs a file")
    rate = float(info.rate or 25)
    whole = None if may_begin_anew(info.container) else info.length
    length = settings.length or max((whole or measured_seconds(source)) - settings.start, 0)
    snippet_frames = min(SNIPPET, max(int(length * rate / count), 1))  # so that snippets do not overlap
    frames, shown, spent = [], [], 0.0
    for number in range(count):
        seconds = (number + 0.5) * length / count
        part = settings.model_copy(update={"start": settings.start + seconds, "length": SNIPPET / rate})
        with part.open_source(source) as snippet:
            items = (item for item in snippet if isinstance(item, Frame))
            read = list(islice(items, 1))  # not timed, as it includes seeking
            begin = time.perf_counter()
            read += islice(items, snippet_frames - 1)
            spent += time.perf_counter() - begin
        if read:
            shown.append(len(frames))
            for index, frame in enumerate(read):
                # Snippets may overlap where frame times vary.
                least = frames[-1].pts + 1 if frames else 0
                pts = max(frame.pts + round(seconds / frame.time_base), least)
                frames.append(replace(frame, pts=pts, reset=index == 0))
    if not frames:
        raise InputError(f"{source}: no frame can be read at any of {count} positions")
    expected = info.frames if whole else round(length * rate)
    return Samples(frames, shown, spent / max(len(frames) - len(shown), 1), expected)


def stylized(
    samples: Samples, info: StreamInfo, output: str, settings: RenderSettings
) -> tuple[list[Frame], float, int | None]:
    """The stylized frames, seconds per frame of the whole, and bytes of the whole if it is a video."""
    memory = MemorySink()
    device = choose(settings.device)
    with (
        tempfile.TemporaryDirectory() as folder,
        open_effect(settings, info.kind) as effect,
        cores_for(device, info.kind),
    ):
        source = MemorySource(samples.frames, replace(info, tracks={}, container=None, frames=None))
        if info.kind != "video":
            result = run(source, effect, [memory], device=device)
            return memory.frames, 1 / result.fps + samples.seconds, None
        first = samples.frames[0]
        effect(upload(first.pixels, device), Moment(0, first.seconds))  # warm-up, not timed
        suffix = Path(output).suffix.lower()
        video = Path(folder) / f"video{suffix if suffix in CONTAINERS else '.mp4'}"
        sink = VideoSink(video, source.info, settings.write_options().encoding, audio="none")
        result = run(source, effect, [sink, memory], motion=open_flow(settings, info.kind), device=device)
        # Reading and stylizing run in parallel, so the slower one decides.
        seconds = max(1 / result.fps, samples.seconds)
        return memory.frames, seconds, expected_bytes(video, info, samples.total)


def expected_bytes(video: Path, info: StreamInfo, total: int | None) -> int | None:
    """Expected bytes of the whole, from samples in `video`: one keyframe in each segment, others between."""
    if total is None:
        return None
    keys, others = packet_bytes(video)
    every = CHECKPOINT_SECONDS * float(info.rate or 25)
    key = sum(keys) / max(len(keys), 1)
    other = sum(others) / len(others) if others else key
    return round(total * (key / every + other * (1 - 1 / every)))


def readable_time(seconds: float) -> str:
    """1:02:03, 2:03, or 3.2 s."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
