"""Plans a batch: which tasks it has, and how long they will take here and on more workers.

The costs are measured on a few seconds of one film for each look; those of other films are assumed to be in
proportion to their frames and pixels.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamstyle.batch.addresses import is_address
from streamstyle.batch.division import spans_aimed_at
from streamstyle.batch.films import Film
from streamstyle.batch.forecast import FilmSteps, Forecast, Machines, simulate
from streamstyle.batch.pool import Pool
from streamstyle.batch.report import output_exists
from streamstyle.batch.tasks import SHORTEST_SECONDS
from streamstyle.device import choose
from streamstyle.errors import InputError
from streamstyle.frames import Frame
from streamstyle.jobs.render import render
from streamstyle.jobs.span_search import SpanSearch
from streamstyle.jobs.spans import Span, open_render
from streamstyle.jobs.task_process import OnProgress, Outcome, Run, Task
from streamstyle.sinks import sink_for

MEASURED_SECONDS = 4.0  # of a film; a segment
MORE = (1, 2, 4, 10, 100)  # times as many workers to foretell


@dataclass(frozen=True)
class Size:
    """What a film's header says.

    Attributes:
        frames: 1 for an image.
        pixels: of a frame of the output.
        seconds: of a video; 0 for an image.
    """

    frames: int
    pixels: int
    seconds: float


@dataclass(frozen=True)
class Costs:
    """What was measured on a part of a film, for each frame of it.

    On CPUs it is the time of the processor, of all threads, as each task has one core where all are busy.

    Attributes:
        source: its name.
        frames: number of frames measured.
        pixels: of each.
        open_seconds: to open source and effect, for a task.
        render_seconds, read_seconds, search_seconds: to render it; to decode it; to find cuts before it.
        bytes: of the output.
    """

    source: str
    frames: int
    pixels: int
    open_seconds: float
    render_seconds: float
    read_seconds: float
    search_seconds: float
    bytes: float


@dataclass(frozen=True)
class ReadSize:
    """A task: read a film's header."""

    film: Film

    @property
    def name(self) -> str:
        """For messages."""
        return self.film.source

    def __call__(self, on_progress: OnProgress) -> Size:
        """Read it.

        Raises:
            InputError: it cannot be read.
        """
        with self.film.settings.open_source(self.film.source) as source:
            info = source.info
            frames = info.frames or 1
            if info.frames is None and info.kind == "video":
                frames = round((info.length or 0) * (info.rate or 25))
            return Size(max(frames, 1), info.width * info.height, float(info.length or 0))


@dataclass(frozen=True)
class Measure:
    """A task: measure what a few seconds of a film cost."""

    film: Film

    @property
    def name(self) -> str:
        """For messages."""
        return self.film.source

    def __call__(self, on_progress: OnProgress) -> Costs:
        """Measure it.

        Raises:
            StreamstyleError: it cannot be rendered.
        """
        film = self.film
        clock = time.process_time if choose(film.settings.device).type == "cpu" else time.perf_counter
        length = min(film.settings.length or MEASURED_SECONDS, MEASURED_SECONDS)
        settings = film.settings.absolute().model_copy(update={"length": length})
        with tempfile.TemporaryDirectory(prefix="streamstyle.") as folder:
            output = Path(folder) / film.output.rpartition("/")[2]
            begin, opening = clock(), time.perf_counter()
            result = render(film.source, output, settings)
            opening = max(time.perf_counter() - opening - result.seconds, 0.0)
            rendering, size = clock() - begin, output.stat().st_size
        with open_render(film.source, settings, "") as opened:
            begin, video = clock(), opened.info.kind == "video"
            frames = sum(isinstance(item, Frame) for item in opened.source)
            reading = searching = clock() - begin
            pixels = opened.info.width * opened.info.height
        if video:
            with open_render(film.source, settings, "") as opened:
                begin = clock()
                list(SpanSearch(opened, Span(), 1))
                searching = clock() - begin
        each = 1 / max(frames, 1)
        return Costs(
            film.source, frames, pixels, opening,
            rendering * each, reading * each, searching * each, size * each,
        )  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """What a batch will take.

    Attributes:
        films: that are to be rendered.
        existing: number of films whose output is there.
        unreadable: by source, why their headers cannot be read.
        frames: of all films.
        tasks: of all films, in the pool's number of workers.
        costs: by effect and mixture.
        bytes: of all outputs.
        most_bytes: in addition, of segments, while films are joined.
        forecasts: by number of workers, from that of the pool.
    """

    films: int
    existing: int
    unreadable: dict[str, str]
    frames: int
    tasks: int
    costs: dict[str, Costs]
    bytes: int
    most_bytes: int
    forecasts: dict[int, Forecast]


