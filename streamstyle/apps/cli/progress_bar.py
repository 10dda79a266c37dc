"""The progress bar on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column

NARROW, WIDE = 30, 60  # columns of the terminal: below, only the count; from here on, a bar and details


class ProgressBar:
    """Progress in one line of stderr, as much of it as fits."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        # What goes to stdout is the command's output: if Rich took it, it would be printed to stderr.
        self._progress = Progress(*columns_for(console.width), console=console, redirect_stdout=False)
        self._task = self._progress.add_task("", total=None, details="")
        self._progress.start()

    def update(self, done: int, total: int | None, details: str) -> None:
        """Show how much is done; the total is None if it is unknown."""
        self._progress.update(self._task, completed=done, total=total, details=details)

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self._progress.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def close(self) -> None:
        """Leave the bar as it is, and the cursor in the next line."""
        self._progress.stop()


def columns_for(width: int) -> list[ProgressColumn]:
    """The columns that fit into a terminal of that width."""
    count, left = MofNCompleteColumn(), TimeRemainingColumn(compact=True)
    if width < NARROW:
        return [count, left]
    details = TextColumn(
        "[dim]{task.fields[details]}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)
    )
    if width < WIDE:
        return [count, left, details]
    return [BarColumn(min(40, width // 4)), count, left, details]
