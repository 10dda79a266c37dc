"""The command `resume`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamstyle.apps.cli import render, train
from streamstyle.apps.cli.reporting import Reporter, resume_hint


def resume(
    reporter: Reporter,
    output: Annotated[
        str, typer.Argument(metavar="OUT", help="The output of the interrupted run: a video or a style.")
    ],
) -> None:
    """Continue an interrupted render or training; the result is the same as without the interruption."""
    if output.endswith(".safetensors"):
        from streamstyle.training import resume_training

        with resume_hint(output):
            recipe = resume_training(Path(output), on_progress=reporter.training)
        train.finish(reporter, Path(output), recipe)
    else:
        from streamstyle.jobs.render import resume as resume_video

        with resume_hint(output):
            result = resume_video(output, on_progress=reporter.progress)
        render.finish(reporter, result, output)
