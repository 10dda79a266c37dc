"""Runs functions in forked children, and watches their time and memory.

The parent must have imported all that the children need, and must not have started threads: only the thread
that forks goes on in the child.
"""

from __future__ import annotations

import atexit
import faulthandler
import io
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

GRACE_SECONDS = 2.0  # for a hanging child to print where it hangs


@dataclass(frozen=True)
class Limits:
    """What a child may use: seconds, and bytes of resident memory."""

    seconds: float = 30.0
    bytes: int = 2 * 2**30


@dataclass(frozen=True)
class Outcome:
    """How a child ended.

    Attributes:
        code: its exit code; None if a signal ended it.
        signal: the signal that ended it, other than our own; 0 for none.
        hung, too_large: it was killed for its time or memory.
        seconds: how long it ran.
        bytes: its peak of resident memory.
        out, errors: what it wrote to stdout and stderr.
    """

    code: int | None
    signal: int
    hung: bool
    too_large: bool
    seconds: float
    bytes: int
    out: bytes
    errors: str


class Child:
    """A function that runs in a child of its own.

    Args:
        function: what it runs; its return is exit code 0, SystemExit as usual, other exceptions print a
            traceback and exit with 1.
        log: prefix of the files for stdout and stderr.
        limits: beyond which it is killed.
        fed: file that is written into its stdin; otherwise stdin is empty.
    """

    def __init__(
        self, function: Callable[[], object], log: Path, limits: Limits, fed: Path | None = None
    ) -> None:
        self._limits, self._begin = limits, time.monotonic()
        self._out, self._errors = log.with_suffix(".out"), log.with_suffix(".err")
        self._hung = self._too_large = False
        self._peak = 0
        sys.stdout.flush()
        sys.stderr.flush()
        self.id = os.fork()
        if not self.id:
            run(function, self._out, self._errors, fed)

    def poll(self) -> Outcome | None:
        """How it ended, or None while it runs; kills it if it is beyond its limits."""
        ended, status, usage = os.wait4(self.id, os.WNOHANG)
        if ended:
            self.end(signal.SIGKILL)  # what it left running
            return self._outcome(status, max(self._peak, 1024 * usage.ru_maxrss))
        self._peak = max(self._peak, resident_peak(self.id))
        over = time.monotonic() - self._begin - self._limits.seconds
        if self._peak > self._limits.bytes:
            self._too_large = True
            self.end(signal.SIGKILL)
        elif over > GRACE_SECONDS:
            self.end(signal.SIGKILL)
        elif over > 0 and not self._hung:
            self._hung = True
            os.kill(self.id, signal.SIGABRT)  # faulthandler prints where each thread is
        return None

    def end(self, number: int) -> None:
        """Send a signal to the child and to all that it started."""
        with suppress(ProcessLookupError, PermissionError):  # gone, or it has no group of its own yet
            os.killpg(self.id, number)

    def _outcome(self, status: int, peak: int) -> Outcome:
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        ours = self._hung or self._too_large
        return Outcome(
            None if number else os.WEXITSTATUS(status),
            0 if ours else number,
            self._hung,
            self._too_large or peak > self._limits.bytes,
            time.monotonic() - self._begin,
            peak,
            self._out.read_bytes(),
            self._errors.read_text(errors="replace"),
        )


def resident_peak(process: int) -> int:
    """The peak of the resident memory of a process in bytes; 0 if it has ended."""
    try:
        with open(f"/proc/{process}/status", encoding="ascii", errors="replace") as file:  # noqa: PTH123
            lines = (line.split() for line in file)
            return next((1024 * int(line[1]) for line in lines if line[0] == "VmHWM:"), 0)
    except (OSError, ProcessLookupError):
        return 0


def run(function: Callable[[], object], out: Path, errors: Path, fed: Path | None) -> None:
    """The child: runs the function and ends. Nothing returns from here into the code of the parent."""
    code = 1
    try:
        os.setsid()
        connect(out, errors, fed)
        faulthandler.enable()
        code = code_of(function)
        # As at the end of a program; the parent's frames below must not run.
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        code = 1
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def connect(out: Path, errors: Path, fed: Path | None) -> None:
    """Connect stdin, stdout and stderr to files, and stdin to a pipe if a file is fed into it."""
    for descriptor, path in ((1, out), (2, errors)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, descriptor)
        os.close(file)
    source = os.open(os.devnull, os.O_RDONLY) if fed is None else pipe_from(fed)
    os.dup2(source, 0)
    os.close(source)
    sys.stdin = io.TextIOWrapper(open(0, "rb", closefd=False))  # noqa: SIM115
    sys.stdout = io.TextIOWrapper(open(1, "wb", closefd=False), line_buffering=True)  # noqa: SIM115
    sys.stderr = io.TextIOWrapper(
        open(2, "wb", 0, closefd=False),  # noqa: SIM115
        errors="backslashreplace",
        write_through=True,
    )


def pipe_from(path: Path) -> int:
    """The end of a pipe to read from; another process writes the file into it."""
    reading, writing = os.pipe()
    if not os.fork():
        try:
            os.close(reading)
            rest = path.read_bytes()
            while rest:
                rest = rest[os.write(writing, rest[:65536]) :]
        finally:
            os._exit(0)
    os.close(writing)
    return reading


def code_of(function: Callable[[], object]) -> int:
    """The exit code with which a program that is this function ends."""
    try:
        function()
    except SystemExit as exit:
        if isinstance(exit.code, str):
            print(exit.code, file=sys.stderr)
            return 1
        return int(exit.code or 0)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0
