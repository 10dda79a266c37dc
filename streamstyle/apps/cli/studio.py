"""The command `studio`."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Annotated, Any

import typer

from streamstyle.apps.cli.reporting import Reporter
from streamstyle.apps.live.settings import PAGE, PageSettings
from streamstyle.errors import Interrupted
from streamstyle.options import make_settings

Open = Annotated[
    bool | None, typer.Option("--open/--no-open", help="Open the page in your browser.", rich_help_panel=PAGE)
]


def studio(reporter: Reporter, given: dict[str, Any], open_browser: Open = None) -> None:
    """Stylize your camera, videos and images on a web page."""
    settings = make_settings(given, PageSettings)
    reporter.starting()
    from streamstyle.apps.live.setup import chosen_effect
    from streamstyle.apps.web.key import kept_key
    from streamstyle.apps.web.studio import Studio

    served = Studio(
        settings.host,
        settings.port,
        settings.token or kept_key(),
        styles=settings.style,
        effect=chosen_effect(settings),
        device=settings.device,
        names=settings.allow_host,
        fps=settings.target,
    )
    with served:
        reporter.event("serving", url=served.url)
        reporter.data(served.url)
        reporter.note("open this page in a browser; Ctrl-C stops it")
        if open_browser or (open_browser is None and _has_display()):
            import webbrowser

            webbrowser.open(served.url)
        with suppress(Interrupted):
            served.wait()
    reporter.note("the page is stopped")


def _has_display() -> bool:
    """Whether a browser window can probably be opened on this machine."""
    if os.environ.get("SSH_CONNECTION"):
        return False
    named = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return sys.stderr.isatty() and (sys.platform in ("darwin", "win32") or bool(named))
