"""`stylize`: feed-forward style networks, made temporally consistent on videos."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator

from streamstyle.effects.render_settings import CONSISTENCY, LOOK, EffectContext, RenderSettings
from streamstyle.errors import did_you_mean
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
    MIXTURE: ClassVar[str] = "style"

    style: str = option(
        "starry_night",
        "Bundled style, weights file, none, or a mixture: 0.6*udnie+0.4*ink.",
        LOOK,
        flags=("--style", "-s"),
        environment="STREAMSTYLE_STYLE",
        several=True,
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
    inertia: float = option(
        0.0, "Share of the last frame's normalization statistics that is kept.", CONSISTENCY, ge=0, lt=1
    )

    runner: RunnerName = option(
        "auto",
        "What runs networks on a CPU: auto, torch, openvino or onnxruntime.",
        LOOK,
        environment="STREAMSTYLE_RUNNER",
    )

    def steadiness(self, kind: str) -> float:
        """The temporal consistency for a source of that kind; by default off for everything but videos."""
        if self.flow == "none":
            return 0.0
        return self.steady if self.steady is not None else STEADY * (kind == "video")

    def needs_flow(self, kind: str) -> bool:
        """Whether frames are stylized and blended along the flow."""
        return self.steadiness(kind) > 0 and bool(self.keyframes().styles())

    def choices(self) -> list[str]:
        """All bundled styles."""
        from streamstyle.weights import STYLES

        return list(STYLES)

    def build(self, context: EffectContext) -> Effect:
        """The style networks, calm in blank areas and stabilized over time if the settings say so."""
        from streamstyle.effects.calm import Calm
        from streamstyle.effects.stabilize import Stabilize

        style, steady = self.networks(context), self.steadiness(context.kind)
        effect = Calm(style) if self.keep_blank else style
        return Stabilize(effect, steady) if steady > 0 and not context.live else effect

    def networks(self, context: EffectContext) -> Style:
        """The style networks, which process each frame by itself."""
        from streamstyle.effects.stylize.effect import Style

        # Loading a runner and compiling a network takes longer than it saves for one image.
        is_quick = self.runner == "auto" and context.kind == "still"
        return Style(
            context.parameters,
            # Live sessions mix weights, as there is only time for one pass.
            mix_by="weights" if context.live else self.mix_by,
            rows=self.tile,
            inertia=self.inertia,
            device=context.device,
            runner="torch" if is_quick else self.runner,
            live=context.live,
        )
