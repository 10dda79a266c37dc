"""How a style is trained: TOML files that can be shared, since they know a painting by its hash alone."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from streamstyle.errors import InputError, UsageError
from streamstyle.networks.style_net import StyleNet

CUT = 32  # pixels by which the scored part is smaller than what the network sees


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a style is trained. `Recipe()` is the default; TOML files in configs/styles hold others.

    Attributes:
        steps: number of batches.
        minutes: wall time after which training ends, or None; then a run cannot be repeated exactly.
        batch: photographs in a batch.
        crop: side of the part of a photograph that the network sees, in pixels, a multiple of 8.
        stroke_size: strokes of this size, 1 = as the painting has them at 640 pixels on its long side.
        style_weight, content_weight, brightness_weight, variation_weight, stability_weight: shares of the
            losses.
        learning_rate: of Adam at the start; it falls to 0 along a cosine.
        seed: of everything random.
    """

    steps: int = 2000
    minutes: float | None = None
    batch: int = 2
    crop: int = 256
    stroke_size: float = 1.0
    style_weight: float = 5.0
    content_weight: float = 0.5
    brightness_weight: float = 0.3
    variation_weight: float = 1.0
    stability_weight: float = 5.0
    learning_rate: float = 2e-3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.crop % StyleNet.multiple or self.crop < 2 * CUT:
            raise UsageError(f"crop is {self.crop}, expected a multiple of 8 of at least {2 * CUT}")
        if self.steps < 1 or self.batch < 1:
            raise UsageError(f"steps and batch are {self.steps} and {self.batch}, expected at least 1")
        if not 0.1 <= self.stroke_size <= 4:
            raise UsageError(f"stroke size is {self.stroke_size:g}, expected 0.1 to 4")


def read_recipe(path: Path) -> tuple[Recipe, dict[str, object]]:
    """A recipe and what its [painting] table says: title, painter, year, sha256.

    Raises:
        InputError: the file cannot be read, is no TOML, or has unknown keys.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        painting = dict(table.pop("painting", {}))
        known = {entry.name for entry in fields(Recipe)}
        if unknown := set(table) - known:
            raise InputError(
                f"{path}: unknown keys {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}"
            )
        return Recipe(**table), painting
    except (OSError, ValueError, TypeError) as exc:
        raise InputError(f"{path}: no training recipe: {exc}") from exc


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def metadata_of(painting: Path, recipe: Recipe, about: Mapping[str, object] | None = None) -> dict[str, str]:
    """What a trained file says about itself; for `streamstyle.weights.save_style`.

    Args:
        painting: the picture file; of it only the name without suffix and the hash are kept.
        recipe: how the style was trained; with `steps` as done and no `minutes`, it can be repeated.
        about: title, painter, year and licence, as far as they are known.
    """
    about = about or {}
    return {
        "painting": str(about.get("title", painting.stem)),
        "painter": str(about.get("painter", "")),
        "year": str(about.get("year", 0)),
        "painting_sha256": sha256_of(painting),
        "recipe": json.dumps(asdict(recipe)),
        "licence": str(about.get("licence", "")),
    }
