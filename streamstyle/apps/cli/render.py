"""`stylize`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamstyle.apps.cli import options
from streamstyle.apps.cli.options import Debug, Json, Quiet
from streamstyle.apps.cli.reporting import Reporter, advice, reporting

if TYPE_CHECKING:
    from streamstyle.pipeline import Result
    from streamstyle.settings import RenderSettings, StylizeSettings


def use_preset(context: typer.Context, name: str | None, effect: str) -> str | None:
    """Values of a preset become defaults, so that environment and command line win over them."""
    if name is not None:
        from streamstyle.settings import SETTINGS, load_preset

        with reporting():
            values = load_preset(name, SETTINGS[effect])
        size, style = values.get("size"), values.get("style")
        if isinstance(size, list):
            values["size"] = "x".join(str(side) for side in size)
        if isinstance(style, str):
            values["style"] = [style]
        context.default_map = {**(context.default_map or {}), **values}
    return name


def _use_config(context: typer.Context, name: str | None) -> str | None:
    return use_preset(context, name, "style")


Config = Annotated[
    str | None,
    options.option(
        options.STYLE,
        "--config",
        help="Preset: draft, master, small or a TOML file.",
        callback=_use_config,
        is_eager=True,
    ),
]


def stylize(
    context: typer.Context,
    source: options.Source,
    output: options.Output,
    style: options.Style = None,
    strength: options.Strength = None,
    mix_by: options.MixBy = None,
    keep_colors: options.KeepColors = None,
    keep_colors_by: options.KeepColorsBy = None,
    stroke_size: options.StrokeSize = None,
    at: options.At = None,
    fade: options.Fade = None,
    mask: options.Mask = None,
    mask_feather: options.MaskFeather = None,
    mask_invert: options.MaskInvert = None,
    tile: options.Tile = None,
    device: options.Device = None,
    config: Config = None,
    steady: options.Steady = None,
    inertia: options.Inertia = None,
    flow: options.Flow = None,
    flow_size: options.FlowSize = None,
    flow_weights: options.FlowWeights = None,
    start: options.Start = None,
    length: options.Length = None,
    size: options.Size = None,
    max_size: options.MaxSize = None,
    fps: options.Fps = None,
    deinterlace: options.Deinterlace = None,
    overwrite: options.Overwrite = False,
    codec: options.Codec = None,
    crf: options.Crf = None,
    preset: options.Preset = None,
    pix_fmt: options.PixFmt = None,
    bitrate: options.Bitrate = None,
    threads: options.Threads = None,
    audio: options.Audio = None,
    quality: options.Quality = None,
    format: options.Format = None,
    preview: options.Preview = None,
    quiet: Quiet = False,
    events: Json = False,
    debug: Debug = False,
) -> None:
    """Paint a film or picture in a style.

    Every frame, time, sound track, subtitle and tag of a film is kept. An interrupted film goes on with
    `streamstyle resume OUT`.
    """
    # Text goes where the film does not.
    with reporting(events=events and output != "-", quiet=quiet, debug=debug) as reporter:
        styles, settings = chosen_settings(context)
        from streamstyle.jobs.render import refuse_same_file, render

        refuse_same_file(source, output)
        if preview is not None:
            show_preview(reporter, source, output, styles, settings, preview, overwrite)
            return
        with advice(output):
            result = render(source, output, settings, overwrite=overwrite, on_progress=reporter.progress)
        finish(reporter, result, output)


def rerun(
    made: Annotated[str, typer.Argument(metavar="OUT", help="A film or picture that was painted before.")],
    source: Annotated[str, typer.Argument(metavar="NEWIN", help="What to paint in the same way.")],
    output: Annotated[str, typer.Argument(metavar="NEWOUT", help="Where to.")],
    overwrite: Annotated[bool, typer.Option("-y", "--overwrite", help="Replace NEWOUT.")] = False,
    device: Annotated[
        str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.", envvar="STREAMSTYLE_DEVICE")
    ] = "auto",
    quiet: Quiet = False,
    events: Json = False,
    debug: Debug = False,
) -> None:
    """Paint something new in the way that an earlier output was painted; it tells by itself how."""
    with reporting(events=events and output != "-", quiet=quiet, debug=debug) as reporter:
        from pathlib import Path

        from streamstyle.jobs.provenance import recipe_settings
        from streamstyle.jobs.render import refuse_same_file, render

        settings = recipe_settings(Path(made)).model_copy(update={"device": device})
        refuse_same_file(source, output)
        refuse_same_file(made, output)
        with advice(output):
            result = render(source, output, settings, overwrite=overwrite, on_progress=reporter.progress)
        finish(reporter, result, output)


def chosen_settings(context: typer.Context) -> tuple[list[str], StylizeSettings]:
    """The styles, and the settings with the first of them, from the options of that name.

    Raises:
        UsageError: a value is not allowed, or there are several styles and no preview.
    """
    from streamstyle.errors import UsageError
    from streamstyle.settings import StylizeSettings, make_settings

    values = given_values(context, StylizeSettings)
    source = context.get_parameter_source("style")
    if source is not None and source.name == "ENVIRONMENT":
        values["style"] = [os.environ["STREAMSTYLE_STYLE"]]  # click takes it apart at spaces
    styles = values.pop("style", [StylizeSettings.model_fields["style"].default])
    if len(styles) > 1 and context.params["preview"] is None:
        raise UsageError(f"--style: given {len(styles)} times; mix with {'+'.join(styles)}, or use --preview")
    return styles, make_settings({**values, "style": styles[0]})


def given_values(context: typer.Context, kind: type[RenderSettings]) -> dict[str, Any]:
    """The settings that were given as options of that name."""
    from streamstyle.keyframes import read_seconds

    values = {
        name: value
        for name, value in context.params.items()
        if name in kind.model_fields and value not in (None, [], ())
    }
    for name, option in (("start", "-ss"), ("length", "-t")):
        if isinstance(values.get(name), str):
            values[name] = read_seconds(values[name], option)
    return values


def show_preview(
    reporter: Reporter,
    source: str,
    output: str,
    styles: list[str],
    settings: RenderSettings,
    count: int,
    overwrite: bool,
) -> None:
    """A sheet of frames from all over the film, and what the whole will take."""
    from streamstyle.preview.video import preview, sheet_path

    path = sheet_path(output)
    for shown in preview(source, output, styles, settings, count, overwrite=overwrite):
        reporter.event(
            "preview", style=shown.style, seconds=shown.seconds, bytes=shown.bytes, output=str(path)
        )
        reporter.note(f"{shown.style}: {shown}")
    reporter.note(f"the sheet lies in {path}")


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
