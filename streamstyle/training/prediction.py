"""Training of the style predictor, in parts of any length.

    python -m streamstyle.training.prediction PAINTINGS PHOTOS RECIPE OUTPUT [--minutes 170]

trains until the minutes are over or the recipe's steps are done, and writes OUTPUT with the moving average of
the weights, or with weights between it and the first ones. Run again, it goes on from the .state file beside
OUTPUT, with the same images; the recipe may change, and `--steps` overrides its number of steps. It runs on a
CPU with few styles a step, and on CUDA with many. `--start WEIGHTS` begins with a trained predictor, to go on
by another recipe. `--known FOLDER` has paintings of bundled styles: a new predictor begins with those styles
that a painting is like, and their results are imitated if the recipe says so. With `--teacher WEIGHTS`, for
all other paintings the results of a predictor are imitated, or those of the mean of several. `--install`
makes OUTPUT the bundled predictor; with `--minutes 0` it does only that.
"""

from __future__ import annotations

import argparse
import copy
import json
import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor

from streamstyle.device import choose, low_precision, name_of
from streamstyle.errors import InputError
from streamstyle.files import sha256_of, write_whole
from streamstyle.networks import FeatureNetwork, StyleNet
from streamstyle.networks.style_predictor import StylePredictor, moments_of
from streamstyle.styles import load_style
from streamstyle.training.data import Photographs, TrainingImages, split
from streamstyle.training.known_styles import KnownStyle, read_known_styles
from streamstyle.training.likeness import learn_likeness
from streamstyle.training.loop import State, parts_of
from streamstyle.training.optimization import optimizer_state, restore_optimizer, steps_of
from streamstyle.training.prediction_data import Paintings, PredictionData
from streamstyle.training.prediction_loss import PredictionLoss, strength_of
from streamstyle.training.prediction_recipe import PredictionRecipe, read_prediction_recipe
from streamstyle.weights import STYLES, load_features, parameters_of
from streamstyle.weights.predictor import PREDICTOR, load_predictor, save_predictor
from streamstyle.weights.table import FOLDER, Entry, read_table, write_table
from streamstyle.weights.weights_files import read_safetensors, write_safetensors

SAMPLE = 256  # paintings by which the statistics are normalized
SAMPLED_AT_ONCE = 16
HELD_BACK = 60  # photographs held out for validation; the same as for the base
WARM_UP = 100  # steps until the learning rate is reached
SAVE_SECONDS = 300.0
LOG_STEPS = 50
LARGEST_STATE = 256 * 2**20  # bytes
LOG = logging.getLogger("streamstyle")


