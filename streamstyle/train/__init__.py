"""Training of style networks: a painting and a folder of photographs make a style.

The network sees a photograph and is scored by a feature network: its Gram matrices should be those
of the painting, its normalised activations those of the photograph. Before scoring, the result is cut
at a random place, for two reasons: no border is ever scored, so that none is painted, and the feature
network's own strides cannot stay in step with the pixel-shuffle's, which would let a grid pass unseen.

Reference: Johnson et al. (2016), https://arxiv.org/abs/1603.08155, with the losses of `losses.py`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from streamstyle.errors import StreamstyleError
from streamstyle.losses import (
    brightness_loss,
    content_loss,
    stability_loss,
    style_loss,
    style_of,
    total_variation,
)
from streamstyle.networks.features import FeatureNetwork
from streamstyle.networks.style_net import StyleNet
from streamstyle.train.photographs import Batch, photo_batches, picture_files, read_painting
from streamstyle.train.recipe import CUT, Recipe, metadata_of, read_recipe, sha256_of

__all__ = ["Recipe", "TrainingProgress", "metadata_of", "read_recipe", "sha256_of", "train"]

WARM_UP = 50  # steps until the learning rate is reached


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
        network = StyleNet() if base is None else StyleNet(base.width, base.depth, base.blocks, base.detail)
    if base is not None:
        network.load_state_dict(base.state_dict())
    return network


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
        """Style at the scales of the pyramid, content, and brightness."""
        content = self.features.content_layers
        with torch.no_grad():
            wanted = self.features(photo, content)
        pictures = pyramid(result)
        found = self.features(pictures[0], {*self.features.style_layers, *content})
        fine = style_loss(found, self.targets[0])
        coarse = [
            style_loss(self.features(picture, target), target)
            for picture, target in zip(pictures[1:], self.targets[1:], strict=True)
        ]
        return {
            "style": self.recipe.style_weight * (fine + torch.stack(coarse).mean()) / 2,
            "content": self.recipe.content_weight * content_loss(found, wanted, content),
            "brightness": self.recipe.brightness_weight * brightness_loss(result, photo),
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


def pyramid(image: Tensor, levels: int = 2) -> list[Tensor]:
    """(N, 3, H, W) and its half: fine strokes are judged in the first, large forms in the last."""
    pictures = [image]
    for _ in range(levels - 1):
        pictures.append(F.avg_pool2d(pictures[-1], 2))
    return pictures
