"""A pool of processes of this machine."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from streamstyle.batch.memory import available_bytes, used_bytes
from streamstyle.batch.pool import PoolOptions
from streamstyle.cores import usable_cores
from streamstyle.device import visible_cards
from streamstyle.jobs.task_process import Run, Task, TaskProcess

UNKNOWN_BYTES = 1_500_000_000  # that a process may need, until one has shown what it needs
RESERVE = 1.2  # share of what the largest process has needed that must be left for another one
LOOK_SECONDS = 0.5  # between looks at their memory
TASKS_OF_A_PROCESS = 1000  # until it is replaced, in case a library leaks


@dataclass
class _Slot:
    """A place for a process."""

    environment: Mapping[str, str]
    process: TaskProcess | None = None
    run: Run | None = None
    tasks: int = 0  # that the process was given

    @property
    def is_free(self) -> bool:
        return self.run is None or self.run.outcome is not None


@dataclass
class LocalPool:
    """Processes of this machine.

    By default there are as many as there are cores, or `per_card` for each CUDA device. Another one is
    started only while memory is left for the peak of the largest so far; at least one always runs.
    """

    options: PoolOptions = field(default_factory=PoolOptions)

    def __post_init__(self) -> None:
        self._slots = [_Slot(environment) for environment in environments(self.options)]
        self._peak = 0
        self._looked = 0.0

    @property
    def slots(self) -> int:
        """How many tasks run at once, if there is memory for them."""
        return len(self._slots)

    def has_room(self) -> bool:
        """Whether a slot is free, and memory is left for it."""
        free = [slot for slot in self._slots if slot.is_free]
        if not free:
            return False
        busy = [slot for slot in self._slots if not slot.is_free]
        if not busy or any(slot.process is not None for slot in free):
            return True  # a process that is there keeps its memory whether or not it works
        return _has_memory(busy, self._peak)

    def start(self, task: Task) -> Run:
        """Start a task in a process that waits for one, or in a new one."""
        slot = min((slot for slot in self._slots if slot.is_free), key=lambda slot: slot.process is None)
        if slot.process is not None and (not slot.process.alive or slot.tasks >= TASKS_OF_A_PROCESS):
            slot.process.stop()
            slot.process = None
        if slot.process is None:
            slot.process, slot.tasks = TaskProcess(slot.environment), 0
        slot.tasks += 1
        slot.run = slot.process.start(task)
        return slot.run

    def update(self) -> None:
        """Take note of the memory that processes use."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        for slot in self._slots:
            if slot.process is not None:
                self._peak = max(self._peak, used_bytes(slot.process.pid)[1])

    def close(self) -> None:
        """End all processes."""
        for slot in self._slots:
            if slot.process is not None:
                slot.process.stop()


def _has_memory(busy: list[_Slot], peak: int) -> bool:
    """Whether there is memory for another process beside those that are growing."""
    available = available_bytes()
    if not available:
        return True
    needed = peak if any(slot.tasks > 1 for slot in busy) else max(peak, UNKNOWN_BYTES)
    used = (used_bytes(slot.process.pid)[0] for slot in busy if slot.process is not None)
    growth = sum(max(needed - now, 0) for now in used)
    return available - growth > RESERVE * needed


def environments(options: PoolOptions) -> list[dict[str, str]]:
    """The environment of each process: the card that it sees, and the threads that it computes with.

    The number of threads decides roundings, so it is the same wherever a task runs.
    """
    threads = {"OMP_NUM_THREADS": str(options.cores)}
    cards = visible_cards(options.device)
    if not cards:
        return [threads] * (options.workers or max(usable_cores() // options.cores, 1))
    places = [{**threads, "CUDA_VISIBLE_DEVICES": card} for _ in range(options.per_card) for card in cards]
    return places[: options.workers]
