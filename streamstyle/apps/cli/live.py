"""The command `live`."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamstyle.apps.cli.command import Overwrite
from streamstyle.apps.cli.hints import SlowCamera
from streamstyle.apps.cli.reporting import Reporter
from streamstyle.apps.live.settings import LiveSettings
from streamstyle.effects import RenderSettings
from streamstyle.errors import InputError, Interrupted, StreamstyleError, UsageError
from streamstyle.options import make_settings

if TYPE_CHECKING:
    from streamstyle.apps.live.session import Live
    from streamstyle.sinks.window import WindowSink

STATUS_SECONDS = 1.0


def live(reporter: Reporter, given: dict[str, Any], overwrite: Overwrite = False) -> None:
    """Apply an effect to a camera, live.

    In the window, h shows all keys. If the camera is unplugged or freezes, streamstyle waits and resumes.
    Ctrl-C stops it and finishes recordings.
    """
    # Without this, opening a camera takes half a minute on some Windows machines. Must be set before OpenCV
    # is imported.
    os.environ.setdefault("OPENCV_VIDEOIO_MSMF_ENABLE_HW_TRANSFORMS", "0")
    settings = make_settings(given, LiveSettings)
    if settings.list_cameras:
        show_cameras(reporter)
        return
    reporter.starting()
    window = open_window(reporter, settings)
    record = None if settings.record is None else Path(settings.record)
    from streamstyle.apps.live import setup
    from streamstyle.apps.live.session import Live
    from streamstyle.sources.camera import open_camera

    setup.check_inputs(settings, record, overwrite)
    effect = setup.chosen_effect(settings)
    stylizer, outputs = setup.open_stylizer(settings, effect), setup.open_outputs(settings)

    session = Live(
        lambda: open_camera(settings.camera, size=settings.size, fps=settings.fps),
        stylizer,
        outputs,
        fps=settings.fps,
    )
    try:
        with ExitStack() as stack:
            stack.enter_context(session)
            if settings.web:
                stack.enter_context(page(reporter, session, settings, effect))
            if window is not None:
                stack.callback(window.close)  # at once, before outputs are finished
            run(reporter, session, settings, window, record, overwrite)
    except Interrupted:
        pass  # the usual way to stop without a window; everything is closed by now
    finish(reporter, session, record, seen=window is not None or settings.web)


def run(
    reporter: Reporter,
    session: Live,
    settings: LiveSettings,
    window: WindowSink | None,
    record: Path | None,
    overwrite: bool,
) -> None:
    """Show the session in the window, or just wait, until the end."""
    from streamstyle.apps.live.display import show, wait
    from streamstyle.apps.live.painting_list import PaintingList
    from streamstyle.apps.live.setup import recorder
    from streamstyle.apps.live.view import View

    until = math.inf if settings.seconds is None else time.monotonic() + settings.seconds
    view = View(
        session,
        settings.camera,
        recorder=lambda path: recorder(path, False),
        paintings=None if settings.styles is None else PaintingList(session, Path(settings.styles)),
    )
    if record is not None:
        view.follow(recorder(record, overwrite))
    report_status = status_reporter(reporter, session)
    if window is None:
        wait(session, until=until, on_tick=report_status, watched=settings.web)
    else:
        show(session, view, window, until=until, on_tick=report_status)


def open_window(reporter: Reporter, settings: LiveSettings) -> WindowSink | None:
    """Open a window, or None: without `--window` it is optional if there are other outputs.

    Raises:
        UsageError: it is disabled or cannot be opened, and it was requested or is the only output.
    """
    other = settings.record is not None or settings.virtual_camera or settings.url is not None or settings.web
    if settings.window is False or (settings.window is None and settings.web):
        if not other:
            raise UsageError("--no-window: there is no output; add --record, --url or --web")
        return None
    from streamstyle.sinks.window import WindowSink

    try:
        return WindowSink()
    except UsageError as error:
        if settings.window or not other:
            raise
        reporter.note(f"no window: {str(error).partition(';')[0]}")
        return None


@contextmanager
def page(reporter: Reporter, session: Live, settings: LiveSettings, effect: RenderSettings) -> Iterator[None]:
    """Serve the web page while the session runs.

    Raises:
        UsageError: the extra is missing, or the address is in use.
    """
    from streamstyle.apps.web.key import kept_key
    from streamstyle.apps.web.studio import Studio

    with Studio(
        settings.host,
        settings.port,
        settings.token or kept_key(),
        machine=session,
        styles=session.styles if effect.choices() else (),
        effect=effect,
        device=settings.device,
        names=settings.allow_host,
        fps=settings.target,
    ) as studio:
        reporter.event("serving", url=studio.url, stream=studio.stream_url)
        reporter.data(studio.url)
        reporter.note(f"open this page in a browser; the stream for OBS and VLC is {studio.stream_url}")
        yield


def show_cameras(reporter: Reporter) -> None:
    """Print the cameras of this machine."""
    from streamstyle.sources.camera import list_cameras

    cameras = list_cameras()
    for number, name in cameras.items():
        reporter.event("camera", camera=number, name=name)
        reporter.data(f"{number}  {name}")
    if not cameras:
        reporter.note("no camera was found")
    reporter.note(
        "--camera also accepts a video or image (played as a camera), a URL, testsrc, screen or screen:N"
    )


def status_reporter(reporter: Reporter, session: Live) -> Callable[[], None]:
    """A function that reports the session's status once every STATUS_SECONDS."""
    last, hint = time.monotonic(), SlowCamera()

    def report() -> None:
        nonlocal last
        if time.monotonic() - last >= STATUS_SECONDS:
            last = time.monotonic()
            status = session.status()
            reporter.live(session.frames, status)
            if text := hint(status):
                reporter.note(text)

    return report


def finish(reporter: Reporter, session: Live, record: Path | None, *, seen: bool) -> None:
    """Print the summary.

    Raises:
        InputError: the camera gave no frame, so nothing was recorded, or nothing done that could be `seen`.
        StreamstyleError: an output failed for good.
    """
    reporter.close()
    status = session.status()
    reporter.event("done", frames=session.frames, drops=status["drops"], recording=str(record or ""))
    where = "" if record is None else f", recorded to {record}" if session.frames else ", nothing recorded"
    reporter.note(f"{session.frames} frames stylized, {status['drops']} dropped{where}")
    failed: list[StreamstyleError] = session.failures()
    if failed:
        raise failed[0]
    if not session.frames and (record is not None or not seen):
        raise InputError(f"{status['reason'] or 'camera'}; no frame came, so there is no result")
