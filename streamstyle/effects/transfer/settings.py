"""`transfer`: neural style transfer by optimization (Gatys et al. 2016), on images and short videos."""

from __future__ import annotations

import logging
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import field_validator, model_validator

from streamstyle.effects.render_settings import CONSISTENCY, LOOK, EffectContext, RenderSettings
from streamstyle.errors import UsageError
from streamstyle.keyframes import MarkedText
from streamstyle.options import option

if TYPE_CHECKING:
    from streamstyle.frames import Effect

OPTIMIZATION = "Optimization"
LOSSES = ("style", "content", "variation", "range", "temporal")  # the last one only on videos

_log = logging.getLogger("streamstyle")


class TransferSettings(RenderSettings):
    """The settings of `transfer`."""

    SUMMARY: ClassVar[str] = """Stylize an image or short video after any painting, by optimization.

    Needs no training, but takes half a minute or more for an image. `streamstyle train` trains a style that
    is applied in a single pass.
    """
    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "streamstyle transfer photo.jpg painting.jpg result.png --max-size 640",
        "streamstyle transfer photo.jpg painting.jpg result.png --watch now.png",
        "streamstyle transfer photo.jpg 0.6*a.jpg+0.4*b.jpg result.png",
    )
    FASTER: ClassVar[tuple[str, ...]] = ("--max-size 480", "--later-steps 15")
    MIXTURE: ClassVar[str] = "style"
    SOURCE: ClassVar[tuple[str, str]] = ("CONTENT", "Image or video to stylize.")
    OMITTED: ClassVar[frozenset[str]] = frozenset({"tile"})
    LOSSES: ClassVar[tuple[str, ...]] = LOSSES
    CONTINUES: ClassVar[bool] = True
    LIVE: ClassVar[bool] = False

    style: str = option(
        ..., "Image of a painting, or a mixture: 0.6*a.jpg+0.4*b.jpg.", LOOK, metavar="STYLE", positional=True
    )
    style_mask: tuple[str, ...] = option(
        (),
        "Use a painting of the mixture only where an image or video is bright. Repeatable.",
        LOOK,
        metavar="PAINTING=MASK",
    )
    features: str = option(
        "auto",
        "Network of the perceptual loss: distilled, vgg19 … or a file; vgg19 if its weights are installed.",
        OPTIMIZATION,
        file=True,
        or_name=True,
    )
    scales: int = option(3, "Sizes to optimize at, each twice the one before.", OPTIMIZATION, ge=1, le=8)
    steps: int = option(80, "Steps at each size.", OPTIMIZATION, ge=1, le=10000)
    later_steps: int = option(30, "Steps on later frames of a video.", OPTIMIZATION, ge=1, le=10000)
    style_weight: float = option(12.0, "Weight of the style loss.", OPTIMIZATION, ge=0, le=1000)
    content_weight: float = option(3.0, "Weight of the content loss.", OPTIMIZATION, ge=0, le=1000)
    variation_weight: float = option(5.0, "Weight of the total variation.", OPTIMIZATION, ge=0, le=1000)
    temporal_weight: float = option(
        60.0, "Weight of temporal consistency with the last frame.", CONSISTENCY, ge=0, le=10000
    )

    @field_validator("style_mask")
    @classmethod
    def _style_mask(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            if not all(painting_and_mask(text)):
                raise ValueError("expected PAINTING=MASK, such as starry.jpg=sky.png")
        return value

    @model_validator(mode="after")
    def _chosen_features(self) -> Self:
        if self.features == "auto":
            from streamstyle.weights import best_perceptual_network

            self.features = best_perceptual_network()
        return self

    def needs_flow(self, kind: str) -> bool:
        """Whether frames start from the result of the last frame."""
        return kind == "video" and self.flow != "none"

    def mixture_files(self) -> list[str]:
        """The paintings and their masks."""
        return [*super().mixture_files(), *(painting_and_mask(text)[1] for text in self.style_mask)]

    def absolute(self) -> Self:
        """Makes the masks of the paintings absolute as well."""
        masks = tuple(
            "=".join(str(Path(name).absolute()) for name in painting_and_mask(text))
            for text in self.style_mask
        )
        return super().absolute().model_copy(update={"style_mask": masks})

    def build(self, context: EffectContext) -> Effect:
        """The optimization with its paintings, and with their masks opened.

        Raises:
            InputError: a painting or mask cannot be read.
            UsageError: a mask is for a painting that is not used.
        """
        from streamstyle.effects.transfer.effect import Transfer
        from streamstyle.effects.transfer.loss import Optimization
        from streamstyle.paintings import read_painting

        paintings = {name: read_painting(Path(name))[0] for name in context.parameters.styles()}
        masks = {}
        for text in self.style_mask:
            name, mask = painting_and_mask(text)
            if name not in paintings:
                raise UsageError(
                    f"--style-mask {text}: {name} is not one of the paintings {' '.join(paintings)}"
                )
            masks[name] = self.open_mask(mask, context.files)
        _log.info("perceptual loss: %s", self.features)
        values = self.model_dump(include={entry.name for entry in fields(Optimization)})
        return Transfer(
            context.parameters,
            paintings,
            Optimization(**values),
            masks=masks,
            features=self.features,
            device=context.device,
            on_step=context.on_step,
        )


def painting_and_mask(text: str) -> tuple[str, str]:
    """The names in PAINTING=MASK; a missing one is ""."""
    marked = MarkedText(text)
    painting, _, mask = marked.text.partition("=")
    return marked.restored(painting), marked.restored(mask)
