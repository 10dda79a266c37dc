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
    source: Annotated[
        str | None,
        typer.Option(
            "--input", metavar="FILE", help="The input, or the painting of a style, if it was moved."
        ),
    ] = None,
) -> None:
    """Continue an interrupted render or training; the result is the same as without the interruption.

    Input and other files are looked for where they were, and beside the output.
    """
    if output.endswith(".safetensors"):
        reporter.starting("steps")
        from streamstyle.training import resume_training

        with resume_hint(output):
            recipe = resume_training(Path(output), painting=source, on_progress=reporter.training)
        train.finish(reporter, Path(output), recipe)
    else:
        reporter.starting()
        from streamstyle.jobs.render import resume as resume_video

        with resume_hint(output):
            result = resume_video(output, input=source, on_progress=reporter.progress)
        render.finish(reporter, result, output)
