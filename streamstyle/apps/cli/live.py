"""`live`."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamstyle.apps.cli.command import Overwrite
from streamstyle.apps.cli.reporting import Reporter
from streamstyle.apps.live.settings import LiveSettings
from streamstyle.effects import EFFECTS, RenderSettings
from streamstyle.errors import Interrupted, StreamstyleError, UsageError
from streamstyle.settings import load_preset, make_settings

if TYPE_CHECKING:
    from streamstyle.apps.live.output import Output
    from streamstyle.apps.live.session import Live
    from streamstyle.apps.live.stylizer import Stylizer
    from streamstyle.sinks.window import WindowSink

STATUS_SECONDS = 1.0


def live(reporter: Reporter, given: dict[str, Any], overwrite: Overwrite = False) -> None:
    """Apply an effect to a camera, live.

    In the window h shows all keys. If the camera is unplugged or freezes, streamstyle waits and resumes.
    Ctrl-C stops, recordings are finished.
    """
    # Opening a camera takes half a minute on some Windows machines else; to be set before OpenCV is there.
    os.environ.setdefault("OPENCV_VIDEOIO_MSMF_ENABLE_HW_TRANSFORMS", "0")
    settings = make_settings(given, LiveSettings)
    if settings.list_cameras:
        show_cameras(reporter)
        return
    shown = opened_window(reporter, settings)
    record = None if settings.record is None else Path(settings.record)
    check_camera(settings, record, overwrite)
    stylizer = opened_stylizer(settings)
    outputs = opened_outputs(settings)

    from streamstyle.apps.live.session import Live
    from streamstyle.sources.camera import open_camera

    session = Live(
        lambda: open_camera(settings.camera, size=settings.size, fps=settings.fps), stylizer, outputs
    )
    try:
        with ExitStack() as stack:
            stack.enter_context(session)
            if settings.web:
                stack.enter_context(page(reporter, session, settings))
            if shown is not None:
                stack.callback(shown.close)  # at once, whatever is still to be finished
            run(reporter, session, settings, shown, record, overwrite)
    except Interrupted:
        pass  # the usual way to stop without a window; all is finished by now
    finish(reporter, session, record)


def run(
    reporter: Reporter,
    session: Live,
    settings: LiveSettings,
    window: WindowSink | None,
    record: Path | None,
    overwrite: bool,
) -> None:
    """Show it, or only wait, until the end."""
    from streamstyle.apps.live.display import show, wait
    from streamstyle.apps.live.view import View

    until = math.inf if settings.seconds is None else time.monotonic() + settings.seconds
    view = View(session, settings.camera, recorder=lambda path: recorder(path, False))
    if record is not None:
        view.follow(recorder(record, overwrite))
    tell = teller(reporter, session)
    if window is None:
        wait(session, until=until, on_tick=tell, watched=settings.web)
    else:
        show(session, view, window, until=until, on_tick=tell)


def check_camera(settings: LiveSettings, record: Path | None, overwrite: bool) -> None:
    """Refuses what cannot become right while it runs; a camera may still be plugged in.

    Raises:
        UsageError: an option is wrong.
        InputError: a file is not there, or no video or image.
    """
    from streamstyle.sinks import sink_for
    from streamstyle.sinks.recording import check_recording
    from streamstyle.sources.camera import camera_kind, open_camera

    if not camera_kind(settings.camera).waits:
        with open_camera(settings.camera):
            pass
    if record is not None and not sink_for(record).LIVE:
        check_recording(record, overwrite=overwrite)


def opened_window(reporter: Reporter, settings: LiveSettings) -> WindowSink | None:
    """A window where one is asked for, or where nothing is said and it is of use and can be opened.

    Raises:
        UsageError: there can be none, and nothing else was asked for.
    """
    other = settings.record is not None or settings.virtual_camera or settings.url is not None or settings.web
    if settings.window is False or (settings.window is None and settings.web):
        if not other:
            raise UsageError("--no-window: nothing is left to be done; add --record, --url or --web")
        return None
    from streamstyle.sinks.window import WindowSink

    try:
        return WindowSink()
    except UsageError as error:
        if settings.window or not other:
            raise
        reporter.note(f"without a window: {str(error).partition(';')[0]}")
        return None


def opened_stylizer(settings: LiveSettings) -> Stylizer:
    """What applies the effect.

    Raises:
        StreamstyleError: a value is not allowed, or something cannot be loaded.
    """
    from streamstyle.apps.live.controls import Controls
    from streamstyle.apps.live.stylizer import Stylizer

    effect = live_effect(settings)
    look = settings.model_dump(include={"strength", "keep_colors", "stroke_size", "steady", "mirror"})
    mixtures = settings.style or (effect.mixture,)
    controls = Controls(style=mixtures[0], **look)
    choices = [*mixtures, *effect.choices()]
    return Stylizer(effect, choices, controls, device=settings.device, fps=settings.fps)


def live_effect(settings: LiveSettings) -> RenderSettings:
    """The settings of the effect that is asked for.

    Raises:
        UsageError: there is no such effect, or it cannot run live.
    """
    name, preset = settings.effect, settings.config
    if settings.dream is not None:
        name, preset = "dream", settings.dream
    kind = EFFECTS.get(name)
    runs = [effect for effect, each in EFFECTS.items() if each.LIVE]
    if kind is None or not kind.LIVE:
        raise UsageError(f"--effect {name}: expected one that runs live: {', '.join(runs)}")
    if settings.style and kind.MIXTURE != "style":
        raise UsageError(f"--{'dream' if settings.dream is not None else f'effect {name}'}: takes no --style")
    values = load_preset(preset, kind) if preset is not None else {}
    return make_settings(values, kind, preset or "")


def recorder(path: Path, overwrite: bool) -> Output:
    """An output that records to a video, or to whatever else of SINKS takes a camera's frames."""
    from streamstyle.apps.live.output import Output
    from streamstyle.sinks import WriteOptions, sink_for
    from streamstyle.sinks.recording import RecordingSink

    kind = sink_for(path)
    if kind.LIVE:
        return Output(str(path), lambda info: kind.open(str(path), info, WriteOptions(overwrite=overwrite)))
    return Output(str(path), lambda info: RecordingSink(path, info, overwrite=overwrite))


