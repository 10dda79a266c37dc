"""`resume`: go on with what was interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamstyle.apps.cli import render as rendering
from streamstyle.apps.cli import train as training
from streamstyle.apps.cli.options import Debug, Json, Quiet
from streamstyle.apps.cli.reporting import advice, reporting


def resume(
    output: Annotated[
        str, typer.Argument(metavar="OUT", help="The film, or trained style, that was to be written.")
    ],
    quiet: Quiet = False,
    events: Json = False,
    debug: Debug = False,
) -> None:
    """Go on with an interrupted film or training; the result is the same as without the interruption."""
    with reporting(events=events, quiet=quiet, debug=debug) as reporter:
        if output.endswith(".safetensors"):
            from streamstyle.training import resume_training

            with advice(output):
                recipe = resume_training(Path(output), on_progress=reporter.training)
            training.finish(reporter, Path(output), recipe)
        else:
            from streamstyle.jobs.render import resume as resume_film

            with advice(output):
                result = resume_film(output, on_progress=reporter.progress)
            rendering.finish(reporter, result, output)
