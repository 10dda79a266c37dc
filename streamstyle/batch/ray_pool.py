"""A pool of the machines of a Ray cluster. Tasks carry paths, never frames: the machines share a file system.

Reference: Moritz et al. (2018), Ray: A Distributed Framework for Emerging AI Applications, OSDI.
"""

from __future__ import annotations

import logging
import math
import os
import pickle
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from streamstyle.batch.pool import PoolOptions
from streamstyle.cores import usable_cores
from streamstyle.errors import StreamstyleError, UsageError
from streamstyle.frames import Progress
from streamstyle.jobs.task_process import Died, Outcome, Run, Task, outcome_of

AHEAD = 1.25  # tasks given to the cluster for each that it can run, so that it never waits for this process
REFRESH_SECONDS = 5.0  # between looks at the size of the cluster
REPORT_SECONDS = 1.0  # between reports of a task
STORE_BYTES = 80_000_000  # of Ray's object store where it is started here; it holds outcomes only
HERE = "local"


class RayPool:
    """The machines of a Ray cluster, or Ray on this machine.

    Args:
        options: with the address of a cluster: "auto" for one that this machine belongs to, "ray://HOST:PORT",
            or "local" to start Ray here.

    Raises:
        UsageError: Ray is not installed.
        StreamstyleError: there is no such cluster.
    """

    def __init__(self, options: PoolOptions) -> None:
        ray = _connected(options)
        self._ray, self._options = ray, options
        resources: dict[str, float] = ray.cluster_resources()
        cards = resources.get("GPU", 0) > 0
        on_cards = options.device.startswith("cuda") or (options.device == "auto" and cards)
        self._share = 1 / options.per_card if on_cards else 0.0
        given: dict[str, Any] = {"num_cpus": options.cores, "num_gpus": self._share, "max_retries": 0}
        if options.memory is not None:
            given["memory"] = options.memory
        self._do = ray.remote(**given)(_do)
        self._board = ray.remote(num_cpus=0, max_restarts=-1)(_Board).remote()
        self._runs: dict[Any, tuple[Run, int]] = {}  # by reference, with a number
        self._number = 0
        self._refreshed = self._asked = -math.inf
        self._answer: Any = None
        self.slots = 1
        self._refresh()

    def has_room(self) -> bool:
        """Whether another task may be given to the cluster."""
        most = self._options.workers or math.ceil(self.slots * AHEAD)
        return len(self._runs) < most

    def start(self, task: Task) -> Run:
        """Give a task to the cluster."""
        self._number += 1
        run, payload = Run(task), pickle.dumps(task)
        threads = self._options.cores
        reference = self._do.remote(payload, self._number, self._board, str(Path.cwd()), threads)
        self._runs[reference] = run, self._number
        return run

    def update(self) -> None:
        """Take what has ended, and the progress of the rest."""
        if time.monotonic() - self._refreshed > REFRESH_SECONDS:
            self._refresh()
        if not self._runs:
            return
        ended, _ = self._ray.wait(list(self._runs), num_returns=len(self._runs), timeout=0)
        for reference in ended:
            run, _ = self._runs.pop(reference)
            run.outcome = self._outcome(reference, run.task)
        self._take_progress()

    def close(self) -> None:
        """Cancel what still runs, and leave the cluster."""
        for reference in self._runs:
            with suppress(self._ray.exceptions.RayError, ValueError):
                self._ray.cancel(reference, force=True)
        self._ray.shutdown()

    def _outcome(self, reference: Any, task: Task) -> Outcome:
        try:
            outcome: Outcome = pickle.loads(self._ray.get(reference))
        except self._ray.exceptions.RayError as error:
            *_, why = [type(error).__name__, *str(error).strip().splitlines()]
            lost = f"lost on the cluster ({why.partition('. ')[0].rstrip('.')})"
            return Outcome(error=Died(f"{task.name}: {lost}"))
        return outcome

    def _refresh(self) -> None:
        """Count how many tasks the machines that are there now can run at once."""
        resources = self._ray.cluster_resources()
        by_cores = resources.get("CPU", 0) / self._options.cores
        fits = [by_cores, resources.get("GPU", 0) / self._share] if self._share else [by_cores]
        if self._options.memory:
            fits.append(resources.get("memory", 0) / self._options.memory)
        self.slots = max(int(min(fits)), 1)
        self._refreshed = time.monotonic()

    def _take_progress(self) -> None:
        """Ask for progress without waiting for the answer."""
        if self._answer is None:
            if time.monotonic() - self._asked > REPORT_SECONDS:
                self._answer, self._asked = self._board.read.remote(), time.monotonic()
            return
        ready, _ = self._ray.wait([self._answer], timeout=0)
        if not ready:
            return
        with suppress(self._ray.exceptions.RayError):  # the machine of the board was lost; it is made anew
            known: dict[int, Progress] = pickle.loads(self._ray.get(self._answer))
            for run, number in self._runs.values():
                run.progress = known.get(number, run.progress)
        self._answer = None


class _Board:
    """Where tasks leave their progress; an actor."""

    def __init__(self) -> None:
        self._last: dict[int, bytes] = {}

    def write(self, number: int, progress: bytes | None) -> None:
        """Take the progress of a task; None when it has ended."""
        if progress is None:
            self._last.pop(number, None)
        else:
            self._last[number] = progress

    def read(self) -> bytes:
        """The last progress of all tasks by number."""
        return pickle.dumps({number: pickle.loads(progress) for number, progress in self._last.items()})


def _do(payload: bytes, number: int, board: Any, folder: str, threads: int) -> bytes:
    """Do a task in a process of the cluster.

    What is sent is pickled here, not by Ray, which would load the libraries before their threads are set.
    """
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with suppress(OSError):
        os.chdir(folder)
    told = -math.inf

    def on_progress(progress: Progress) -> None:
        nonlocal told
        if time.monotonic() - told >= REPORT_SECONDS:
            told = time.monotonic()
            board.write.remote(number, pickle.dumps(progress))

    outcome = outcome_of(pickle.loads(payload), on_progress)
    board.write.remote(number, None)
    return pickle.dumps(outcome)


def _connected(options: PoolOptions) -> Any:
    """The module `ray`, connected to the cluster."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent that the user did not ask for
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise UsageError("--cluster: needs Ray: pip install 'streamstyle[cluster]'") from error
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    with _own_signals():
        try:
            if options.address == HERE:
                os.environ.setdefault("RAY_worker_niceness", "0")  # else its processes yield to all others
                cores = options.workers or usable_cores()
                ray.init(
                    num_cpus=cores * options.cores,
                    object_store_memory=STORE_BYTES,
                    include_dashboard=False,
                    **quiet,
                )
            else:
                ray.init(address=options.address, **quiet)
        except (ConnectionError, ValueError, RuntimeError) as error:
            why = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise StreamstyleError(f"--cluster {options.address}: cannot be reached ({why})") from error
    return ray


@contextmanager
def _own_signals() -> Iterator[None]:
    """A context after which signals are handled as before; Ray takes SIGTERM for itself."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, action in before.items():
            signal.signal(number, action)
