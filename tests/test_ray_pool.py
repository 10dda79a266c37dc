"""The pool of a Ray cluster, by a stand-in for Ray; the last test starts Ray itself, if it is there."""

from __future__ import annotations

import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from streamstyle.batch.pool import PoolOptions
from streamstyle.batch.ray_pool import RayPool
from streamstyle.errors import InputError, StreamstyleError, UsageError
from streamstyle.frames import Progress
from streamstyle.jobs.task_process import Died
from tests.test_cli_batch import call


@dataclass(frozen=True)
class Square:
    """A task."""

    number: int
    name: str = "square"

    def __call__(self, on_progress: Any) -> int:
        on_progress(Progress(self.number, 10, 0, 1.0, 1.0, {}))
        if self.number < 0:
            raise InputError("is negative")
        return self.number**2


class RayError(Exception):
    """As Ray's own."""


class FakeRay:
    """Does what it is given at once; `lost` makes the next results those of a machine that died."""

    def __init__(self, **resources: float) -> None:
        self.resources = resources
        self.exceptions = SimpleNamespace(RayError=RayError)
        self.given: list[dict[str, Any]] = []
        self.lost = self.connections = self.cancelled = 0
        self.fails: Exception | None = None

    def init(self, **options: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # as Ray does
        if self.fails is not None:
            raise self.fails
        self.connections += 1

    def shutdown(self) -> None:
        self.connections -= 1

    def cluster_resources(self) -> dict[str, float]:
        return self.resources

    def remote(self, **options: Any) -> Any:
        self.given.append(options)

        def wrap(what: Any) -> Any:
            if isinstance(what, type):
                return SimpleNamespace(remote=lambda: Handle(what()))
            return SimpleNamespace(remote=lambda *arguments: Reference(lambda: what(*arguments)))

        return wrap

    def wait(
        self, references: list[Any], num_returns: int = 1, timeout: float = 0
    ) -> tuple[list[Any], list[Any]]:
        return references, []

    def get(self, reference: Any) -> Any:
        if self.lost:
            self.lost -= 1
            raise RayError("details\nthe node died")
        return reference.value()

    def cancel(self, reference: Any, force: bool) -> None:
        self.cancelled += 1


class Reference:
    """A result to come."""

    def __init__(self, value: Any) -> None:
        self.value = value


class Handle:
    """An actor: each method has `remote`."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def __getattr__(self, name: str) -> Any:
        def remote(*arguments: Any) -> Reference:
            result = getattr(self._actor, name)(*arguments)
            return Reference(lambda: result)

        return SimpleNamespace(remote=remote)


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> FakeRay:
    fake = FakeRay(CPU=6.0, memory=10e9)
    monkeypatch.setitem(sys.modules, "ray", fake)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return fake


def test_outcomes_and_errors_come_back(ray: FakeRay) -> None:
    pool = RayPool(PoolOptions(address="auto"))
    good, bad = pool.start(Square(3)), pool.start(Square(-1))
    pool.update()
    assert good.succeeded and good.outcome is not None and good.outcome.value == 9
    assert bad.outcome is not None
    assert isinstance(bad.outcome.error, InputError) and str(bad.outcome.error) == "is negative"
    pool.close()
    assert ray.connections == 0


def test_what_a_lost_machine_did_is_to_be_tried_again(ray: FakeRay) -> None:
    pool = RayPool(PoolOptions(address="auto"))
    run, ray.lost = pool.start(Square(3)), 1
    pool.update()
    with pytest.raises(Died, match=r"square: lost on the cluster \(the node died\)"):
        run.check()


def test_resources_are_declared_and_counted(ray: FakeRay, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = RayPool(PoolOptions(address="auto", cores=2))
    assert ray.given[0] == {"num_cpus": 2, "num_gpus": 0.0, "max_retries": 0}
    assert pool.slots == 3
    while pool.has_room():
        pool.start(Square(1))
    assert len(pool._runs) == 4  # one more than can run, so that none waits for this process
    pool.close()
    assert ray.cancelled == 4
    assert RayPool(PoolOptions(address="auto", memory=4_000_000_000)).slots == 2
    assert ray.given[-2]["memory"] == 4_000_000_000
    ray.resources = {"CPU": 16.0, "GPU": 2.0}
    pool = RayPool(PoolOptions(address="auto", per_card=2))
    assert (ray.given[-2]["num_gpus"], pool.slots) == (0.5, 4)
    ray.resources["GPU"] = 4.0  # machines that join are used
    monkeypatch.setattr("streamstyle.batch.ray_pool.REFRESH_SECONDS", -1.0)
    pool.update()
    assert pool.slots == 8


def test_progress_arrives_a_little_later(ray: FakeRay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamstyle.batch.ray_pool.REPORT_SECONDS", -1.0)
    monkeypatch.setattr(ray, "wait", lambda found, **_: ([one for one in found if one.value() != "busy"], []))
    pool = RayPool(PoolOptions(address="auto"))
    run = pool.start(Square(4))
    pool._board.write.remote(1, __import__("pickle").dumps(Progress(7, 10, 0, 1.0, 1.0, {})))
    ((reference, _),) = pool._runs.items()
    reference.value = lambda: "busy"
    pool.update()
    pool.update()
    assert run.progress is not None and run.progress.frames == 7


def test_the_programs_own_handler_of_sigterm_stays(ray: FakeRay) -> None:
    def handler(*_: object) -> None: ...

    before = signal.signal(signal.SIGTERM, handler)
    try:
        RayPool(PoolOptions(address="local"))
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_cluster_that_is_not_there_is_one_line(ray: FakeRay) -> None:
    ray.fails = ConnectionError("Could not find any running Ray instance.\nmore")
    with pytest.raises(StreamstyleError, match=r"^--cluster auto: cannot be reached \(Could not find any"):
        RayPool(PoolOptions(address="auto"))


def test_without_ray_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"--cluster: needs Ray: pip install 'streamstyle\[cluster\]'"):
        RayPool(PoolOptions(address="local"))
    done = call(
        "batch", "stylize", tmp_path / "a.mp4", tmp_path / "out", "--cluster", "local", "--device", "cpu"
    )
    assert done.exit_code == 2
    assert done.stderr.splitlines() == ["error: --cluster: needs Ray: pip install 'streamstyle[cluster]'"]


@pytest.mark.timeout(240)
def test_ray_itself_does_tasks_and_leaves_signals_alone() -> None:
    pytest.importorskip("ray")

    def handler(*_: object) -> None: ...

    before = signal.signal(signal.SIGTERM, handler)
    pool = RayPool(PoolOptions(address="local", workers=1))
    try:
        assert signal.getsignal(signal.SIGTERM) is handler
        run, due = pool.start(Square(3)), time.monotonic() + 120
        while run.outcome is None and time.monotonic() < due:
            pool.update()
            time.sleep(0.05)
        run.check()
        assert run.outcome is not None and run.outcome.value == 9
    finally:
        pool.close()
        signal.signal(signal.SIGTERM, before)
