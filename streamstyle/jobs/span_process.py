"""A process that renders one span of a video on one device, into a job folder of its own.

The span is sent to its standard input, pickled; what it reports comes from its standard output. It ends if
its standard input is closed, as that of a program that was killed is.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from streamstyle.effects import RenderSettings
from streamstyle.errors import StreamstyleError
from streamstyle.frames import Progress
from streamstyle.jobs.spans import OnProgress, Span, VideoJob, open_render, render_span
from streamstyle.video.job_folder import JobFolder
from streamstyle.video.video_format import choose_format

COMMAND = [sys.executable, "-m", "streamstyle.jobs.span_process"]
STOP_SECONDS = 10.0  # until a process that does not end is killed
READ_SECONDS = 2.0  # for the last report of a process that has ended


@dataclass(frozen=True)
class Part:
    """A span of a video, with what another process needs to know.

    Attributes:
        name: of the input.
        settings: of the render, with the device of this span.
        provenance: of the output, for its metadata.
        output: path of the whole video.
        own: path whose job folder receives the segments.
        span: the frames to render.
    """

    name: str
    settings: RenderSettings
    provenance: str
    output: Path
    own: Path
    span: Span


class SpanProcess:
    """A process that renders a part.

    Attributes:
        frames: number of frames of its span that it has written.
    """

    def __init__(self, part: Part) -> None:
        self.part = part
        self.frames = 0
        self._error: BaseException | None = None
        self._process = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdin is not None and self._process.stdout is not None
        pickle.dump(part, self._process.stdin)
        self._process.stdin.flush()
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    @property
    def running(self) -> bool:
        """Whether it has neither finished nor failed."""
        return self._process.poll() is None

    @property
    def succeeded(self) -> bool:
        """Whether all of its span is rendered."""
        return self._process.poll() == 0

    def check(self) -> None:
        """Raise what has ended it too early.

        Raises:
            StreamstyleError: what its render raised, or that it was killed.
        """
        if self.running or self.succeeded:
            return
        self._reader.join(READ_SECONDS)
        if self._error is not None:
            raise self._error
        code, device = self._process.returncode, self.part.settings.device
        raise StreamstyleError(f"{device}: its process ended too early (code {code}); `resume` continues")

    def stop(self) -> None:
        """End it, if it is still running."""
        assert self._process.stdin is not None and self._process.stdout is not None
        if self.running:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        with suppress(OSError):
            self._process.stdin.close()
        self._reader.join(READ_SECONDS)
        if not self._reader.is_alive():  # else something that it has started holds its output open
            self._process.stdout.close()

    def _read(self, reports: IO[bytes]) -> None:
        """Take numbers of frames, or an error."""
        while True:
            try:
                report = pickle.load(reports)
            except (EOFError, pickle.UnpicklingError):
                return
            if isinstance(report, BaseException):
                self._error = report
            else:
                self.frames = report


def main() -> None:
    """Render the part that comes from standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the program that started this one ends it
    logging.getLogger("streamstyle").setLevel(logging.ERROR)  # it has warned of the same
    reports = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else is printed
    part = cast(Part, pickle.load(sys.stdin.buffer))
    threading.Thread(target=_end_with_input, daemon=True).start()

    def report(what: object) -> None:
        pickle.dump(what, reports)
        reports.flush()

    def on_progress(progress: Progress) -> None:
        report(max(progress.frames - part.span.first, 0))

    try:
        _render(part, on_progress)
    except StreamstyleError as error:
        report(error)
        sys.exit(error.exit_code)


def _render(part: Part, on_progress: OnProgress) -> None:
    with open_render(part.name, part.settings, part.provenance) as opened:
        options = part.settings.write_options()
        video = choose_format(part.output, opened.info, options.encoding, options.audio)
        with JobFolder.start(part.own, opened.info, {}) as folder:
            render_span(VideoJob(opened, video, folder), part.span, on_progress)


def _end_with_input() -> None:
    os.read(0, 1)  # a read by Python's own buffer would block the end of the process
    os._exit(1)


if __name__ == "__main__":
    main()