def plan(films: Sequence[Film], pool: Pool, *, overwrite: bool = False) -> Plan:
    """Measure, and foretell.

    Args:
        films: of the batch.
        pool: the machines at hand.
        overwrite: render films whose output exists, too.

    Raises:
        InputError: there is nothing to measure: no film on this file system can be read.
        StreamstyleError: a film that is measured cannot be rendered.
    """
    wanted = [film for film in films if overwrite or not output_exists(film)]
    near = [film for film in wanted if not is_address(film.source)]
    outcomes = _done(pool, [ReadSize(film) for film in near])
    read = list(zip(near, outcomes, strict=True))
    sizes = {film.output: outcome.value for film, outcome in read if outcome.error is None}
    readable = [film for film in near if film.output in sizes]
    if not readable and wanted:
        raise InputError(f"no film of {len(wanted)} can be read for a plan; the first: {wanted[0].source}")
    typical = {_look(film): film for film in sorted(readable, key=lambda film: _load(sizes[film.output]))}
    outcomes = _done(pool, [Measure(film) for film in typical.values()])
    for outcome in outcomes:
        if outcome.error is not None:
            raise outcome.error
    costs = {look: outcome.value for look, outcome in zip(typical, outcomes, strict=True)}
    written = {film.output: _bytes(costs[_look(film)], sizes[film.output]) for film in readable}
    largest = sorted(written.values())[-pool.slots :]
    forecasts: dict[int, Forecast] = {}
    for workers in (pool.slots * times for times in MORE):
        steps = film_steps(readable, sizes, costs, workers)
        forecasts[workers] = simulate(steps, Machines(workers))
    return Plan(
        films=len(wanted),
        existing=len(films) - len(wanted),
        unreadable={film.source: str(outcome.error) for film, outcome in read if outcome.error is not None},
        frames=sum(size.frames for size in sizes.values()),
        tasks=forecasts[pool.slots].tasks,
        costs=costs,
        bytes=sum(written.values()),
        most_bytes=sum(largest),
        forecasts=forecasts,
    )


def film_steps(
    films: Iterable[Film], sizes: dict[str, Size], costs: dict[str, Costs], workers: int
) -> list[FilmSteps]:
    """Seconds of the tasks of each film, largest first, as they are divided for a number of workers."""
    films = sorted(films, key=lambda film: -_load(sizes[film.output]))
    aims = spans_aimed_at(films, workers)
    steps: list[FilmSteps] = []
    for film in films:
        cost, size = costs[_look(film)], sizes[film.output]
        most = int(size.seconds / SHORTEST_SECONDS) if sink_for(film.output).SEGMENTED else 1
        steps.append(steps_of_costs(cost, size, min(aims[film.output], most)))
    return steps


def steps_of_costs(cost: Costs, size: Size, count: int) -> FilmSteps:
    """Seconds of the tasks of a film in about `count` spans; each decodes what is before it, too."""
    scale = size.pixels / max(cost.pixels, 1)
    if count < 2:
        return [[cost.open_seconds + scale * cost.render_seconds * size.frames]]
    length = size.frames / count
    spans = [
        cost.open_seconds + scale * (cost.render_seconds * length + cost.read_seconds * length * place)
        for place in range(count)
    ]
    search = cost.open_seconds + scale * cost.search_seconds * size.frames
    return [[search], spans, [cost.open_seconds]]


def _look(film: Film) -> str:
    return f"{film.effect} {film.settings.mixture}"


def _load(size: Size) -> int:
    return size.frames * size.pixels


def _bytes(cost: Costs, size: Size) -> int:
    return round(cost.bytes * size.frames * size.pixels / max(cost.pixels, 1))


def _done(pool: Pool, tasks: Sequence[Task]) -> list[Outcome]:
    """The outcomes of tasks, in order."""
    waiting, runs = list(reversed(tasks)), list[Run]()
    while waiting or any(run.outcome is None for run in runs):
        while waiting and pool.has_room():
            runs.append(pool.start(waiting.pop()))
        pool.update()
        time.sleep(0.02)
    return [run.outcome for run in runs if run.outcome is not None]


def as_values(made: Plan) -> dict[str, Any]:
    """A plan as JSON values."""
    return {
        "films": made.films,
        "existing": made.existing,
        "unreadable": made.unreadable,
        "frames": made.frames,
        "tasks": made.tasks,
        "bytes": made.bytes,
        "most_bytes": made.most_bytes,
        "forecasts": [
            {"workers": workers, "seconds": round(found.seconds, 1), "efficiency": round(found.efficiency, 3)}
            for workers, found in made.forecasts.items()
        ],
    }