class PredictionTraining:
    """The training of a style predictor; with `state` and `restore` it goes on where it was interrupted.

    Args:
        paintings: to learn from.
        photos: content images.
        features: the bundled feature network; it is copied.
        recipe: how to train.
        networks: style networks trained for single paintings, fewer than numbers in a code; their mean is the
            trunk whose weights are changed, and the first codes lead to them.
        known: the first of these networks with their paintings; their results may be imitated.
        teachers: see `PredictionLoss`.
        device: where to train.

    Attributes:
        predictor: on the device.
        first: as the predictor was before the first step.
        averaged: the moving average of its weights.
        step: number of completed steps.
    """

    def __init__(
        self,
        paintings: Paintings,
        photos: TrainingImages,
        features: FeatureNetwork,
        recipe: PredictionRecipe,
        networks: Sequence[StyleNet],
        *,
        known: Sequence[KnownStyle] = (),
        teachers: Sequence[StylePredictor] = (),
        device: torch.device | None = None,
    ) -> None:
        self.device = device or torch.device("cpu")
        self.recipe, self.known, self.step, self.started = recipe, known, 0, False
        self.data = PredictionData(paintings, photos, recipe, self.device, known)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            self.predictor = StylePredictor(mean_of(networks))
            self.predictor.learn(networks)
        self.predictor.to(self.device).train()
        judge = copy.deepcopy(features).to(self.device).to(memory_format=torch.channels_last).eval()
        taught_by = [teacher.to(self.device) for teacher in teachers]
        self.loss = PredictionLoss(self.predictor, judge.requires_grad_(False), recipe, teachers=taught_by)
        self.steps = steps_of(self.predictor, self.loss, clip=1.0, betas=(0.9, 0.99))
        self.averaged = copy.deepcopy(self.predictor).requires_grad_(False)
        self.first = copy.deepcopy(self.averaged)

    def prepare(self) -> None:
        """What comes before the first step: normalizes the statistics; the encoder learns known styles."""
        self.normalize()
        if self.known and not self.started:
            learn_likeness(self.predictor, self.loss.features, self.data, self.known)
        for network in (self.averaged, self.first):
            network.load_state_dict(self.predictor.state_dict())

    @torch.no_grad()
    def normalize(self) -> None:
        """Sets the averages and deviations of the statistics."""
        statistics, strengths = [], []
        for part in torch.split(self.data.sample(SAMPLE), SAMPLED_AT_ONCE):
            with low_precision(self.device):
                moments = moments_of(part.to(self.device), self.loss.features)
            statistics.append(self.predictor.statistics(moments))
            strengths.append(strength_of(moments))
        found = torch.cat(statistics)
        for network in (self.predictor, self.averaged):
            network.average.copy_(found.mean(dim=0))
            network.deviation.copy_(found.std(dim=0).clamp_min(1e-3))
        self.loss.strength = torch.cat(strengths).mean().item()

    @torch.no_grad()
    def start_from(self, trained: StylePredictor) -> None:
        """Takes over the weights of a trained predictor, before the first step."""
        for network in (self.predictor, self.averaged):
            network.load_state_dict(trained.state_dict())
        self.started = True

    def run(self, seconds: float, on_step: Callable[[dict[str, float]], None] | None = None) -> None:
        """Trains until the recipe's steps are done or so many seconds have passed.

        Raises:
            Diverged: a loss is not finite.
        """
        start = time.monotonic()
        if self.step == 0:
            self.prepare()
        while self.step < self.recipe.steps and time.monotonic() - start < seconds:
            values = self.advance()
            if on_step is not None:
                on_step(values)
        self.steps.finish()

    def advance(self) -> dict[str, float]:
        """One step of the optimizer; returns the weighted losses by name."""
        inputs = self.data.inputs_of_step(self.step + 1)
        values = self.steps(learning_rate(self.step + 1, self.recipe), *inputs)
        self.step += 1
        share = 1 - min(self.recipe.average, self.step / (self.step + 10))
        with torch.no_grad():
            for mean, value in zip(self.averaged.parameters(), self.predictor.parameters(), strict=True):
                mean.lerp_(value, share)
        return values

    @torch.no_grad()
    def result(self) -> StylePredictor:
        """The predictor that is saved.

        Between the weights before and after a training lie networks that keep what they knew and have learned
        most of what was new (Wortsman et al. 2022, Robust fine-tuning of zero-shot models,
        https://arxiv.org/abs/2109.01903).
        """
        result = copy.deepcopy(self.averaged)
        for value, before in zip(result.parameters(), self.first.parameters(), strict=True):
            value.lerp_(before, self.recipe.kept)
        return result

    def state(self) -> dict[str, Tensor]:
        """Copies of everything that changes, and of the first weights, on the CPU."""
        self.steps.finish()
        networks = {"network": self.predictor, "averaged": self.averaged, "first": self.first}
        state = {
            f"{key}.{name}": value
            for key, network in networks.items()
            for name, value in network.state_dict().items()
        }
        kept = optimizer_state(self.predictor, self.steps.optimizer)
        state |= {f"optimizer.{name}": value for name, value in kept.items()}
        state |= {"step": torch.tensor(self.step), "strength": torch.tensor(self.loss.strength)}
        return {name: value.detach().cpu().clone() for name, value in state.items()}

    def restore(self, state: State) -> None:
        """Restores a state in a training with the same recipe and images."""
        self.step, self.loss.strength = int(state["step"]), float(state["strength"])
        self.predictor.load_state_dict(parts_of(state, "network."))
        self.averaged.load_state_dict(parts_of(state, "averaged."))
        self.first.load_state_dict(parts_of(state, "first."))
        restore_optimizer(self.predictor, self.steps, parts_of(state, "optimizer."))
        self.steps.restart(self.step)


def learning_rate(step: int, recipe: PredictionRecipe) -> float:
    """Linear warm-up, then constant, then down to 0 along a line."""
    left = (recipe.steps - step + 1) / max(recipe.cooling * recipe.steps, 1)
    return recipe.learning_rate * min(1.0, step / WARM_UP, left)


def mean_of(networks: Sequence[StyleNet]) -> StyleNet:
    """The network whose weights are the mean of the others' weights."""
    mean = copy.deepcopy(networks[0])
    with torch.no_grad():
        for parameter, *values in zip(
            mean.parameters(), *(network.parameters() for network in networks), strict=True
        ):
            parameter.copy_(torch.stack(values).mean(dim=0))
    return mean


def bundled_networks(left_out: Collection[str]) -> list[StyleNet]:
    """The networks of the bundled styles but these."""
    loaded = [load_style(name).network for name in STYLES if name not in left_out]
    return [network for network in loaded if isinstance(network, StyleNet)]


def identity_of(paintings: Paintings, photos: TrainingImages, known: Sequence[KnownStyle]) -> dict[str, str]:
    """What has to be the same when a training goes on."""
    names = " ".join(style.name for style in known)
    return {"paintings": paintings.identity, "photos": photos.identity, "known styles": names}


