"""The training loop: steps of Adam from a base network to a style; it can be interrupted and resumed.

Reference: Johnson et al. (2016), https://arxiv.org/abs/1603.08155, with the losses of `losses.py`.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn

from streamstyle.networks.features import FeatureNetwork
from streamstyle.networks.style_net import StyleNet
from streamstyle.networks.style_network import StyleNetwork
from streamstyle.training.crops import crop_source, crops_of_step
from streamstyle.training.data import TrainingImages
from streamstyle.training.optimization import Diverged, optimizer_state, restore_optimizer, steps_of
from streamstyle.training.pairs import Pairs
from streamstyle.training.perceptual_loss import PerceptualLoss, random_choices
from streamstyle.training.recipe import Recipe
from streamstyle.training.synthetic_motion import Motion

WARM_UP = 50  # steps until the learning rate is reached
# Steps that are timed to convert minutes to steps; fewer than WARM_UP, during which the learning rate does
# not depend on the number of steps.
TIMED = 20

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class TrainingProgress:
    """Progress of a training; passed to `on_progress` after each step.

    Attributes:
        step: number of completed steps.
        steps: total number of steps, or None while the first ones are timed.
        seconds: wall time of this run.
        eta_seconds: expected wall time to the end, or None if the number of steps is unknown.
        losses: weighted value of each loss in this step; on CUDA, in one of the last 20 steps.
    """

    step: int
    steps: int | None
    seconds: float
    eta_seconds: float | None
    losses: Mapping[str, float] = field(default_factory=dict)


class Training:
    """The training of a style. `run` trains to the end; `state` and `restore` save and resume it.

    The result depends only on recipe and images: with `steps` fixed, the same ones give the same network, bit
    for bit, on the same CPU with the same number of threads. On CUDA random choices are the same, too, but
    gradients are added up in any order, which rounds them differently in each run. There a training that is
    repeated or resumed gives a network that looks alike, not the same weights.

    Args:
        painting: (1, 3, H, W) in [0, 1]; None trains a base network, which reproduces photographs.
        images: content images; of pairs, the painted ones are what the network learns to make of the others.
        features: network for the perceptual loss; it is copied.
        recipe: how to train.
        base: network to start from; it is not changed. By default the weights start at random.
        teacher: network whose results the trained one learns to imitate, instead of the painting's style.
        device: where to train.

    Attributes:
        network: the style network, on the device.
        recipe: as given; with `steps` once the minutes have been converted.
        step: number of completed steps.

    Raises:
        UsageError: a layer of the recipe does not exist in the feature network.
    """

    def __init__(
        self,
        painting: Tensor | None,
        images: TrainingImages,
        features: FeatureNetwork,
        recipe: Recipe,
        *,
        base: StyleNetwork | None = None,
        teacher: nn.Module | None = None,
        device: torch.device | None = None,
    ) -> None:
        device = device or torch.device("cpu")
        self.recipe, self.step = recipe, 0
        self.images = crop_source(images, device)
        self.pairs = images if isinstance(images, Pairs) else None
        self.teacher = None if teacher is None else copy.deepcopy(teacher).to(device).requires_grad_(False)
        self.network = fresh_network(recipe.seed, base)
        self.network.to(device).to(memory_format=torch.channels_last).train()
        # A copy, as the caller may move the network to another device while the training still uses it.
        judge = copy.deepcopy(features).to(device).to(memory_format=torch.channels_last).eval()
        self.perceptual_loss = PerceptualLoss(
            judge.requires_grad_(False), recipe, None if painting is None else painting.to(device)
        )
        self.steps = steps_of(self.network, self._losses, clip=1.0, betas=(0.9, 0.99))
        self.optimizer = self.steps.optimizer

    def run(self, on_progress: Callable[[TrainingProgress], None] | None = None) -> StyleNetwork:
        """Trains to the end.

        Args:
            on_progress: called after each step; an exception from it ends the training, which can be resumed.

        Returns:
            The trained network on the CPU, in evaluation mode.

        Raises:
            Diverged: a loss is not finite.
        """
        start, before = time.monotonic(), self.step
        settled = start, 0.0  # when all steps took alike, and for how long images had been loaded by then
        while self.recipe.steps is None or self.step < self.recipe.steps:
            losses = self.advance()
            done = self.step - before
            if self.recipe.steps is None and done in (self.steps.settling, TIMED):
                self.finish()
                if done == TIMED:
                    self.fix_steps(time.monotonic() - start, *settled)
                else:
                    settled = time.monotonic(), self.images.loading
            seconds = time.monotonic() - start
            if on_progress is not None:
                left = None if self.recipe.steps is None else (self.recipe.steps - self.step) * seconds / done
                on_progress(TrainingProgress(self.step, self.recipe.steps, seconds, left, losses))
        self.finish()
        return fresh_network(self.recipe.seed, self.network).eval()

    def advance(self) -> dict[str, float]:
        """One step of the optimizer.

        Returns:
            The weighted losses before the step, by name; on CUDA, those of one of the last steps.

        Raises:
            Diverged: a loss or its gradient is not finite; the network is as it was before that step, and
                `step` the number of steps before it.
        """
        step = self.step + 1
        painted: list[Tensor] = []
        if self.pairs is None:
            photos = crops_of_step(self.images, self.recipe.crop, step, self.recipe)
        else:
            photos, *painted = self.pairs.crops_of_step(step, self.recipe)
        corner, motion = random_choices(self.recipe.crop, np.random.default_rng((self.recipe.seed, 1, step)))
        try:
            values = self.steps(learning_rate(step, self.recipe), photos, corner, *motion, *painted)
        except Diverged as exc:
            raise self._diverged(exc) from None
        self.step = step
        return values

    def finish(self) -> dict[str, float]:
        """Waits for the device.

        Returns:
            The weighted losses of the last step.

        Raises:
            Diverged: as `advance`.
        """
        try:
            return self.steps.finish()
        except Diverged as exc:
            raise self._diverged(exc) from None

    def _losses(self, photos: Tensor, corner: Tensor, *others: Tensor) -> dict[str, Tensor]:
        motion, painted = Motion(*others[: len(Motion._fields)]), others[len(Motion._fields) :]
        if self.teacher is not None:
            with torch.no_grad():
                painted = (self.teacher(photos),)
        return self.perceptual_loss.losses(self.network, photos, corner, motion, *painted)

    def _diverged(self, error: Diverged) -> Diverged:
        """The error with advice; the training is set back to the step before."""
        self.step = error.completed
        return Diverged(f"{error}; try a learning rate below {self.recipe.learning_rate:g}", self.step)

    def fix_steps(self, seconds: float, since: float, loaded: float) -> None:
        """Converts the minutes of the recipe to steps.

        Args:
            seconds: elapsed time.
            since: when the first steps had settled, by the monotonic clock.
            loaded: seconds spent on loading images by then.
        """
        assert self.recipe.minutes is not None
        left = max(self.recipe.minutes * 60 - seconds, 0)
        timed = TIMED - self.steps.settling
        load = (self.images.loading - loaded) / timed  # images are read or rendered on first use, then cached
        train = (time.monotonic() - since) / timed - load
        unseen = max(self.images.unread / self.recipe.batch - TIMED, 0)  # further steps that load images
        loading = min(left / (load + train), unseen)
        cached = max(left - loading * (load + train), 0) / train
        self.recipe = replace(self.recipe, steps=self.step + round(loading + cached), minutes=None)

    def state(self) -> dict[str, Tensor]:
        """Copies of everything that changes during training, on the CPU; the recipe is not included.

        Raises:
            Diverged: as `advance`.
        """
        self.finish()
        state = {f"network.{key}": value for key, value in self.network.state_dict().items()}
        kept = optimizer_state(self.network, self.optimizer)
        state |= {f"optimiser.{key}": value for key, value in kept.items()}
        state["step"] = torch.tensor(self.step)
        return {
            key: value.detach().cpu().clone(memory_format=torch.contiguous_format)
            for key, value in state.items()
        }

    def restore(self, state: State) -> None:
        """Restores a state from `state`, in a training with the same recipe and images."""
        self.step = int(state["step"])
        self.network.load_state_dict(parts_of(state, "network."))
        restore_optimizer(self.network, self.steps, parts_of(state, "optimiser."))
        self.steps.restart(self.step)


def parts_of(state: State, prefix: str) -> dict[str, Tensor]:
    """The entries under a prefix, without it."""
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def learning_rate(step: int, recipe: Recipe) -> float:
    """Linear warm-up over WARM_UP steps, then decay to 0 along half a cosine."""
    if recipe.steps is None or step <= WARM_UP:
        return recipe.learning_rate * min(1.0, step / WARM_UP)
    done = (step - WARM_UP) / max(recipe.steps - WARM_UP, 1)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def fresh_network(seed: int, base: StyleNetwork | None) -> StyleNetwork:
    """A copy of `base` on the CPU, or a network with random weights; the global random state is unchanged."""
    if base is not None:
        return copy.deepcopy(base).cpu().to(memory_format=torch.contiguous_format)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return StyleNet()
