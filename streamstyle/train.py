"""Training of style networks: a painting and a folder of photographs make a style.

The network sees a photograph and is scored by a feature network: its Gram matrices should be those
of the painting, its normalised activations those of the photograph. Before scoring, the result is cut
at a random place, for two reasons: no border is ever scored, so that none is painted, and the feature
network's own strides cannot stay in step with the pixel-shuffle's, which would let a grid pass unseen.

Reference: Johnson et al. (2016), https://arxiv.org/abs/1603.08155, with the losses of `losses.py`.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from streamstyle.errors import InputError, StreamstyleError, UsageError
from streamstyle.losses import content_loss, stability_loss, style_loss, style_of, total_variation
from streamstyle.networks.features import FeatureNetwork
from streamstyle.networks.style_net import StyleNet

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
CUT = 32  # pixels by which the scored part is smaller than what the network sees
STEP = 8  # pixels by which the moved copy of a photograph is shifted at most
NOISE = 0.03  # standard deviation at most of the noise on it, in units of the full range
WARM_UP = 50  # steps until the learning rate is reached
PAINTING_SIDE = 640  # long side in pixels at which a painting has strokes of size 1
SMALLEST_PAINTING = 128  # shortest side in pixels; below, there is no stroke to learn


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a style is trained. `Recipe()` is the default; TOML files in configs/styles hold others.

    Attributes:
        steps: number of batches.
        minutes: wall time after which training ends, or None; then a run cannot be repeated exactly.
        batch: photographs in a batch.
        crop: side of the part of a photograph that the network sees, in pixels, a multiple of 8.
        stroke_size: strokes of this size, 1 = as the painting has them at 640 pixels on its long side.
        style_weight, content_weight, variation_weight, stability_weight: shares of the losses.
        learning_rate: of Adam at the start; it falls to 0 along a cosine.
        seed: of everything random.
    """

    steps: int = 2000
    minutes: float | None = None
    batch: int = 4
    crop: int = 256
    stroke_size: float = 1.0
    style_weight: float = 4.0
    content_weight: float = 0.5
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


@dataclass(frozen=True)
class TrainingProgress:
    """Where training is; given to `on_progress` after each step.

    Attributes:
        step: steps done.
        steps: steps in all, an estimate where only the minutes are limited.
        seconds: wall time since the start.
        losses: unweighted value of each loss in this step.
    """

    step: int
    steps: int
    seconds: float
    losses: Mapping[str, float] = field(default_factory=dict)


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


def train(
    painting: Path | None,
    photos: Path,
    features: FeatureNetwork,
    *,
    recipe: Recipe | None = None,
    base: StyleNet | None = None,
    device: torch.device | None = None,
    on_progress: Callable[[TrainingProgress], None] | None = None,
) -> StyleNet:
    """Trains a network that paints in the style of one painting.

    Args:
        painting: picture file; None trains a base, which gives the photograph back.
        photos: folder whose pictures are the contents to train on.
        features: network that judges; its weights are not changed.
        recipe: how to train; the same recipe, files and threads give the same network on a CPU.
        base: network to start from; it is not changed. By default the weights start at random.
        device: where to train, the CPU by default.
        on_progress: called after each step; what it raises ends the training.

    Returns:
        The trained network on the CPU, in evaluation mode.

    Raises:
        InputError: the painting is unreadable or too small, or the folder holds no pictures.
        StreamstyleError: the losses are no longer finite numbers.
    """
    recipe = recipe or Recipe()
    device = device or torch.device("cpu")
    network = fresh_network(recipe.seed, base)
    network.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    features = features.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    features.requires_grad_(False)
    judge = Judge(features, recipe, None if painting is None else read_painting(painting, recipe).to(device))
    batches = photo_batches(picture_files(photos), recipe)
    optimiser = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.99))
    start = time.monotonic()
    for step in range(1, recipe.steps + 1):
        done = share_done(step - 1, time.monotonic() - start, recipe)
        if done >= 1:
            break
        optimiser.param_groups[0]["lr"] = learning_rate(step, done, recipe)
        losses = judge.losses(network, next(batches))
        total = torch.stack(list(losses.values())).sum()
        if not torch.isfinite(total):
            raise StreamstyleError(
                f"training diverged at step {step}; try a learning rate below {recipe.learning_rate:g}"
            )
        optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        if on_progress is not None:
            values = {name: value.item() for name, value in losses.items()}
            on_progress(progress_at(step, time.monotonic() - start, recipe, values))
    return network.cpu().eval()


