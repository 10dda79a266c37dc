"""Reports the steps of an optimization: on the terminal, as an image, as a table of losses."""

from __future__ import annotations

import csv
import time
from collections.abc import Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

from streamstyle.apps.cli.reporting import Reporter
from streamstyle.device import download
from streamstyle.errors import OutputError, UsageError
from streamstyle.files import refuse_overwrite
from streamstyle.frames import Frame, OptimizationStep
from streamstyle.sinks.images import StillSink
from streamstyle.training import TrainingProgress

WATCH_SECONDS = 2.0


class StepReport:
    """Callable that reports optimization steps.

    Args:
        reporter: for the terminal.
        names: of all losses.
        image: PNG file for the current image, or None.
        table: CSV file for the losses, or None.
        files: closes the table.
        overwrite: overwrite existing files.

    Raises:
        UsageError: a file exists and `overwrite` is false, or the image is no PNG.
        OutputError: a file cannot be written.
    """

    def __init__(
        self,
        reporter: Reporter,
        names: Sequence[str],
        image: Path | None,
        table: Path | None,
        files: ExitStack,
        overwrite: bool,
    ) -> None:
        self._reporter, self._names, self._files = reporter, names, files
        self._image, self._table_path = image, table
        self._begin = self._image_written = time.monotonic()
        self._table: csv.DictWriter[str] | None = None
        for path in (image, table):
            if path is not None:
                refuse_overwrite(path, overwrite)
        if image is not None and image.suffix.lower() != ".png":
            raise UsageError(f"--watch {image}: expected a name that ends in .png")

    def __call__(self, step: OptimizationStep) -> None:
        """Report a finished step."""
        seconds = time.monotonic() - self._begin
        left = seconds / step.step * max(step.steps - step.step, 0) if step.frame == 0 else None
        self._reporter.training(TrainingProgress(step.step, step.steps, seconds, left, step.losses))
        if self._table_path is not None and self._table is None:
            self._table = self._open_table(self._table_path)
        if self._table is not None:
            losses = {name: f"{value:.6g}" for name, value in step.losses.items()}
            position = {"frame": step.frame, "width": step.size[0], "height": step.size[1], "step": step.step}
            self._table.writerow(position | losses)
        if self._image is not None and time.monotonic() - self._image_written >= WATCH_SECONDS:
            with StillSink(self._image) as sink:
                sink.write(Frame(download(step.image), 0, Fraction(1)))
            self._image_written = time.monotonic()

    def _open_table(self, path: Path) -> csv.DictWriter[str]:
        """Open the table and write its header; called only when there is a row to write."""
        try:
            file = self._files.enter_context(path.open("w", newline="", encoding="utf-8"))
        except OSError as error:
            raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
        table = csv.DictWriter(file, ["frame", "width", "height", "step", *self._names])
        table.writeheader()
        return table
