"""The errors that a user can cause, each with the exit code that a script can act on.

StreamstyleError         1   anything else
├── UsageError           2   an option or a name is wrong, or the output exists
├── InputError           3   the input is missing, unreadable or refused
├── OutputError          4   the output cannot be written, or the disk is full
├── OutOfMemoryError     6   main or GPU memory does not suffice
└── Interrupted        130   Ctrl-C, SIGTERM or SIGHUP

Exit code 5 is no error: the render is complete, but frames had to be concealed.
Every message is one line that names the file or the value and says what is allowed.
"""


class StreamstyleError(Exception):
    """Base of all errors with a message meant for the user."""

    exit_code = 1


class UsageError(StreamstyleError):
    """An option or a name is wrong, or an output exists and was not to be overwritten."""

    exit_code = 2


class InputError(StreamstyleError):
    """An input is missing, unreadable, or refused for safety."""

    exit_code = 3


class OutputError(StreamstyleError):
    """An output cannot be written: no permission, no space, no such codec, or another run holds it."""

    exit_code = 4


class OutOfMemoryError(StreamstyleError):
    """The frame does not fit into the memory of the device."""

    exit_code = 6


class Interrupted(StreamstyleError):
    """A signal asked the render to stop; what is done stays in the job folder."""

    exit_code = 130
