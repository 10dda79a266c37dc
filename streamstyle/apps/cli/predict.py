"""The command `predict`: writes the style network of a painting at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel, ConfigDict

from streamstyle.apps.cli.command import OUTPUT_FLAGS, Overwrite
from streamstyle.apps.cli.reporting import Reporter
from streamstyle.options import make_settings, option


class PredictSettings(BaseModel):
    """The settings of `predict`."""

    model_config = ConfigDict(extra="forbid")

    output: str | None = option(
        None, "Style network to write; by default PAINTING.safetensors.", "Output", flags=OUTPUT_FLAGS
    )


def predict(
    reporter: Reporter,
    given: dict[str, Any],
    painting: Annotated[Path, typer.Argument(metavar="PAINTING", help="The image whose style to predict.")],
    overwrite: Overwrite = False,
) -> None:
    """Predict a style network from a painting, without training, and write it to a file.

    `--style PAINTING` does the same without a file. `streamstyle train` learns more of the painting.
    """
    settings = make_settings(given, PredictSettings)
    output = Path(settings.output or f"{painting.stem}.safetensors")
    from streamstyle.jobs.predict import predict as predict_style

    predict_style(painting, output, overwrite=overwrite)
    reporter.event("predicted", output=str(output))
    reporter.note(f"{output}; use it: `streamstyle stylize IN OUT --style {output}`")
