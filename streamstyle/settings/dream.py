"""What `dream` and `zoom` can be told."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Self

from pydantic import Field, field_validator

from streamstyle.keyframes import with_absolute_files
from streamstyle.settings.film import RenderSettings, absolute, is_pair


class DreamSettings(RenderSettings):
    """What `dream` can be told."""

    MIXTURE = "layer"
    layer: str = Field("part", description="what to look for: a layer, channel, neuron, direction or mixture")
    features: str = Field("distilled", description="network that looks, a name or file")
    guide: str | None = Field(None, description="picture whose features are to be seen")
    octaves: int = Field(4, ge=1, le=12, description="sizes at which to dream")
    octave_scale: float = Field(1.4, gt=1, le=4, description="ratio of one size to the next")
    steps: int = Field(12, ge=1, le=1000, description="at each size")
    later_steps: int | None = Field(None, ge=0, le=1000, description="of frames that carry on a dream")
    step_size: float = Field(0.012, gt=0, le=0.2, description="mean change by a step, of the full range")
    jitter: int = Field(16, ge=0, le=256, description="pixels of random shift in each step")
    carry: float = Field(0.9, ge=0, le=1, description="share of the last frame's dream that is kept")
    near: float = Field(0.0, ge=0, le=10, description="weight of staying near the source")
    variation: float = Field(0.0, ge=0, le=10, description="weight of being smooth")
    towards: str | None = Field(None, description="colour as #204080, or picture, to move towards")
    towards_weight: float = Field(0.1, ge=0, le=10, description="how strongly")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="of the shifts")

    @field_validator("towards")
    @classmethod
    def _towards(cls, value: str | None) -> str | None:
        if value is not None and value.startswith("#") and not re.fullmatch("#[0-9a-fA-F]{6}", value):
            raise ValueError("expected a colour as #204080, or a picture")
        return value

    def needs_motion(self, kind: str) -> bool:
        """Where dreams are carried on."""
        return kind == "film" and self.carry > 0 and self.flow != "none"

    def absolute(self) -> Self:
        """The files of network, guide, directions and what to move towards as well."""
        features, colour = Path(self.features), (self.towards or "").startswith("#")
        update = {
            "layer": with_absolute_files(self.layer),
            "guide": absolute(self.guide),
            "towards": self.towards if colour else absolute(self.towards),
            "features": str(features.absolute()) if features.is_file() else self.features,
        }
        return super().absolute().model_copy(update=update)


class ZoomSettings(DreamSettings):
    """What `zoom` can be told."""

    CHANGING = (*DreamSettings.CHANGING, "speed", "rotate")
    layer: str = Field("thing", description="what to look for")
    octaves: int = Field(3, ge=1, le=12, description="sizes at which to dream")
    steps: int = Field(2, ge=1, le=1000, description="at each size, of each dream")
    # Each dream dreams on the one before: without this a grain of scales grows within seconds.
    variation: float = Field(0.08, ge=0, le=10, description="weight of being smooth")
    seconds: float = Field(20.0, gt=0, le=36000, description="length of the film")
    speed: float = Field(1.3, ge=1, le=100, description="how many times larger things become in a second")
    rotate: float = Field(0.0, ge=-3600, le=3600, description="degrees by which they turn in a second")
    pan: tuple[float, float] = Field(
        (0.0, 0.0), description="shares of width and height by which they move in a second"
    )
    dreams: float = Field(8.0, gt=0, le=240, description="dreams a second")
    loop: bool = Field(False, description="end where it began")
    sound: str | None = Field(None, description="film or sound file whose sound goes with it")

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
            raise ValueError("expected X,Y, as 0.1,-0.05, from -10 to 10")
        return value

    def needs_motion(self, kind: str) -> bool:
        """Never: it is known."""
        return False

    def absolute(self) -> Self:
        """The sound as well."""
        return super().absolute().model_copy(update={"sound": absolute(self.sound)})
