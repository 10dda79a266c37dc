"""`dream`, `zoom` and `layers`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamstyle.apps.cli import options
from streamstyle.apps.cli.options import option
from streamstyle.apps.cli.render import finish, given_values, show_preview, use_preset
from streamstyle.apps.cli.reporting import advice, reporting

DREAM, ZOOM = "What to dream", "How to fall"

Layer = Annotated[
    str | None,
    option(
        DREAM,
        "--layer",
        "-l",
        help="LAYER, LAYER:CHANNEL, LAYER:CHANNEL@XxY, LAYER:FILE.npy, LAYER~GUIDE.jpg, or a mixture of "
        "them: 0.6*thing+0.4*-texture.",
    ),
]
Features = Annotated[
    str | None, option(DREAM, "--features", help="The network that looks: distilled, vgg16 …, or a file.")
]
Guide = Annotated[str | None, option(DREAM, "--guide", help="Picture whose features are to be seen.")]
Octaves = Annotated[int | None, option(DREAM, "--octaves", help="Sizes at which to dream; 4.")]
OctaveScale = Annotated[
    float | None, option(DREAM, "--octave-scale", help="Ratio of one size to the next; 1.4.")
]
Steps = Annotated[int | None, option(DREAM, "--steps", help="At each size; 12.")]
LaterSteps = Annotated[
    int | None, option(DREAM, "--later-steps", help="Of frames that carry on a dream; 1.5 (1 - carry) steps.")
]
StepSize = Annotated[
    float | None, option(DREAM, "--step-size", help="Mean change by a step, of the full range; 0.012.")
]
Jitter = Annotated[int | None, option(DREAM, "--jitter", help="Pixels of random shift in each step; 16.")]
Carry = Annotated[
    float | None, option(DREAM, "--carry", help="Share of the last frame's dream that is kept; 0.9.")
]
Near = Annotated[float | None, option(DREAM, "--near", help="Weight of staying near the source; 0.")]
Variation = Annotated[
    float | None, option(DREAM, "--variation", help="Weight of being smooth; 0, of zooms 0.08.")
]
Towards = Annotated[
    str | None, option(DREAM, "--towards", help="Colour as #204080, or picture, to move towards.")
]
TowardsWeight = Annotated[float | None, option(DREAM, "--towards-weight", help="How strongly; 0.1.")]
Seed = Annotated[int | None, option(DREAM, "--seed", help="Of the shifts; 0.")]


def _use_config(context: typer.Context, name: str | None) -> str | None:
    return use_preset(context, name, "dream")


Config = Annotated[
    str | None,
    option(
        DREAM,
        "--config",
        help="Preset, a name of configs/dream or a TOML file.",
        callback=_use_config,
        is_eager=True,
    ),
]


def dream(
    context: typer.Context,
    source: options.Source,
    output: options.Output,
    layer: Layer = None,
    config: Config = None,
    features: Features = None,
    guide: Guide = None,
    octaves: Octaves = None,
    octave_scale: OctaveScale = None,
    steps: Steps = None,
    later_steps: LaterSteps = None,
    step_size: StepSize = None,
    jitter: Jitter = None,
    carry: Carry = None,
    near: Near = None,
    variation: Variation = None,
    towards: Towards = None,
    towards_weight: TowardsWeight = None,
    seed: Seed = None,
    strength: options.Strength = None,
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
    quiet: options.Quiet = False,
    events: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Dream on a film or picture: a network sees more of what it sees in it.

    On films each frame carries on the dream of the one before. `streamstyle layers` shows what there is to
    dream of.
    """
    with reporting(events=events and output != "-", quiet=quiet, debug=debug) as reporter:
        from streamstyle.jobs.render import refuse_same_file, render
        from streamstyle.settings import DreamSettings, make_settings

        settings = make_settings(given_values(context, DreamSettings), kind=DreamSettings)
        refuse_same_file(source, output)
        if preview is not None:
            show_preview(reporter, source, output, [settings.layer], settings, preview, overwrite)
            return
        with advice(output):
            result = render(source, output, settings, overwrite=overwrite, on_progress=reporter.progress)
        finish(reporter, result, output)


