"""The settings of a render: one model, filled from presets, the environment and the command line.

A preset is a TOML file whose keys are the names of the options, with _ for -. Later sources win:
defaults < preset < environment < command line.
"""

from __future__ import annotations

import os
import tomllib
from abc import abstractmethod
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)

from streamstyle.errors import InputError, UsageError
from streamstyle.timeline import FADE, STROKE_SIZES, Timeline, timeline_of, with_absolute_files

_THREADS = min(os.cpu_count() or 1, 8)
FLOWS = ("none", "fast", "medium", "raft")
STEADY = 0.7  # of films, by default


class FilmSettings(BaseModel):
    """What can be told of any render, whatever the effect; what a resumed run is told again.

    Attributes:
        MIXTURE: name of the setting that says what is to be seen from the beginning.
    """

    MIXTURE: ClassVar[str]
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    # the effect
    strength: float = Field(1.0, ge=0, le=1, description="0 = the source itself, 1 = the full effect")
    keep_colors: float = Field(0.0, ge=0, le=1, description="1 = the source's colours")
    keep_colors_by: Literal["chroma", "histogram"] = Field(
        "chroma", description="at each place, or as a whole"
    )
    stroke_size: float = Field(
        1.0,
        ge=STROKE_SIZES[0],
        le=STROKE_SIZES[1],
        description="width of the strokes, whatever the resolution",
    )
    at: tuple[str, ...] = Field((), description="changes over time, as 4s=great_wave or 8s=strength:0.5")
    fade: float = Field(FADE, ge=0, le=3600, description="seconds that a change takes")
    mask: str | None = Field(None, description="picture or film, bright where the effect is to be seen")
    mask_feather: float = Field(0.5, ge=0, le=20, description="soft edge, per cent of the shorter side")
    mask_invert: bool = Field(False, description="use the effect where the mask is dark")
    tile: int | None = Field(None, ge=64, le=16384, description="lines worked on at a time, to save memory")
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N")

    # how motion is estimated
    flow: str = Field("fast", description="fast, medium, raft, none, or a folder of flow files")
    flow_size: int | None = Field(None, ge=32, le=4096, description="longer side at which flow is estimated")
    flow_weights: str | None = Field(None, description="file of the weights of raft")

    # what is read
    start: float = Field(0.0, ge=0, description="seconds to leave out at the beginning")
    length: float | None = Field(None, gt=0, description="seconds to read")
    size: tuple[int, int] | None = Field(None, description="exact width and height, as 640x360")
    max_size: int | None = Field(None, ge=2, le=16384, description="longer side at most, in pixels")
    fps: Fraction | None = Field(None, description="constant frame rate; default: every frame as it is")
    deinterlace: bool = Field(True, description="weave interlaced frames into progressive ones")

    # what is written
    format: str | None = Field(None, description="container for pipes and URLs")
    codec: str = Field("auto", description="h264, hevc, av1, vp9, prores, ffv1, h264_nvenc …")
    crf: float | None = Field(None, description="quality, lower is better; 18 for h264")
    preset: str | None = Field(None, description="the encoder's speed, such as medium or ultrafast")
    pix_fmt: str | None = Field(None, description="sample format, such as yuv420p10le")
    bitrate: int | None = Field(None, gt=0, description="bits per second, as 4M; in place of crf")
    threads: int = Field(_THREADS, ge=1, le=64, description="encoder threads, pinned for exact resuming")
    audio: Literal["copy", "none"] = Field("copy", description="copy every track, or none")
    quality: int = Field(95, ge=1, le=100, description="of JPEG and WebP pictures")

    @field_validator("size", mode="before")
    @classmethod
    def _size(cls, value: Any) -> Any:
        if isinstance(value, str):
            width, cross, height = value.lower().partition("x")
            if not (cross and width.isdecimal() and height.isdecimal()):
                raise ValueError("expected WIDTHxHEIGHT, as 640x360")
            value = int(width), int(height)
        if value is not None and not all(1 <= side <= 16384 for side in value):
            raise ValueError("expected sides from 1 to 16384")
        return value

    @field_validator("fps", mode="before")
    @classmethod
    def _fps(cls, value: Any) -> Any:
        if value is None:
            return None
        try:
            fps = Fraction(str(value))
        except (ValueError, ZeroDivisionError):
            raise ValueError("expected a number or a fraction, as 25 or 30000/1001") from None
        if not 0 < fps <= 1000:
            raise ValueError("expected more than 0 and at most 1000")
        return fps

    @field_validator("bitrate", mode="before")
    @classmethod
    def _bitrate(cls, value: Any) -> Any:
        if isinstance(value, str):
            factor = {"k": 1000, "m": 1_000_000}.get(value[-1:].lower(), 1)
            digits = value[:-1] if factor > 1 else value
            try:
                return int(float(digits) * factor)
            except ValueError:
                raise ValueError("expected bits per second, as 4M or 800k") from None
        return value

    @field_validator("tile")
    @classmethod
    def _tile(cls, value: int | None) -> int | None:
        return None if value is None else value // 8 * 8

    @field_validator("flow")
    @classmethod
    def _flow(cls, value: str) -> str:
        if value not in FLOWS and not Path(value).is_dir():
            raise ValueError(f"no such flow; known are {', '.join(FLOWS)}, or a folder of flow files")
        return value

    @model_validator(mode="after")
    def _timeline(self) -> Self:
        self.timeline()
        return self

    def timeline(self) -> Timeline:
        """The look at each time.

        Raises:
            UsageError: a mixture or change cannot be understood.
        """
        return timeline_of(
            getattr(self, self.MIXTURE),
            strength=self.strength,
            keep_colors=self.keep_colors,
            stroke_size=self.stroke_size,
            at=self.at,
            fade=self.fade,
        )

    @abstractmethod
    def needs_motion(self, kind: str) -> bool:
        """Whether the motion of a source of that kind is used."""

    def absolute(self) -> Self:
        """The same settings for another working folder: files by their absolute names."""
        return self.model_copy(
            update={
                "at": tuple(with_absolute_files(change) for change in self.at),
                "mask": absolute(self.mask),
                "flow": self.flow if self.flow in FLOWS else absolute(self.flow),
                "flow_weights": absolute(self.flow_weights),
            }
        )

    @field_serializer("fps")
    def _fraction(self, value: Fraction | None) -> str | None:
        return None if value is None else str(value)


