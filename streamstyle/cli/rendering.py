"""`stylize`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamstyle.cli.reporting import Reporter, advice, reporting

if TYPE_CHECKING:
    from streamstyle.pipeline import Result
    from streamstyle.settings import RenderSettings

_STYLE, _STEADY, _READ = "What to paint", "How still to hold it", "What to read"
_WRITE, _REPORT = "What to write", "What to show"

Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Errors only.", rich_help_panel=_REPORT)]
Json = Annotated[
    bool, typer.Option("--json", help="Events as JSON lines on stdout.", rich_help_panel=_REPORT)
]
Debug = Annotated[bool, typer.Option("--debug", help="Tracebacks for errors.", rich_help_panel=_REPORT)]


def _option(panel: str, *names: str, help: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, show_default=False, **more)


def _use_config(context: typer.Context, name: str | None) -> str | None:
    """Values of a preset become defaults, so that environment and command line win over them."""
    if name is not None:
        from streamstyle.settings import load_preset

        with reporting():
            values = load_preset(name)
        size, style = values.get("size"), values.get("style")
        if isinstance(size, list):
            values["size"] = "x".join(str(side) for side in size)
        if isinstance(style, str):
            values["style"] = [style]
        context.default_map = {**(context.default_map or {}), **values}
    return name


def stylize(
    context: typer.Context,
    source: Annotated[
        str, typer.Argument(metavar="IN", help="Film, picture, folder of pictures, URL, or - for stdin.")
    ],
    output: Annotated[
        str, typer.Argument(metavar="OUT", help="Film, picture, folder, URL, or - for stdout.")
    ],
    style: Annotated[
        list[str] | None,
        _option(
            _STYLE,
            "--style",
            "-s",
            help="Bundled name, weights file, none, or a mixture: 0.6*udnie+0.4*ink. Several with --preview.",
            envvar="STREAMSTYLE_STYLE",
        ),
    ] = None,
    strength: Annotated[
        float | None, _option(_STYLE, "--strength", help="0 = the source itself, 1 = the full style.")
    ] = None,
    mix_by: Annotated[
        str | None,
        _option(_STYLE, "--mix-by", help="pictures, or weights: faint halfway, but one pass for all."),
    ] = None,
    keep_colors: Annotated[
        float | None, _option(_STYLE, "--keep-colors", help="1 = the source's colours, 0 = the painting's.")
    ] = None,
    keep_colors_by: Annotated[
        str | None,
        _option(_STYLE, "--keep-colors-by", help="chroma (at each place) or histogram (as a whole)."),
    ] = None,
    stroke_size: Annotated[
        float | None,
        _option(_STYLE, "--stroke-size", help="0.25 to 4; the same look at every resolution. 1."),
    ] = None,
    at: Annotated[
        list[str] | None,
        _option(
            _STYLE,
            "--at",
            metavar="TIME=WHAT",
            help="Change on the way: 4s=ink, 8s+2s=none, 4s=strength:0.5. Repeatable.",
        ),
    ] = None,
    fade: Annotated[float | None, _option(_STYLE, "--fade", help="Seconds that a change takes; 1.")] = None,
    mask: Annotated[
        str | None, _option(_STYLE, "--mask", help="Picture or film, bright where to paint.")
    ] = None,
    mask_feather: Annotated[
        float | None,
        _option(_STYLE, "--mask-feather", help="Its soft edge in per cent of the shorter side; 0.5."),
    ] = None,
    mask_invert: Annotated[
        bool | None, _option(_STYLE, "--mask-invert/--no-mask-invert", help="Paint where it is dark.")
    ] = None,
    tile: Annotated[
        int | None, _option(_STYLE, "--tile", help="Lines painted at a time, to save memory.")
    ] = None,
    device: Annotated[
        str | None,
        _option(_STYLE, "--device", help="auto, cpu, cuda or cuda:N.", envvar="STREAMSTYLE_DEVICE"),
    ] = None,
    config: Annotated[
        str | None,
        _option(
            _STYLE,
            "--config",
            help="Preset: draft, master, small or a TOML file.",
            callback=_use_config,
            is_eager=True,
        ),
    ] = None,
    steady: Annotated[
        float | None,
        _option(_STEADY, "--steady", help="0 = each frame by itself, 1 = as still as can be; 0.7 for films."),
    ] = None,
    inertia: Annotated[
        float | None,
        _option(_STEADY, "--inertia", help="Share of the last frame's statistics that the network keeps; 0."),
    ] = None,
    flow: Annotated[
        str | None,
        _option(_STEADY, "--flow", help="fast, medium, raft, none, or a folder of .flo or .npy files."),
    ] = None,
    flow_size: Annotated[
        int | None,
        _option(_STEADY, "--flow-size", help="Longer side at which motion is estimated; 400, medium 512."),
    ] = None,
    flow_weights: Annotated[
        str | None, _option(_STEADY, "--flow-weights", help="File of raft's weights.")
    ] = None,
    start: Annotated[
        str | None, _option(_READ, "--start", "-ss", help="Leave out this much: seconds or HH:MM:SS.")
    ] = None,
    length: Annotated[
        str | None, _option(_READ, "--duration", "-t", help="Read this much: seconds or HH:MM:SS.")
    ] = None,
    size: Annotated[str | None, _option(_READ, "--size", help="Scale to exactly WIDTHxHEIGHT.")] = None,
    max_size: Annotated[
        int | None, _option(_READ, "--max-size", help="Longer side at most, in pixels.")
    ] = None,
    fps: Annotated[
        str | None, _option(_READ, "--fps", help="Constant frame rate, as 25 or 30000/1001.")
    ] = None,
    deinterlace: Annotated[
        bool | None, _option(_READ, "--deinterlace/--no-deinterlace", help="Of interlaced films; on.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("-y", "--overwrite", help="Replace OUT.", rich_help_panel=_WRITE)
    ] = False,
    codec: Annotated[
        str | None,
        _option(
            _WRITE,
            "--codec",
            help="auto, h264, hevc, av1, vp9, prores, ffv1, h264_nvenc, hevc_nvenc, av1_nvenc.",
        ),
    ] = None,
    crf: Annotated[
        float | None, _option(_WRITE, "--crf", help="Quality, lower is better; 18 for h264.")
    ] = None,
    preset: Annotated[
        str | None, _option(_WRITE, "--preset", help="The encoder's speed, such as medium or ultrafast.")
    ] = None,
    pix_fmt: Annotated[
        str | None, _option(_WRITE, "--pix-fmt", help="Sample format, such as yuv420p10le.")
    ] = None,
    bitrate: Annotated[
        str | None, _option(_WRITE, "--bitrate", help="Bits per second, as 4M; in place of --crf.")
    ] = None,
    threads: Annotated[int | None, _option(_WRITE, "--threads", help="Of the encoder.")] = None,
    audio: Annotated[str | None, _option(_WRITE, "--audio", help="copy (every track) or none.")] = None,
    quality: Annotated[
        int | None, _option(_WRITE, "--quality", help="Of JPEG and WebP pictures, 1 to 100; 95.")
    ] = None,
    format: Annotated[
        str | None, _option(_WRITE, "--format", help="Container for pipes and URLs; matroska.")
    ] = None,
    preview: Annotated[
        int | None,
        _option(
            _REPORT,
            "--preview",
            min=1,
            max=36,
            help="Only a sheet of so many frames, with time and size of the whole.",
        ),
    ] = None,
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
        from streamstyle.render import refuse_same_file, render

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

        from streamstyle.render import recipe_settings, refuse_same_file, render

        settings = recipe_settings(Path(made)).model_copy(update={"device": device})
        refuse_same_file(source, output)
        refuse_same_file(made, output)
        with advice(output):
            result = render(source, output, settings, overwrite=overwrite, on_progress=reporter.progress)
        finish(reporter, result, output)


def chosen_settings(context: typer.Context) -> tuple[list[str], RenderSettings]:
    """The styles, and the settings with the first of them, from the options of that name.

    Raises:
        UsageError: a value is not allowed, or there are several styles and no preview.
    """
    from streamstyle.errors import UsageError
    from streamstyle.settings import RenderSettings, make_settings
    from streamstyle.timeline import read_seconds

    values = {
        name: value
        for name, value in context.params.items()
        if name in RenderSettings.model_fields and value not in (None, [], ())
    }
    source = context.get_parameter_source("style")
    if source is not None and source.name == "ENVIRONMENT":
        values["style"] = [os.environ["STREAMSTYLE_STYLE"]]  # click takes it apart at spaces
    styles = values.pop("style", [RenderSettings.model_fields["style"].default])
    if len(styles) > 1 and context.params["preview"] is None:
        raise UsageError(f"--style: given {len(styles)} times; mix with {'+'.join(styles)}, or use --preview")
    for name, option in (("start", "-ss"), ("length", "-t")):
        if isinstance(values.get(name), str):
            values[name] = read_seconds(values[name], option)
    return styles, make_settings({**values, "style": styles[0]})


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
    from streamstyle.preview import preview, sheet_path

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
