"""The command `doctor`: what is here, what is wrong, and what to do about it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

from streamstyle.apps.cli.machine import CHECKS, Finding
from streamstyle.apps.cli.reporting import Reporter

_INDENT = 14  # columns, behind the longest topic


def doctor(reporter: Reporter) -> None:
    """Show what is here, what is wrong, and what to do about it.

    A line that begins with -> says what to do about the one above it. Include the output in bug reports.
    """
    reporter.starting()
    troubled = []
    for topic, check in CHECKS.items():
        finding = _found(check)
        if finding.to_do:
            troubled.append(topic)
        reporter.event("check", topic=topic, found=finding.text, to_do=finding.to_do)
        reporter.data(f"{topic:<{_INDENT - 2}} {finding.text}")
        if finding.to_do:
            reporter.data(textwrap.indent(f"-> {finding.to_do}", " " * (_INDENT - 1)))
    reporter.event("done", to_do=troubled)
    end = f"there is something to do about {', '.join(troubled)}" if troubled else "nothing is wrong"
    reporter.note(end)


def _found(check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except Exception as error:  # a bug report is about what fails
        return Finding(f"unknown: {type(error).__name__}: {error}".partition("\n")[0])
