"""Recipes: how a style is trained. A TOML file can be shared, as it names a painting only by its hash."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

from streamstyle.errors import InputError, UsageError, did_you_mean
from streamstyle.files import read_toml
from streamstyle.losses import STATISTICS
from streamstyle.networks.style_net import StyleNet

CUT = 32  # pixels by which the scored crop is smaller than the network's input


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a style is trained. `Recipe()` is the default; TOML files in configs/styles hold others.

    Attributes:
        steps: number of batches, or None if `minutes` is used.
        minutes: wall time to train for; `steps` is fixed after the first steps are timed. None with `steps`.
        batch: photographs in a batch.
        crop: side in pixels of the crop of a photograph that the network sees, a multiple of 8.
        stroke_size: size of strokes, 1 = as in the painting at 640 pixels on its long side.
        part: part of the painting to learn from: left, top, right and bottom as shares of its sides.
        grain: side in pixels, odd, of the median filter that removes canvas, print and JPEG artifacts from
            the scaled painting; 1 = none. A network that works at a quarter of the resolution can reproduce
            grain only as a woven pattern.
        levels: percentage of the painting's pixels that become black and white at either end, with the values
            between stretched linearly, for old varnish and pale prints; 0 = unchanged.
        statistic: style statistic, a name from `losses.STATISTICS`.
        standardised: channels are normalized, so that weak channels count as much as strong ones.
        style_layers: layers of the feature network for style; empty = the network's defaults.
        style_scales: number of scales for the style loss: full size, half, quarter …
        style_together: compare the style of the whole batch with the painting, as if it were one image; a
            dark photograph may then stay darker than the painting. Otherwise compare each image.
        content_layers: layers for content, with their weights; None = the network's defaults.
        style_weight, content_weight, brightness_weight, tone_weight, variation_weight, regularity_weight,
            temporal_weight: weights of the losses.
        learning_rate: maximum, for Adam; it decays to 0 along a cosine.
        seed: of all random choices.
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
    regularity_weight: float = 0.0
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
        check_crop(self.crop)
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
            hint = did_you_mean(str(self.statistic), STATISTICS)
            raise UsageError(f"unknown statistic {self.statistic!r}{hint}; known: {', '.join(STATISTICS)}")
        if not 1 <= self.style_scales <= 4:
            raise UsageError(f"style scales is {self.style_scales}, expected 1 to 4")
        for name in ("style", "content", "brightness", "tone", "variation", "regularity", "temporal"):
            if not 0 <= (value := getattr(self, f"{name}_weight")) <= 1e6:
                raise UsageError(f"{name} weight is {value:g}, expected 0 to 1000000")
        if not 0 < self.learning_rate <= 1:
            raise UsageError(f"learning rate is {self.learning_rate:g}, expected more than 0 and at most 1")


def check_crop(side: int) -> None:
    """Raises UsageError if no network can be trained on crops of this side."""
    if side % StyleNet.multiple or side < 2 * CUT:
        raise UsageError(f"crop is {side}, expected a multiple of 8 of at least {2 * CUT}")


def recipe_from(values: Mapping[str, object], where: str) -> Recipe:
    """A recipe from plain values.

    Raises:
        InputError: a name is unknown, and the message lists the known ones; or a value has a wrong type.
    """
    known = {entry.name for entry in fields(Recipe)}
    if unknown := set(values) - known:
        hint = did_you_mean(min(unknown), known)
        raise InputError(
            f"{where}: unknown keys {', '.join(sorted(unknown))}{hint}; known: {', '.join(sorted(known))}"
        )
    try:
        return Recipe(**values)  # type: ignore[arg-type]
    except TypeError as exc:
        raise InputError(f"{where}: not a training recipe: {exc}") from exc


class Recipes(NamedTuple):
    """What a bundled style is trained by.

    Attributes:
        style: the first recipe.
        painting: the entries of the table [painting]: title, painter, year, sha256.
        finish: how the training goes on, the first recipe with the changes of [finish]; None: not at all.
        teacher: how a large network is trained, whose results are imitated when the training goes on: the
            first recipe with the changes of each [[teacher]], one after the other.
    """

    style: Recipe
    painting: dict[str, object]
    finish: Recipe | None
    teacher: tuple[Recipe, ...]


def read_recipe(path: Path) -> tuple[Recipe, dict[str, object]]:
    """The first recipe, and the entries of its [painting] table.

    Raises:
        InputError: as `read_recipes`.
    """
    recipes = read_recipes(path)
    return recipes.style, recipes.painting


def read_recipes(path: Path) -> Recipes:
    """Everything that the file of a recipe says.

    Raises:
        InputError: the file cannot be read, is not TOML, has unknown keys, or a teacher without [finish].
    """
    table = read_toml(path, "a training recipe")
    painting, changes = table.pop("painting", {}), table.pop("finish", {})
    for name, value in (("painting", painting), ("finish", changes)):
        if not isinstance(value, dict):
            raise InputError(f"{path}: {name} is {value!r}, expected a table")
    teachers = table.pop("teacher", [])
    if not (isinstance(teachers, list) and all(isinstance(value, dict) for value in teachers)):
        raise InputError(f"{path}: teacher is {teachers!r}, expected tables [[teacher]]")
    if teachers and not changes:
        raise InputError(f"{path}: [[teacher]] needs a table [finish]: how its results are imitated")
    return Recipes(
        recipe_from(table, str(path)),
        painting,
        recipe_from({**table, **changes}, f"{path}, [finish]") if changes else None,
        tuple(recipe_from({**table, **value}, f"{path}, [[teacher]]") for value in teachers),
    )
