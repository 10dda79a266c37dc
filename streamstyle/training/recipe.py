"""How a style is trained: TOML files that can be shared, since they know a painting by its hash alone."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from streamstyle.errors import InputError, UsageError
from streamstyle.losses import STATISTICS
from streamstyle.networks.style_net import StyleNet

CUT = 32  # pixels by which the scored part is smaller than what the network sees


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a style is trained. `Recipe()` is the default; TOML files in configs/styles hold others.

    Attributes:
        steps: number of batches, or None where `minutes` decides.
        minutes: wall time to train for; the first steps are timed and then `steps` is fixed. None with steps.
        batch: photographs in a batch.
        crop: side of the part of a photograph that the network sees, in pixels, a multiple of 8.
        stroke_size: strokes of this size, 1 = as the painting has them at 640 pixels on its long side.
        part: of the painting to learn from: left, top, right and bottom as shares of its sides.
        grain: side in pixels, odd, of the median filter that takes canvas, print and JPEG off the painting
            once it is scaled; 1 = none. A network that works at a quarter of the resolution can paint grain
            only as a weave.
        levels: percent of the painting that becomes black at its dark end and white at its light end, with
            all between stretched evenly: for old varnish and pale prints; 0 = as it is.
        statistic: how a style is described, a name of `losses.STATISTICS`.
        standardised: all channels of a layer have a say in the style, not only the strong ones.
        style_layers: layers of the feature network for style; none = those that the network proposes.
        style_scales: sizes at which style is judged: the image, its half, its quarter …
        style_together: the images of a batch are to have the painting's style together, as if they were
            one: a dark photograph may then stay darker than the painting. Otherwise each by itself.
        content_layers: layers for content, with the share of each; none = those the network proposes.
        style_weight, content_weight, brightness_weight, tone_weight, variation_weight,
            temporal_weight: shares of the losses.
        learning_rate: of Adam at its highest; it falls to 0 along a cosine.
        seed: of everything random.
    """

    steps: int | None = None
    minutes: float | None = 5.0
    batch: int = 2
    crop: int = 192
    stroke_size: float = 1.0
    part: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    grain: int = 3
    levels: float = 0.0
    statistic: str = "covariance"
    standardised: bool = True
    style_layers: tuple[str, ...] = ()
    style_scales: int = 2
    style_together: bool = True
    content_layers: Mapping[str, float] | None = None
    style_weight: float = 6.0
    content_weight: float = 3.0
    brightness_weight: float = 0.5
    tone_weight: float = 0.0
    variation_weight: float = 1.0
    temporal_weight: float = 40.0
    learning_rate: float = 3e-3
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "style_layers", tuple(self.style_layers))  # TOML and JSON give lists
        object.__setattr__(self, "part", tuple(self.part))
        if self.steps is not None:
            object.__setattr__(self, "minutes", None)
        if not all(isinstance(value, int) for value in (self.crop, self.batch, self.steps or 1)):
            raise TypeError(f"steps, batch and crop are {self.steps!r}, {self.batch!r} and {self.crop!r}")
        if self.crop % StyleNet.multiple or self.crop < 2 * CUT:
            raise UsageError(f"crop is {self.crop}, expected a multiple of 8 of at least {2 * CUT}")
        if self.batch < 1 or (self.steps is not None and self.steps < 1):
            raise UsageError(f"steps and batch are {self.steps} and {self.batch}, expected at least 1")
        if self.steps is None and not (self.minutes is not None and 0 < self.minutes <= 100_000):
            raise UsageError(f"minutes is {self.minutes}, expected more than 0 and at most 100000")
        if not 0.1 <= self.stroke_size <= 4:
            raise UsageError(f"stroke size is {self.stroke_size:g}, expected 0.1 to 4")
        left, top, right, bottom = self.part
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            raise UsageError(f"part is {list(self.part)}, expected left, top, right and bottom from 0 to 1")
        if self.grain not in (1, 3, 5, 7):
            raise UsageError(f"grain is {self.grain}, expected 1, 3, 5 or 7")
        if not 0 <= self.levels < 50:
            raise UsageError(f"levels is {self.levels:g}, expected 0 to below 50")
        if self.statistic not in STATISTICS:
            raise UsageError(f"unknown statistic {self.statistic!r}; known: {', '.join(STATISTICS)}")
        if not 1 <= self.style_scales <= 4:
            raise UsageError(f"style scales is {self.style_scales}, expected 1 to 4")
        for name in ("style", "content", "brightness", "tone", "variation", "temporal"):
            if not 0 <= (value := getattr(self, f"{name}_weight")) <= 1e6:
                raise UsageError(f"{name} weight is {value:g}, expected 0 to 1000000")
        if not 0 < self.learning_rate <= 1:
            raise UsageError(f"learning rate is {self.learning_rate:g}, expected more than 0 and at most 1")


def recipe_from(values: Mapping[str, object], where: str) -> Recipe:
    """A recipe from plain values.

    Raises:
        InputError: a name is unknown, the message lists the known ones; or a value has a wrong type.
    """
    known = {entry.name for entry in fields(Recipe)}
    if unknown := set(values) - known:
        raise InputError(
            f"{where}: unknown keys {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}"
        )
    try:
        return Recipe(**values)  # type: ignore[arg-type]
    except TypeError as exc:
        raise InputError(f"{where}: no training recipe: {exc}") from exc


def read_recipe(path: Path) -> tuple[Recipe, dict[str, object]]:
    """A recipe and what its [painting] table says: title, painter, year, sha256.

    Raises:
        InputError: the file cannot be read, is no TOML, or has unknown keys.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        painting = dict(table.pop("painting", {}))
    except (OSError, ValueError, TypeError) as exc:
        raise InputError(f"{path}: no training recipe: {exc}") from exc
    return recipe_from(table, str(path)), painting
