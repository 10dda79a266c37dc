"""Foretells how long a batch takes: by a simulation of workers, given the seconds that tasks take."""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

FilmSteps = Sequence[Sequence[float]]  # seconds of each task, of each step of a film; see `division.steps_of`


@dataclass(frozen=True)
class Machines:
    """What tasks run on.

    Attributes:
        workers: tasks at once.
        head_seconds: that the process that hands out tasks is busy with each.
        start_seconds: that a worker needs for each task in addition.
        slow_share, slow_factor: so large a share of tasks takes so many times as long.
        deaths_per_hour: of a worker. Its task begins again elsewhere, the worker after `back_seconds`.
        back_seconds: until a dead worker is replaced.
    """

    workers: int
    head_seconds: float = 0.0
    start_seconds: float = 0.0
    slow_share: float = 0.0
    slow_factor: float = 1.0
    deaths_per_hour: float = 0.0
    back_seconds: float = 30.0


@dataclass(frozen=True)
class Forecast:
    """What a simulation has found.

    Attributes:
        seconds: until the last film is done.
        work_seconds: sum of what the tasks take by themselves.
        head_seconds: that the head was busy.
        tasks: that were started, those that died included.
        efficiency: share of the workers' time that was work.
    """

    seconds: float
    work_seconds: float
    head_seconds: float
    tasks: int
    efficiency: float


@dataclass
class _Film:
    steps: deque[Sequence[float]]
    running: int = 0


@dataclass
class _State:
    """Of a simulation."""

    ready: deque[tuple[_Film, float]] = field(default_factory=deque)
    events: list[tuple[float, int, bool, _Film | None, float]] = field(default_factory=list)
    free: int = 0  # workers
    head_free: float = 0.0
    head_busy: float = 0.0
    tasks: int = 0
    noted: int = 0


def simulate(films: Iterable[FilmSteps], machines: Machines, seed: int = 0) -> Forecast:
    """Hand out the tasks of films to workers as `schedule.Batch` does, and look at the clock.

    Args:
        films: in order; one is begun when no task of an earlier one waits.
        machines: what they run on.
        seed: of chance.
    """
    chance, waiting, state = random.Random(seed), iter(films), _State(free=machines.workers)
    work = last = now = 0.0
    while True:
        while state.free and (state.ready or _begin(state, waiting)):
            _start(state, machines, chance, now)
        if not state.events:
            break
        now, _, died, film, seconds = heapq.heappop(state.events)
        if film is None:  # a worker is back
            state.free += 1
            continue
        if died:
            state.ready.appendleft((film, seconds))
            _note(state, now + machines.back_seconds, False, None, 0.0)
            continue
        state.free += 1
        work, last = work + seconds, now
        film.running -= 1
        if not film.running:
            _next_step(state, film)
    efficiency = work / (last * machines.workers) if last else 1.0
    return Forecast(last, work, state.head_busy, state.tasks, efficiency)


def _begin(state: _State, waiting: Iterator[FilmSteps]) -> bool:
    """Begin the next film; False if there is none."""
    steps = next(waiting, None)
    if steps is None:
        return False
    _next_step(state, _Film(deque(steps)))
    return bool(state.ready)


def _next_step(state: _State, film: _Film) -> None:
    if film.steps:
        tasks = film.steps.popleft()
        film.running = len(tasks)
        state.ready.extendleft((film, seconds) for seconds in reversed(tasks))


def _start(state: _State, machines: Machines, chance: random.Random, now: float) -> None:
    """Hand a task to a free worker."""
    film, seconds = state.ready.popleft()
    begin = state.head_free = max(now, state.head_free) + machines.head_seconds
    state.head_busy += machines.head_seconds
    state.tasks += 1
    state.free -= 1
    slow = machines.slow_factor if chance.random() < machines.slow_share else 1.0
    takes = machines.start_seconds + slow * seconds
    life = chance.expovariate(machines.deaths_per_hour / 3600) if machines.deaths_per_hour else takes
    _note(state, begin + min(life, takes), life < takes, film, seconds)


def _note(state: _State, at: float, died: bool, film: _Film | None, seconds: float) -> None:
    """Add something that will happen. Its number decides between what happens at once."""
    state.noted += 1
    heapq.heappush(state.events, (at, state.noted, died, film, seconds))