def learning_rate(step: int, done: float, recipe: Recipe) -> float:
    """Rises over WARM_UP steps, then falls to 0 along half a cosine."""
    return recipe.learning_rate * min(1.0, step / WARM_UP) * 0.5 * (1 + math.cos(math.pi * done))


def progress_at(step: int, seconds: float, recipe: Recipe, losses: Mapping[str, float]) -> TrainingProgress:
    """Progress with the number of steps that the minutes allow, where they are limited."""
    steps = recipe.steps
    if recipe.minutes is not None:
        steps = min(steps, max(step, round(step * recipe.minutes * 60 / max(seconds, 1e-9))))
    return TrainingProgress(step, steps, seconds, losses)


def share_done(steps: int, seconds: float, recipe: Recipe) -> float:
    """How much of the training is over, in [0, 1], by steps or by time, whichever is further."""
    done = steps / recipe.steps
    return done if recipe.minutes is None else max(done, seconds / 60 / recipe.minutes)


def fresh_network(seed: int, base: StyleNet | None) -> StyleNet:
    """A copy of `base`, or a network with random weights; the caller's random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = StyleNet() if base is None else StyleNet(base.width, base.depth, base.blocks, base.half)
    if base is not None:
        network.load_state_dict(base.state_dict())
    return network


@dataclass(frozen=True)
class Batch:
    """Photographs with the random choices that go with them.

    Attributes:
        photos: (N, 3, crop + STEP, crop + STEP) in [0, 1].
        shift: (y, x) in [0, STEP], where the moved copy begins.
        cut: (y, x) in [0, CUT], where the scored part begins.
        noise: (1, 3, crop, crop), added to the moved copy.
    """

    photos: Tensor
    shift: tuple[int, int]
    cut: tuple[int, int]
    noise: Tensor


class Judge:
    """Scores what a network makes of photographs, in the eyes of a feature network.

    Args:
        features: the network that looks.
        recipe: shares of the losses.
        painting: (1, 3, H, W) in [0, 1], or None to ask for the photographs themselves.
    """

    def __init__(self, features: FeatureNetwork, recipe: Recipe, painting: Tensor | None) -> None:
        self.features, self.recipe = features, recipe
        self.targets: list[dict[str, tuple[Tensor, Tensor]]] = []
        if painting is not None:
            with torch.no_grad():
                for picture in pyramid(painting):
                    found = features(picture, features.style_layers)
                    self.targets.append({name: style_of(found[name]) for name in features.style_layers})

    def losses(self, network: StyleNet, batch: Batch) -> dict[str, Tensor]:
        """Weighted losses by name; their sum is what training minimises."""
        recipe, side = self.recipe, self.recipe.crop
        device = next(network.parameters()).device
        photos = batch.photos.to(device)
        still = photos[..., :side, :side]
        y, x = batch.shift
        moved = photos[:1, :, y : y + side, x : x + side] + batch.noise.to(device)
        results = network(torch.cat((still, moved.clamp(0, 1))))
        top, left = batch.cut
        part = slice(top, top + side - CUT), slice(left, left + side - CUT)
        result, photo = results[:-1, :, *part], still[..., *part]
        losses = self.style(result, photo) if self.targets else self.reconstruction(result, photo)
        losses["variation"] = recipe.variation_weight * total_variation(result)
        stability = stability_loss(results[:1], results[-1:], batch.shift, margin=CUT // 2)
        return losses | {"stability": recipe.stability_weight * stability}

    def style(self, result: Tensor, photo: Tensor) -> dict[str, Tensor]:
        """Style at the scales of the pyramid, and content."""
        content = self.features.content_layers
        with torch.no_grad():
            wanted = self.features(photo, content)
        pictures = pyramid(result)
        found = self.features(pictures[0], {*self.features.style_layers, *content})
        scores = [style_loss(found, self.targets[0])]
        for picture, target in zip(pictures[1:], self.targets[1:], strict=True):
            scores.append(style_loss(self.features(picture, target), target))
        return {
            "style": self.recipe.style_weight * torch.stack(scores).mean(),
            "content": self.recipe.content_weight * content_loss(found, wanted, content),
        }

    def reconstruction(self, result: Tensor, photo: Tensor) -> dict[str, Tensor]:
        """Pixels and content, for the base from which styles are trained."""
        content = self.features.content_layers
        with torch.no_grad():
            wanted = self.features(photo, content)
        found = self.features(result, content)
        return {
            "pixels": 10 * (result - photo).square().mean(),
            "content": self.recipe.content_weight * content_loss(found, wanted, content),
        }


def pyramid(image: Tensor, levels: int = 3) -> list[Tensor]:
    """(N, 3, H, W), its half and its quarter: fine strokes are judged in the first, large forms in the last."""
    pictures = [image]
    for _ in range(levels - 1):
        pictures.append(F.avg_pool2d(pictures[-1], 2))
    return pictures


def picture_files(folder: Path) -> list[Path]:
    """The pictures of a folder in the order of their names.

    Raises:
        InputError: it is no folder, or holds no pictures.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of photographs")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not files:
        raise InputError(f"{folder}: holds no pictures ({', '.join(sorted(SUFFIXES))})")
    return files


