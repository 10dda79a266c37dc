"""What runs the tasks of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from streamstyle.jobs.task_process import Run, Task


@dataclass(frozen=True)
class PoolOptions:
    """What a pool may use.

    Attributes:
        device: of the settings: "auto", "cpu", "cuda" …
        workers: tasks at once; None for as many as the machine carries.
        per_card: tasks at once on a CUDA device.
        cores: that a task computes with.
        memory: in bytes that a task is given on a cluster; None if that need not be declared.
        address: of a cluster.
    """

    device: str = "auto"
    workers: int | None = None
    per_card: int = 1
    cores: int = 1
    memory: int | None = None
    address: str = ""


class Pool(Protocol):
    """Runs tasks. Not for several threads.

    Attributes:
        slots: how many tasks run at once when all goes well.
    """

    @property
    def slots(self) -> int: ...

    def has_room(self) -> bool:
        """Whether another task may be started now."""
        ...

    def start(self, task: Task) -> Run:
        """Start a task; the outcome of the run is set later."""
        ...

    def update(self) -> None:
        """Take note of what has ended; to be called a few times a second."""
        ...

    def close(self) -> None:
        """End whatever still runs."""
        ...
