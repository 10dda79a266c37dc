"""Runners, which render the spans of a video. A new one is one function and one line in RUNNERS."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from streamstyle.errors import UsageError
from streamstyle.jobs.spans import OnProgress, Span, VideoJob, render_span
from streamstyle.pipeline import Result

Runner = Callable[[VideoJob, Sequence[Span], OnProgress], Result]


def render_here(job: VideoJob, spans: Sequence[Span], on_progress: OnProgress = None) -> Result:
    """Render the only span in this process, from the open input, since a pipe can be read only once."""
    (span,) = spans
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
