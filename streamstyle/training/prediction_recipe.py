"""Recipes for the style predictor; TOML files in configs/prediction hold them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from streamstyle.errors import InputError, UsageError, did_you_mean
from streamstyle.files import read_toml
from streamstyle.training.recipe import check_crop

LEAST_PAINTING = 128  # pixels; half of it is the least that the feature network describes well
SHARES = (
    "smallest",
    "identity",
    "mixed",
    "patterns",
    "imitated",
    "recolored",
    "redrawn",
    "cooling",
    "average",
    "kept",
)


@dataclass(frozen=True, kw_only=True)
class PredictionRecipe:
    """How the style predictor is trained.

    Attributes:
        steps: number of steps of the optimizer.
        styles: paintings in a step.
        photos: photographs for each painting.
        crop: side in pixels of the crop of a photograph, a multiple of 8.
        painting_crop: side in pixels to which the crop of a painting is scaled.
        smallest: least side of a painting's crop as a share of its shorter side.
        identity: share of the paintings that are replaced by a photograph, which is to stay as it is.
        mixed: share of the paintings whose moments are mixed with those of another one.
        patterns: share of the paintings that are replaced by rendered patterns.
        imitated: share of the paintings that are replaced by those of bundled styles, whose results are then
            imitated; see `known_styles`.
        recolored: share of the paintings whose colors are changed.
        redrawn: share of the way from the results of teachers to what `drawing` makes of them, in what is
            imitated.
        style_weight, content_weight, brightness_weight, variation_weight, regularity_weight, temporal_weight,
            known_weight: weights of the losses; the last is that of the difference from a known result.
        style_floor: the style loss below which it is nearly linear; above, its logarithm counts.
        learning_rate: maximum, for Adam; constant, then it falls to 0 along a line.
        cooling: share of the steps in which it falls.
        average: share of the past in the moving average of the weights.
        kept: share of the weights before the first step in those that are saved; the rest is the average.
        held_out: painters, by the start of their files' names up to "_", whose paintings are not used.
        styles_left_out: bundled styles that are not used to start from, to compare with.
        seed: of all random choices.
    """

    steps: int = 12000
    styles: int = 4
    photos: int = 2
    crop: int = 192
    painting_crop: int = 256
    smallest: float = 0.4
    identity: float = 0.1
    mixed: float = 0.2
    patterns: float = 0.05
    imitated: float = 0.0
    recolored: float = 0.4
    redrawn: float = 0.0
    style_weight: float = 6.0
    style_floor: float = 0.3
    content_weight: float = 3.0
    brightness_weight: float = 0.5
    variation_weight: float = 1.0
    regularity_weight: float = 0.0
    temporal_weight: float = 40.0
    known_weight: float = 40.0
    learning_rate: float = 1e-3
    cooling: float = 0.3
    average: float = 0.998
    kept: float = 0.0
    held_out: tuple[str, ...] = ()
    styles_left_out: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("held_out", "styles_left_out"):
            object.__setattr__(self, name, tuple(getattr(self, name)))  # TOML and JSON give lists
        for name in ("steps", "styles", "photos"):
            if not isinstance(value := getattr(self, name), int) or value < 1:
                raise UsageError(f"{name} is {value!r}, expected at least 1")
        check_crop(self.crop)
        if self.painting_crop < max(LEAST_PAINTING, self.crop):
            least = max(LEAST_PAINTING, self.crop)
            raise UsageError(f"painting_crop is {self.painting_crop}, expected at least {least}")
        for name in SHARES:
            if not 0 <= (share := getattr(self, name)) <= 1:
                raise UsageError(f"{name} is {share:g}, expected 0 to 1")
        if self.identity + self.patterns + self.imitated > 1:
            raise UsageError(
                "identity, patterns and imitated are more than 1 together, but share the paintings"
            )
        if not 0 < self.learning_rate <= 1:
            raise UsageError(f"learning_rate is {self.learning_rate:g}, expected more than 0 and at most 1")


def read_prediction_recipe(path: Path) -> PredictionRecipe:
    """A recipe from a TOML file.

    Raises:
        InputError: the file cannot be read, is not TOML, or has unknown keys; the message lists the known.
        UsageError: a value is out of range.
    """
    values = read_toml(path, "a recipe of the style predictor")
    known = {entry.name for entry in fields(PredictionRecipe)}
    if unknown := set(values) - known:
        hint = did_you_mean(min(unknown), known)
        raise InputError(
            f"{path}: unknown keys {', '.join(sorted(unknown))}{hint}; known: {', '.join(sorted(known))}"
        )
    try:
        return PredictionRecipe(**values)
    except TypeError as exc:
        raise InputError(f"{path}: not a recipe of the style predictor: {exc}") from exc
