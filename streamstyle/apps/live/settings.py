"""What `live` and `studio` can be told."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from streamstyle.effects import RenderSettings, StylizeSettings
from streamstyle.effects.settings import INPUT, LOOK, OUTPUT, Size
from streamstyle.settings import option, same

PAGE, REPORT = "Page", "Reporting"


class PageSettings(BaseModel):
    """How the page is served, and what it offers."""

    model_config = ConfigDict(extra="forbid")

    style: tuple[str, ...] = option(
        (),
        "Name, weights file or mixture: 0.6*udnie+0.4*ink. Repeatable. Live, all bundled styles are at hand, "
        "and the first of these is shown first; the page offers these alone.",
        LOOK,
        flags=("--style", "-s"),
    )
    device: str = same(RenderSettings, "device")
    host: str = option("127.0.0.1", "Address to listen at; 0.0.0.0 lets others in.", PAGE)
    port: int = option(8787, "Port of the page, 0 for any that is free.", PAGE)
    allow_host: tuple[str, ...] = option(
        (), "Name of a proxy that serves the page over https. Repeatable.", PAGE
    )


class LiveSettings(PageSettings):
    """What `live` can be told."""

    camera: str = option(
        "0",
        "Number or path of a camera, a video or image, a URL, testsrc, screen or screen:N.",
        INPUT,
        metavar="NAME",
    )
    list_cameras: bool = option(False, "List the cameras of this machine.", INPUT, flags=("--list",))
    mirror: bool = option(False, "Mirror the camera.", INPUT, flags=("--mirror",))
    size: Size | None = same(RenderSettings, "size", description="Size to ask the camera for.")
    fps: float | None = option(
        None, "Frame rate to hold, by coarser strokes where the machine is slow.", INPUT, ge=1, le=240
    )
    seconds: float | None = option(None, "Stop after this long.", REPORT, ge=0.1)

    effect: str = option("stylize", "Effect to apply: stylize, dream, or another that can run live.", LOOK)
    config: str | None = option(None, "Preset of the effect, by name or TOML file.", LOOK)
    dream: str | None = option(
        None, "Dream with this preset; short for --effect dream --config PRESET.", LOOK, metavar="PRESET"
    )
    strength: float = same(RenderSettings, "strength")
    keep_colors: float = same(RenderSettings, "keep_colors")
    stroke_size: float = same(RenderSettings, "stroke_size")
    steady: float = same(
        StylizeSettings,
        "steady",
        default=0.0,
        description="Temporal consistency; 0 stylizes each frame by itself, which is fastest.",
    )

    window: bool | None = option(None, "Show a window.", OUTPUT)
    record: str | None = option(None, "Record to a video, .mp4 or .mkv.", OUTPUT, metavar="FILE")
    virtual_camera: bool = option(
        False, "Be a camera for other programs (extra vcam).", OUTPUT, flags=("--virtual-camera",)
    )
    url: str | None = option(None, "Send to rtmp://, rtsp://, udp:// or tcp://.", OUTPUT)
    web: bool = option(False, "Show a page for the browser (extra web).", OUTPUT, flags=("--web",))
