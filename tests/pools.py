"""A pool that does tasks at once, in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from streamstyle.jobs.task_process import Outcome, Run, Task, outcome_of


@dataclass
class PoolHere:
    """Does a task when it is started; `spoil` may give it another outcome.

    Attributes:
        slots: that it claims to have.
        spoil: asked before each task.
        tasks: that were done, in order.
    """

    slots: int = 2
    spoil: Callable[[Task], Outcome | None] = lambda task: None
    tasks: list[Task] = field(default_factory=list)
    _started: int = 0  # since the last update

    def has_room(self) -> bool:
        return self._started < self.slots

    def start(self, task: Task) -> Run:
        self._started += 1
        self.tasks.append(task)
        return Run(task, outcome=self.spoil(task) or outcome_of(task, lambda progress: None))

    def update(self) -> None:
        self._started = 0

    def close(self) -> None:
        pass
