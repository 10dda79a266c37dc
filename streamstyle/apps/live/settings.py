"""The settings of `live` and `studio`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from streamstyle.effects import RenderSettings, StylizeSettings
from streamstyle.effects.render_settings import INPUT, LOOK, OUTPUT
from streamstyle.effects.setting_values import Size
from streamstyle.effects.stylize.settings import RunnerName
from streamstyle.options import option, same

PAGE, REPORT = "Page", "Reporting"
TARGET_FPS = 24.0  # that is held by default; fewer frames a second look jerky


class PageSettings(BaseModel):
    """How the page is served, and what it offers."""

    model_config = ConfigDict(extra="forbid")

    style: tuple[str, ...] = option(
        (),
        "Style: a name, weights file or mixture such as 0.6*udnie+0.4*ink. Repeatable. `live` starts with "
        "the first one and can switch to every bundled style; `studio` offers only the given ones.",
        LOOK,
        flags=("--style", "-s"),
    )
    effect: str = option("stylize", "Effect to apply: stylize, dream, or another that runs live.", LOOK)
    config: str | None = option(None, "Preset of the effect, by name or TOML file.", LOOK)
    device: str = same(RenderSettings, "device")
    runner: RunnerName = same(StylizeSettings, "runner")
    fps: float | None = option(
        None,
        f"Frame rate to hold; {TARGET_FPS:g} by default, or a slower camera's own.",
        LOOK,
        ge=1,
        le=240,
    )
    best: bool = option(False, "Best quality at whatever rate.", LOOK, flags=("--best",))
    host: str = option("127.0.0.1", "Address to listen on; 0.0.0.0 also accepts other machines.", PAGE)
    port: int = option(8787, "Port of the page; 0 picks a free one.", PAGE)
    allow_host: tuple[str, ...] = option(
        (), "Also accept requests for this host name, such as an https proxy's. Repeatable.", PAGE
    )
    token: str | None = option(
        None,
        "Key in the page's link, 8 characters or more; by default one that is kept for you.",
        PAGE,
        environment="STREAMSTYLE_TOKEN",
    )

    @property
    def target(self) -> float | None:
        """The frame rate to hold; None: the best quality at whatever rate."""
        return None if self.best else self.fps or TARGET_FPS


class LiveSettings(PageSettings):
    """The settings of `live`."""

    camera: str = option(
        "0",
        "Camera number or path, video or image file, URL, testsrc, screen or screen:N.",
        INPUT,
        metavar="NAME",
    )
    list_cameras: bool = option(False, "List the cameras of this machine and exit.", INPUT, flags=("--list",))
    mirror: bool = option(False, "Mirror the camera image.", INPUT, flags=("--mirror",))
    size: Size | None = same(RenderSettings, "size", description="Camera resolution to request.")
    seconds: float | None = option(None, "Stop after this many seconds.", REPORT, ge=0.1)

    dream: str | None = option(
        None, "Dream with this preset: short for --effect dream --config PRESET.", LOOK, metavar="PRESET"
    )
    styles: str | None = option(
        None,
        "Folder of paintings; l lists them in the window, and enter makes one the style.",
        LOOK,
        metavar="FOLDER",
    )
    strength: float = same(RenderSettings, "strength")
    keep_colors: float = same(RenderSettings, "keep_colors")
    stroke_size: float = same(RenderSettings, "stroke_size")
    steady: float = same(
        StylizeSettings,
        "steady",
        default=0.0,
        description="Temporal consistency; 0 stylizes each frame on its own, which is fastest.",
    )

    window: bool | None = option(None, "Show a window; by default if a display is available.", OUTPUT)
    record: str | None = option(
        None, "Record to a video, .mp4 or .mkv, or to a folder of images.", OUTPUT, metavar="FILE"
    )
    virtual_camera: bool = option(
        False,
        "Provide a camera to other programs (extra vcam).",
        OUTPUT,
        flags=("--virtual-camera",),
    )
    url: str | None = option(None, "Stream to an rtmp://, rtmps://, rtsp://, udp:// or tcp:// URL.", OUTPUT)
    web: bool = option(
        False,
        "Show and control it on a web page (extra web).",
        OUTPUT,
        flags=("--web",),
    )
