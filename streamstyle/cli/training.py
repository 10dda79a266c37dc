"""`train`: a style of one's own painting."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamstyle.cli.rendering import Debug, Quiet
from streamstyle.cli.reporting import Reporter, reporting
from streamstyle.errors import UsageError

if TYPE_CHECKING:
    from streamstyle.train import TrainingProgress

_LINE_SECONDS = 10.0


def train(
    painting: Annotated[Path, typer.Argument(metavar="PAINTING", help="The picture whose style is learnt.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Weights file to write, .safetensors.")],
    photos: Annotated[Path, typer.Option("--photos", help="Folder of photographs to learn on.")],
    features: Annotated[
        str, typer.Option("--features", help="Network that judges: vgg16, vgg19 or a MobileNet-v1 file.")
    ] = "vgg16",
    recipe: Annotated[Path | None, typer.Option("--recipe", help="TOML file with settings.")] = None,
    steps: Annotated[int | None, typer.Option("--steps", help="Batches to learn from.")] = None,
    minutes: Annotated[float | None, typer.Option("--minutes", help="Stop after this time.")] = None,
    stroke_size: Annotated[
        float | None, typer.Option("--stroke-size", help="1 = as in the painting at 640 pixels.")
    ] = None,
    content_weight: Annotated[
        float | None, typer.Option("--content-weight", help="How much of the photograph stays.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Of everything random.")] = None,
    scratch: Annotated[bool, typer.Option("--scratch", help="Start at random, not from the base.")] = False,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")] = "auto",
    overwrite: Annotated[bool, typer.Option("-y", "--overwrite", help="Replace the output.")] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train a style from a painting, on a folder of photographs."""
    with reporting(quiet=quiet, debug=debug) as reporter:
        if output.suffix != ".safetensors":
            raise UsageError(f"-o {output}: expected a name that ends in .safetensors")
        if output.exists() and not overwrite:
            raise UsageError(f"{output}: exists; -y overwrites it")
        from streamstyle import train as training
        from streamstyle.device import choose
        from streamstyle.networks import StyleNet
        from streamstyle.weights import load, load_features, save_style

        chosen, about = training.read_recipe(recipe) if recipe else (training.Recipe(), {})
        given: dict[str, Any] = {
            "steps": steps, "minutes": minutes, "stroke_size": stroke_size,
            "content_weight": content_weight, "seed": seed,
        }  # fmt: skip
        chosen = replace(chosen, **{name: value for name, value in given.items() if value is not None})
        base = None if scratch else load("base").network
        assert base is None or isinstance(base, StyleNet)
        progress = _Progress(reporter)
        network = training.train(
            painting,
            photos,
            load_features(features),
            recipe=chosen,
            base=base,
            device=choose(device),
            on_progress=progress,
        )
        done = replace(chosen, steps=progress.steps, minutes=None)
        save_style(output, network, training.metadata_of(painting, done, about))
        reporter.note(f"{progress.steps} steps in {progress.seconds:.0f} s: {output}")


class _Progress:
    """Prints a line every few seconds."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._last = 0.0
        self.steps = 0
        self.seconds = 0.0

    def __call__(self, progress: TrainingProgress) -> None:
        self.steps, self.seconds = progress.step, progress.seconds
        now = time.monotonic()
        if now - self._last < _LINE_SECONDS:
            return
        self._last = now
        losses = ", ".join(f"{name} {value:.3f}" for name, value in progress.losses.items())
        left = progress.seconds / progress.step * (progress.steps - progress.step)
        self._reporter.note(f"step {progress.step} of {progress.steps}, {left:.0f} s to go: {losses}")