def read_picture(path: Path) -> Image.Image:
    """A picture as RGB, upright.

    Raises:
        InputError: it is missing, damaged or too large to be safe.
    """
    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError) as exc:
        raise InputError(f"{path}: cannot read this picture: {exc}") from exc


def to_tensor(image: Image.Image) -> Tensor:
    """(1, 3, H, W) float in [0, 1]."""
    pixels = torch.from_numpy(np.array(image))
    return pixels.permute(2, 0, 1)[None].float() / 255


def read_painting(path: Path, recipe: Recipe) -> Tensor:
    """(1, 3, H, W) in [0, 1], scaled so that its strokes have the size that the recipe asks for.

    Raises:
        InputError: it cannot be read, or its shortest side is below SMALLEST_PAINTING pixels.
    """
    image = read_picture(path)
    if min(image.size) < SMALLEST_PAINTING:
        raise InputError(f"{path}: the painting is {image.width}x{image.height} pixels; "
                         f"its shortest side must have at least {SMALLEST_PAINTING}")
    scale = PAINTING_SIDE * recipe.stroke_size / max(image.size)
    width, height = (max(64, round(side * scale)) for side in image.size)
    return to_tensor(image.resize((width, height), Image.Resampling.LANCZOS))


def photo_batches(files: Sequence[Path], recipe: Recipe) -> Iterator[Batch]:
    """Endless batches of crops at random places and scales, mirrored half of the time.

    Raises:
        InputError: a photograph cannot be read.
    """
    rng = np.random.default_rng(recipe.seed)
    order: list[int] = []
    while True:
        crops = []
        for _ in range(recipe.batch):
            order = order or rng.permutation(len(files)).tolist()
            crops.append(random_crop(read_picture(files[order.pop()]), recipe.crop + STEP, rng))
        shift_y, shift_x, cut_y, cut_x = (int(rng.integers(0, end + 1)) for end in (STEP, STEP, CUT, CUT))
        noise = rng.normal(0, rng.uniform(0, NOISE), (1, 3, recipe.crop, recipe.crop)).astype(np.float32)
        yield Batch(torch.cat(crops), (shift_y, shift_x), (cut_y, cut_x), torch.from_numpy(noise))


def random_crop(image: Image.Image, side: int, rng: np.random.Generator) -> Tensor:
    """(1, 3, side, side) from a square of the picture, of a random size from its short side down."""
    shortest = min(image.size)
    size = rng.uniform(min(side, shortest) * 0.9, shortest) if shortest > 1 else shortest
    x, y = (rng.uniform(0, length - size) for length in image.size)
    crop = image.resize((side, side), Image.Resampling.BILINEAR, box=(x, y, x + size, y + size))
    return to_tensor(ImageOps.mirror(crop) if rng.random() < 0.5 else crop)
