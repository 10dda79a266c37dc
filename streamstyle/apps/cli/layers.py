"""The command `layers`: the layers and channels to dream of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from streamstyle.apps.cli.command import OUTPUT_FLAGS, Overwrite
from streamstyle.apps.cli.reporting import Reporter
from streamstyle.effects import DreamSettings
from streamstyle.options import make_settings, option, same

SHEET = "Contact sheet"


class LayersSettings(BaseModel):
    """The settings of `layers`."""

    model_config = ConfigDict(extra="forbid")

    features: str = same(DreamSettings, "features")
    output: str | None = option(
        None,
        "The contact sheet to write; without it, only names are printed.",
        SHEET,
        flags=OUTPUT_FLAGS,
        metavar="PNG",
    )
    image: str | None = option(None, "Image to dream on; by default gray noise.", SHEET, metavar="FILE")
    layer: str | None = option(None, "Show the channels of this layer instead of all layers.", SHEET)
    first: int = option(0, "First channel to show.", SHEET, ge=0)
    count: int = option(48, "How many channels to show.", SHEET, ge=1, le=400)
    device: str = same(DreamSettings, "device")


def layers(reporter: Reporter, given: dict[str, Any], overwrite: Overwrite = False) -> None:
    """List a network's layers, or make a contact sheet that dreams each layer or channel."""
    settings = make_settings(given, LayersSettings)
    reporter.starting()
    from streamstyle.preview.layers import atlas, names_of

    if settings.output is None:
        for name, channels in names_of(settings.features).items():
            reporter.data(f"{name}  {channels} channels")
        return
    atlas(
        Path(settings.output),
        features=settings.features,
        image=None if settings.image is None else Path(settings.image),
        layer=settings.layer,
        channels=range(settings.first, settings.first + settings.count) if settings.layer else None,
        device=settings.device,
        overwrite=overwrite,
    )
    reporter.close()
    reporter.note(f"contact sheet: {settings.output}")
