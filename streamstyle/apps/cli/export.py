"""The command `export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel, ConfigDict

from streamstyle.apps.cli.command import Overwrite
from streamstyle.apps.cli.reporting import Reporter
from streamstyle.effects import RenderSettings
from streamstyle.effects.setting_values import Size
from streamstyle.options import make_settings, same


class ExportSettings(BaseModel):
    """The settings of `export`."""

    model_config = ConfigDict(extra="forbid")

    strength: float = same(RenderSettings, "strength", description="Strength of the style, above 0.")
    size: Size | None = same(
        RenderSettings, "size", description="Only for images of this size; by default for multiples of 8."
    )


def export(
    reporter: Reporter,
    given: dict[str, Any],
    style: Annotated[str, typer.Argument(metavar="STYLE", help="Name, weights file or mixture.")],
    output: Annotated[str, typer.Argument(metavar="OUT.onnx", help="The model to write.")],
    overwrite: Overwrite = False,
) -> None:
    """Export a style as an ONNX model for other programs (extra export).

    Input and output are (1, 3, H, W), RGB from 0 to 1. The networks of a mixture are mixed by their weights.
    """
    settings = make_settings(given, ExportSettings)
    reporter.starting()
    from streamstyle.jobs.export import export as export_style

    difference = export_style(style, Path(output), **dict(settings), overwrite=overwrite)
    checked = (
        "not checked, as onnxruntime is not installed"
        if difference is None
        else f"differs by at most {difference:.1g} from PyTorch (1/255 is a step of 8 bits)"
    )
    reporter.close()
    reporter.event("exported", output=output, difference=difference)
    reporter.note(f"{output}: {checked}")
