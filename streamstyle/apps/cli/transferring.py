"""`transfer`."""

from __future__ import annotations

import csv
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamstyle.apps.cli import options
from streamstyle.apps.cli.options import option
from streamstyle.apps.cli.render import finish, given_values
from streamstyle.apps.cli.reporting import Reporter, advice, reporting

if TYPE_CHECKING:
    from streamstyle.effects.transfer import Step

PAINT, WATCH_SECONDS = "How to paint", 2.0

StyleMask = Annotated[
    list[str] | None,
    option(
        options.STYLE,
        "--style-mask",
        metavar="PAINTING=MASK",
        help="Use a painting of the mixture only where a picture or film is bright. Repeatable.",
    ),
]
Features = Annotated[
    str | None,
    option(
        PAINT,
        "--features",
        help="The network that judges: distilled, vgg19 … or a file; vgg19 where its weights are here.",
    ),
]
Scales = Annotated[int | None, option(PAINT, "--scales", help="Sizes, each twice the one before; 3.")]
Steps = Annotated[int | None, option(PAINT, "--steps", help="At each size; 80.")]
LaterSteps = Annotated[
    int | None, option(PAINT, "--later-steps", help="Of film frames that start from the last one; 30.")
]
StyleWeight = Annotated[float | None, option(PAINT, "--style-weight", help="Of the painting's style; 12.")]
ContentWeight = Annotated[
    float | None, option(PAINT, "--content-weight", help="Of what the source shows; 3.")
]
VariationWeight = Annotated[float | None, option(PAINT, "--variation-weight", help="Of being smooth; 5.")]
TemporalWeight = Annotated[
    float | None, option(PAINT, "--temporal-weight", help="Of staying with the last frame of a film; 60.")
]
Watch = Annotated[
    Path | None,
    option(options.REPORT, "--watch", metavar="PNG", help="Write here what there is, every 2 seconds."),
]
Losses = Annotated[
    Path | None, option(options.REPORT, "--losses", metavar="CSV", help="Write the losses of every step.")
]


def transfer(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="CONTENT", help="Picture or film that is painted.")],
    style: Annotated[
        str, typer.Argument(metavar="STYLE", help="Picture of a painting, or 0.6*a.jpg+0.4*b.jpg.")
    ],
    output: options.Output,
    strength: options.Strength = None,
    keep_colors: options.KeepColors = None,
    keep_colors_by: options.KeepColorsBy = None,
    stroke_size: options.StrokeSize = None,
    at: options.At = None,
    fade: options.Fade = None,
    style_mask: StyleMask = None,
    mask: options.Mask = None,
    mask_feather: options.MaskFeather = None,
    mask_invert: options.MaskInvert = None,
    device: options.Device = None,
    features: Features = None,
    scales: Scales = None,
    steps: Steps = None,
    later_steps: LaterSteps = None,
    style_weight: StyleWeight = None,
    content_weight: ContentWeight = None,
    variation_weight: VariationWeight = None,
    temporal_weight: TemporalWeight = None,
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
    watch: Watch = None,
    losses: Losses = None,
    quiet: options.Quiet = False,
    events: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Paint a picture or a short film in the style of any painting, by optimisation.

    Needs no training, and takes from half a minute on for a picture. `streamstyle train` makes a style that
    paints at once.
    """
    with (
        reporting(events=events and output != "-", quiet=quiet, debug=debug) as reporter,
        ExitStack() as files,
    ):
        from streamstyle.jobs.render import refuse_same_file, render
        from streamstyle.settings import TransferSettings, make_settings
        from streamstyle.weights import judge_at_hand

        values = given_values(context, TransferSettings)
        values.setdefault("features", judge_at_hand())
        settings = make_settings(values, kind=TransferSettings)
        refuse_same_file(source, output)
        for shown in (watch, losses):
            for read in (source, *settings.keyframes().styles()):
                if shown is not None:
                    refuse_same_file(read, shown)
        reporter.note(f"style is judged by {settings.features}")
        steps_seen = Watching(reporter, watch, losses, files, overwrite)
        with advice(output):
            result = render(source, output, settings, overwrite=overwrite, on_step=steps_seen)
        finish(reporter, result, output)


class Watching:
    """Shows how far a painting is: on the terminal, as a picture, as a table of its losses.

    Args:
        reporter: for the terminal.
        picture: file that shows what there is; None: none.
        table: file of the losses; None: none.
        files: closes the table.
        overwrite: replace what is there.

    Raises:
        UsageError: a file exists, and is not to be replaced; or the picture is no PNG.
        OutputError: a file cannot be written.
    """

    def __init__(
        self,
        reporter: Reporter,
        picture: Path | None,
        table: Path | None,
        files: ExitStack,
        overwrite: bool,
    ) -> None:
        from streamstyle.errors import UsageError

        self._reporter, self._picture, self._path, self._files = reporter, picture, table, files
        self._begin = self._shown = time.monotonic()
        self._table: csv.DictWriter[str] | None = None
        for path in (picture, table):
            if path is not None and path.exists() and not overwrite:
                raise UsageError(f"{path}: exists; -y overwrites it")
        if picture is not None and picture.suffix.lower() != ".png":
            raise UsageError(f"--watch {picture}: expected a name that ends in .png")

    def __call__(self, step: Step) -> None:
        """A step was done."""
        from streamstyle.training import TrainingProgress

        seconds = time.monotonic() - self._begin
        left = seconds / step.step * max(step.steps - step.step, 0) if step.frame == 0 else None
        self._reporter.training(TrainingProgress(step.step, step.steps, seconds, left, step.losses))
        if self._path is not None and self._table is None:
            self._table = self._opened(self._path)
        if self._table is not None:
            losses = {name: f"{value:.6g}" for name, value in step.losses.items()}
            place = {"frame": step.frame, "width": step.size[0], "height": step.size[1], "step": step.step}
            self._table.writerow(place | losses)
        if self._picture is not None and time.monotonic() - self._shown >= WATCH_SECONDS:
            self._show(self._picture, step)
            self._shown = time.monotonic()

    def _opened(self, path: Path) -> csv.DictWriter[str]:
        """The table, with its head; not before there is something to write."""
        from streamstyle.effects.transfer import LOSSES
        from streamstyle.errors import OutputError

        try:
            file = self._files.enter_context(path.open("w", newline="", encoding="utf-8"))
        except OSError as error:
            raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
        table = csv.DictWriter(file, ["frame", "width", "height", "step", *LOSSES])
        table.writeheader()
        return table

    def _show(self, path: Path, step: Step) -> None:
        """The picture as it is now."""
        from fractions import Fraction

        from streamstyle.device import download
        from streamstyle.frames import Frame
        from streamstyle.sinks.images import StillSink

        with StillSink(path) as sink:
            sink.write(Frame(download(step.picture), 0, Fraction(1)))