class RenderSettings(FilmSettings):
    """What `stylize` can be told."""

    MIXTURE = "style"
    style: str = Field("starry_night", description="bundled name, weights file, none, or a mixture of them")
    mix_by: Literal["pictures", "weights"] = Field("pictures", description="how styles are mixed")
    steady: float | None = Field(
        None, ge=0, le=1, description="0 = each frame by itself, 1 = as still as can be"
    )
    inertia: float = Field(0.0, ge=0, lt=1, description="share of the last frame's statistics that is kept")

    def steadiness(self, kind: str) -> float:
        """How still a source of that kind is held: films are by default, pictures are not."""
        if self.flow == "none":
            return 0.0
        return self.steady if self.steady is not None else STEADY * (kind == "film")

    def needs_motion(self, kind: str) -> bool:
        """Where a film is painted and held still."""
        return self.steadiness(kind) > 0 and bool(self.timeline().styles())

    def absolute(self) -> Self:
        """The style's files as well."""
        return super().absolute().model_copy(update={"style": with_absolute_files(self.style)})


class DreamSettings(FilmSettings):
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
    seed: int = Field(0, ge=0, le=2**31 - 1, description="of the shifts")

    def needs_motion(self, kind: str) -> bool:
        """Where dreams are carried on."""
        return kind == "film" and self.carry > 0 and self.flow != "none"

    def absolute(self) -> Self:
        """The files of network, guide and directions as well."""
        features = Path(self.features)
        update = {
            "layer": with_absolute_files(self.layer),
            "guide": absolute(self.guide),
            "features": str(features.absolute()) if features.is_file() else self.features,
        }
        return super().absolute().model_copy(update=update)


