"""The options that commands share, each with its help."""

from __future__ import annotations

from typing import Annotated, Any

import typer

STYLE, STEADY, READ = "What to paint", "How still to hold it", "What to read"
SERVE = "Where to serve the page"
WRITE, REPORT = "What to write", "What to show"


def option(panel: str, *names: str, help: str, **more: Any) -> Any:
    """An option of a panel of the help; what is not given is left to the settings."""
    return typer.Option(*names, help=help, rich_help_panel=panel, show_default=False, **more)


Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Errors only.", rich_help_panel=REPORT)]
Json = Annotated[bool, typer.Option("--json", help="Events as JSON lines on stdout.", rich_help_panel=REPORT)]
Debug = Annotated[bool, typer.Option("--debug", help="Tracebacks for errors.", rich_help_panel=REPORT)]
Source = Annotated[
    str, typer.Argument(metavar="IN", help="Film, picture, folder of pictures, URL, or - for stdin.")
]
Output = Annotated[str, typer.Argument(metavar="OUT", help="Film, picture, folder, URL, or - for stdout.")]
Style = Annotated[
    list[str] | None,
    option(
        STYLE,
        "--style",
        "-s",
        help="Bundled name, weights file, none, or a mixture: 0.6*udnie+0.4*ink. Several with --preview.",
        envvar="STREAMSTYLE_STYLE",
    ),
]
Strength = Annotated[
    float | None, option(STYLE, "--strength", help="0 = the source itself, 1 = the full style.")
]
MixBy = Annotated[
    str | None,
    option(STYLE, "--mix-by", help="pictures, or weights: faint halfway, but one pass for all."),
]
KeepColors = Annotated[
    float | None, option(STYLE, "--keep-colors", help="1 = the source's colours, 0 = the painting's.")
]
KeepColorsBy = Annotated[
    str | None,
    option(STYLE, "--keep-colors-by", help="chroma (at each place) or histogram (as a whole)."),
]
StrokeSize = Annotated[
    float | None,
    option(STYLE, "--stroke-size", help="0.25 to 4; the same look at every resolution. 1."),
]
At = Annotated[
    list[str] | None,
    option(
        STYLE,
        "--at",
        metavar="TIME=WHAT",
        help="Change on the way: 4s=ink, 8s+2s=none, 4s=strength:0.5. Repeatable.",
    ),
]
Fade = Annotated[float | None, option(STYLE, "--fade", help="Seconds that a change takes; 1.")]
Mask = Annotated[str | None, option(STYLE, "--mask", help="Picture or film, bright where to paint.")]
MaskFeather = Annotated[
    float | None,
    option(STYLE, "--mask-feather", help="Its soft edge in per cent of the shorter side; 0.5."),
]
MaskInvert = Annotated[
    bool | None, option(STYLE, "--mask-invert/--no-mask-invert", help="Paint where it is dark.")
]
Tile = Annotated[int | None, option(STYLE, "--tile", help="Lines painted at a time, to save memory.")]
Device = Annotated[
    str | None,
    option(STYLE, "--device", help="auto, cpu, cuda or cuda:N.", envvar="STREAMSTYLE_DEVICE"),
]
Steady = Annotated[
    float | None,
    option(STEADY, "--steady", help="0 = each frame by itself, 1 = as still as can be; 0.7 for films."),
]
Inertia = Annotated[
    float | None,
    option(STEADY, "--inertia", help="Share of the last frame's statistics that the network keeps; 0."),
]
Flow = Annotated[
    str | None,
    option(STEADY, "--flow", help="fast, medium, raft, none, or a folder of .flo or .npy files."),
]
FlowSize = Annotated[
    int | None,
    option(STEADY, "--flow-size", help="Longer side at which motion is estimated; 400, medium 512."),
]
FlowWeights = Annotated[str | None, option(STEADY, "--flow-weights", help="File of raft's weights.")]
Start = Annotated[
    str | None, option(READ, "--start", "-ss", help="Leave out this much: seconds or HH:MM:SS.")
]
Length = Annotated[str | None, option(READ, "--duration", "-t", help="Read this much: seconds or HH:MM:SS.")]
Size = Annotated[str | None, option(READ, "--size", help="Scale to exactly WIDTHxHEIGHT.")]
MaxSize = Annotated[int | None, option(READ, "--max-size", help="Longer side at most, in pixels.")]
Fps = Annotated[str | None, option(READ, "--fps", help="Constant frame rate, as 25 or 30000/1001.")]
Deinterlace = Annotated[
    bool | None, option(READ, "--deinterlace/--no-deinterlace", help="Of interlaced films; on.")
]
Host = Annotated[str, option(SERVE, "--host", help="Address of the page; 0.0.0.0 lets others in. 127.0.0.1.")]
Port = Annotated[int, option(SERVE, "--port", help="Of the page, 0 for any that is free; 8787.")]
AllowHost = Annotated[
    list[str] | None,
    option(SERVE, "--allow-host", help="Name of a proxy that serves it over https. Repeatable."),
]
Overwrite = Annotated[bool, typer.Option("-y", "--overwrite", help="Replace OUT.", rich_help_panel=WRITE)]
Codec = Annotated[
    str | None,
    option(
        WRITE,
        "--codec",
        help="auto, h264, hevc, av1, vp9, prores, ffv1, h264_nvenc, hevc_nvenc, av1_nvenc.",
    ),
]
Crf = Annotated[float | None, option(WRITE, "--crf", help="Quality, lower is better; 18 for h264.")]
Preset = Annotated[
    str | None, option(WRITE, "--preset", help="The encoder's speed, such as medium or ultrafast.")
]
PixFmt = Annotated[str | None, option(WRITE, "--pix-fmt", help="Sample format, such as yuv420p10le.")]
Bitrate = Annotated[str | None, option(WRITE, "--bitrate", help="Bits per second, as 4M; in place of --crf.")]
Threads = Annotated[int | None, option(WRITE, "--threads", help="Of the encoder.")]
Audio = Annotated[str | None, option(WRITE, "--audio", help="copy (every track) or none.")]
Quality = Annotated[int | None, option(WRITE, "--quality", help="Of JPEG and WebP pictures, 1 to 100; 95.")]
Format = Annotated[str | None, option(WRITE, "--format", help="Container for pipes and URLs; matroska.")]
Preview = Annotated[
    int | None,
    option(
        REPORT,
        "--preview",
        min=1,
        max=36,
        help="Only a sheet of so many frames, with time and size of the whole.",
    ),
]
