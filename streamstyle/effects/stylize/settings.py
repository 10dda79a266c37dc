"""`stylize`: feed-forward style networks, made temporally consistent on videos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, model_validator

from streamstyle.effects.render_settings import (
    CONSISTENCY,
    LOOK,
    EffectContext,
    RenderSettings,
    StyleList,
    absolute,
)
from streamstyle.errors import UsageError, did_you_mean
from streamstyle.image_recognition import is_image
from streamstyle.options import option

if TYPE_CHECKING:
    from streamstyle.effects.stylize.effect import Style
    from streamstyle.frames import Effect

STEADY = 0.7  # temporal consistency of videos, by default


def read_runner_name(value: Any) -> Any:
    """Checks for auto, torch, or a name of NETWORK_RUNNERS."""
    from streamstyle.inference import NETWORK_RUNNERS

    known = ("auto", "torch", *NETWORK_RUNNERS)
    if value not in known:
        raise ValueError(f"expected {', '.join(known[:-1])} or {known[-1]}{did_you_mean(str(value), known)}")
    return value


RunnerName = Annotated[str, BeforeValidator(read_runner_name)]


class StylizeSettings(RenderSettings):
    """The settings of `stylize`."""

    SUMMARY: ClassVar[str] = """Stylize a video or image.

    Frame timing, audio, subtitles, chapters and metadata of a video are preserved. An interrupted video goes
    on with `streamstyle resume OUT`.
    """
    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "streamstyle stylize holiday.mp4 holiday_wave.mp4 --style great_wave",
        "streamstyle stylize photo.jpg painted.png --strength 0.8 --keep-colors 0.5",
        "streamstyle stylize holiday.mp4 draft.mp4 -t 5 --config draft",
        "streamstyle stylize holiday.mp4 story.mp4 --at 4s=great_wave --at 8s=none",
        "streamstyle stylize holiday.mp4 sheet.png --preview 6 --style ink --style udnie",
    )
    FASTER: ClassVar[tuple[str, ...]] = ("--every 2", "--stroke-size 1.5")
    MIXTURE: ClassVar[str] = "style"

    style: str = option(
        "starry_night",
        "Bundled style, weights file, image of a painting, none, or a mixture: 0.6*udnie+0.4*my.jpg.",
        LOOK,
        flags=("--style", "-s"),
        environment="STREAMSTYLE_STYLE",
        several=True,
    )
    arbitrary: Literal["predicted", "adain"] = option(
        "predicted", "How the network of a painting is made: predicted, or AdaIN with --weights.", LOOK
    )
    weights: tuple[str, ...] = option(
        (), "Encoder and decoder of AdaIN: give it twice.", LOOK, metavar="FILE"
    )
    mix_by: Literal["pictures", "weights"] = option(
        "pictures", "Mix the stylized images, or the networks' weights: faster and fainter.", LOOK
    )
    steady: float | None = option(
        None,
        f"Temporal consistency; 0 stylizes each frame by itself. {STEADY:g} for videos.",
        CONSISTENCY,
        ge=0,
        le=1,
    )
    every: int = option(
        1,
        "Paint every n-th frame only, and warp its result along the flow in between.",
        CONSISTENCY,
        ge=1,
        le=4,
    )
    inertia: float = option(
        0.0, "Share of the last frame's normalization statistics that is kept.", CONSISTENCY, ge=0, lt=1
    )
    runner: RunnerName = option(
        "auto",
        "What runs networks on a CPU: auto, torch, openvino or onnxruntime.",
        LOOK,
        environment="STREAMSTYLE_RUNNER",
    )

    @model_validator(mode="after")
    def _check_weights(self) -> Self:
        if len(self.weights) != (2 if self.arbitrary == "adain" else 0):
            raise UsageError(
                "--arbitrary adain needs --weights twice, for vgg_normalised.pth and decoder.pth"
                if self.arbitrary == "adain"
                else "weights: only for --arbitrary adain"
            )
        return self

    @model_validator(mode="after")
    def _check_every(self) -> Self:
        if self.every > 1 and self.flow == "none":
            raise UsageError(f"every {self.every}: needs optical flow, and flow is none")
        return self

    def steadiness(self, kind: str) -> float:
        """The temporal consistency for a source of that kind; by default off for everything but videos."""
        if self.flow == "none":
            return 0.0
        return self.steady if self.steady is not None else STEADY * (kind == "video")

    def painted_every(self, kind: str) -> int:
        """`every` for a source of that kind; separate images are all painted."""
        return self.every if kind == "video" or self.steadiness(kind) > 0 else 1

    def carries(self) -> bool:
        """Whether the statistics of earlier frames are used."""
        return self.inertia > 0

    def needs_flow(self, kind: str) -> bool:
        """Whether frames are stylized, and blended or warped along the flow."""
        uses_flow = self.steadiness(kind) > 0 or self.painted_every(kind) > 1
        return uses_flow and bool(self.keyframes().styles())

    def choices(self) -> list[str]:
        """All bundled styles."""
        from streamstyle.weights import STYLES

        return list(STYLES)

    def mixture_files(self) -> list[str]:
        """The styles, and what decides the networks of those that are images."""
        styles = super().mixture_files()
        if not any(map(is_image, map(Path, styles))):
            return styles
        return [*styles, *(self.weights or ("predictor", "features"))]

    def absolute(self) -> Self:
        """The same settings with absolute file names, for use in another working folder."""
        return (
            super().absolute().model_copy(update={"weights": tuple(absolute(each) for each in self.weights)})
        )

    def build(self, context: EffectContext) -> Effect:
        """The style networks, calm in blank areas and stabilized over time if the settings say so."""
        from streamstyle.effects.calm import Calm
        from streamstyle.effects.propagate import Propagate
        from streamstyle.effects.stabilize import Stabilize

        style, steady = self.networks(context), self.steadiness(context.kind)
        effect: Effect = Calm(style) if self.keep_blank else style
        if context.live:  # the stylizer of a live session does the rest, as it may change at any time
            return effect
        every = self.painted_every(context.kind)
        if every > 1:
            effect = Propagate(effect, context.parameters, every)
        return Stabilize(effect, steady, every) if steady > 0 else effect

    def style_list(self, effect: Effect) -> StyleList | None:
        """The style networks: bundled styles, weights files and images can be added."""
        from streamstyle.effects.calm import Calm
        from streamstyle.effects.stylize.effect import Style

        style = effect.effect if isinstance(effect, Calm) else effect
        return style if isinstance(style, Style) else None

    def networks(self, context: EffectContext) -> Style:
        """The style networks, which process each frame by itself."""
        from streamstyle.arbitrary_styles import Arbitrary
        from streamstyle.effects.stylize.effect import Style

        # Loading a runner and compiling a network takes longer than it saves for one image.
        is_quick = self.runner == "auto" and context.kind == "still"
        return Style(
            context.parameters,
            arbitrary=Arbitrary(self.arbitrary, self.weights),
            # Live sessions mix weights, as there is only time for one pass.
            mix_by="weights" if context.live else self.mix_by,
            rows=self.tile,
            inertia=self.inertia,
            device=context.device,
            runner="torch" if is_quick else self.runner,
            live=context.live,
        )
