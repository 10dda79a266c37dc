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
from streamstyle.apps.cli.evaluate import EvaluateSettings, evaluate
from streamstyle.apps.cli.export import ExportSettings, export
from streamstyle.apps.cli.info import StylesSettings, doctor, styles
from streamstyle.apps.cli.layers import LayersSettings, layers
from streamstyle.apps.cli.live import live
from streamstyle.apps.cli.opencv import load_failure
from streamstyle.apps.cli.render import RerunSettings, add_effects, rerun
from streamstyle.apps.cli.reporting import say, silence, unwritable
from streamstyle.apps.cli.resume import resume
from streamstyle.apps.cli.studio import studio
from streamstyle.apps.cli.train import TrainSettings, train
from streamstyle.apps.live.settings import LiveSettings, PageSettings
from streamstyle.cores import cores_by_affinity, usable_cores
from streamstyle.errors import OutputError


def program() -> typer.Typer:
    """The command line, with a command for each effect that is in EFFECTS when this is called."""
    app = typer.Typer(
        name="streamstyle",
        help="Stylize videos, images and webcams with neural networks.",
        no_args_is_help=True,
        add_completion=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    add_effects(app)
    add_batch(app)
    command(app, "join")(join)
    command(app, "live", LiveSettings)(live)
    command(app, "studio", PageSettings)(studio)
    command(app, "layers", LayersSettings)(layers)
    command(app, "rerun", RerunSettings)(rerun)
    command(app, "resume")(resume)
    command(app, "train", TrainSettings)(train)
    command(app, "evaluate", EvaluateSettings)(evaluate)
    command(app, "export", ExportSettings)(export)
    command(app, "styles", StylesSettings)(styles)
    command(app, "doctor", json=False)(doctor)
    app.callback()(_root)
    return app


def _print_version(requested: bool) -> None:
    if requested:
        print(f"streamstyle {__version__}")
        raise typer.Exit


def _root(
    version: bool = typer.Option(
        False, "--version", help="Print the version.", callback=_print_version, is_eager=True
    ),
) -> None:
    pass


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
