"""A process that runs one task after another, so that libraries are loaded only once.

Tasks are sent to its standard input, pickled; what it reports comes from its standard output. It ends if its
standard input is closed, as that of a program that was killed is.
"""

from __future__ import annotations

import logging
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

from streamstyle.errors import OutOfMemoryError, StreamstyleError
from streamstyle.frames import Progress

COMMAND = [sys.executable, "-c", "from streamstyle.jobs.task_process import main; main()"]
STOP_SECONDS = 10.0  # until a process that does not end is killed
READ_SECONDS = 2.0  # for the last report of a process that has ended

OnProgress = Callable[[Progress], None]


class Task(Protocol):
    """Something that another process can do; it is pickled.

    Attributes:
        name: for messages.
    """

    @property
    def name(self) -> str: ...

    def __call__(self, on_progress: OnProgress) -> Any:
        """Do it, and return a result that can be pickled.

        Raises:
            StreamstyleError: it cannot be done.
        """
        ...


class Died(StreamstyleError):
    """The process of a task was killed or crashed; another try may succeed."""


@dataclass(frozen=True)
class Outcome:
    """How a task has ended.

    Attributes:
        value: what it has returned.
        error: what it has raised, or None.
        warnings: logged meanwhile.
        peak_bytes: the most memory that its process has used so far; 0 if that is unknown.
        seconds: that it took.
    """

    value: Any = None
    error: StreamstyleError | None = None
    warnings: tuple[str, ...] = ()
    peak_bytes: int = 0
    seconds: float = 0.0


@dataclass
class Run:
    """A task that was started.

    Attributes:
        task: what is done.
        progress: the last report, if there was one.
        outcome: once it has ended.
    """

    task: Task
    progress: Progress | None = None
    outcome: Outcome | None = None

    @property
    def succeeded(self) -> bool:
        """Whether it has ended without an error."""
        return self.outcome is not None and self.outcome.error is None

    def check(self) -> None:
        """Raise what it has raised.

        Raises:
            StreamstyleError: that error, or that its process died.
        """
        if self.outcome is not None and self.outcome.error is not None:
            raise self.outcome.error


class TaskProcess:
    """A process that runs one task after another.

    Args:
        environment: variables that differ from those here.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._input = self._process.stdin
        self._run: Run | None = None
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it can be given another task."""
        return self._process.poll() is None and self._reader.is_alive()

    def start(self, task: Task) -> Run:
        """Start a task; the one before must have ended."""
        self._run = run = Run(task)
        try:
            pickle.dump(task, self._input)
            self._input.flush()
        except OSError:
            self._reader.join(READ_SECONDS)
        if not self._reader.is_alive() and run.outcome is None:
            self._note_death(run)
        return run

    def stop(self) -> None:
        """End the process, whatever it does."""
        assert self._process.stdout is not None
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        with suppress(OSError):
            self._input.close()
        self._reader.join(READ_SECONDS)
        if not self._reader.is_alive():  # else something that it has started holds its output open
            self._process.stdout.close()

    def _read(self, reports: IO[bytes]) -> None:
        """Take progress and outcomes until the process ends."""
        while True:
            try:
                report = pickle.load(reports)
            except (EOFError, pickle.UnpicklingError, OSError):  # it has ended, perhaps within a report
                break
            if self._run is None:
                continue
            if isinstance(report, Outcome):
                self._run.outcome = report
            else:
                self._run.progress = report
        if self._run is not None and self._run.outcome is None:
            self._note_death(self._run)

    def _note_death(self, run: Run) -> None:
        try:
            code = self._process.wait(READ_SECONDS)
        except subprocess.TimeoutExpired:  # it has closed its output, and does not end
            self._process.kill()
            code = self._process.wait()
        run.outcome = Outcome(error=Died(f"{run.task.name}: its process ended too early (code {code})"))


@dataclass
class _WarningList(logging.Handler):
    """Keeps each warning once."""

    texts: dict[str, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(logging.WARNING)

    __hash__ = object.__hash__

    def emit(self, record: logging.LogRecord) -> None:
        self.texts[record.getMessage()] = None


def outcome_of(task: Task, on_progress: OnProgress) -> Outcome:
    """Do a task here. Errors of the program's own kind become part of the outcome, and so do warnings."""
    log, warnings, begin = logging.getLogger("streamstyle"), _WarningList(), time.perf_counter()
    propagated, log.propagate = log.propagate, False
    log.addHandler(warnings)
    try:
        value: Any = task(on_progress)
        error: StreamstyleError | None = None
    except StreamstyleError as raised:
        value, error = None, raised
    except MemoryError as raised:
        value, error = None, OutOfMemoryError(f"{task.name}: out of memory; use --max-size ({raised})")
    finally:
        log.removeHandler(warnings)
        log.propagate = propagated
    return Outcome(value, error, tuple(warnings.texts), peak_bytes(), time.perf_counter() - begin)


def peak_bytes() -> int:
    """The most memory that this process has used so far; 0 where the system does not tell."""
    # Not getrusage: its peak begins with that of the program that started this process.
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


def main() -> None:
    """Run the tasks that come from standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the program that started this one ends it
    reports = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else is printed
    tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
    threading.Thread(target=_read_tasks, args=(tasks,), daemon=True).start()

    def report(what: object) -> None:
        try:
            pickle.dump(what, reports)
            reports.flush()
        except OSError:  # nobody reads any more
            os._exit(1)

    while True:
        report(outcome_of(tasks.get(), report))


def _read_tasks(tasks: queue.SimpleQueue[Task]) -> None:
    """Put tasks into the queue; end the process with its input."""
    # Not sys.stdin: a thread that waits in Python's own reader would block the end of the process.
    with os.fdopen(os.dup(0), "rb") as file:
        try:
            while True:
                tasks.put(pickle.load(file))
        except EOFError:
            pass
        except Exception:  # a task of another version, say; else this process would wait for ever
            traceback.print_exc()
        os._exit(1)
