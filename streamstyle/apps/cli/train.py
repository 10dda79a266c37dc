"""`train`: a style of one's own painting."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamstyle.apps.cli.options import Debug, Json, Quiet
from streamstyle.apps.cli.reporting import Reporter, advice, reporting
from streamstyle.errors import UsageError

if TYPE_CHECKING:
    from streamstyle.training import Recipe


def train(
    painting: Annotated[Path, typer.Argument(metavar="PAINTING", help="The picture whose style is learnt.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="File to write; PAINTING.safetensors.", show_default=False),
    ] = None,
    photos: Annotated[
        Path | None, typer.Option("--photos", help="Folder of photographs to learn on; else rendered scenes.")
    ] = None,
    film: Annotated[Path | None, typer.Option("--film", help="Film whose frames to learn on.")] = None,
    features: Annotated[
        str, typer.Option("--features", help="Network that judges: a name, vgg16 for one, or a weights file.")
    ] = "distilled",
    recipe: Annotated[Path | None, typer.Option("--recipe", help="TOML file with settings.")] = None,
    minutes: Annotated[
        float | None, typer.Option("--minutes", help="Time to train for; 5 unless told otherwise.")
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", help="Steps to train for, not time.")] = None,
    stroke_size: Annotated[
        float | None, typer.Option("--stroke-size", help="1 = as in the painting at 640 pixels.")
    ] = None,
    style_weight: Annotated[
        float | None, typer.Option("--style-weight", help="How much of the painting comes in.")
    ] = None,
    content_weight: Annotated[
        float | None, typer.Option("--content-weight", help="How much of the photograph stays.")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", help="Of Adam, at its highest.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of everything random.")] = None,
    scratch: Annotated[bool, typer.Option("--scratch", help="Start at random, not from the base.")] = False,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")] = "auto",
    overwrite: Annotated[bool, typer.Option("-y", "--overwrite", help="Replace the output.")] = False,
    quiet: Quiet = False,
    events: Json = False,
    debug: Debug = False,
) -> None:
    """Train a style from a painting.

    A sheet beside the output, NAME.preview.png, shows how far it is. After an interruption
    `streamstyle resume OUTPUT` goes on.
    """
    with reporting(events=events, quiet=quiet, debug=debug) as reporter:
        if minutes is not None and steps is not None:
            raise UsageError("--minutes and --steps are both given; one of them, please")
        output = output or Path(f"{painting.stem}.safetensors")
        from streamstyle import training
        from streamstyle.weights.files import sha256_of

        chosen, about = training.read_recipe(recipe) if recipe else (training.Recipe(), {})
        given: dict[str, Any] = {
            "stroke_size": stroke_size, "style_weight": style_weight, "content_weight": content_weight,
            "learning_rate": learning_rate, "seed": seed,
        }  # fmt: skip
        given = {name: value for name, value in given.items() if value is not None}
        if minutes is not None or steps is not None:
            given |= {"minutes": minutes, "steps": steps}
        order = training.TrainingJob(
            painting=str(painting),
            photos=str(photos or ""),
            film=str(film or ""),
            features=features,
            scratch=scratch,
            device=device,
            about={key: str(value) for key, value in about.items() if key != "sha256"},
        )
        if (known := about.get("sha256")) and painting.is_file() and known != sha256_of(painting):
            reporter.warn(f"{painting}: is another picture than the one that {recipe} was made for")
        with advice(output):
            done = training.train_style(
                order, output, replace(chosen, **given), overwrite=overwrite, on_progress=reporter.training
            )
        finish(reporter, output, done)


def finish(reporter: Reporter, output: Path, recipe: Recipe) -> None:
    """The last lines: what was written, and how to use it."""
    reporter.close()
    reporter.event("done", output=str(output), steps=recipe.steps)
    reporter.note(f"{recipe.steps} steps: {output}; `streamstyle stylize IN OUT --style {output}` uses it")
