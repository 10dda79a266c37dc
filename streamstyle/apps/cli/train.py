"""The command `train`: trains a style network from your own painting."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from pydantic import BaseModel, ConfigDict

from streamstyle.apps.cli.command import OUTPUT_FLAGS, PAIR, Overwrite
from streamstyle.apps.cli.reporting import Reporter, resume_hint
from streamstyle.effects import RenderSettings
from streamstyle.errors import UsageError
from streamstyle.options import make_settings, option, same

if TYPE_CHECKING:
    from streamstyle.training import Recipe

TRAINING, DATA = "Training", "Training data"
PAIR_OPTION = typer.Option(
    PAIR,
    metavar="FRAME PAINTED",
    help="A frame of a video and its version painted by hand, to learn from; may be repeated.",
    rich_help_panel=DATA,
)


class TrainSettings(BaseModel):
    """The settings of `train`; those left out come from the recipe."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    output: str | None = option(
        None, "Weights file to write; by default PAINTING.safetensors.", TRAINING, flags=OUTPUT_FLAGS
    )
    recipe: str | None = option(None, "TOML file with training settings.", TRAINING, metavar="FILE")
    minutes: float | None = option(
        None, "Training time in minutes; by default 5.", TRAINING, gt=0, le=100_000
    )
    steps: int | None = option(None, "Training steps, instead of --minutes.", TRAINING, ge=1)
    stroke_size: float | None = option(
        None, "Stroke size; 1 = as in the painting scaled to 640 pixels.", TRAINING, ge=0.1, le=4
    )
    style_weight: float | None = option(
        None, "Weight of the style loss; higher = more of the painting.", TRAINING, ge=0, le=1e6
    )
    content_weight: float | None = option(
        None, "Weight of the content loss; higher = more of the photograph.", TRAINING, ge=0, le=1e6
    )
    learning_rate: float | None = option(None, "Peak learning rate of Adam.", TRAINING, gt=0, le=1)
    seed: int | None = option(None, "Random seed.", TRAINING, ge=0, le=2**31 - 1)
    start: Literal["predicted", "base", "random"] = option(
        "predicted",
        "Start from the network predicted for the painting, from the base of all styles, or anew.",
        TRAINING,
    )
    photos: str = option(
        "", "Folder of photographs to train on; by default rendered scenes.", DATA, metavar="FOLDER"
    )
    video: str = option(
        "", "Video whose frames to train on.", DATA, flags=("--video", "--film"), metavar="FILE"
    )
    features: str = option(
        "distilled", "Network of the perceptual loss: a name such as vgg16, or a weights file.", TRAINING
    )
    device: str = same(RenderSettings, "device")


def train(
    reporter: Reporter,
    given: dict[str, Any],
    painting: Annotated[
        Path | None, typer.Argument(metavar="PAINTING", help="The image whose style to learn.")
    ] = None,
    pair: Annotated[list[Path] | None, PAIR_OPTION] = None,
    overwrite: Overwrite = False,
) -> None:
    """Train a style network from a painting, or from frames and their versions painted by hand.

    A sheet beside the output, NAME.preview.png, shows the progress. After an interruption,
    `streamstyle resume OUTPUT` continues.
    """
    settings = make_settings(given, TrainSettings)
    if settings.minutes is not None and settings.steps is not None:
        raise UsageError("--minutes and --steps are both given; give only one")
    pairs = pairs_of(pair or [])
    painting = painting or next((painted for _, painted in pairs), None)
    if painting is None:
        raise UsageError("PAINTING is missing, or --pair FRAME PAINTED")
    output = Path(settings.output or f"{painting.stem}.safetensors")
    reporter.starting("steps")
    from streamstyle import training
    from streamstyle.files import sha256_of

    recipe, about = (
        training.read_recipe(Path(settings.recipe)) if settings.recipe else (training.Recipe(), {})
    )
    if (known := about.get("sha256")) and painting.is_file() and known != sha256_of(painting):
        reporter.warn(f"{painting}: is not the image that {settings.recipe} was made for")
    names = {entry.name for entry in fields(training.Recipe)}
    chosen = {name: value for name, value in settings if name in names and value is not None}
    if {"minutes", "steps"} & chosen.keys():
        chosen = {"minutes": None, "steps": None} | chosen
    job = training.TrainingJob(
        painting=str(painting),
        photos=settings.photos,
        video=settings.video,
        pairs=tuple((str(frame), str(painted)) for frame, painted in pairs),
        features=settings.features,
        start=settings.start,
        device=settings.device,
        about={key: str(value) for key, value in about.items() if key != "sha256"},
    )
    with resume_hint(output):
        done = training.train(
            job, output, replace(recipe, **chosen), overwrite=overwrite, on_progress=reporter.training
        )
    finish(reporter, output, done)


def pairs_of(files: list[Path]) -> list[tuple[Path, Path]]:
    """Frames and their painted versions, which are given in turns."""
    if len(files) % 2:
        raise UsageError(f"{PAIR} {files[-1]}: expected two images, FRAME PAINTED")
    return list(zip(files[::2], files[1::2], strict=True))


def finish(reporter: Reporter, output: Path, recipe: Recipe) -> None:
    """Print what was written, and how to use it."""
    reporter.close()
    reporter.event("done", output=str(output), steps=recipe.steps)
    reporter.note(f"{recipe.steps} steps: {output}; use it: `streamstyle stylize IN OUT --style {output}`")
