"""`live`."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamstyle.apps.cli import options
from streamstyle.apps.cli.options import REPORT, WRITE, Debug, Json, Quiet, option
from streamstyle.apps.cli.reporting import Reporter, reporting
from streamstyle.errors import Interrupted, StreamstyleError, UsageError

if TYPE_CHECKING:
    from streamstyle.apps.live.output import Output
    from streamstyle.apps.live.session import Live
    from streamstyle.apps.live.stylizer import Stylizer
    from streamstyle.sinks.window import WindowSink

CAMERA = "What to see"
STATUS_SECONDS = 1.0

Camera = Annotated[
    str,
    typer.Option(
        "--camera",
        metavar="NAME",
        help="Number or path of a camera, a film or picture, a URL, testsrc, screen or screen:N.",
        rich_help_panel=CAMERA,
    ),
]
Styles = Annotated[
    list[str] | None,
    option(
        options.STYLE,
        "--style",
        "-s",
        help="Name, weights file or mixture: 0.6*udnie+0.4*ink. All bundled styles are at hand; the first of "
        "these is shown first.",
    ),
]
Dream = Annotated[str | None, option(options.STYLE, "--dream", help="Dream instead: a preset or TOML file.")]
Strength = Annotated[float, option(options.STYLE, "--strength", help="0 = the source, 1 = the full style.")]
KeepColors = Annotated[float, option(options.STYLE, "--keep-colors", help="1 = the source's colours.")]
StrokeSize = Annotated[float, option(options.STYLE, "--stroke-size", help="0.25 to 4.")]
Steady = Annotated[float, option(options.STEADY, "--steady", help="0 = off, the fastest; 1 = still.")]
Mirror = Annotated[bool, option(CAMERA, "--mirror", help="As in a mirror.")]
Size = Annotated[str | None, option(CAMERA, "--size", help="WIDTHxHEIGHT that the camera is asked for.")]
Fps = Annotated[
    float | None,
    option(CAMERA, "--fps", help="Rate to hold, by coarser strokes where the machine is slow."),
]
ListCameras = Annotated[bool, option(CAMERA, "--list", help="Show which cameras there are.")]
Window = Annotated[bool | None, option(WRITE, "--window/--no-window", help="Show a window.")]
Record = Annotated[Path | None, option(WRITE, "--record", help="Record to a film, .mp4 or .mkv.")]
VirtualCamera = Annotated[
    bool, option(WRITE, "--virtual-camera", help="Be a camera for other programs (extra vcam).")
]
Url = Annotated[str | None, option(WRITE, "--url", help="Send to rtmp://, rtsp://, udp:// or tcp://.")]
Web = Annotated[bool, option(WRITE, "--web", help="Show a page for the browser (extra web).")]
Overwrite = Annotated[bool, option(WRITE, "-y", "--overwrite", help="Replace the recording that is there.")]
Seconds = Annotated[float | None, option(REPORT, "--seconds", min=0.1, help="End after this long.")]


def live(
    camera: Camera = "0",
    style: Styles = None,
    dream: Dream = None,
    strength: Strength = 1.0,
    keep_colors: KeepColors = 0.0,
    stroke_size: StrokeSize = 1.0,
    steady: Steady = 0.0,
    device: options.Device = None,
    mirror: Mirror = False,
    size: Size = None,
    fps: Fps = None,
    list_: ListCameras = False,
    window: Window = None,
    record: Record = None,
    virtual_camera: VirtualCamera = False,
    url: Url = None,
    web: Web = False,
    host: options.Host = "127.0.0.1",
    port: options.Port = 8787,
    allow_host: options.AllowHost = None,
    overwrite: Overwrite = False,
    seconds: Seconds = None,
    quiet: Quiet = False,
    events: Json = False,
    debug: Debug = False,
) -> None:
    """Paint what a camera sees, while it sees it.

    In the window h shows all keys. A camera that is lost is waited for. Ctrl-C ends, recordings are finished.
    """
    # Opening a camera takes half a minute on some Windows machines else; to be set before OpenCV is there.
    os.environ.setdefault("OPENCV_VIDEOIO_MSMF_ENABLE_HW_TRANSFORMS", "0")
    with reporting(events=events, quiet=quiet, debug=debug) as reporter:
        if list_:
            show_cameras(reporter)
            return
        other = record is not None or virtual_camera or url is not None or web
        shown = opened_window(reporter, window, other=other, web=web)
        wanted_size = checked(camera, size, fps, record, overwrite)
        looks = {
            "strength": strength,
            "keep_colors": keep_colors,
            "stroke_size": stroke_size,
            "steady": steady,
            "mirror": mirror,
        }
        painter = opened_painter(style or [], dream, looks, device or "auto", fps)
        outputs = opened_outputs(virtual_camera, url)

        from streamstyle.apps.live.session import Live
        from streamstyle.sources.camera import open_camera

        session = Live(lambda: open_camera(camera, size=wanted_size, fps=fps), painter, outputs)
        try:
            with ExitStack() as stack:
                stack.enter_context(session)
                if web:
                    offered = [] if dream else session.styles
                    stack.enter_context(
                        page(reporter, session, offered, device or "auto", host, port, allow_host or [])
                    )
                if shown is not None:
                    stack.callback(shown.close)  # at once, whatever is still to be finished
                run(reporter, session, camera, shown, record, overwrite, seconds, watched=web)
        except Interrupted:
            pass  # the usual way to end without a window; all is finished by now
        finish(reporter, session, record)


def run(
    reporter: Reporter,
    session: Live,
    camera: str,
    window: WindowSink | None,
    record: Path | None,
    overwrite: bool,
    seconds: float | None,
    watched: bool,
) -> None:
    """Show it, or only wait, until the end."""
    from streamstyle.apps.live.display import show, wait
    from streamstyle.apps.live.view import View

    until = math.inf if seconds is None else time.monotonic() + seconds
    view = View(session, camera, recorder=lambda path: recorder(path, False))
    if record is not None:
        view.follow(recorder(record, overwrite))
    tell = teller(reporter, session)
    if window is None:
        wait(session, until=until, on_tick=tell, watched=watched)
    else:
        show(session, view, window, until=until, on_tick=tell)


def checked(
    camera: str, size: str | None, fps: float | None, record: Path | None, overwrite: bool
) -> tuple[int, int] | None:
    """Refuses what cannot become right while it runs; a camera may still be plugged in. The size, read.

    Raises:
        UsageError: an option is wrong.
        InputError: a file is not there, or no film or picture.
    """
    from streamstyle.settings import StylizeSettings, make_settings
    from streamstyle.sinks.recording import check_recording
    from streamstyle.sources.camera import is_device, open_camera
    from streamstyle.video.live_inputs import is_screen
    from streamstyle.video.opening import is_url

    if not (is_device(camera) or is_screen(camera) or is_url(camera) or camera == "testsrc"):
        with open_camera(camera):
            pass
    if fps is not None and not 1 <= fps <= 240:
        raise UsageError(f"--fps {fps:g}: expected 1 to 240")
    if record is not None:
        check_recording(record, overwrite=overwrite)
    return make_settings({"size": size}, kind=StylizeSettings).size if size is not None else None


def opened_window(reporter: Reporter, wanted: bool | None, *, other: bool, web: bool) -> WindowSink | None:
    """A window where one is wanted, or where nothing is said and it is of use and can be opened.

    Raises:
        UsageError: there can be none, and nothing else was asked for.
    """
    if wanted is False or (wanted is None and web):
        if not other:
            raise UsageError("--no-window: nothing is left to be done; add --record, --url or --web")
        return None
    from streamstyle.sinks.window import WindowSink

    try:
        return WindowSink()
    except UsageError as error:
        if wanted or not other:
            raise
        reporter.note(f"without a window: {str(error).partition(';')[0]}")
        return None


def opened_painter(
    styles: list[str], dream: str | None, looks: dict[str, Any], device: str, fps: float | None
) -> Stylizer:
    """What paints, or dreams.

    Raises:
        StreamstyleError: a value is not allowed, or something cannot be loaded.
    """
    from streamstyle.apps.live.stylizer import Controls, Stylizer
    from streamstyle.settings import DreamSettings, load_preset, make_settings
    from streamstyle.weights import STYLES

    if dream is not None:
        if styles:
            raise UsageError("--dream: takes no --style")
        settings = make_settings(load_preset(dream, DreamSettings), dream, DreamSettings)
        return Stylizer([], Controls().but(**looks), device=device, fps=fps, dream=settings)
    wanted = Controls().but(style=styles[0], **looks) if styles else Controls().but(**looks)
    return Stylizer([*styles, *STYLES], wanted, device=device, fps=fps)


def recorder(path: Path, overwrite: bool) -> Output:
    """An output that records to a file."""
    from streamstyle.apps.live.output import Output
    from streamstyle.sinks.recording import RecordingSink

    return Output(str(path), lambda info: RecordingSink(path, info, overwrite=overwrite))


def opened_outputs(virtual_camera: bool, url: str | None) -> list[Output]:
    """Virtual camera and URL, where they are asked for; both begin with the first frame.

    Raises:
        UsageError: the extra is missing, or it is no URL that can be sent to.
    """
    from streamstyle.apps.live.output import Output
    from streamstyle.sinks.pipe import PipeSink
    from streamstyle.sinks.recording import OPTIONS
    from streamstyle.sinks.virtual_camera import VirtualCameraSink, loaded
    from streamstyle.video.opening import is_url

    outputs = []
    if virtual_camera:
        loaded()
        outputs.append(Output("--virtual-camera", VirtualCameraSink))
    if url is not None:
        if not is_url(url):
            raise UsageError(f"--url {url}: expected rtmp://, rtmps://, rtsp://, udp:// or tcp://")
        outputs.append(Output(url, lambda info: PipeSink(url, info, OPTIONS), again=True))
    return outputs


@contextmanager
def page(
    reporter: Reporter, session: Live, styles: list[str], device: str, host: str, port: int, names: list[str]
) -> Iterator[None]:
    """The page for the browser, as long as the session runs.

    Raises:
        UsageError: the extra is missing, or the address is taken.
    """
    from streamstyle.apps.web.studio import Studio

    with Studio(host, port, machine=session, styles=styles, device=device, names=names) as studio:
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
        "--camera also takes a film or picture, which plays as a camera, a URL, testsrc, screen or screen:N"
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
    reporter.note(f"{session.frames} frames painted, {status['drops']} dropped{where}")
    failed: list[StreamstyleError] = session.failures()
    if failed:
        raise failed[0]