Seconds = Annotated[float | None, option(ZOOM, "--seconds", help="Length of the film; 20.")]
Speed = Annotated[
    float | None, option(ZOOM, "--speed", help="How many times larger things become in a second; 1.3.")
]
Rotate = Annotated[float | None, option(ZOOM, "--rotate", help="Degrees by which they turn in a second; 0.")]
Pan = Annotated[
    str | None,
    option(ZOOM, "--pan", metavar="X,Y", help="Shares of width and height that they move in a second; 0,0."),
]
Dreams = Annotated[float | None, option(ZOOM, "--dreams", help="Dreams a second; 8.")]
Loop = Annotated[bool | None, option(ZOOM, "--loop/--no-loop", help="End where it began.")]
Sound = Annotated[
    str | None, option(ZOOM, "--audio", metavar="FILE", help="Film or sound file whose sound goes with it.")
]
ZoomAt = Annotated[
    list[str] | None,
    option(
        ZOOM,
        "--at",
        metavar="TIME=WHAT",
        help="Change on the way: 4s=part, 8s+2s=speed:1.1, 12s=rotate:-20, 15s=part~leaf.jpg. Repeatable.",
    ),
]


def zoom(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="IMAGE", help="Picture to fall into.")],
    output: options.Output,
    seconds: Seconds = None,
    speed: Speed = None,
    rotate: Rotate = None,
    pan: Pan = None,
    dreams: Dreams = None,
    loop: Loop = None,
    sound: Sound = None,
    fps: options.Fps = None,
    layer: Layer = None,
    config: Config = None,
    features: Features = None,
    guide: Guide = None,
    octaves: Octaves = None,
    octave_scale: OctaveScale = None,
    steps: Steps = None,
    step_size: StepSize = None,
    jitter: Jitter = None,
    near: Near = None,
    variation: Variation = None,
    towards: Towards = None,
    towards_weight: TowardsWeight = None,
    seed: Seed = None,
    at: ZoomAt = None,
    fade: options.Fade = None,
    keep_colors: options.KeepColors = None,
    tile: options.Tile = None,
    device: options.Device = None,
    size: options.Size = None,
    max_size: options.MaxSize = None,
    overwrite: options.Overwrite = False,
    codec: options.Codec = None,
    crf: options.Crf = None,
    preset: options.Preset = None,
    pix_fmt: options.PixFmt = None,
    bitrate: options.Bitrate = None,
    threads: options.Threads = None,
    format: options.Format = None,
    quiet: options.Quiet = False,
    events: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Fall into a picture without end, dreaming on the way.

    Everything is per second: the same film at 24 and at 60 frames a second, only smoother.
    """
    with reporting(events=events and output != "-", quiet=quiet, debug=debug) as reporter:
        from streamstyle.jobs.render import refuse_same_file, render
        from streamstyle.settings import ZoomSettings, make_settings

        settings = make_settings(given_values(context, ZoomSettings), kind=ZoomSettings)
        refuse_same_file(source, output)
        with advice(output):
            result = render(source, output, settings, overwrite=overwrite, on_progress=reporter.progress)
        finish(reporter, result, output)


def layers(
    image: Annotated[
        Path | None, typer.Option("--image", help="Picture to dream on; a grey one with noise otherwise.")
    ] = None,
    features: Annotated[str, typer.Option("--features", help="Network, a name or file.")] = "distilled",
    layer: Annotated[
        str | None, typer.Option("--layer", help="Show the channels of this layer, not all layers.")
    ] = None,
    first: Annotated[int, typer.Option("--first", min=0, help="First channel of these.")] = 0,
    count: Annotated[int, typer.Option("--count", min=1, max=400, help="How many channels.")] = 48,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="PNG", help="The sheet; without it, names only.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("-y", "--overwrite", help="Replace it.")] = False,
    device: options.Device = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """List the layers of a network, or dream every one of them, or its channels, on a picture as a sheet."""
    with reporting(quiet=quiet, debug=debug) as reporter:
        from streamstyle.preview.layers import atlas, names_of

        if output is None:
            for name, channels in names_of(features).items():
                print(f"{name}  {channels} channels")
            return
        chosen = range(first, first + count) if layer else None
        atlas(
            output,
            features=features,
            image=image,
            layer=layer,
            channels=chosen,
            device=device or "auto",
            overwrite=overwrite,
        )
        reporter.note(f"the sheet lies in {output}")