def opened_outputs(settings: LiveSettings) -> list[Output]:
    """Virtual camera and URL, where they are asked for; both begin with the first frame.

    Raises:
        UsageError: the extra is missing, or it is no URL that can be sent to.
    """
    from streamstyle.apps.live.output import Output
    from streamstyle.sinks.pipe import PipeSink
    from streamstyle.sinks.recording import OPTIONS
    from streamstyle.sinks.virtual_camera import VirtualCameraSink, loaded
    from streamstyle.video.opening import is_url

    outputs, url = [], settings.url
    if settings.virtual_camera:
        loaded()
        outputs.append(Output("--virtual-camera", VirtualCameraSink))
    if url is not None:
        if not is_url(url):
            raise UsageError(f"--url {url}: expected rtmp://, rtmps://, rtsp://, udp:// or tcp://")
        outputs.append(Output(url, lambda info: PipeSink(url, info, OPTIONS), again=True))
    return outputs


@contextmanager
def page(reporter: Reporter, session: Live, settings: LiveSettings) -> Iterator[None]:
    """The page for the browser, as long as the session runs.

    Raises:
        UsageError: the extra is missing, or the address is taken.
    """
    from streamstyle.apps.web.studio import Studio

    with Studio(
        settings.host,
        settings.port,
        machine=session,
        styles=session.styles if live_effect(settings).choices() else [],
        device=settings.device,
        names=settings.allow_host,
    ) as studio:
        reporter.event("serving", url=studio.url, stream=studio.stream_url)
        reporter.data(studio.url)
        reporter.note(f"the page is served there, for OBS and VLC as a stream at {studio.stream_url}")
        yield


def show_cameras(reporter: Reporter) -> None:
    """What `--camera` takes here."""
    from streamstyle.sources.camera import list_cameras

    cameras = list_cameras()
    for number, name in cameras.items():
        reporter.event("camera", camera=number, name=name)
        reporter.data(f"{number}  {name}")
    if not cameras:
        reporter.note("no camera was found")
    reporter.note(
        "--camera also takes a video or image, which plays as a camera, a URL, testsrc, screen or screen:N"
    )


def teller(reporter: Reporter, session: Live) -> Callable[[], None]:
    """A function that says once a second how it goes."""
    last = time.monotonic()

    def tell() -> None:
        nonlocal last
        if time.monotonic() - last >= STATUS_SECONDS:
            last = time.monotonic()
            reporter.live(session.frames, session.status())

    return tell


def finish(reporter: Reporter, session: Live, record: Path | None) -> None:
    """The last line.

    Raises:
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
