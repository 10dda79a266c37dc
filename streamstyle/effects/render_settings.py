"""The settings that all effects have in common, and the construction of effects from them.

An effect is one file or folder of this package, with its settings, derived from `RenderSettings`, and the
code that they build; and one line in EFFECTS. The command and its options, presets, resuming, `rerun`,
previews, live sessions and the web page are derived from the settings. Nothing here imports torch, so that
`--help` is fast.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    field_serializer,
    field_validator,
    model_validator,
)

from streamstyle.cores import usable_cores
from streamstyle.effects.setting_values import BitRate, FlowName, Rate, Seconds, Size
from streamstyle.errors import UsageError
from streamstyle.keyframes import (
    FADE,
    STROKE_SIZES,
    Keyframes,
    ParametersOverTime,
    keyframes_of,
    with_absolute_files,
)
from streamstyle.options import about, option

if TYPE_CHECKING:
    import torch

    from streamstyle.arbitrary_styles import LoadedStyle
    from streamstyle.frames import Effect, OptimizationStep, Source
    from streamstyle.sinks import WriteOptions

LOOK, CONSISTENCY, INPUT, OUTPUT = "Look", "Temporal consistency", "Input", "Output"


@dataclass(frozen=True)
class EffectContext:
    """The circumstances in which an effect is built.

    Attributes:
        kind: of the source: "video", "still" or "folder".
        parameters: the effect's parameters at each time: keyframes or live controls.
        device: on which the effect computes.
        files: closes the files that the effect opens.
        live: the effect runs in real time; a frame must be finished before the next one arrives.
        on_step: called after each step of an optimization.
    """

    kind: str
    parameters: ParametersOverTime
    device: torch.device
    files: ExitStack
    live: bool = False
    on_step: Callable[[OptimizationStep], None] | None = None


class StyleList(Protocol):
    """The styles of a running effect."""

    def add(self, name: str, loaded: LoadedStyle | None = None) -> None:
        """Adds a style, by default loaded by its name; raises UsageError or InputError, as `build`."""

    def remove(self, name: str) -> None:
        """Removes a style that no parameters have any more; not while a frame is processed."""


class RenderSettings(BaseModel):
    """The settings of a render with any effect; each effect derives its own.

    Attributes:
        SUMMARY: what the effect does, for the help of its command.
        EXAMPLES: command lines to copy, for the same help.
        FASTER: options that make it faster where it is slow, the least visible first.
        MIXTURE: name of the setting that takes a mixture (of styles, layers …); "" if nothing can be mixed.
        ANIMATED: names of the settings that keyframes may change.
        OMITTED: names of inherited settings that do not apply to the effect.
        SOURCE: the command line's name for the input, and its help.
        PRESETS: subfolder of configs/ with the effect's presets.
        CONTINUES: each frame continues the result of the last frame, even if nothing moves.
        LIVE: the effect can be applied to a camera.
        ANIMATES: a video is made of an image.
        LOSSES: names of the losses that an optimization reports after each step; empty for other effects.
    """

    SUMMARY: ClassVar[str]
    EXAMPLES: ClassVar[tuple[str, ...]] = ()
    FASTER: ClassVar[tuple[str, ...]] = ("--max-size 640",)
    MIXTURE: ClassVar[str] = ""
    ANIMATED: ClassVar[tuple[str, ...]] = ("strength", "keep_colors", "stroke_size")
    OMITTED: ClassVar[frozenset[str]] = frozenset()
    SOURCE: ClassVar[tuple[str, str]] = ("IN", "Video, image, folder of images, URL, or - for stdin.")
    PRESETS: ClassVar[str] = ""
    CONTINUES: ClassVar[bool] = False
    LIVE: ClassVar[bool] = True
    ANIMATES: ClassVar[bool] = False
    LOSSES: ClassVar[tuple[str, ...]] = ()
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    strength: float = option(1.0, "Strength of the effect; 0 leaves the source unchanged.", LOOK, ge=0, le=1)
    keep_colors: float = option(0.0, "Keep the source's colors; 1 keeps all of them.", LOOK, ge=0, le=1)
    keep_colors_by: Literal["chroma", "histogram"] = option(
        "chroma", "Keep colors at each pixel (chroma) or as a whole (histogram).", LOOK
    )
    stroke_size: float = option(
        1.0,
        "Stroke size relative to the image, the same at every resolution.",
        LOOK,
        ge=STROKE_SIZES[0],
        le=STROKE_SIZES[1],
    )
    at: tuple[str, ...] = option(
        (),
        "Keyframe, such as 4s=ink, 8s+2s=none or 4s=strength:0.5. Repeatable.",
        LOOK,
        metavar="TIME=WHAT",
    )
    fade: float = option(FADE, "Seconds that a keyframe's transition takes.", LOOK, ge=0, le=3600)
    mask: str | None = option(
        None, "Image or video: the effect applies where it is bright.", LOOK, metavar="FILE", file=True
    )
    mask_feather: float = option(
        0.5, "Soft edge of the mask, in percent of the shorter side.", LOOK, ge=0, le=20
    )
    mask_invert: bool = option(False, "Apply the effect where the mask is dark.", LOOK)
    keep_blank: bool = option(
        True, "Leave letterbox and pillarbox bars as they are, and blank areas calm.", LOOK
    )
    tile: int | None = option(
        None, "Process the image in tiles of so many lines, to save memory.", LOOK, ge=64, le=16384
    )
    device: str = option(
        "auto",
        "auto, cpu, cuda, cuda:N or cuda:all.",
        LOOK,
        environment="STREAMSTYLE_DEVICE",
    )

    flow: FlowName = option(
        "auto", "Optical flow: auto, fast, medium, dis, raft, none, or a folder of flow files.", CONSISTENCY
    )
    flow_size: int | None = option(
        None,
        "Longer side in pixels at which flow is estimated; 400, medium 512.",
        CONSISTENCY,
        ge=32,
        le=4096,
    )
    flow_weights: str | None = option(None, "Weights file for raft.", CONSISTENCY, metavar="FILE", file=True)

    start: Seconds = option(
        0.0, "Skip this much: seconds or HH:MM:SS.", INPUT, flags=("-ss", "--start"), text=True, ge=0
    )
    length: Seconds | None = option(
        None, "Read this much: seconds or HH:MM:SS.", INPUT, flags=("-t", "--duration"), text=True, gt=0
    )
    size: Size | None = option(None, "Scale to exactly this size.", INPUT, metavar="WIDTHxHEIGHT", text=True)
    max_size: int | None = option(None, "Longer side at most, in pixels.", INPUT, ge=2, le=16384)
    fps: Rate | None = option(
        None, "Constant frame rate, such as 25 or 30000/1001; else every frame is kept.", INPUT, text=True
    )
    deinterlace: bool = option(True, "Deinterlace interlaced videos.", INPUT)
    decoder: Literal["cpu", "nvdec"] = option(
        "cpu", "Decode videos on the CPU, or by nvdec on an NVIDIA card, which hides damage.", INPUT
    )

    format: str | None = option(None, "Container for pipes and URLs; matroska for stdout.", OUTPUT)
    codec: str = option(
        "auto", "auto, h264, hevc, av1, vp9, prores, ffv1, h264_nvenc, hevc_nvenc or av1_nvenc.", OUTPUT
    )
    crf: float | None = option(None, "Quality, lower is better; 18 for h264.", OUTPUT)
    preset: str | None = option(None, "Speed of the encoder, such as medium or ultrafast.", OUTPUT)
    pix_fmt: str | None = option(None, "Pixel format, such as yuv420p10le.", OUTPUT)
    bitrate: BitRate | None = option(
        None, "Bits per second, such as 4M, in place of --crf.", OUTPUT, text=True, gt=0
    )
    threads: int = option(
        min(usable_cores(), 8), "Encoder threads; fixed, so that resuming is exact.", OUTPUT, ge=1, le=64
    )
    audio: Literal["copy", "none"] = option("copy", "Copy every audio track, or none.", OUTPUT)
    quality: int = option(95, "Quality of JPEG and WebP images.", OUTPUT, ge=1, le=100)
    provenance: bool = option(True, "Store these settings in the output's tags, for `rerun`.", OUTPUT)

    @model_validator(mode="before")
    @classmethod
    def _without_omitted(cls, values: Any) -> Any:
        """Refuses settings that do not apply to the effect, unless they have their default values."""
        if not isinstance(values, Mapping):
            return values
        fields = cls.model_fields
        extra = [name for name in cls.OMITTED & values.keys() if values[name] != fields[name].default]
        if extra:
            known = " ".join(name for name in fields if name not in cls.OMITTED)
            raise UsageError(f"{min(extra)}: unknown setting; known are {known}")
        return {name: value for name, value in values.items() if name not in cls.OMITTED}

    @field_validator("tile")
    @classmethod
    def _tile(cls, value: int | None) -> int | None:
        return None if value is None else value // 8 * 8

    @model_validator(mode="after")
    def _check_keyframes(self) -> Self:
        self.keyframes()
        return self

    @field_serializer("fps")
    def _fraction(self, value: Fraction | None) -> str | None:
        return None if value is None else str(value)

    @property
    def mixture(self) -> str:
        """The value of the setting that takes a mixture."""
        return str(getattr(self, self.MIXTURE)) if self.MIXTURE else "effect"

    def keyframes(self) -> Keyframes:
        """The effect's parameters at each time.

        Raises:
            UsageError: a mixture or keyframe cannot be parsed.
        """
        values = {name: getattr(self, name) for name in self.ANIMATED}
        keyframes = keyframes_of(self.mixture, **values, at=self.at, fade=self.fade)
        for name in (name for keyframe in keyframes.changes for name in keyframe.values):
            if name not in ("style", *self.ANIMATED):
                raise UsageError(
                    f"--at {name}: cannot change over time; known are {', '.join(self.ANIMATED)}"
                )
        return keyframes

    def files(self) -> list[str]:
        """Styles, networks, files and folders that affect the result, as named in the settings."""
        fields = type(self).model_fields.items()
        named = [str(getattr(self, name)) for name, field in fields if about(field).get("file")]
        if os.path.isdir(self.flow) or (self.flow == "raft" and self.flow_weights is None):
            named.append(self.flow)
        bundled = {"distilled": "features"}  # its name in the table of weights
        return [bundled.get(name, name) for name in [*self.mixture_files(), *named] if name != "None"]

    def mixture_files(self) -> list[str]:
        """The styles, networks and files that the mixture and the keyframes name."""
        return self.keyframes().styles()

    def absolute(self) -> Self:
        """The same settings with absolute file names, for use in another working folder."""
        update: dict[str, Any] = {"at": tuple(with_absolute_files(keyframe) for keyframe in self.at)}
        if self.MIXTURE:
            update[self.MIXTURE] = with_absolute_files(self.mixture)
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if about(field).get("file") and isinstance(value, str):
                update[name] = absolute(value, always=not about(field)["or_name"])
        if os.path.isdir(self.flow):
            update["flow"] = absolute(self.flow)
        return self.model_copy(update=update)

    def open_source(self, name: str) -> Source:
        """Opens the input with these settings; a folder of images is read as a video if flow is used.

        Raises:
            InputError: the input cannot be read.
        """
        from streamstyle.sources import ReadOptions, open_source

        options = ReadOptions(
            size=self.size,
            max_size=self.max_size,
            start=self.start,
            length=self.length,
            fps=self.fps,
            deinterlace=self.deinterlace,
            decoder=self.decoder,
            as_video=self.needs_flow("folder"),
        )
        return open_source(name, options)

    def write_options(self, overwrite: bool = False) -> WriteOptions:
        """The options for writing the output."""
        from streamstyle.sinks import WriteOptions
        from streamstyle.video.codecs import EncodeOptions

        encoding = EncodeOptions(
            codec=self.codec,
            quality=self.crf,
            preset=self.preset,
            pixel_format=self.pix_fmt,
            bit_rate=self.bitrate,
            threads=self.threads,
        )
        return WriteOptions(encoding, self.audio, overwrite, self.quality, self.format)

    @abstractmethod
    def needs_flow(self, kind: str) -> bool:
        """Whether the effect uses the optical flow of a source of that kind."""

    @abstractmethod
    def build(self, context: EffectContext) -> Effect:
        """The effect alone, without mask, bars, color preservation and stroke size; see `compose`.

        Raises:
            UsageError, InputError: a value is not allowed, or a file cannot be read.
        """

    def compose(self, context: EffectContext) -> Effect:
        """The effect as a render uses it: with its mask, bars, color preservation and stroke size.

        Raises:
            UsageError, InputError: as `build`.
        """
        from streamstyle.effects.composite import Composite

        effect, mask = self.build(context), None
        if self.mask is not None:
            mask = self.open_mask(self.mask, context.files, invert=self.mask_invert)
        return Composite(
            effect,
            context.parameters,
            colors=self.keep_colors_by,
            mask=mask,
            feather=self.mask_feather / 100,
            bars=self.bars(context.kind),
        )

    def bars(self, kind: str) -> Literal["found", "video", "none"]:
        """Which bars are left as they are in a source of that kind; see `Composite`."""
        return "none" if not self.keep_blank else "video" if kind == "video" else "found"

    def open_mask(self, name: str, files: ExitStack, *, invert: bool = False) -> Any:
        """Opens a mask, an image or a video that is played in sync with the source."""
        from streamstyle.sources.masks import Mask

        return files.enter_context(Mask(name, invert=invert, start=self.start, fps=self.fps))

    def carries(self) -> bool:
        """Whether a frame depends on earlier ones even without optical flow."""
        return self.CONTINUES

    def choices(self) -> list[str]:
        """What can be selected in live sessions in addition to the mixture of the settings."""
        return []

    def style_list(self, effect: Effect) -> StyleList | None:
        """The styles of a running effect from `build`, to which others can be added; None if it has none."""
        return None

    def live_coarseness(self, device: torch.device) -> float:
        """Factor on the stroke size in live sessions, for effects that are slow on the device."""
        return 1.0


def absolute(file: str, *, always: bool = True) -> str:
    """The absolute path; without `always`, only for existing files: names of networks are unchanged."""
    return str(Path(file).absolute()) if always or os.path.isfile(file) else file
