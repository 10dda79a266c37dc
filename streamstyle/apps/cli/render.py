"""The commands of the effects, and `rerun`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import BaseModel

from streamstyle.apps.cli.command import REPORT, Overwrite, command
from streamstyle.apps.cli.reporting import Reporter, resume_hint
from streamstyle.effects import EFFECTS, RenderSettings
from streamstyle.errors import UsageError
from streamstyle.settings import make_settings, same

if TYPE_CHECKING:
    from streamstyle.pipeline import Result

Preview = Annotated[
    int | None,
    typer.Option(
        "--preview",
        min=1,
        max=36,
        help="Only a contact sheet of so many frames, with the time and size of the whole.",
        rich_help_panel=REPORT,
    ),
]
Watch = Annotated[
    Path | None,
    typer.Option("--watch", metavar="PNG", help="Write the image so far here.", rich_help_panel=REPORT),
]
Losses = Annotated[
    Path | None,
    typer.Option("--losses", metavar="CSV", help="Write the losses of each step.", rich_help_panel=REPORT),
]
Output = Annotated[str, typer.Argument(metavar="OUT", help="Video, image, folder, URL, or - for stdout.")]


def add_effects(app: typer.Typer) -> None:
    """Adds a command for each effect of EFFECTS."""
    for name, kind in EFFECTS.items():
        add_effect(app, name, kind)


def add_effect(app: typer.Typer, name: str, kind: type[RenderSettings]) -> None:
    """Adds the command of one effect."""

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
    command(app, name, kind, omit=() if kind.LOSSES else ("watch", "losses"))(effect)


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
    """Applies an effect to a source.

    Raises:
        StreamstyleError: as `jobs.render.render`.
    """
    mixtures = mixtures_of(given, kind, preview)
    settings = make_settings(given, kind)
    from streamstyle.jobs.render import refuse_same_file, render

    refuse_same_file(source, output)
    if preview is not None:
        show_preview(reporter, source, output, mixtures, settings, preview, overwrite)
        return
    with ExitStack() as files:
        steps = None
        if kind.LOSSES:
            from streamstyle.apps.cli.steps import StepReport

            for shown in (watch, losses):
                for read in (source, *settings.files()) if shown else ():
                    refuse_same_file(read, shown or output)
            steps = StepReport(reporter, kind.LOSSES, watch, losses, files, overwrite)
        with resume_hint(output):
            result = render(
                source, output, settings, overwrite=overwrite, on_progress=reporter.progress, on_step=steps
            )
    finish(reporter, result, output)


def mixtures_of(given: dict[str, Any], kind: type[RenderSettings], preview: int | None) -> list[str]:
    """The mixtures that were given, of which the first one stays among the values.

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
    """What may differ when an output is made again."""

    device: str = same(RenderSettings, "device")


def rerun(
    reporter: Reporter,
    given: dict[str, Any],
    made: Annotated[str, typer.Argument(metavar="OUT", help="A video or image made by streamstyle.")],
    source: Annotated[str, typer.Argument(metavar="NEWIN", help="What to process in the same way.")],
    output: Annotated[str, typer.Argument(metavar="NEWOUT", help="Where to write.")],
    overwrite: Overwrite = False,
) -> None:
    """Process something new with the settings that an earlier output was made with."""
    from streamstyle.jobs.provenance import settings_of_output
    from streamstyle.jobs.render import refuse_same_file, render

    settings = settings_of_output(Path(made)).model_copy(update={"device": given.get("device", "auto")})
    refuse_same_file(source, output)
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
    """A contact sheet of frames from all over the video, and what the whole will take."""
    from streamstyle.preview.video import preview, sheet_path

    path = sheet_path(output)
    for shown in preview(source, output, mixtures, settings, count, overwrite=overwrite):
        reporter.event(
            "preview", style=shown.style, seconds=shown.seconds, bytes=shown.bytes, output=str(path)
        )
        reporter.note(f"{shown.style}: {shown}")
    reporter.note(f"contact sheet: {path}")


def finish(reporter: Reporter, result: Result, output: str) -> None:
    """The last line; exit code 5 where frames had to be concealed or are lost."""
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
    if damaged:
        raise typer.Exit(5)
