"""A look at a video before it is stylized: frames from all over it, and what the whole will take."""

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
from streamstyle.device import choose, shared_cores, upload
from streamstyle.effects import RenderSettings
from streamstyle.errors import InputError, UsageError
from streamstyle.frames import Frame, Moment, Source, StreamInfo
from streamstyle.jobs.build import open_effect, open_flow
from streamstyle.keyframes import NONE
from streamstyle.pipeline import run
from streamstyle.sinks.images import FORMATS, StillSink
from streamstyle.sinks.memory import MemorySink
from streamstyle.sinks.video import CHECKPOINT_SECONDS, VideoSink
from streamstyle.sources.memory import MemorySource
from streamstyle.sources.video import VideoSource
from streamstyle.video.codecs import CONTAINERS
from streamstyle.video.segments import packet_bytes

SNIPPET = 10  # consecutive frames at each place; the first is shown, all tell time and size


@dataclass(frozen=True)
class RenderEstimate:
    """What one style promises.

    Attributes:
        style: as it was asked for.
        seconds: that the whole will take on this machine, or None where its length is unknown.
        bytes: that its images will have, or None where that is unknown; sound comes on top.
    """

    style: str
    seconds: float | None
    bytes: int | None

    def __str__(self) -> str:
        if self.seconds is None:
            return "how long the whole takes cannot be told"
        size = "" if self.bytes is None else f" and {self.bytes / 1e6:.1f} MB"
        return f"the whole takes about {readable_time(self.seconds)}{size}"


@dataclass(frozen=True)
class Places:
    """What is stylized for a preview.

    Attributes:
        frames: those of all places, with their times in the video.
        shown: which of them are on the sheet.
        seconds: it took to read one of them.
        total: frames of the whole, or None.
    """

    frames: list[Frame]
    shown: list[int]
    seconds: float
    total: int | None


def sheet_path(output: str) -> Path:
    """Where the sheet goes: OUT where it is an image, else NAME.preview.png beside it."""
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
    """Stylizes some frames of a video and lays them out as a sheet, each style in a row of its own.

    Args:
        source: as for `render`.
        output: the video to be; it decides codec and container, and is not written. An image: the sheet.
        styles: names or mixtures.
        settings: all else; they hold for each style.
        count: frames, taken evenly from the whole.
        overwrite: replace a sheet that has the name of an image that was asked for.

    Raises:
        StreamstyleError: as `render`.
    """
    target = sheet_path(output)
    if target == Path(output) and target.exists() and not overwrite:
        raise UsageError(f"{target}: exists; -y overwrites it")
    cells, promises = [], []
    with StillSink(target) as sink:
        with settings.open_source(source) as opened:
            info = opened.info
            places = places_in(opened, source, settings, count)
        for style in styles:
            chosen = {settings.MIXTURE: style} if settings.MIXTURE else {}
            asked = settings.model_copy(update=chosen).absolute()
            frames, seconds, size = stylized(places, info, output, asked)
            whole = None if places.total is None else seconds * places.total
            promises.append(RenderEstimate(style, whole, size))
            title = "source" if style == NONE else style
            for frame in (frames[index] for index in places.shown):
                where = readable_time(frame.seconds) if info.kind == "video" else frame.name
                cells.append(Cell(frame.pixels, f"{where}  {title}".strip()))
        alone = len(styles) == 1 or len(places.shown) == 1
        columns = math.ceil(math.sqrt(len(cells))) if alone else len(places.shown)
        sink.write(Frame(sheet(cells, columns), 0, Fraction(1, 25)))
    return promises


def places_in(opened: Source, source: str, settings: RenderSettings, count: int) -> Places:
    """Frames from all over a video or folder.

    Raises:
        UsageError: the video can be read once only.
        InputError: no frame can be read.
    """
    info, begin = opened.info, time.perf_counter()
    if not isinstance(opened, VideoSource):
        total = info.frames or 1
        chosen = {(2 * number + 1) * total // (2 * count) for number in range(count)}
        items = (item for item in opened if isinstance(item, Frame))
        frames = [frame for index, frame in enumerate(items) if index in chosen]
        return Places(frames, list(range(len(frames))), (time.perf_counter() - begin) / total, info.frames)
    if not info.replayable:
        raise UsageError(f"{source}: can be read only once; --preview needs a file")
    rate = float(info.rate or 25)
    length = settings.length or max((info.length or 0) - settings.start, 0)
    long = min(SNIPPET, max(int(length * rate / count), 1))  # frames at each place, so that none comes twice
    frames, shown, spent = [], [], 0.0
    for number in range(count):
        seconds = (number + 0.5) * length / count
        part = settings.model_copy(update={"start": settings.start + seconds, "length": SNIPPET / rate})
        with part.open_source(source) as snippet:
            items = (item for item in snippet if isinstance(item, Frame))
            read = list(islice(items, 1))  # not timed: it has to be looked for
            begin = time.perf_counter()
            read += islice(items, long - 1)
            spent += time.perf_counter() - begin
        if read:
            shown.append(len(frames))
            frames += [
                replace(frame, pts=frame.pts + round(seconds / frame.time_base), reset=index == 0)
                for index, frame in enumerate(read)
            ]
    if not frames:
        raise InputError(f"{source}: no frame can be read at {count} places")
    return Places(frames, shown, spent / max(len(frames) - len(shown), 1), info.frames)


def stylized(
    places: Places, info: StreamInfo, output: str, settings: RenderSettings
) -> tuple[list[Frame], float, int | None]:
    """The frames, stylized; seconds for each in the whole; and bytes of the whole, where it is a video."""
    kept = MemorySink()
    device = choose(settings.device)
    beside = 1 if info.kind == "video" else 0
    with (
        tempfile.TemporaryDirectory() as folder,
        open_effect(settings, info.kind) as effect,
        shared_cores(device, beside),
    ):
        source = MemorySource(places.frames, replace(info, tracks={}, container=None, frames=None))
        if info.kind != "video":
            result = run(source, effect, [kept], device=device)
            return kept.frames, 1 / result.fps + places.seconds, None
        first = places.frames[0]
        effect(upload(first.pixels, device), Moment(0, first.seconds))  # makes kernels, is not timed
        suffix = Path(output).suffix.lower()
        video = Path(folder) / f"video{suffix if suffix in CONTAINERS else '.mp4'}"
        sink = VideoSink(video, source.info, settings.write_options().encoding, audio="none")
        result = run(source, effect, [sink, kept], motion=open_flow(settings, info.kind), device=device)
        # Reading goes on beside painting; the slower of both decides.
        seconds = max(1 / result.fps, places.seconds)
        return kept.frames, seconds, expected_bytes(video, info, places.total)


def expected_bytes(video: Path, info: StreamInfo, total: int | None) -> int | None:
    """Bytes of the whole, of which `video` holds samples: a key frame in each segment, others between."""
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
