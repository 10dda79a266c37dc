"""The command `evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import BaseModel, ConfigDict

from streamstyle.apps.cli.command import Overwrite
from streamstyle.apps.cli.reporting import Reporter
from streamstyle.effects import RenderSettings
from streamstyle.effects.setting_values import FlowName, Seconds
from streamstyle.files import real_target, refuse_overwrite, refuse_same_file
from streamstyle.options import make_settings, option, same

if TYPE_CHECKING:
    from streamstyle.evaluation import Evaluation

WRITE = "Output"


class EvaluateSettings(BaseModel):
    """The settings of `evaluate`."""

    model_config = ConfigDict(extra="forbid")

    start: Seconds = same(RenderSettings, "start")
    length: Seconds | None = same(RenderSettings, "length")
    flow: FlowName = same(RenderSettings, "flow", default="medium")
    flow_size: int | None = same(RenderSettings, "flow_size")
    flow_weights: str | None = same(RenderSettings, "flow_weights")
    table: str | None = option(
        None, "CSV table to write, a row per frame.", WRITE, flags=("--csv",), metavar="FILE"
    )
    sheet: str | None = option(
        None, "Image to write of the frames with the largest errors.", WRITE, metavar="PNG"
    )


def evaluate(
    reporter: Reporter,
    given: dict[str, Any],
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="The original video.")],
    result: Annotated[str, typer.Argument(metavar="RESULT", help="The stylized video.")],
    overwrite: Overwrite = False,
) -> None:
    """Measure the temporal consistency of a stylized video.

    Changes along the source's own optical flow do not count as flicker. If RESULT stores the settings it was
    made with, its style is also compared with that of frames stylized on their own.
    """
    settings = make_settings(given, EvaluateSettings)
    for path in (settings.table, settings.sheet):
        if path is not None:
            refuse_overwrite(Path(path), overwrite)
            for read in (source, result):
                refuse_same_file(read, path)
    if settings.sheet is not None:
        real_target(Path(settings.sheet))  # before all is measured
    reporter.starting()
    evaluation = measure_videos(reporter, source, result, settings)
    from streamstyle.evaluation import report

    if settings.table is not None:
        report.write_table(Path(settings.table), evaluation)
    if settings.sheet is not None and not report.write_sheet(Path(settings.sheet), evaluation):
        reporter.warn(f"{settings.sheet}: no two frames follow each other, so there is nothing to show")
    reporter.report(report.as_json(evaluation), report.as_text(evaluation))


def measure_videos(reporter: Reporter, source: str, result: str, settings: EvaluateSettings) -> Evaluation:
    """Measure, and warn if the videos differ in length."""
    from streamstyle.jobs.evaluate import evaluate as measure

    options = settings.model_dump(exclude={"table", "sheet"})
    evaluation = measure(source, result, **options, on_progress=reporter.measuring)
    reporter.close()
    if evaluation.missing:
        reporter.warn(
            f"{evaluation.missing} frames are in one video only; {len(evaluation.frames)} are compared"
        )
    return evaluation
