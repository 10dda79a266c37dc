"""The tasks of a batch: a film as a whole; or its spans, each by itself, found before and joined afterwards.

Each can be run again after a crash, and goes on with what is there.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from streamstyle.batch.addresses import fetch, is_address, store
from streamstyle.batch.films import Film
from streamstyle.errors import InputError, OutputError, UsageError
from streamstyle.files import refuse_overwrite, refuse_same_file
from streamstyle.frames import StreamInfo
from streamstyle.jobs.build import open_effect
from streamstyle.jobs.provenance import provenance_of
from streamstyle.jobs.render import render, resume
from streamstyle.jobs.resume_record import input_of, read_record, record_of
from streamstyle.jobs.span_folder import Search, SpanFolder
from streamstyle.jobs.span_search import SpanSearch
from streamstyle.jobs.spans import OpenRender, Part, Span, adopt, open_render
from streamstyle.jobs.task_process import OnProgress
from streamstyle.part_folder import Busy, PartFolder, ordinary_target
from streamstyle.pipeline import Result
from streamstyle.sinks import sink_for
from streamstyle.sources import packets_of
from streamstyle.video.job_folder import MANIFEST, JobFolder, unfinished_video
from streamstyle.video.joining import finish
from streamstyle.video.packet_log import PacketLog
from streamstyle.video.video_format import choose_format

BUSY_SECONDS = 30.0  # to wait for the process of a lost machine to end
SEARCH_SECONDS = 3600.0  # to wait for another run that searches the same film
ASK_SECONDS = 0.5
SHORTEST_SECONDS = 8.0  # of a span of a video, at least
UNLIMITED = 1_000_000

T = TypeVar("T")


@dataclass(frozen=True)
class RenderFilm:
    """Render a film as a whole, or go on with it.

    Attributes:
        film: what to render.
        overwrite: replace an output, and a run that was started with other settings.
    """

    film: Film
    overwrite: bool = False

    @property
    def name(self) -> str:
        """For messages."""
        return self.film.source

    def __call__(self, on_progress: OnProgress) -> Result:
        """Render it; returns what was done.

        Raises:
            StreamstyleError: as `render`.
        """
        film = self.film
        if not (is_address(film.source) or is_address(film.output)):
            return patiently(lambda: _rendered(film, self.overwrite, on_progress))
        with tempfile.TemporaryDirectory(prefix="streamstyle.") as folder:
            source = film.source
            if is_address(source):
                (Path(folder) / "in").mkdir()
                source = str(fetch(source, Path(folder) / "in"))
            near = is_address(film.output)
            output = str(Path(folder) / film.output.rpartition("/")[2]) if near else film.output
            result = _rendered(replace(film, source=source, output=output), self.overwrite, on_progress)
            if near:
                store(Path(output), film.output)
            return result


@dataclass(frozen=True)
class OpenEffect:
    """Open the effect of a film, so that a mistake in its settings is found before anything is rendered.

    Attributes:
        film: with the settings.
    """

    film: Film

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.film.effect} {self.film.settings.mixture}"

    def __call__(self, on_progress: OnProgress) -> None:
        """Open it.

        Raises:
            StreamstyleError: a name is unknown, or a file cannot be read.
        """
        with open_effect(self.film.settings, "video"):
            pass


def _rendered(film: Film, overwrite: bool, on_progress: OnProgress) -> Result:
    output = Path(film.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    refuse_overwrite(output, overwrite)
    if sink_for(output).SEGMENTED and unfinished_video(output) is not None:
        try:
            if changed := _difference(film):
                raise UsageError(f"{output}: has an unfinished run with another {changed}; -y starts over")
            return resume(output, input=film.source, on_progress=on_progress)
        except (UsageError, InputError):
            if not overwrite:
                raise
    return render(film.source, output, film.settings, overwrite=overwrite, on_progress=on_progress)


def _difference(film: Film) -> str:
    """What differs between an unfinished run and that of a film: "effect", "settings"; "" if nothing does."""
    head = PartFolder(Path(film.output), MANIFEST).lines()[0]
    settings = {**film.settings.absolute().model_dump(mode="json"), "device": ""}
    before = head.get("settings")
    same = isinstance(before, dict) and {**before, "device": ""} == settings
    return "effect" if head.get("effect") != film.effect else "" if same else "settings"


@dataclass(frozen=True)
class FindSpans:
    """Find the spans of a film, and store them in OUT.spans.

    Attributes:
        film: whose spans to find.
        count: about how many spans.
        overlap: see `SpanSearch`.
        overwrite: replace an output, and spans that were found with other settings.
        shared: several runs ask, so one of them waits for another; and they keep the list of a single span.
    """

    film: Film
    count: int
    overlap: int = 0
    overwrite: bool = False
    shared: bool = False

    @property
    def name(self) -> str:
        """For messages."""
        return self.film.source

    def __call__(self, on_progress: OnProgress) -> int:
        """Find them; returns how many there are: 0 if the film is to be rendered as a whole.

        Raises:
            StreamstyleError: the film cannot be read, or its output cannot be written.
        """
        output = Path(self.film.output)
        output.parent.mkdir(parents=True, exist_ok=True)
        refuse_overwrite(output, self.overwrite)
        refuse_same_file(self.film.source, output)
        if not sink_for(output).SEGMENTED:
            return 0
        return patiently(lambda: self._found(output), SEARCH_SECONDS if self.shared else BUSY_SECONDS)

    def _found(self, output: Path) -> int:
        film = self.film
        provenance, settings = provenance_of(film.settings), film.settings.absolute()
        with open_render(film.source, settings, provenance) as opened:
            options = settings.write_options(self.overwrite)
            video = choose_format(output, opened.info, options.encoding, options.audio)
            count = min(self.count, longest_count(opened.info))
            if count < 2 or video.container.muxer == "avi" or not can_be_divided(opened, self.overlap):
                return 0
            folder_name = ordinary_target(output).parent
            record = asdict(record_of(film.source, folder_name, settings, provenance, opened.device))
            with self._folder(output, opened, record) as folder:
                if folder.found is None:
                    search = SpanSearch(opened, Span(), count, overlap=self.overlap)
                    spans = [span for span in search if span is not None]
                    folder.write(spans, Search(search.frames, search.concealed, opened.source.lost))
                if len(folder.spans) == 1 and not self.shared:
                    folder.remove()
                    return 0
                return len(folder.spans)

    def _folder(self, output: Path, opened: OpenRender, record: dict[str, Any]) -> SpanFolder:
        try:
            return SpanFolder.locked(output, opened.info, record)
        except UsageError:
            if not self.overwrite or (old := SpanFolder.at(output)) is None:
                raise
        old.lock().remove()
        return SpanFolder.locked(output, opened.info, record)


def longest_count(info: StreamInfo) -> int:
    """The largest number of spans that are not too short for the work of starting them."""
    return UNLIMITED if not info.length else int(info.length / SHORTEST_SECONDS)


def can_be_divided(opened: OpenRender, overlap: int) -> bool:
    """Whether there may be places where the effect begins anew: a zoom, say, has none."""
    motion, info = opened.motion, opened.info
    forgets = motion is not None or not opened.settings.carries() or overlap > 0
    return info.kind == "video" and info.replayable and forgets


@dataclass(frozen=True)
class RenderSpan:
    """Render a span of a film whose spans are known.

    Attributes:
        output: of the film.
        number: of the span.
        device: on which; "" for that of the settings.
    """

    output: str
    number: int
    device: str = ""

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.output}, span {self.number + 1}"

    def __call__(self, on_progress: OnProgress) -> int:
        """Render it, or the rest of it; returns the number of its frames.

        Raises:
            StreamstyleError: as `render`.
        """
        return patiently(lambda: self._rendered(on_progress))

    def _rendered(self, on_progress: OnProgress) -> int:
        folder = spans_of(self.output)
        if self.number not in folder.missing():
            return folder.length(self.number)
        record, settings = read_record(folder)
        span, source = folder.spans[self.number], input_of(record, folder)
        if self.device:
            settings = settings.model_copy(update={"device": self.device})

        def report(progress: Any) -> None:
            done = max(progress.frames - span.first, 0)
            on_progress(replace(progress, frames=done, total=folder.length(self.number)))

        own = folder.own(self.number)
        Part(source, settings, record.provenance, folder.output, own, span)(report)
        return folder.length(self.number)


@dataclass(frozen=True)
class JoinSpans:
    """Join the finished spans of a film, and its sound, to the output.

    Attributes:
        output: of the film.
        overwrite: replace an output.
    """

    output: str
    overwrite: bool = False

    @property
    def name(self) -> str:
        """For messages."""
        return self.output

    def __call__(self, on_progress: OnProgress) -> Result:
        """Join them; returns what was done for the whole film.

        Raises:
            UsageError: the output exists, or a span is missing.
            StreamstyleError: the input cannot be read again, or the output cannot be written.
        """
        return patiently(lambda: self._joined())

    def _joined(self) -> Result:
        started, output = time.perf_counter(), Path(self.output)
        refuse_overwrite(output, self.overwrite)
        with spans_of(self.output).lock() as folder:
            if missing := folder.missing():
                raise UsageError(f"{output}: {described(folder, missing)} missing")
            frames, found = join_spans(folder), folder.found
            assert found is not None
            folder.remove()
        seconds = time.perf_counter() - started
        return Result(found.frames, frames, found.concealed, found.lost, seconds, frames / seconds)


def join_spans(folder: SpanFolder) -> int:
    """Write the output of a folder in which every span is finished; returns the number of its frames.

    Raises:
        StreamstyleError: as `JoinSpans`.
    """
    record, settings = read_record(folder, any_device=True)
    with settings.open_source(input_of(record, folder)) as source:
        info = replace(source.info, provenance=record.provenance)
        folder.check_source(info)
        options = settings.write_options(overwrite=True)
        video = choose_format(folder.output, info, options.encoding, options.audio)
        with JobFolder.start(folder.output, info, asdict(record), overwrite=True) as whole:
            for number in range(len(folder.spans)):
                before = whole.frames
                adopt(whole, folder.own(number))
                if whole.frames - before != folder.length(number):
                    with JobFolder.reopen(folder.own(number)) as own:
                        own.begin()  # forgets what is damaged
                    raise OutputError(f"{folder.own(number)}: was damaged; the same command renders it again")
            with closing(PacketLog(whole.tracks, info.tracks)) as log:
                if video.track_modes:
                    for packet in packets_of(source):
                        if packet.track in video.track_modes:
                            log.append(packet)
                log.close()
                frames = whole.written
                finish(whole, video, log)
                return frames


def described(folder: SpanFolder, numbers: list[int]) -> str:
    """Spans for a message: "span 3 of 7 (frames 120 to 239) is"."""
    if len(numbers) > 1:
        names = ", ".join(str(number + 1) for number in numbers)
        return f"spans {names} of {len(folder.spans)} are"
    (number,) = numbers
    first = folder.spans[number].first
    frames = f"frames {first} to {first + folder.length(number) - 1}"
    return f"span {number + 1} of {len(folder.spans)} ({frames}) is"


def spans_of(output: str) -> SpanFolder:
    """The folder of spans of an output.

    Raises:
        UsageError: there is none, or its spans were not found yet.
    """
    folder = SpanFolder.at(Path(output))
    if folder is None or folder.found is None:
        raise UsageError(f"{output}: has no list of spans")
    return folder


def patiently(action: Callable[[], T], seconds: float = BUSY_SECONDS) -> T:
    """Try again for a while if another process has the output, as that of a lost machine may live on.

    Raises:
        StreamstyleError: as the action; `Busy` after a while.
    """
    due = time.monotonic() + seconds
    while True:
        try:
            return action()
        except Busy:
            if time.monotonic() > due:
                raise
        time.sleep(ASK_SECONDS)
