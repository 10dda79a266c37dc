"""What every render can be told."""

from __future__ import annotations

from abc import abstractmethod
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_serializer, field_validator, model_validator

from streamstyle.cores import usable_cores
from streamstyle.errors import UsageError
from streamstyle.keyframes import FADE, STROKE_SIZES, Keyframes, keyframes_of, with_absolute_files

_THREADS = min(usable_cores(), 8)
FLOWS = ("none", "fast", "medium", "raft")


class RenderSettings(BaseModel):
    """What can be told of any render, whatever the effect; what a resumed run is told again.

    Attributes:
        MIXTURE: name of the setting that says what is to be seen from the beginning.
        CHANGING: names of settings that `at` may change.
    """

    MIXTURE: ClassVar[str]
    CHANGING: ClassVar[tuple[str, ...]] = ("strength", "keep_colors", "stroke_size")
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
        if value is not None and not (is_pair(value) and all(1 <= side <= 16384 for side in value)):
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
            except (ValueError, OverflowError):
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
    def _keyframes(self) -> Self:
        self.keyframes()
        return self

    def keyframes(self) -> Keyframes:
        """The look at each time.

        Raises:
            UsageError: a mixture or change cannot be understood.
        """
        values = {name: getattr(self, name) for name in self.CHANGING}
        keyframes = keyframes_of(getattr(self, self.MIXTURE), **values, at=self.at, fade=self.fade)
        for name in (name for change in keyframes.changes for name in change.values):
            if name not in ("style", *self.CHANGING):
                raise UsageError(f"--at {name}: does not change here; known are {', '.join(self.CHANGING)}")
        return keyframes

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


def is_pair(value: Any) -> bool:
    """Whether it is two numbers."""
    return (
        isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(v, int | float) for v in value)
    )


def absolute(file: str | None) -> str | None:
    """The name of a file for another working folder."""
    return None if file is None else str(Path(file).absolute())
