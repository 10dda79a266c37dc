"""The command `styles`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pydantic import BaseModel

from streamstyle.apps.cli.command import OUTPUT_FLAGS, Overwrite
from streamstyle.apps.cli.reporting import Reporter
from streamstyle.effects import StylizeSettings
from streamstyle.errors import UsageError
from streamstyle.options import make_settings, option

SHEET = "Contact sheet"


class StylesSettings(BaseModel):
    """The settings of `styles`."""

    sheet: str | None = option(
        None,
        "Image to stylize in every bundled style.",
        SHEET,
        flags=("--sheet",),
        metavar="IMAGE",
    )
    style: tuple[str, ...] = option(
        (),
        "Styles to show instead: names, weights files, images or mixtures. Repeatable.",
        SHEET,
        flags=("--style", "-s"),
    )
    output: str = option(
        "styles.png", "The contact sheet to write.", SHEET, flags=OUTPUT_FLAGS, metavar="PNG"
    )


def styles(reporter: Reporter, given: dict[str, Any], overwrite: Overwrite = False) -> None:
    """List the bundled styles, or show them, or others, on your own image."""
    settings = make_settings(given, StylesSettings)
    from streamstyle.weights import STYLES

    if settings.sheet is not None:
        reporter.starting()
        from streamstyle.keyframes import NONE
        from streamstyle.preview.video import preview

        shown = [NONE, *(settings.style or STYLES)]
        preview(settings.sheet, settings.output, shown, StylizeSettings(), 1, overwrite=overwrite)
        reporter.close()
        reporter.note(f"contact sheet: {settings.output}")
        return
    if settings.style:
        raise UsageError("--style: only with --sheet IMAGE")
    default = StylizeSettings.model_fields["style"].default
    rows = [asdict(entry) for entry in STYLES.values()]
    width = max(len(name) for name in STYLES)
    lines = [
        f"{entry.name:<{width}}  {entry.painting}, {entry.painter}, {entry.year}"
        f"{' (default)' if entry.name == default else ''}"
        for entry in STYLES.values()
    ]
    reporter.report(rows, "\n".join(lines))
