"""`stylize`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamstyle.cli.reporting import Reporter, advice, reporting

if TYPE_CHECKING:
    from streamstyle.pipeline import Result

_STYLE, _READ, _WRITE, _REPORT = "What to paint", "What to read", "What to write", "What to show"

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
        size = values.get("size")
        if isinstance(size, list):
            values["size"] = "x".join(str(side) for side in size)
        context.default_map = {**(context.default_map or {}), **values}
    return name


def stylize(
    source: Annotated[
        str, typer.Argument(metavar="IN", help="Film, picture, folder of pictures, URL, or - for stdin.")
    ],
    output: Annotated[
        str, typer.Argument(metavar="OUT", help="Film, picture, folder, URL, or - for stdout.")
    ],
    style: Annotated[
        str | None,
        _option(_STYLE, "--style", "-s", help="Bundled name or weights file.", envvar="STREAMSTYLE_STYLE"),
    ] = None,
    strength: Annotated[
        float | None, _option(_STYLE, "--strength", help="0 = the source itself, 1 = the full style.")
    ] = None,
    keep_colors: Annotated[
        float | None, _option(_STYLE, "--keep-colors", help="1 = the source's colours, 0 = the painting's.")
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
        values = {
            "style": style, "strength": strength, "keep_colors": keep_colors, "device": device,
            "start": _seconds("-ss", start), "length": _seconds("-t", length), "size": size,
            "max_size": max_size, "fps": fps, "deinterlace": deinterlace, "codec": codec, "crf": crf,
            "preset": preset, "pix_fmt": pix_fmt, "bitrate": bitrate, "threads": threads, "audio": audio,
            "quality": quality, "format": format,
        }  # fmt: skip
        from streamstyle.settings import make_settings

        settings = make_settings({name: value for name, value in values.items() if value is not None})
        from streamstyle.render import refuse_same_file, render

        refuse_same_file(source, output)
        with advice(output):
            result = render(source, output, settings, overwrite=overwrite, on_progress=reporter.progress)
        finish(reporter, result, output)


def _seconds(option: str, text: str | None) -> float | None:
    """Seconds of "12.5", "1:30" or "01:02:03.5"."""
    if text is None:
        return None
    from streamstyle.errors import UsageError

    parts = text.split(":")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= 3 or any(not 0 <= number < 1e7 for number in numbers):
        raise UsageError(f"{option} {text}: expected seconds or HH:MM:SS")
    total = 0.0
    for number in numbers:
        total = total * 60 + number
    return total


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
