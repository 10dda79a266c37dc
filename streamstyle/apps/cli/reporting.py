"""What a person or a script sees of a run: progress, warnings, errors, the summary."""

from __future__ import annotations

import json
import logging
import os
import shlex
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import typer

from streamstyle.errors import Interrupted, OutOfMemoryError, OutputError, StreamstyleError

if TYPE_CHECKING:
    from streamstyle.apps.cli.progress_bar import ProgressBar
    from streamstyle.batch.schedule import BatchProgress
    from streamstyle.frames import Progress
    from streamstyle.training import TrainingProgress

_LINE_SECONDS = 5.0  # between progress lines if stderr is no terminal


class Reporter:
    """Prints progress and warnings to stderr, or events as JSON lines to stdout.

    Args:
        events: print JSON events instead of text.
        quiet: print errors only.
        verbose: also show the time of each stage.
    """

    def __init__(self, *, events: bool = False, quiet: bool = False, verbose: bool = False) -> None:
        self._events = events
        self._quiet = quiet
        self._verbose = verbose
        self._bar: ProgressBar | None = None
        self._last_line = time.monotonic()
        self._last_event = 0.0
        self._terminal = sys.stderr.isatty() and not events and not quiet
        self._animated = self._terminal and os.environ.get("TERM") not in ("dumb", "unknown")
        self._stages = ""

    def event(self, kind: str, **values: Any) -> None:
        """Print a JSON line to stdout, if events are on."""
        if self._events:
            say(json.dumps({"event": kind, **values}), sys.stdout)

    def warn(self, text: str) -> None:
        """Print a warning of one line."""
        self.event("warning", message=text)
        if not self._events and not self._quiet:
            self._say(f"warning: {text}")

    def note(self, text: str) -> None:
        """Print a line for people."""
        if not self._events and not self._quiet:
            self._say(text)

    def starting(self, what: str = "frames") -> None:
        """Say on a terminal that the program works, before anything that takes long is imported."""
        if self._animated:
            self._show(what, 0, None, None, "starting")
        elif self._terminal:
            self._say("starting")

    def progress(self, progress: Progress) -> None:
        """Show the progress of a render."""
        self.event(
            "progress",
            frames=progress.frames,
            total=progress.total,
            fps=round(progress.fps, 2),
            eta_seconds=None if progress.eta_seconds is None else round(progress.eta_seconds, 1),
            stage_ms={name: round(ms, 2) for name, ms in progress.stage_ms.items()},
        )
        # Containers can announce fewer frames than they contain.
        total = None if progress.total is None else max(progress.total, progress.frames)
        self._stages = ", ".join(f"{name} {ms:.1f} ms" for name, ms in progress.stage_ms.items())
        details = f"{progress.fps:.1f} fps" + (f" ({self._stages})" if self._verbose else "")
        self._show("frames", progress.frames, total, progress.eta_seconds, details)

    def stages(self) -> None:
        """Print the time of each stage of the render that was reported last, if details are wanted."""
        if self._verbose and self._stages:
            self.note(f"each frame took: {self._stages}")

    def batch(self, progress: BatchProgress) -> None:
        """Show the progress of a batch."""
        now = time.monotonic()
        if self._events and now - self._last_event >= 1:
            self._last_event = now
            eta = progress.eta_seconds
            self.event(
                "progress",
                films=progress.films,
                total_films=progress.total_films,
                failed=progress.failed,
                running=progress.running,
                frames=progress.frames,
                total=progress.total_frames,
                fps=round(progress.fps, 2),
                eta_seconds=None if eta is None else round(eta, 1),
            )
        failed = f", {progress.failed} failed" if progress.failed else ""
        films = f"{progress.films} of {progress.total_films} films{failed}"
        details = f"{films}, {progress.running} at once, {progress.fps:.1f} fps"
        total = None if progress.total_frames is None else max(progress.total_frames, progress.frames)
        self._show("frames", progress.frames, total, progress.eta_seconds, details)

    def live(self, frames: int, status: Mapping[str, float | int | str]) -> None:
        """Show the status of a live session."""
        self.event("status", frames=frames, **status)
        rate = f"{status['fps']} fps"
        if status["lowered"]:
            rate = f"{status['fps']:.0f} of {status['target']:.0f} fps: {status['lowered']}"
        details = f"{rate}, {status['latency_ms']} ms, {status['drops']} dropped"
        self._show("frames", frames, None, None, f"{status['state']}, {details}")

    def data(self, text: str) -> None:
        """Print a line of the command's output to stdout, unless events are on."""
        self.close()
        if not self._events:
            say(text, sys.stdout)

    def report(self, values: object, text: str) -> None:
        """Print the command's result to stdout, as JSON or as text."""
        self.close()
        say(json.dumps(values) if self._events else text, sys.stdout)

    def training(self, progress: TrainingProgress) -> None:
        """Show the progress of a training."""
        now = time.monotonic()
        if self._events and now - self._last_event >= 1:
            self._last_event = now
            self.event(
                "progress",
                step=progress.step,
                steps=progress.steps,
                eta_seconds=None if progress.eta_seconds is None else round(progress.eta_seconds, 1),
                losses={name: round(value, 5) for name, value in progress.losses.items()},
            )
        losses = ", ".join(f"{name} {value:.3f}" for name, value in progress.losses.items())
        self._show("steps", progress.step, progress.steps, progress.eta_seconds, losses)

    def close(self) -> None:
        """Remove the progress bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def measuring(self, done: int, total: int | None) -> None:
        """Show the progress of an evaluation, in frames."""
        self._show("frames", done, total, None, "measured")

    def _show(self, what: str, done: int, total: int | None, eta: float | None, details: str) -> None:
        """Update a bar on a terminal; elsewhere print a line every few seconds."""
        if self._animated:
            if self._bar is None:
                from streamstyle.apps.cli.progress_bar import ProgressBar

                self._bar = ProgressBar()
            self._bar.update(done, total, details)
        elif not self._quiet and not self._events and time.monotonic() - self._last_line >= _LINE_SECONDS:
            self._last_line = time.monotonic()
            of, left = "" if total is None else f" of {total}", "" if eta is None else f", {eta:.0f} s left"
            self._say(f"{done}{of} {what}{left}: {details}")

    def _say(self, text: str) -> None:
        if self._bar is not None:
            self._bar.say(text)
        else:
            say(text, sys.stderr)


def say(text: str, stream: TextIO | None) -> None:
    """Print a line to stdout or stderr at once.

    Raises:
        OutputError: its reader has gone, or the disk that it is redirected to is full.
    """
    try:
        print(text, file=stream, flush=True)
    except OSError as error:
        silence(stream)
        raise unwritable(stream, error) from error


def silence(stream: TextIO | None) -> None:
    """Discard what else is written to a stream that failed; Python would report it again at exit."""
    if stream is not None:
        with suppress(OSError, ValueError):  # a stream without a file
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def unwritable(stream: TextIO | None, error: OSError) -> OutputError:
    """An OutputError for stdout or stderr."""
    name = "stderr" if stream in (sys.stderr, sys.__stderr__) else "stdout"
    gone = isinstance(error, BrokenPipeError)
    why = "its reader has gone" if gone else error.strerror or str(error)
    return OutputError(f"{name}: cannot be written ({why})")


class _Warnings(logging.Handler):
    """Shows each warning once, as an input may be opened several times."""

    def __init__(self, reporter: Reporter) -> None:
        super().__init__(logging.INFO)
        self._reporter = reporter
        self._shown: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text in self._shown:
            return
        self._shown.add(text)
        report = self._reporter.warn if record.levelno >= logging.WARNING else self._reporter.note
        with suppress(OutputError):  # the command itself meets it at its next line
            report(text)


@contextmanager
def reporting(
    *, events: bool = False, quiet: bool = False, verbose: bool = False, debug: bool = False
) -> Iterator[Reporter]:
    """Run a command: errors become one line and an exit code, signals become Interrupted.

    Unexpected exceptions, which are bugs, show a traceback and exit with 1; with `debug` all errors do.
    """
    reporter = Reporter(events=events, quiet=quiet, verbose=verbose)
    log = logging.getLogger("streamstyle")
    handler = _Warnings(reporter)
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    propagated, log.propagate = log.propagate, False
    try:
        with _signals():
            yield reporter
    except StreamstyleError as error:
        reporter.close()
        if debug:
            raise
        fail(reporter, error)
    except MemoryError as error:
        reporter.close()
        if debug:
            raise
        fail(reporter, OutOfMemoryError(f"out of memory; use --max-size for smaller frames ({error})"))
    finally:
        reporter.close()
        log.removeHandler(handler)
        log.propagate = propagated


@contextmanager
def resume_hint(output: str | Path) -> Iterator[None]:
    """Add to an error how to resume, if something can be resumed."""
    try:
        yield
    except StreamstyleError as error:
        stopped = isinstance(error, Interrupted)
        if (stopped or error.exit_code in (4, 6)) and (folder := _resumable(output)) is not None:
            done = f"; finished parts are in {folder}" if stopped else ""
            error.args = (f"{error}{done}; `streamstyle resume {shlex.quote(str(output))}` continues",)
        raise


def _resumable(output: str | Path) -> Path | None:
    """The folder of an unfinished run that `resume` can continue, and no other process is working on."""
    from streamstyle.training.job import unfinished_training
    from streamstyle.video.job_folder import unfinished_video

    try:
        return (unfinished_training if str(output).endswith(".safetensors") else unfinished_video)(
            Path(output)
        )
    except StreamstyleError:
        return None


def fail(reporter: Reporter, error: StreamstyleError) -> None:
    """Print an error and exit with its code."""
    with suppress(OutputError):
        reporter.event("error", message=str(error), exit_code=error.exit_code)
    with suppress(OutputError):
        say(f"error: {error}", sys.stderr)
    raise typer.Exit(error.exit_code)


@contextmanager
def _signals() -> Iterator[None]:
    """Raise Interrupted at the first SIGINT, SIGTERM or SIGHUP; exit at once at the second.

    A signal that is ignored stays so: nohup ignores SIGHUP, and a shell ignores SIGINT for what it runs in
    the background.
    """
    received = False

    def interrupt(number: int, _: object) -> None:
        nonlocal received
        if received:
            os._exit(Interrupted.exit_code)
        received = True
        raise Interrupted(f"stopped by {signal.Signals(number).name}")

    known = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    obeyed = [number for number in known if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) for number in obeyed}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
