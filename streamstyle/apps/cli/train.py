"""`train`: a style network of one's own painting."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import BaseModel, ConfigDict

from streamstyle.apps.cli.command import OUTPUT_FLAGS, Overwrite
from streamstyle.apps.cli.reporting import Reporter, resume_hint
from streamstyle.effects import RenderSettings
from streamstyle.errors import UsageError
from streamstyle.settings import make_settings, option, same

if TYPE_CHECKING:
    from streamstyle.training import Recipe

TRAINING, DATA = "Training", "Training data"


class TrainSettings(BaseModel):
    """What `train` can be told; what is left out is as the recipe has it."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    output: str | None = option(
        None, "Weights file to write; PAINTING.safetensors.", TRAINING, flags=OUTPUT_FLAGS
    )
    recipe: str | None = option(None, "TOML file with all settings.", TRAINING, metavar="FILE")
    minutes: float | None = option(None, "Time to train for; 5 minutes.", TRAINING)
    steps: int | None = option(None, "Steps to train for, in place of minutes.", TRAINING)
    stroke_size: float | None = option(None, "1 = as in the painting at 640 pixels.", TRAINING)
    style_weight: float | None = option(None, "Style weight: how much of the painting comes in.", TRAINING)
    content_weight: float | None = option(None, "Content weight: how much of the photograph stays.", TRAINING)
    learning_rate: float | None = option(None, "Of Adam, at its highest.", TRAINING)
    seed: int | None = option(None, "Seed of everything random.", TRAINING)
    scratch: bool = option(
        False, "Start from random weights, not from the base network.", TRAINING, flags=("--scratch",)
    )
    photos: str = option("", "Folder of photographs; else rendered scenes.", DATA, metavar="FOLDER")
    video: str = option("", "Video to take frames from.", DATA, flags=("--video", "--film"), metavar="FILE")
    features: str = option(
        "distilled", "Network of the perceptual loss: a name, such as vgg16, or a weights file.", TRAINING
    )
    device: str = same(RenderSettings, "device")


def train(
    reporter: Reporter,
    given: dict[str, Any],
    painting: Annotated[Path, typer.Argument(metavar="PAINTING", help="The image whose style is learned.")],
    overwrite: Overwrite = False,
) -> None:
    """Train a style network from a painting.

    A sheet beside the output, NAME.preview.png, shows how far it is. After an interruption
    `streamstyle resume OUTPUT` goes on.
    """
    settings = make_settings(given, TrainSettings)
    if settings.minutes is not None and settings.steps is not None:
        raise UsageError("--minutes and --steps are both given; one of them, please")
    output = Path(settings.output or f"{painting.stem}.safetensors")
    from streamstyle import training
    from streamstyle.weights.files import sha256_of

    recipe, about = (
        training.read_recipe(Path(settings.recipe)) if settings.recipe else (training.Recipe(), {})
    )
    if (known := about.get("sha256")) and painting.is_file() and known != sha256_of(painting):
        reporter.warn(f"{painting}: is another image than the one that {settings.recipe} was made for")
    names = {entry.name for entry in fields(training.Recipe)}
    chosen = {name: value for name, value in settings if name in names and value is not None}
    if {"minutes", "steps"} & chosen.keys():
        chosen = {"minutes": None, "steps": None} | chosen
    job = training.TrainingJob(
        painting=str(painting),
        photos=settings.photos,
        video=settings.video,
        features=settings.features,
        scratch=settings.scratch,
        device=settings.device,
        about={key: str(value) for key, value in about.items() if key != "sha256"},
    )
    with resume_hint(output):
        done = training.train(
            job, output, replace(recipe, **chosen), overwrite=overwrite, on_progress=reporter.training
        )
    finish(reporter, output, done)


def finish(reporter: Reporter, output: Path, recipe: Recipe) -> None:
    """The last lines: what was written, and how to use it."""
    reporter.close()
    reporter.event("done", output=str(output), steps=recipe.steps)
    reporter.note(f"{recipe.steps} steps: {output}; `streamstyle stylize IN OUT --style {output}` uses it")
