"""`studio`."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

from streamstyle.apps.cli import options
from streamstyle.apps.cli.options import Debug, Json, Quiet
from streamstyle.apps.cli.reporting import reporting


def studio(
    host: options.Host = "127.0.0.1",
    port: options.Port = 8787,
    allow_host: options.AllowHost = None,
    open_browser: Annotated[
        bool | None,
        options.option(options.SERVE, "--open/--no-open", help="Open it in the browser."),
    ] = None,
    style: Annotated[
        list[str] | None,
        options.option(
            options.STYLE,
            "--style",
            "-s",
            help="Offer only these names or weights files. Repeatable.",
        ),
    ] = None,
    device: options.Device = None,
    quiet: Quiet = False,
    events: Json = False,
    debug: Debug = False,
) -> None:
    """Paint your camera, films and pictures on a page in the browser."""
    from streamstyle.errors import Interrupted

    with reporting(events=events, quiet=quiet, debug=debug) as reporter:
        from streamstyle.apps.web.studio import Studio

        made = Studio(host, port, styles=style or (), device=device or "auto", names=allow_host or ())
        with made:
            reporter.event("serving", url=made.url)
            if not events:
                print(made.url, flush=True)
            reporter.note("the page is served there; Ctrl-C ends it")
            if open_browser or (open_browser is None and _has_display()):
                import webbrowser

                webbrowser.open(made.url)
            with suppress(Interrupted):
                made.wait()
        reporter.note("the page is closed")


def _has_display() -> bool:
    """Whether a person sits at this machine."""
    import os
    import sys

    if os.environ.get("SSH_CONNECTION"):
        return False
    named = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return sys.stderr.isatty() and (sys.platform in ("darwin", "win32") or bool(named))
