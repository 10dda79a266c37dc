"""`evaluate`."""

from __future__ import annotations

import csv
import json
import math
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamstyle.apps.cli.reporting import Reporter, reporting

if TYPE_CHECKING:
    from streamstyle.evaluation import Evaluation
    from streamstyle.settings import RenderSettings


def evaluate(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="The film that was stylised.")],
    result: Annotated[str, typer.Argument(metavar="RESULT", help="What came of it.")],
    start: Annotated[
        str | None, typer.Option("--start", "-ss", help="What was left out of SOURCE, as with stylize.")
    ] = None,
    length: Annotated[
        str | None, typer.Option("--duration", "-t", help="How much of it was read, as with stylize.")
    ] = None,
    flow: Annotated[
        str, typer.Option("--flow", help="fast, medium, raft, or a folder of exact .flo or .npy files.")
    ] = "medium",
    flow_size: Annotated[
        int | None, typer.Option("--flow-size", help="Longer side at which motion is estimated.")
    ] = None,
    flow_weights: Annotated[
        Path | None, typer.Option("--flow-weights", help="File of raft's weights.")
    ] = None,
    events: Annotated[bool, typer.Option("--json", help="Everything as one JSON object on stdout.")] = False,
    table: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="A line for each frame.")
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option("--sheet", metavar="PNG", help="The frames with the largest errors.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("-y", "--overwrite", help="Replace these files.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Errors only.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Tracebacks for errors.")] = False,
) -> None:
    """Measure how steady a stylised film is.

    What the source changes along its motion is not charged to the result. Where RESULT tells how it was made,
    its style is compared with that of frames painted by themselves.
    """
    with reporting(quiet=quiet or events, debug=debug) as reporter:
        from streamstyle.errors import UsageError

        for path in (table, sheet):
            if path is not None and path.exists() and not overwrite:
                raise UsageError(f"{path}: exists; -y overwrites it")
        from streamstyle.keyframes import read_seconds

        part = {
            "start": 0.0 if start is None else read_seconds(start, "-ss"),
            "length": None if length is None else read_seconds(length, "-t"),
        }
        evaluation = measured(reporter, source, result, part, flow, flow_size, flow_weights)
        if table is not None:
            write_table(table, evaluation)
        if sheet is not None:
            write_sheet(reporter, sheet, evaluation)
        if events:
            print(json.dumps(as_json(evaluation)))
        else:
            print(as_text(evaluation))


def measured(
    reporter: Reporter,
    source: str,
    result: str,
    part: dict[str, float | None],
    flow: str,
    flow_size: int | None,
    weights: Path | None,
) -> Evaluation:
    """Reads both films."""
    from streamstyle.device import choose
    from streamstyle.evaluation import evaluate as measure
    from streamstyle.jobs.build import open_effect, open_input
    from streamstyle.optical_flow import FLOWS, FlowEstimation
    from streamstyle.settings import StylizeSettings
    from streamstyle.sources import open_source

    motion = FlowEstimation(
        flow if flow in FLOWS else Path(flow), size=flow_size, weights=weights, device=choose("cpu")
    )
    with ExitStack() as files:
        painted = files.enter_context(open_source(result))
        settings = how_it_was_made(result)
        made = (settings or StylizeSettings()).model_copy(update=part)
        opened = files.enter_context(open_input(source, made))
        alone = None
        if settings is not None:
            alone = files.enter_context(open_effect(settings.model_copy(update=BY_ITSELF), "still"))
        total, task = opened.info.frames, reporter.measuring
        evaluation = measure(
            opened, painted, motion, alone=alone, on_frame=lambda frame: task(frame.frame + 1, total)
        )
        reporter.close()
    if evaluation.missing:
        reporter.warn(
            f"{evaluation.missing} frames are in one of the films only; {len(evaluation.frames)} are compared"
        )
    return evaluation


BY_ITSELF = {"flow": "none", "device": "cpu"}


def how_it_was_made(result: str) -> RenderSettings | None:
    """The settings that RESULT keeps, where it keeps any that can be used here."""
    from streamstyle.errors import StreamstyleError
    from streamstyle.jobs.provenance import recipe_settings

    try:
        return recipe_settings(Path(result))
    except StreamstyleError:
        return None


def as_json(evaluation: Evaluation) -> dict[str, object]:
    """`summary`, `cuts` and `frames`; what is not known is null."""
    from streamstyle.evaluation.videos import columns, rows

    frames = [dict(zip(columns(), map(known, row), strict=True)) for row in rows(evaluation)]
    summary = {name: known(value) for name, value in evaluation.summary.items()}
    return {"summary": summary, "cuts": evaluation.cuts, "frames": frames}


def known(value: object) -> object:
    """JSON has no nan."""
    return None if isinstance(value, float) and math.isnan(value) else value


def write_table(path: Path, evaluation: Evaluation) -> None:
    """A line for each frame."""
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
    """The frames with the largest errors."""
    from fractions import Fraction

    from streamstyle.evaluation.report import evaluation_sheet
    from streamstyle.frames import Frame
    from streamstyle.sinks.images import StillSink

    pixels = evaluation_sheet(evaluation)
    if pixels is None:
        reporter.warn(f"{path}: no frame has one before it, so there is nothing to show")
        return
    with StillSink(path) as sink:
        sink.write(Frame(pixels, 0, Fraction(1)))


def as_text(evaluation: Evaluation) -> str:
    """For people: what changes as root mean squares in units of 1/255."""
    from streamstyle.evaluation.videos import MEANS

    summary = evaluation.summary
    roots = {name: 255 * max(summary[name], 0.0) ** 0.5 for name in MEANS[:2]}
    excess = 255 * max(summary["excess_warp_error"], 0.0) ** 0.5
    style = summary["style_loss"]
    lines = [
        f"frames       {summary['frames']}, cuts before {', '.join(map(str, evaluation.cuts)) or 'none'}",
        f"warp error   {roots['warp_error']:.2f}, source {roots['source_warp_error']:.2f}, "
        f"beyond it {excess:.2f} (in 1/255, on {summary['reliable']:.0%} of the pixels)",
        f"flicker      {255 * summary['flicker']:.2f} (in 1/255, where the source is static)",
        f"sharpness    {255 * summary['sharpness']:.2f} (in 1/255, of what lasts)",
        f"drift        luma {255 * summary['drift']:+.2f}, colour {255 * summary['color_drift']:.2f} "
        "(in 1/255, first to last tenth)",
    ]
    if not math.isnan(style):
        lines.append(f"style        {style:.3f} from frames painted by themselves (0 = the same)")
    return "\n".join(lines)
