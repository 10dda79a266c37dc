"""The command `evaluate`."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import BaseModel, ConfigDict

from streamstyle.apps.cli.command import Overwrite
from streamstyle.apps.cli.reporting import Reporter
from streamstyle.effects import RenderSettings
from streamstyle.effects.settings import FlowName, Seconds
from streamstyle.errors import UsageError
from streamstyle.settings import make_settings, option, same

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
        if path is not None and Path(path).exists() and not overwrite:
            raise UsageError(f"{path}: exists; -y overwrites it")
    evaluation = measure_videos(reporter, source, result, settings)
    if settings.table is not None:
        write_table(Path(settings.table), evaluation)
    if settings.sheet is not None:
        write_sheet(reporter, Path(settings.sheet), evaluation)
    reporter.report(as_json(evaluation), as_text(evaluation))


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


def as_json(evaluation: Evaluation) -> dict[str, object]:
    """`summary`, `cuts` and `frames`; unknown values are null."""
    from streamstyle.evaluation.videos import columns, rows

    frames = [dict(zip(columns(), map(json_value, row), strict=True)) for row in rows(evaluation)]
    summary = {name: json_value(value) for name, value in evaluation.summary.items()}
    return {"summary": summary, "cuts": evaluation.cuts, "frames": frames}


def json_value(value: object) -> object:
    """A value for JSON, which has no nan."""
    return None if isinstance(value, float) and math.isnan(value) else value


def write_table(path: Path, evaluation: Evaluation) -> None:
    """CSV table to write, a row per frame."""
    from streamstyle.errors import OutputError
    from streamstyle.evaluation.videos import columns, rows

    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(columns())
            writer.writerows(rows(evaluation))
    except OSError as exc:
        raise OutputError(f"{path}: cannot be written: {exc.strerror or exc}") from exc


def write_sheet(reporter: Reporter, path: Path, evaluation: Evaluation) -> None:
    """Image to write of the frames with the largest errors."""
    from fractions import Fraction

    from streamstyle.evaluation.report import evaluation_sheet
    from streamstyle.frames import Frame
    from streamstyle.sinks.images import StillSink

    pixels = evaluation_sheet(evaluation)
    if pixels is None:
        reporter.warn(f"{path}: no two frames follow each other, so there is nothing to show")
        return
    with StillSink(path) as sink:
        sink.write(Frame(pixels, 0, Fraction(1)))


def as_text(evaluation: Evaluation) -> str:
    """A summary for people: mean squared errors as their roots, in units of 1/255."""
    from streamstyle.evaluation.videos import MEANS

    summary = evaluation.summary
    roots = {name: 255 * max(summary[name], 0.0) ** 0.5 for name in MEANS[:2]}
    excess = 255 * max(summary["excess_warp_error"], 0.0) ** 0.5
    style = summary["style_loss"]
    lines = [
        f"frames       {summary['frames']}, cuts before {', '.join(map(str, evaluation.cuts)) or 'none'}",
        f"warp error   {roots['warp_error']:.2f}, source {roots['source_warp_error']:.2f}, "
        f"excess {excess:.2f} (in 1/255, on {summary['reliable']:.0%} of the pixels)",
        f"flicker      {255 * summary['flicker']:.2f} (in 1/255, where the source is static)",
        f"sharpness    {255 * summary['sharpness']:.2f} (in 1/255, of persistent detail)",
        f"drift        luma {255 * summary['drift']:+.2f}, color {255 * summary['color_drift']:.2f} "
        "(in 1/255, first to last tenth)",
    ]
    if not math.isnan(style):
        lines.append(f"style        {style:.3f} from frames stylized on their own (0 = the same)")
    return "\n".join(lines)
