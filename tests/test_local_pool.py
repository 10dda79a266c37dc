"""Processes of this machine: what they return, how they die, and how many memory allows."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from streamstyle.batch import local_pool, memory
from streamstyle.batch.local_pool import LocalPool, environments
from streamstyle.batch.memory import available_bytes, used_bytes
from streamstyle.batch.pool import PoolOptions
from streamstyle.errors import OutOfMemoryError
from streamstyle.jobs.task_process import Died, Outcome, Run, Task
from tests.test_ray_pool import Square


@dataclass(frozen=True)
class Ends:
    """A task whose process ends."""

    code: int
    name: str = "film.mp4"

    def __call__(self, on_progress: Any) -> None:
        if self.code == 0:
            raise MemoryError("of all kinds")
        os._exit(self.code)


def done(pool: LocalPool, task: Task) -> Outcome:
    run, due = pool.start(task), time.monotonic() + 60
    while run.outcome is None and time.monotonic() < due:
        pool.update()
        time.sleep(0.01)
    assert run.outcome is not None
    return run.outcome


def test_a_process_does_one_task_after_another_and_is_replaced_if_it_dies() -> None:
    pool = LocalPool(PoolOptions(device="cpu", workers=1))
    try:
        first = done(pool, Square(3))
        assert (first.value, first.error) == (9, None) and first.peak_bytes > 10_000_000
        process = pool._slots[0].process
        assert done(pool, Square(4)).value == 16 and pool._slots[0].process is process
        assert isinstance(done(pool, Ends(0)).error, OutOfMemoryError)
        died = done(pool, Ends(7))
        assert isinstance(died.error, Died)
        assert str(died.error) == "film.mp4: its process ended too early (code 7)"
        assert done(pool, Square(5)).value == 25 and pool._slots[0].process is not process
    finally:
        pool.close()


def test_as_many_processes_as_cores_and_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_pool, "usable_cores", lambda: 8)
    assert environments(PoolOptions(device="cpu")) == [{"OMP_NUM_THREADS": "1"}] * 8
    assert environments(PoolOptions(device="cpu", cores=3)) == [{"OMP_NUM_THREADS": "3"}] * 2
    monkeypatch.setattr(local_pool, "visible_cards", lambda name: ["0", "1"])
    cards = [place["CUDA_VISIBLE_DEVICES"] for place in environments(PoolOptions(per_card=2))]
    assert cards == ["0", "1", "0", "1"]
    assert len(environments(PoolOptions(per_card=2, workers=3))) == 3


def test_no_process_is_started_without_memory_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Process:
        pid, alive = 1, True

        def __init__(self, environment: object) -> None: ...

        def start(self, task: Task) -> Run:
            return Run(task)

    left = 2_500_000_000
    monkeypatch.setattr(local_pool, "TaskProcess", Process)
    monkeypatch.setattr(local_pool, "available_bytes", lambda: left)
    monkeypatch.setattr(local_pool, "used_bytes", lambda pid: (500_000_000, 600_000_000))
    pool = LocalPool(PoolOptions(device="cpu", workers=3))
    pool.start(Square(1))
    assert not pool.has_room()  # the first may still need a gigabyte more
    left = 3_000_000_000
    assert pool.has_room()
    first = pool.start(Square(2))
    first.outcome = Outcome()
    pool.update()
    pool.start(Square(3))  # the second of its process: what one needs is known now
    left = 1_000_000_000
    assert pool.has_room()
    left = 900_000_000
    assert not pool.has_room()


def test_memory_of_a_group_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not used_bytes(os.getpid())[0]:
        pytest.skip("this system does not tell")
    assert used_bytes(os.getpid())[1] >= used_bytes(os.getpid())[0] > 10_000_000
    assert used_bytes(2**30) == (0, 0)
    for name, text in (
        ("memory.max", "100000"),
        ("memory.current", "60000"),
        ("memory.stat", "inactive_file 5000\n"),
    ):
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(memory, "groups", lambda controller: [tmp_path, tmp_path / "none"])
    assert available_bytes() == 45_000
    (tmp_path / "memory.max").write_text("max")
    assert available_bytes() > 1_000_000
