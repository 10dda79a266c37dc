"""The command line. Heavy modules are imported inside functions, so that `--help` answers at once."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import typer

from streamstyle import __version__
from streamstyle.apps.cli.batch import add_batch, join
from streamstyle.apps.cli.command import command
from streamstyle.apps.cli.doctor import doctor
from streamstyle.apps.cli.evaluate import EvaluateSettings, evaluate
from streamstyle.apps.cli.export import ExportSettings, export
from streamstyle.apps.cli.layers import LayersSettings, layers
from streamstyle.apps.cli.live import live
from streamstyle.apps.cli.opencv import load_failure
from streamstyle.apps.cli.predict import PredictSettings, predict
from streamstyle.apps.cli.render import RerunSettings, add_effects, rerun
from streamstyle.apps.cli.reporting import say, silence, unwritable
from streamstyle.apps.cli.resume import resume
from streamstyle.apps.cli.studio import studio
from streamstyle.apps.cli.styles import StylesSettings, styles
from streamstyle.apps.cli.train import TrainSettings, train
from streamstyle.apps.cli.welcome import welcome
from streamstyle.apps.live.settings import LiveSettings, PageSettings
from streamstyle.cores import cores_by_affinity, usable_cores
from streamstyle.errors import OutputError


def program() -> typer.Typer:
    """The command line, with a command for each effect that is in EFFECTS when this is called."""
    app = typer.Typer(
        name="streamstyle",
        help="Stylize videos, images and webcams with neural networks.",
        rich_markup_mode="rich",
        add_completion=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    add_effects(app)
    add_batch(app)
    _add_live(app)
    _add_styles(app)
    _add_runs(app)
    command(app, "doctor", panel="This machine", examples=("streamstyle doctor",))(doctor)
    app.callback(invoke_without_command=True)(_root)
    return app


def _add_live(app: typer.Typer) -> None:
    panel = "Cameras and the browser"
    examples: tuple[str, ...] = (
        "streamstyle live",
        "streamstyle live --style great_wave --record painted.mp4",
        "streamstyle live --camera holiday.mp4 --steady 0.7",
        "streamstyle live --dream eyes --size 640x480",
        "streamstyle live --list",
    )
    command(app, "live", LiveSettings, panel=panel, examples=examples)(live)
    examples = (
        "streamstyle studio",
        "streamstyle studio --style ink --style udnie --no-open",
        "streamstyle studio --host 0.0.0.0 --port 8000",
    )
    command(app, "studio", PageSettings, panel=panel, examples=examples)(studio)


def _add_styles(app: typer.Typer) -> None:
    panel = "Styles and layers"
    examples: tuple[str, ...] = (
        "streamstyle styles",
        "streamstyle styles --sheet photo.jpg -o every_style.png",
    )
    command(app, "styles", StylesSettings, panel=panel, examples=examples)(styles)
    examples = (
        "streamstyle train painting.jpg",
        "streamstyle train painting.jpg --minutes 30 --photos photos/ -o mine.safetensors",
        "streamstyle train --pair frame.png painted.png --video holiday.mp4",
    )
    command(app, "train", TrainSettings, panel=panel, examples=examples)(train)
    examples = (
        "streamstyle layers",
        "streamstyle layers --image photo.jpg -o atlas.png",
        "streamstyle layers --image photo.jpg --layer thing --count 48 -o channels.png",
    )
    command(app, "layers", LayersSettings, panel=panel, examples=examples)(layers)
    examples = (
        "streamstyle predict painting.jpg",
        "streamstyle predict painting.jpg -o mine.safetensors",
    )
    command(app, "predict", PredictSettings, panel=panel, examples=examples)(predict)
    examples = ("streamstyle export great_wave great_wave.onnx",)
    command(app, "export", ExportSettings, panel=panel, examples=examples)(export)


def _add_runs(app: typer.Typer) -> None:
    panel = "After a render"
    examples: tuple[str, ...] = ("streamstyle resume painted.mp4", "streamstyle resume mine.safetensors")
    command(app, "resume", panel=panel, examples=examples, stages=True)(resume)
    examples = ("streamstyle rerun painted.mp4 next.mp4 next_painted.mp4",)
    command(app, "rerun", RerunSettings, panel=panel, examples=examples, stages=True)(rerun)
    examples = (
        "streamstyle evaluate holiday.mp4 painted.mp4",
        "streamstyle evaluate holiday.mp4 painted.mp4 --sheet worst.png --csv frames.csv",
    )
    command(app, "evaluate", EvaluateSettings, panel=panel, examples=examples)(evaluate)
    command(app, "join", panel=panel, examples=("streamstyle join out/",))(join)


def _print_version(requested: bool) -> None:
    if requested:
        print(f"streamstyle {__version__}")
        raise typer.Exit


def _root(
    context: typer.Context,
    version: bool = typer.Option(
        False, "--version", help="Print the version.", callback=_print_version, is_eager=True
    ),
) -> None:
    if context.invoked_subcommand is None:
        print(welcome())


app = program()


def main() -> None:
    """Entry point of the program."""
    # OpenMP threads that spin while waiting take the cores from decoder and encoder: with both cores of a
    # machine in use, a frame took 2.5 times as long. Must be set before torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Training has the cores to itself and runs many small layers: spinning briefly before sleeping allowed
    # 3485 to 4097 steps in five minutes on two cores, sleeping at once 2514 to 2838.
    trains = sys.argv[1:2] == ["train"]
    resumes = sys.argv[1:2] == ["resume"] and any(name.endswith(".safetensors") for name in sys.argv[2:])
    if trains or resumes:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    # Torch ignores CPU quotas: on a large host it would start a thread for each core. Its own default is at
    # least half of the cores (without hyperthreads), so this never raises it.
    if usable_cores() <= cores_by_affinity() // 2:
        os.environ.setdefault("OMP_NUM_THREADS", str(usable_cores()))
    try:
        with _stdout_checked():
            app()
    except ImportError as error:
        if (failure := load_failure(error)) is None:
            raise
        print(f"error: {failure}", file=sys.stderr)
        sys.exit(1)


@contextmanager
def _stdout_checked() -> Iterator[None]:
    """Exit with a line and code 4 if help or buffered output cannot be written to stdout."""
    try:
        try:
            yield
        finally:
            if sys.stdout is not None:  # None if it was closed at the start
                sys.stdout.flush()
    except (SystemExit, OSError) as end:
        # Click turns a broken pipe into a silent exit.
        error = end.__context__ if isinstance(end, SystemExit) else end
        if not isinstance(error, OSError) or error.errno not in (errno.EPIPE, errno.ENOSPC):
            raise
        silence(sys.__stdout__)
        with suppress(OutputError):
            say(f"error: {unwritable(sys.__stdout__, error)}", sys.__stderr__)
        sys.exit(OutputError.exit_code)