class ZoomSettings(DreamSettings):
    """What `zoom` can be told."""

    layer: str = Field("thing", description="what to look for")
    octaves: int = Field(3, ge=1, le=12, description="sizes at which to dream")
    steps: int = Field(2, ge=1, le=1000, description="at each size, of each dream")
    seconds: float = Field(20.0, gt=0, le=36000, description="length of the film")
    speed: float = Field(1.3, ge=1, le=100, description="how many times larger things become in a second")
    rotate: float = Field(0.0, ge=-3600, le=3600, description="degrees by which they turn in a second")
    pan: tuple[float, float] = Field(
        (0.0, 0.0), description="shares of width and height by which they move in a second"
    )
    dreams: float = Field(8.0, gt=0, le=240, description="dreams a second")
    loop: bool = Field(False, description="end where it began")

    @field_validator("pan", mode="before")
    @classmethod
    def _pan(cls, value: Any) -> Any:
        if isinstance(value, str):
            parts = value.split(",")
            try:
                value = [float(part) for part in parts]
            except ValueError:
                value = []
        if len(value) != 2 or not all(abs(share) <= 10 for share in value):
            raise ValueError("expected X,Y, as 0.1,-0.05, from -10 to 10")
        return value

    def needs_motion(self, kind: str) -> bool:
        """Never: it is known."""
        return False


AnySettings = TypeVar("AnySettings", bound=FilmSettings)
SETTINGS: dict[str, type[FilmSettings]] = {
    "style": RenderSettings,
    "dream": DreamSettings,
    "zoom": ZoomSettings,
}


def absolute(file: str | None) -> str | None:
    """The name of a file for another working folder."""
    return None if file is None else str(Path(file).absolute())


def make_settings(
    values: dict[str, Any],
    where: str = "",
    kind: type[AnySettings] = RenderSettings,  # type: ignore[assignment]
) -> AnySettings:
    """Settings from plain values.

    Args:
        values: by field name.
        where: file or command they come from, for the message.
        kind: for which effect.

    Raises:
        UsageError: a name is unknown (the known ones are listed) or a value is not allowed.
    """
    try:
        return kind(**values)
    except ValidationError as error:
        raise UsageError(_explain(error, where, kind)) from error
    except UsageError as error:
        raise UsageError(f"{where}: {error}" if where else str(error)) from error


def _explain(error: ValidationError, where: str, kind: type[FilmSettings]) -> str:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    begin = f"{where}: " if where else ""
    if first["type"] == "extra_forbidden":
        return f"{begin}{name}: unknown setting; known are {' '.join(kind.model_fields)}"
    reason = first["msg"].removeprefix("Value error, ")
    option = name if where else "--" + name.replace("_", "-")
    return f"{begin}{option} {first['input']}: {reason[0].lower()}{reason[1:]}"


def bundled_presets(kind: type[FilmSettings] = RenderSettings) -> dict[str, Path]:
    """The presets for an effect that come with the project, by name."""
    packaged = Path(str(files("streamstyle"))) / "configs"
    folder = packaged if packaged.is_dir() else Path(__file__).parent.parent / "configs"
    if issubclass(kind, DreamSettings):
        folder = folder / "dream"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_preset(name_or_path: str, kind: type[FilmSettings] = RenderSettings) -> dict[str, Any]:
    """The values of a preset, checked.

    Raises:
        UsageError: no such preset, or an unknown or wrong setting in it.
        InputError: the file cannot be read.
    """
    presets = bundled_presets(kind)
    path = presets.get(name_or_path, Path(name_or_path))
    if not path.exists():
        raise UsageError(f"--config {name_or_path}: no such file or preset; presets: {' '.join(presets)}")
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: not a preset that can be read ({error})") from error
    make_settings(values, str(path), kind)
    return values
