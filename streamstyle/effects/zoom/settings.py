"""`zoom`: an endless dream zoom into an image."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import field_validator

from streamstyle.effects.dream.settings import DreamSettings
from streamstyle.effects.render_settings import EffectContext
from streamstyle.effects.setting_values import is_pair
from streamstyle.options import option, same

if TYPE_CHECKING:
    from streamstyle.frames import Effect, Source

ZOOM = "Zoom"


class ZoomSettings(DreamSettings):
    """The settings of `zoom`."""

    SUMMARY: ClassVar[str] = """Zoom endlessly into an image while dreaming on it.

    Speeds are per second: the video is the same at 24 and at 60 frames per second, only smoother.
    """
    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "streamstyle zoom photo.jpg zoom.mp4 --seconds 20 --loop",
        "streamstyle zoom photo.jpg turn.mp4 --rotate 5 --config coral --size 640x360",
        "streamstyle zoom photo.jpg music.mp4 --seconds 30 --audio song.mp3",
    )
    FASTER: ClassVar[tuple[str, ...]] = ("--size 480x270", "--dreams 4")
    SOURCE: ClassVar[tuple[str, str]] = ("IMAGE", "Image to zoom into.")
    ANIMATED: ClassVar[tuple[str, ...]] = (*DreamSettings.ANIMATED, "speed", "rotate")
    OMITTED: ClassVar[frozenset[str]] = frozenset(
        {
            *("mask", "mask_feather", "mask_invert", "keep_blank", "start", "length", "deinterlace", "audio"),
            *("flow", "flow_size", "flow_weights", "carry", "depth", "later_steps"),
        }
    )
    LIVE: ClassVar[bool] = False
    ANIMATES: ClassVar[bool] = True
    OCTAVES: ClassVar[int] = 3

    layer: str = same(DreamSettings, "layer", default="thing")
    steps: int = same(DreamSettings, "steps", default=2)
    # Each dream starts from the one before: without smoothing, a fine scaly texture grows within seconds.
    variation: float = same(DreamSettings, "variation", default=0.08)
    seconds: float = option(20.0, "Length of the video.", ZOOM, gt=0, le=36000)
    speed: float = option(1.3, "Magnification per second.", ZOOM, ge=1, le=100)
    rotate: float = option(0.0, "Rotation in degrees per second, clockwise.", ZOOM, ge=-3600, le=3600)
    pan: tuple[float, float] = option(
        (0.0, 0.0), "Movement per second, in shares of width and height.", ZOOM, metavar="X,Y", text=True
    )
    dreams: float = option(8.0, "Dreams per second.", ZOOM, gt=0, le=240)
    ease: float = option(
        1.0,
        "Seconds in which the motion begins; 0 = at full speed from the start, as in a loop.",
        ZOOM,
        ge=0,
        le=60,
    )
    loop: bool = option(False, "Make the last frame lead into the first.", ZOOM)
    sound: str | None = option(
        None,
        "Video or audio file for the audio track.",
        ZOOM,
        flags=("--audio",),
        metavar="FILE",
        file=True,
    )

    @field_validator("pan", mode="before")
    @classmethod
    def _pan(cls, value: Any) -> Any:
        if isinstance(value, str):
            parts = value.split(",")
            try:
                value = [float(part) for part in parts]
            except ValueError:
                value = []
        if not is_pair(value) or not all(abs(share) <= 10 for share in value):
            raise ValueError("expected X,Y, such as 0.1,-0.05, from -10 to 10")
        return value

    def open_source(self, name: str) -> Source:
        """The image, repeated for the length of the video."""
        from streamstyle.sources.repeated import RepeatedSource
        from streamstyle.video.opening import regular_file

        return RepeatedSource(
            regular_file(name),
            seconds=self.seconds,
            rate=self.fps or Fraction(25),
            size=self.size,
            max_size=self.max_size,
            sound=self.sound,
        )

    def needs_flow(self, kind: str) -> bool:
        """Never: the motion is known exactly."""
        return False

    def build(self, context: EffectContext) -> Effect:
        """The zoom, with the dream that it applies."""
        from streamstyle.effects.composite import Composite
        from streamstyle.effects.zoom.effect import Zoom, ZoomPath

        dream = Composite(self.dream(context), context.parameters, colors=self.keep_colors_by)
        loop = self.seconds if self.loop else None
        ease = 0.0 if self.loop else self.ease  # the last frame of a loop is in full motion
        return Zoom(dream, self.keyframes(), ZoomPath(self.pan, self.dreams, loop, ease))

    def compose(self, context: EffectContext) -> Effect:
        """The zoom alone: masks and colors of the still source do not apply to its frames."""
        return self.build(context)
