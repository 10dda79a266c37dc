"""The commands of the effects, and `rerun`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import BaseModel

from streamstyle.apps.cli.command import REPORT, Overwrite, command
from streamstyle.apps.cli.hints import with_hint
from streamstyle.apps.cli.reporting import Reporter, resume_hint
from streamstyle.effects import EFFECTS, RenderSettings
from streamstyle.errors import UsageError
from streamstyle.options import make_settings, same

if TYPE_CHECKING:
    from streamstyle.pipeline import Result

RENDER = "Videos and images"  # heading of commands

Preview = Annotated[
    int | None,
    typer.Option(
        "--preview",
        min=1,
        max=36,
        help="Only make a contact sheet of this many frames, and estimate time and size of the whole.",
        rich_help_panel=REPORT,
    ),
]
Watch = Annotated[
    Path | None,
    typer.Option(
        "--watch",
        metavar="PNG",
        help="File for the image so far.",
        rich_help_panel=REPORT,
    ),
]
Losses = Annotated[
    Path | None,
    typer.Option(
        "--losses",
        metavar="CSV",
        help="File for the losses of each step.",
        rich_help_panel=REPORT,
    ),
]
Output = Annotated[str, typer.Argument(metavar="OUT", help="Video, image, folder, URL, or - for stdout.")]


def add_effects(app: typer.Typer) -> None:
    """Add a command for each effect of EFFECTS."""
    for name, kind in EFFECTS.items():
        add_effect(app, name, kind)


def add_effect(app: typer.Typer, name: str, kind: type[RenderSettings]) -> None:
    """Add the command of one effect."""

    def effect(
        reporter: Reporter,
        given: dict[str, Any],
        source: str,
        output: Output,
        overwrite: Overwrite = False,
        preview: Preview = None,
        watch: Watch = None,
        losses: Losses = None,
    ) -> None:
        apply(reporter, kind, given, source, output, overwrite, preview, watch, losses)

    metavar, text = kind.SOURCE
    effect.__annotations__["source"] = Annotated[str, typer.Argument(metavar=metavar, help=text)]
    command(
        app,
        name,
        kind,
        panel=RENDER,
        examples=kind.EXAMPLES,
        stages=True,
        omit=() if kind.LOSSES else ("watch", "losses"),
    )(effect)


def apply(
    reporter: Reporter,
    kind: type[RenderSettings],
    given: dict[str, Any],
    source: str,
    output: str,
    overwrite: bool,
    preview: int | None,
    watch: Path | None = None,
    losses: Path | None = None,
) -> None:
    """Apply an effect to a source, or preview it.

    Raises:
        StreamstyleError: as `jobs.render.render`.
    """
    mixtures = mixtures_of(given, kind, preview)
    settings = make_settings(given, kind)
    reporter.starting()
    from streamstyle.files import refuse_same_file
    from streamstyle.jobs.render import render

    if preview is not None:
        show_preview(reporter, source, output, mixtures, settings, preview, overwrite)
        return
    with ExitStack() as files:
        steps = None
        if kind.LOSSES:
            from streamstyle.apps.cli.optimization_report import StepReport

            for written in filter(None, (watch, losses)):
                for read in (source, *settings.files()):
                    refuse_same_file(read, written)
            steps = StepReport(reporter, kind.LOSSES, watch, losses, files, overwrite)
        with resume_hint(output):
            result = render(
                source,
                output,
                settings,
                overwrite=overwrite,
                on_progress=with_hint(reporter, settings),
                on_step=steps,
            )
    finish(reporter, result, output)


def mixtures_of(given: dict[str, Any], kind: type[RenderSettings], preview: int | None) -> list[str]:
    """The given mixtures; only the first one is kept in `given`.

    Raises:
        UsageError: there are several, and no preview.
    """
    if not kind.MIXTURE:
        return [""]
    value = given.get(kind.MIXTURE, kind.model_fields[kind.MIXTURE].default)
    mixtures: list[str] = value if isinstance(value, list) else [value]
    if len(mixtures) > 1 and preview is None:
        raise UsageError(
            f"--{kind.MIXTURE}: given {len(mixtures)} times; mix with {'+'.join(mixtures)}, or use --preview"
        )
    given[kind.MIXTURE] = mixtures[0]
    return mixtures


class RerunSettings(BaseModel):
    """The settings of `rerun`; all others come from the earlier output."""

    device: str = same(RenderSettings, "device")


def rerun(
    reporter: Reporter,
    given: dict[str, Any],
    made: Annotated[str, typer.Argument(metavar="OUT", help="A video or image made by streamstyle.")],
    source: Annotated[str, typer.Argument(metavar="NEWIN", help="The input to process in the same way.")],
    output: Annotated[str, typer.Argument(metavar="NEWOUT", help="The output to write.")],
    overwrite: Overwrite = False,
) -> None:
    """Process another input with the settings of an earlier output."""
    reporter.starting()
    from streamstyle.files import refuse_same_file
    from streamstyle.jobs.provenance import settings_of_output
    from streamstyle.jobs.render import render

    settings = settings_of_output(Path(made)).model_copy(update={"device": given.get("device", "auto")})
    refuse_same_file(made, output)
    with resume_hint(output):
        result = render(source, output, settings, overwrite=overwrite, on_progress=reporter.progress)
    finish(reporter, result, output)


def show_preview(
    reporter: Reporter,
    source: str,
    output: str,
    mixtures: list[str],
    settings: RenderSettings,
    count: int,
    overwrite: bool,
) -> None:
    """Write a contact sheet of frames from the whole video, and estimate time and size of the render."""
    from streamstyle.preview.video import preview, sheet_path

    path = sheet_path(output)
    for estimate in preview(source, output, mixtures, settings, count, overwrite=overwrite):
        reporter.event(
            "preview", style=estimate.style, seconds=estimate.seconds, bytes=estimate.bytes, output=str(path)
        )
        reporter.note(f"{estimate.style}: {estimate}")
    reporter.note(f"contact sheet: {path}")


def finish(reporter: Reporter, result: Result, output: str) -> None:
    """Print the summary; exit with code 5 if frames were concealed or lost."""
    reporter.close()
    damaged = ""
    if result.concealed or result.lost:
        damaged = f", {result.frames_in - result.concealed} decoded, {result.concealed} concealed"
        damaged += f", {result.lost} missing" if result.lost else ""
    reporter.event(
        "done",
        frames_in=result.frames_in,
        frames_out=result.frames_out,
        decoded=result.frames_in - result.concealed,
        concealed=result.concealed,
        lost=result.lost,
        seconds=round(result.seconds, 3),
        fps=round(result.fps, 2),
        output=output,
    )
    reporter.note(
        f"{result.frames_in} frames in, {result.frames_out} out{damaged}, "
        f"{result.seconds:.1f} s, {result.fps:.1f} fps: {output}"
    )
    reporter.stages()
    if damaged:
        raise typer.Exit(5)
