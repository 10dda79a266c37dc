"""Errors that a user can cause, each with an exit code for scripts.

StreamstyleError         1   any other error
├── UsageError           2   an option or name is invalid, or the output exists
├── InputError           3   the input is missing, unreadable or refused
├── OutputError          4   the output cannot be written, or the disk is full
├── OutOfMemoryError     6   main or GPU memory is too small
└── Interrupted        130   Ctrl-C, SIGTERM or SIGHUP

Exit code 5 is not an error: the render is complete, but damaged frames were concealed.
Every message is one line that names the file or value and says what is allowed.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class StreamstyleError(Exception):
    """Base of all errors with a message meant for the user."""

    exit_code = 1


class UsageError(StreamstyleError):
    """An option or name is invalid, or an output exists and may not be overwritten."""

    exit_code = 2


class InputError(StreamstyleError):
    """An input is missing, unreadable, or refused for safety."""

    exit_code = 3


class OutputError(StreamstyleError):
    """An output cannot be written: no permission, no space, unknown codec, or another run is writing it."""

    exit_code = 4


class OutOfMemoryError(StreamstyleError):
    """The frame does not fit into the memory of the device."""

    exit_code = 6


class Interrupted(StreamstyleError):
    """A signal stopped the render; finished segments stay in the job folder."""

    exit_code = 130


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """For messages about an unknown name: " (did you mean ink?)" with the nearest known one, or ""."""
    by_lower_case = {entry.lower(): entry for entry in known}
    near = difflib.get_close_matches(name.lower(), by_lower_case, 1)
    return f" (did you mean {by_lower_case[near[0]]}?)" if near else ""