def train_predictor(
    paintings: Paintings,
    photos: TrainingImages,
    recipe: PredictionRecipe,
    output: Path,
    *,
    seconds: float,
    device: torch.device,
    start: Path | None = None,
    known: Sequence[Path] = (),
    teachers: Sequence[Path] = (),
) -> PredictionTraining:
    """Starts or goes on with a training, and writes `output` and its state.

    Args:
        paintings, photos, recipe: what to train on, and how.
        output: weights file to write.
        seconds: for which to train.
        device: on which to train.
        start: weights of a predictor to begin with.
        known: folders with paintings of bundled styles, which the recipe says whether to imitate.
        teachers: weights of predictors to imitate for all other paintings.

    Raises:
        InputError: the state is damaged, or the images are not those of its training.
        OutputError: a file cannot be written.
        Diverged: a loss is not finite; the state is that of the last time it was saved.
    """
    styles = read_known_styles(known, recipe.styles_left_out)
    others = bundled_networks({*recipe.styles_left_out, *(style.name for style in styles)})
    networks = [*(style.network for style in styles), *others]
    training = PredictionTraining(
        paintings,
        photos,
        load_features(),
        recipe,
        networks,
        known=styles,
        teachers=[copy.deepcopy(load_predictor(teacher)) for teacher in teachers],
        device=device,
    )
    kept, identity = output.with_suffix(".state"), identity_of(paintings, photos, styles)
    if kept.exists():
        tensors, metadata = read_safetensors(kept, LARGEST_STATE)
        if changed := [name for name, value in identity.items() if metadata.get(name) != value]:
            raise InputError(
                f"{kept}: the {' and '.join(changed)} have changed since the training was started"
            )
        training.restore(tensors)
    elif start is not None:
        training.start_from(load_predictor(start))
    saved = time.monotonic()

    def save() -> None:
        write_safetensors(kept, training.state(), identity)
        about = {"recipe": json.dumps(asdict(recipe)), "step": str(training.step)}
        save_predictor(output, training.result(), about | {"licence": "MIT"})

    sums: dict[str, float] = {}

    def on_step(values: dict[str, float]) -> None:
        nonlocal saved
        for name, value in values.items():
            sums[name] = sums.get(name, 0.0) + value / LOG_STEPS
        if training.step % LOG_STEPS == 0:
            losses = " ".join(f"{name} {value:.3f}" for name, value in sums.items())
            LOG.info(
                "step %d of %d, %.0f s: %s", training.step, recipe.steps, time.monotonic() - begin, losses
            )
            sums.clear()
        if time.monotonic() - saved > SAVE_SECONDS:
            save()
            saved = time.monotonic()

    begin = time.monotonic()
    training.run(seconds, on_step)
    save()
    return training


def install(trained: Path, folder: Path = FOLDER) -> None:
    """Makes a trained predictor the bundled one: copies it and rewrites the table.

    Raises:
        InputError: the file is not a style predictor.
        OutputError: a file cannot be written.
    """
    predictor, path = load_predictor(trained), folder / f"{PREDICTOR}.safetensors"
    write_whole(path, trained.read_bytes())
    entry = Entry(
        name=PREDICTOR,
        painting="",
        painter="",
        year=0,
        parameters=parameters_of(predictor),
        bytes=path.stat().st_size,
        sha256=sha256_of(path),
    )
    table = folder / "table.toml"
    write_table({**read_table(table), PREDICTOR: entry}, table)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, text in (
        ("paintings", "folder of paintings, each file named PAINTER_TITLE"),
        ("photos", "folder of photographs"),
        ("recipe", "TOML file, such as configs/prediction/cpu.toml"),
        ("output", "weights file to write"),
    ):
        parser.add_argument(name, type=Path, help=text)
    parser.add_argument("--minutes", type=float, default=170.0, help="how long this part may take")
    parser.add_argument("--steps", type=int, help="in all; by default those of the recipe")
    parser.add_argument("--most", type=int, help="number of paintings at most, taken evenly")
    parser.add_argument("--start", type=Path, help="weights of a predictor to begin with")
    parser.add_argument("--known", type=Path, action="append", default=[], help="paintings of bundled styles")
    parser.add_argument("--teacher", type=Path, action="append", default=[], help="predictors to imitate")
    parser.add_argument("--install", action="store_true", help="make OUTPUT the bundled predictor")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    recipe, device = read_prediction_recipe(options.recipe), choose(options.device)
    if options.steps is not None:
        recipe = replace(recipe, steps=options.steps)
    paintings = Paintings(options.paintings, recipe.held_out, options.most)
    LOG.info("%d paintings, %s", len(paintings), name_of(device))
    photos = Photographs(options.photos)
    photos.files, _ = split(photos.files, HELD_BACK)
    torch.set_float32_matmul_precision("high")  # on CUDA the networks are products of matrices
    train_predictor(
        paintings,
        photos,
        recipe,
        options.output,
        seconds=60 * options.minutes,
        device=device,
        start=options.start,
        known=options.known,
        teachers=options.teacher,
    )
    if options.install:
        install(options.output)


if __name__ == "__main__":
    main()
