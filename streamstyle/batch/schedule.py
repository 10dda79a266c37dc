"""Runs a batch: which films are divided, which task is next, what is tried again, and what became of all.

This process starts tasks and takes notes; it holds no frames.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from streamstyle.batch.division import Steps, size_of, spans_aimed_at, steps_of
from streamstyle.batch.films import Film
from streamstyle.batch.pool import Pool
from streamstyle.batch.report import Entry, Report, output_exists
from streamstyle.batch.shards import Shard
from streamstyle.batch.tasks import OpenEffect, RenderFilm, RenderSpan, spans_of
from streamstyle.errors import StreamstyleError
from streamstyle.jobs.task_process import Died, Outcome, Run, Task
from streamstyle.pipeline import Result

TRIES = 3  # of a task whose process dies
WAIT_SECONDS, REPORT_SECONDS = 0.02, 0.25

_log = logging.getLogger("streamstyle")


@dataclass(frozen=True)
class BatchOptions:
    """How a batch is done.

    Attributes:
        overwrite: render films whose output exists.
        retry: only films that failed, or whose output is missing.
        overlap: see `SpanSearch`.
        shard: the share that is done here; None for all.
    """

    overwrite: bool = False
    retry: bool = False
    overlap: int = 0
    shard: Shard | None = None


@dataclass(frozen=True)
class BatchProgress:
    """Progress of a batch.

    Attributes:
        films, total_films: that have ended, and all.
        failed: how many of them failed.
        running: number of tasks that run.
        frames: rendered so far, in this run and earlier ones.
        total_frames: expected of all films; None if nothing is known yet.
        fps: frames per second of this run.
        eta_seconds: until the end; None if that is unknown.
    """

    films: int
    total_films: int
    failed: int
    running: int
    frames: int
    total_frames: int | None
    fps: float
    eta_seconds: float | None


OnBatch = Callable[[BatchProgress], None]
OnFilm = Callable[[Entry], None]


@dataclass
class _Work:
    """A film that was begun."""

    film: Film
    steps: Steps
    waiting: int = 0  # tasks of this step that have not ended
    values: dict[int, Any] = field(default_factory=dict)  # of the tasks of this step, by number
    tries: dict[int, int] = field(default_factory=dict)
    runs: dict[int, Run] = field(default_factory=dict)
    frames: int = 0  # of spans that have ended
    total: int | None = None
    failed: bool = False

    def frames_so_far(self) -> int:
        """Frames rendered of it, now."""
        running = (run.progress.frames for run in self.runs.values() if run.progress and not run.outcome)
        return self.frames + sum(running)


@dataclass(frozen=True)
class _Queued:
    """A task in the queue."""

    work: _Work
    number: int
    task: Task


def check_settings(films: Sequence[Film], pool: Pool) -> None:
    """Open each effect once, in the pool, so that a wrong name is refused before anything is rendered.

    Raises:
        StreamstyleError: the first one that was raised.
    """
    different = {(film.effect, film.settings.mixture, *film.settings.files()): film for film in films}
    waiting, runs = [OpenEffect(film) for film in different.values()], list[Run]()
    while waiting or any(run.outcome is None for run in runs):
        while waiting and pool.has_room():
            runs.append(pool.start(waiting.pop()))
        pool.update()
        time.sleep(WAIT_SECONDS)
    for run in runs:
        run.check()


class Batch:
    """Renders films in a pool.

    Args:
        films: with different outputs.
        pool: is not closed.
        report: is kept up to date.
        options: how.
        on_progress: called a few times a second.
        on_film: called with the entry of each film that has ended.
    """

    def __init__(
        self,
        films: Sequence[Film],
        pool: Pool,
        report: Report,
        options: BatchOptions | None = None,
        on_progress: OnBatch | None = None,
        on_film: OnFilm | None = None,
    ) -> None:
        self._pool, self._report = pool, report
        self._options = options or BatchOptions()
        self._on_progress, self._on_film = on_progress, on_film
        if shard := self._options.shard:
            self._aims = spans_aimed_at(films, shard.count)
            own = shard.films(films, self._aims)
        else:
            self._aims = spans_aimed_at(films, pool.slots)
            own = sorted(
                enumerate(films), key=lambda entry: -size_of(entry[1].source)
            )  # a large one must not be last
        self._new = deque(own)
        self._total_films = len(own)
        self._queue: deque[_Queued] = deque()
        self._running: list[tuple[_Queued, Run]] = []
        self._begun: dict[str, _Work] = {}  # that have not ended, by output
        self._ended = self._ended_frames = self._former_frames = 0
        self._started = self._told = time.monotonic()

    def run(self) -> None:
        """Render them; one that fails does not stop the others. The report says what became of each.

        Raises:
            OutputError: the report cannot be written.
        """
        complete = False
        try:
            while self._new or self._queue or self._running:
                self._fill()
                self._pool.update()
                if not self._take():
                    time.sleep(WAIT_SECONDS)
                self._report.keep_up()
                self._tell()
            complete = True
            self._tell(last=True)
        finally:
            self._report.save(complete=complete)

    def _fill(self) -> None:
        """Start tasks while the pool has room: first those of films that were begun."""
        while self._pool.has_room():
            if self._queue:
                entry = self._queue.popleft()
                if not entry.work.failed:
                    run = entry.work.runs[entry.number] = self._pool.start(entry.task)
                    self._running.append((entry, run))
            elif self._new:
                self._begin(*self._new.popleft())
            else:
                return

    def _begin(self, number: int, film: Film) -> None:
        """Begin a film, unless there is nothing to do."""
        entry, exists = self._report.entries[film.output], output_exists(film)
        done = entry.status in ("done", "damaged")
        kept = not self._options.overwrite or (
            done and (self._options.retry or film.output in self._report.unfinished)
        )
        if exists and kept:
            # An output that came to be while an interrupted batch was at it is that batch's.
            status = entry.status if done else "done" if entry.status == "running" else "existed"
            self._report.set(film, status=status)
            self._leave(film, entry.frames or 0)
            self._former_frames += entry.frames or 0
            return
        overwrite = self._options.overwrite or self._options.retry
        self._report.set(film, **_NOTHING_YET, status="running")
        count, shard = self._aims[film.output], self._options.shard
        if shard is None:
            steps = steps_of(film, count, self._options.overlap, overwrite)
        else:
            steps = shard.steps(number, film, count, self._options.overlap, overwrite)
        work = _Work(film, steps)
        self._begun[film.output] = work
        self._next(work, None)

    def _next(self, work: _Work, values: list[Any] | None) -> None:
        """Go on with a film after a step."""
        try:
            tasks = next(work.steps) if values is None else work.steps.send(values)
            while not tasks:
                tasks = work.steps.send([])
        except StopIteration as end:
            self._finish(work, end.value)
            return
        except StreamstyleError as error:
            self._fail(work, error)
            return
        work.values, work.tries, work.runs, work.waiting = {}, {}, {}, len(tasks)
        if any(isinstance(task, RenderSpan) for task in tasks):
            folder = spans_of(work.film.output)
            work.total = folder.found.frames if folder.found else None
        entries = [_Queued(work, number, task) for number, task in enumerate(tasks)]
        self._queue.extendleft(reversed(entries))

    def _take(self) -> bool:
        """Take note of the tasks that have ended; returns whether there were any."""
        ended = [(entry, run) for entry, run in self._running if run.outcome is not None]
        if ended:
            self._running = [(entry, run) for entry, run in self._running if run.outcome is None]
        for entry, run in ended:
            assert run.outcome is not None
            self._note(entry.work.film, run.outcome)
            self._end(entry, run.outcome)
        return bool(ended)

    def _note(self, film: Film, outcome: Outcome) -> None:
        before = self._report.entries[film.output]
        warnings = dict.fromkeys((*before.warnings, *outcome.warnings))
        self._report.set(
            film,
            tasks=before.tasks + 1,
            seconds=round(before.seconds + outcome.seconds, 3),
            peak_mb=max(before.peak_mb, outcome.peak_bytes // 1_000_000),
            warnings=tuple(warnings),
        )

    def _end(self, entry: _Queued, outcome: Outcome) -> None:
        work, number = entry.work, entry.number
        if isinstance(outcome.error, Died) and not work.failed:
            work.tries[number] = work.tries.get(number, 1) + 1
            if work.tries[number] <= TRIES:
                _log.warning("%s; it is tried again", outcome.error)
                self._queue.appendleft(entry)
                return
        if outcome.error is not None:
            self._fail(work, outcome.error)
            return
        work.values[number] = outcome.value
        work.waiting -= 1
        if isinstance(entry.task, RenderSpan):
            work.frames += outcome.value
        if not work.waiting and not work.failed:
            self._next(work, [work.values[place] for place in sorted(work.values)])

    def _finish(self, work: _Work, result: Result | int) -> None:
        if isinstance(result, int):  # spans of a shard
            self._report.set(work.film, status="in spans", frames=result)
            self._leave(work.film, result)
            return
        whole = not (result.concealed or result.lost)
        self._report.set(
            work.film,
            status="done" if whole else "damaged",
            frames=result.frames_out,
            concealed=result.concealed,
            lost=result.lost,
        )
        self._leave(work.film, result.frames_out)

    def _fail(self, work: _Work, error: StreamstyleError) -> None:
        if work.failed:
            return
        work.failed = True
        self._report.set(work.film, status="failed", error=str(error), exit_code=error.exit_code)
        self._leave(work.film, 0)

    def _leave(self, film: Film, frames: int) -> None:
        self._begun.pop(film.output, None)
        self._ended += 1
        self._ended_frames += frames
        if self._on_film is not None:
            self._on_film(self._report.entries[film.output])

    def _tell(self, *, last: bool = False) -> None:
        now = time.monotonic()
        if self._on_progress is not None and (now - self._told >= REPORT_SECONDS or last):
            self._told = now
            self._on_progress(self._progress(now - self._started))

    def _progress(self, seconds: float) -> BatchProgress:
        for entry, run in self._running:
            if run.progress is not None and isinstance(entry.task, RenderFilm):
                entry.work.total = run.progress.total
        frames = self._ended_frames + sum(work.frames_so_far() for work in self._begun.values())
        totals = [work.total for work in self._begun.values() if work.total is not None]
        known = self._ended + len(totals)
        total = (self._ended_frames + sum(totals)) * self._total_films // known if known else None
        fps = (frames - self._former_frames) / max(seconds, 1e-9)
        return BatchProgress(
            films=self._ended,
            total_films=self._total_films,
            failed=self._report.counts["failed"],
            running=len(self._running),
            frames=frames,
            total_frames=total,
            fps=fps,
            eta_seconds=max(total - frames, 0) / fps if total is not None and fps > 0 else None,
        )


_NOTHING_YET: dict[str, Any] = {
    "seconds": 0.0,
    "frames": None,
    "concealed": 0,
    "lost": 0,
    "tasks": 0,
    "warnings": (),
    "error": "",
    "exit_code": 0,
}
