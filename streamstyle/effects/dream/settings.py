"""`dream`: DeepDream on images and videos."""

from __future__ import annotations

import math
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import field_validator

from streamstyle.effects.render_settings import EffectContext, RenderSettings
from streamstyle.keyframes import layer_and_file
from streamstyle.options import option

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from streamstyle.effects.dream.ascent import Ascent
    from streamstyle.effects.dream.effect import Dream
    from streamstyle.frames import Effect

DREAM = "Dream"
GUIDE_SIDE, TARGET_SIDE = 320, 1920  # pixels, of the longer side
DEEPEST = 16  # steps at depth 1
LIVE_STEPS = 2  # on the first frame, at each octave; the dream grows from frame to frame
LIVE_COARSENESS = 2.0  # on the CPU, where a step costs as much as many frames of a style network


class DreamSettings(RenderSettings):
    """The settings of `dream`."""

    SUMMARY: ClassVar[str] = """Dream on a video or image: amplify what a network sees in it (DeepDream).

    On videos each frame continues the dream of the last one. `streamstyle layers` shows the layers and
    channels to choose from.
    """
    EXAMPLES: ClassVar[tuple[str, ...]] = (
        "streamstyle dream photo.jpg dream.png --config dogs",
        "streamstyle dream photo.jpg deep.png --layer 0.6*thing+0.4*part --depth 0.8",
        "streamstyle dream holiday.mp4 eyes.mp4 --config eyes --max-size 640",
    )
    FASTER: ClassVar[tuple[str, ...]] = ("--max-size 480",)
    MIXTURE: ClassVar[str] = "layer"
    PRESETS: ClassVar[str] = "dream"
    CONTINUES: ClassVar[bool] = True
    OCTAVES: ClassVar[int] = 4

    layer: str = option(
        "part",
        "LAYER, LAYER:CHANNEL, LAYER:CHANNEL@XxY, LAYER:FILE.npy, LAYER~GUIDE.jpg, or a mixture of them: "
        "0.6*thing+0.4*-texture.",
        DREAM,
        flags=("--layer", "-l"),
        several=True,
    )
    features: str = option(
        "distilled", "Feature network: distilled, vgg16 …, or a weights file.", DREAM, file=True, or_name=True
    )
    guide: str | None = option(None, "Image whose features to amplify.", DREAM, metavar="FILE", file=True)
    octaves: int | None = option(
        None, "Number of octaves (sizes); 4, for zooms 3, or as many as fit.", DREAM, ge=1, le=12
    )
    octave_scale: float = option(1.4, "Ratio of one octave's size to the next.", DREAM, gt=1, le=4)
    depth: float = option(
        0.4, "How deep to dream: 0 = a breath, 1 = until little of the source is left.", DREAM, ge=0, le=1
    )
    steps: int | None = option(
        None, "Gradient steps at each octave; by default 1 to 16, as --depth says.", DREAM, ge=1, le=1000
    )
    later_steps: int | None = option(
        None, "Steps on later frames of a video; default 1.5 (1 - carry) steps.", DREAM, ge=0, le=1000
    )
    step_size: float = option(
        0.012, "Mean change per step, as a share of the full range.", DREAM, gt=0, le=0.2
    )
    jitter: int = option(16, "Random shift in each step, in pixels.", DREAM, ge=0, le=256)
    carry: float = option(0.9, "Share of the last frame's dream that is kept.", DREAM, ge=0, le=1)
    near: float = option(0.0, "Weight of similarity to the source.", DREAM, ge=0, le=10)
    variation: float = option(0.0, "Weight of smoothness (total variation).", DREAM, ge=0, le=10)
    towards: str | None = option(
        None, "Color, such as #204080, or image to move towards.", DREAM, file=True, or_name=True
    )
    towards_weight: float = option(0.1, "Weight of --towards.", DREAM, ge=0, le=10)
    seed: int = option(0, "Seed of the random shifts.", DREAM, ge=0, le=2**31 - 1)

    @field_validator("towards")
    @classmethod
    def _towards(cls, value: str | None) -> str | None:
        if value is not None and value.startswith("#") and not re.fullmatch("#[0-9a-fA-F]{6}", value):
            raise ValueError("expected a color such as #204080, or an image")
        return value

    def needs_flow(self, kind: str) -> bool:
        """Whether dreams are continued from frame to frame."""
        return kind == "video" and self.carry > 0 and self.flow != "none"

    def mixture_files(self) -> list[str]:
        """The files of directions and guide images."""
        parts = map(layer_and_file, super().mixture_files())
        return [rest if separator else layer for layer, separator, rest in parts]

    def build(self, context: EffectContext) -> Effect:
        """The dream with its guide and target images."""
        return self.dream(context)

    def dream(self, context: EffectContext) -> Dream:
        """The dream with its guide and target images; zooms wrap it."""
        from streamstyle.effects.dream.effect import Dream

        return Dream(
            context.parameters,
            self.live_ascent() if context.live else self.ascent(),
            features=self.features,
            guides=self.guides(context.parameters.styles()),
            target=self.target(),
            device=context.device,
        )

    def ascent(self) -> Ascent:
        """The options of the gradient ascent."""
        from streamstyle.effects.dream.ascent import Ascent

        own = {"size", "towards", "octaves", "fit", "steps"}
        values = self.model_dump(include={entry.name for entry in fields(Ascent)} - own)
        return Ascent(
            octaves=self.octaves or self.OCTAVES,
            fit=self.octaves is None,
            steps=self.steps or steps_at(self.depth),
            size=self.step_size,
            towards=self.towards_weight,
            **values,
        )

    def live_ascent(self) -> Ascent:
        """Options with few enough steps for real time; the dream grows over the frames."""
        whole = self.ascent()
        steps = min(whole.steps, LIVE_STEPS)
        later = min(self.later_steps if self.later_steps is not None else 1, steps)
        return replace(whole, steps=steps, later_steps=later, limit=whole.steps / steps, fit=True)

    def live_coarseness(self, device: torch.device) -> float:
        """On the CPU, dreams are computed at half the size."""
        return LIVE_COARSENESS if device.type == "cpu" else 1.0

    def guides(self, objectives: list[str]) -> dict[str, Tensor]:
        """The guide images by objective, its own or the common one; (3, h, w) in [0, 1].

        Raises:
            InputError: a guide image cannot be read.
        """
        images: dict[str, Tensor] = {}
        guides = {}
        for name in objectives:
            _, separator, own = layer_and_file(name)
            file = own if separator == "~" else self.guide
            if file:
                images.setdefault(file, image_tensor(file, GUIDE_SIDE))
                guides[name] = images[file]
        return guides

    def target(self) -> Tensor | None:
        """The image to move towards, (3, h, w) in [0, 1]; a color becomes an image of a single pixel.

        Raises:
            InputError: the image cannot be read.
        """
        import torch

        if self.towards is None:
            return None
        if self.towards.startswith("#"):
            return torch.tensor(list(bytes.fromhex(self.towards[1:])))[:, None, None] / 255
        return image_tensor(self.towards, TARGET_SIDE)


def steps_at(depth: float) -> int:
    """The number of gradient steps for a depth from 0 to 1; it grows slowly at first."""
    return 1 + round((DEEPEST - 1) * depth * math.sqrt(depth))


def image_tensor(name: str, side: int) -> Tensor:
    """Reads an image or a video's first frame as (3, H, W) in [0, 1], with at most `side` pixels a side.

    Raises:
        InputError: the file is missing or not an image.
    """
    from streamstyle.device import choose, upload
    from streamstyle.sources import first_frame

    return upload(first_frame(Path(name), max_size=side).pixels, choose("cpu"))
