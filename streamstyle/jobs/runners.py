"""Runners, which render the spans of a video. A new one is one function and one line in RUNNERS."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from streamstyle.device import all_of
from streamstyle.errors import UsageError
from streamstyle.jobs.cards import render_on_all
from streamstyle.jobs.spans import OnProgress, Span, VideoJob, render_span
from streamstyle.pipeline import Result

Runner = Callable[[VideoJob, Sequence[Span], OnProgress], Result]


def render_here(job: VideoJob, spans: Sequence[Span], on_progress: OnProgress = None) -> Result:
    """Render the only span in this process, from the open input, since a pipe can be read only once.

    If the settings name several devices, each renders a part of it in a process of its own.
    """
    (span,) = spans
    devices = all_of(job.opened.settings.device)
    if len(devices) > 1:
        return render_on_all(job, span, devices, on_progress)
    return render_span(job, span, on_progress)


RUNNERS: dict[str, Runner] = {"local": render_here}


def find_runner(name: str) -> Runner:
    """The runner of a name.

    Raises:
        UsageError: there is none.
    """
    if name not in RUNNERS:
        raise UsageError(f"runner {name}: expected {' or '.join(RUNNERS)}")
    return RUNNERS[name]
