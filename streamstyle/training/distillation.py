"""Distillation of the bundled feature network: a small plain network learns the features of a deep one.

`python -m streamstyle.training.distillation PHOTOS TEACHER RECIPE OUTPUT [--second-teacher VGG16]` trains it.
The first teacher's layers become branches of the student, on which one can dream. The second one's are
predicted from the trunk, by adapters that are thrown away: they shape the layers with which style is judged.
A quarter of each batch are dreams: photographs after a few steps of gradient ascent on the features of
teacher or student. Dreams leave the distribution of photographs, where a student trained only on
photographs is undefined.

Reference: Hinton, Vinyals, Dean (2015), Distilling the knowledge in a neural network; features instead of
outputs after Romero et al. (2015), FitNets.
"""

from __future__ import annotations

import argparse
import copy
import logging
import math
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from streamstyle import device as devices
from streamstyle.cuda_graphs import CapturedVariants
from streamstyle.device import low_precision
from streamstyle.files import sha256_of
from streamstyle.images import Notices
from streamstyle.networks import Distilled, MobileNet
from streamstyle.networks.features import FeatureNetwork
from streamstyle.training.crops import CropSource, crop_source
from streamstyle.training.data import photograph_files, read_rgb, split, to_tensor
from streamstyle.training.optimization import steps_of
from streamstyle.training.pupil import Pupil, new_student
from streamstyle.transfers import upload
from streamstyle.weights import load_features, save_features

LAYER_PAIRS = {
    "texture": "6",
    "pattern": "10",
    "part": "14",
    "thing": "20",
}  # student's branch -> teacher's layer
SECOND_PAIRS = {
    "relu1_1": "relu2_2",
    "relu2_2": "relu3_3",
    "relu3_2": "relu4_3",
}  # layer of the student's trunk -> layer of VGG-16 at the same stride
CEILING = 6.0  # the teacher's activations are clipped here (ReLU6)
WARM_UP = 200  # steps until the learning rate is reached
LARGEST_DREAM = 4  # steps of gradient ascent
LEAST_VARIANCE = 1e-3  # lower bound, for channels that hardly vary
LOG = logging.getLogger("streamstyle")


@dataclass(frozen=True, kw_only=True)
class Distillation:
    """How the feature network is trained.

    Attributes:
        steps: number of batches.
        batch: crops in a batch.
        crop: side of a crop in pixels, a multiple of 16.
        learning_rate: maximum, for AdamW; it decays to 0 along a cosine.
        dreamed: share of a batch that consists of dreams.
        held_back: number of photographs held out for validation.
        seed: of all random choices.
    """

    steps: int = 6000
    batch: int = 24
    crop: int = 160
    learning_rate: float = 3e-3
    dreamed: float = 0.25
    held_back: int = 60
    seed: int = 0


@dataclass(frozen=True)
class Lesson:
    """A teacher, and what the student learns from it.

    Attributes:
        teacher: on the device of the training; its weights are not changed.
        pairs: layer of the student, which is also the name of the error -> layer of the teacher.
        ceiling: value at which the teacher's activations are clipped.
        spread: variance, (1, C, 1, 1), of each channel of the teacher's layers.
    """

    teacher: FeatureNetwork
    pairs: Mapping[str, str]
    ceiling: float
    spread: Mapping[str, Tensor]

    def targets(self, images: Tensor) -> dict[str, Tensor]:
        """What the student has to predict."""
        with torch.no_grad(), low_precision(images.device):
            found: dict[str, Tensor] = self.teacher(images, self.pairs.values())
        return found


def distill(
    photos: list[Path],
    teacher: MobileNet,
    recipe: Distillation,
    on_step: Callable[[int, Mapping[str, float]], None] | None = None,
    device: torch.device | None = None,
    second_teacher: FeatureNetwork | None = None,
) -> Distilled:
    """Trains the student.

    The same recipe gives the same network on the same CPU. On CUDA, pixel noise and rounding differ.

    Args:
        photos: image files to train on.
        teacher: network whose layers the student learns to predict; it is not changed.
        recipe: how to train.
        on_step: called after each step with its number and the error of each branch, on CUDA that of one of
            the last steps.
        device: where to train, by default the CPU.
        second_teacher: VGG-16, whose layers the student's trunk learns to foresee, too.

    Returns:
        The student, folded to plain convolutions, in evaluation mode, on the CPU.

    Raises:
        Diverged: an error is not finite.
    """
    device = device or torch.device("cpu")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        student = new_student()
    rng = np.random.default_rng(recipe.seed)
    notices = Notices()
    source = crop_source([read_rgb(path, notices) for path in photos], device)
    batches = batches_of(source, recipe, rng)
    example = next(batches)
    lessons = [lesson(teacher, LAYER_PAIRS, example, CEILING)]
    if second_teacher is not None:
        lessons.append(lesson(second_teacher, SECOND_PAIRS, example))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed + 1)
        channels = {
            pair[0]: each.spread[pair[1]].shape[1] for each in lessons[1:] for pair in each.pairs.items()
        }
        pupil = Pupil(student, channels).to(device).to(memory_format=torch.channels_last).train()
    dreams = Dreams(lessons, student)
    steps = steps_of(
        pupil.requires_grad_(True),
        lambda images: errors_of(pupil, lessons, images),
        torch.optim.AdamW,
        clip=2.0,
        weight_decay=1e-4,
    )
    for step in range(1, recipe.steps + 1):
        done = (step - 1) / recipe.steps
        rate = recipe.learning_rate * min(1.0, step / WARM_UP) * 0.5 * (1 + math.cos(math.pi * done))
        images = next(batches)
        count = round(recipe.dreamed * recipe.batch)
        if count:
            images[-count:] = dreams(images[-count:], rng)
        errors = steps(rate, images)
        if on_step is not None:
            on_step(step, errors)
    steps.finish()
    return pupil.folded()


def lesson(
    teacher: FeatureNetwork, pairs: Mapping[str, str], images: Tensor, ceiling: float = math.inf
) -> Lesson:
    """What a copy of a teacher teaches; the variance of its channels is measured on these images."""
    teacher = copy.deepcopy(teacher).to(images.device).to(memory_format=torch.channels_last).eval()
    return Lesson(teacher.requires_grad_(False), pairs, ceiling, variance_of(teacher, pairs, images))


def errors_of(pupil: Pupil, lessons: Sequence[Lesson], images: Tensor) -> dict[str, Tensor]:
    """Error of each prediction: squared error divided by variance, averaged over the channels."""
    targets = [each.targets(images) for each in lessons]
    with low_precision(images.device):
        found = pupil(images)
    errors = {}
    for each, target in zip(lessons, targets, strict=True):
        for name, layer in each.pairs.items():
            error = channel_errors(found[name].float(), target[layer].float(), each.ceiling)
            errors[name] = (error / each.spread[layer]).mean()
    return errors


def channel_errors(found: Tensor, target: Tensor, ceiling: float = CEILING) -> Tensor:
    """Mean squared error of each channel, (1, C, 1, 1); 0 beyond the values where the teacher is clipped."""
    beyond = ((target <= 0) & (found < 0)) | ((target >= ceiling) & (found > ceiling))
    return (found - target).masked_fill(beyond, 0).square().mean(dim=(0, 2, 3), keepdim=True)


@torch.no_grad()
def variance_of(teacher: FeatureNetwork, pairs: Mapping[str, str], images: Tensor) -> dict[str, Tensor]:
    """Variance, (1, C, 1, 1), of each channel of the teacher's layers."""
    found = teacher(images, pairs.values())
    return {
        layer: value.var(dim=(0, 2, 3), keepdim=True).clamp_min(LEAST_VARIANCE)
        for layer, value in found.items()
    }


def batches_of(source: CropSource, recipe: Distillation, rng: np.random.Generator) -> Iterator[Tensor]:
    """Endless batches, (N, 3, crop, crop): crops with color jitter and noise, some blended in pairs."""
    count = recipe.batch

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        values = torch.from_numpy(rng.uniform(low, high, shape).astype(np.float32))
        return upload(values, batch.device)

    while True:
        indices = (int(rng.integers(len(source))) for _ in range(count))
        batch = source.crops(indices, recipe.crop, rng, smallest=0.35)
        gain, offset = uniform(0.6, 1.4, count, 3, 1, 1), uniform(-0.1, 0.1, count, 3, 1, 1)
        deviation = uniform(0, 0.04, count, 1, 1, 1)
        batch = (batch - 0.5) * gain + 0.5 + offset
        batch += deviation * pixel_noise(batch, rng)
        mixed = count // 6  # the first few are mixtures
        share = uniform(0.2, 0.8, mixed, 1, 1, 1)
        batch[:mixed] = torch.lerp(batch[:mixed], batch[-mixed:], share) if mixed else batch[:0]
        yield batch.clamp(0, 1).contiguous(memory_format=torch.channels_last)


def pixel_noise(batch: Tensor, rng: np.random.Generator) -> Tensor:
    """Normal noise for a batch; drawn on the device, as drawing it on the host takes longer than a step."""
    if devices.on_host(batch):
        return torch.from_numpy(rng.standard_normal(batch.shape, dtype=np.float32))
    generator = torch.Generator(batch.device).manual_seed(int(rng.integers(2**63)))
    return torch.randn(batch.shape, generator=generator, device=batch.device)


class Dreams:
    """Images after a few steps of gradient ascent on a random layer of a teacher or the student."""

    def __init__(self, lessons: Sequence[Lesson], student: Distilled) -> None:
        self.student = student
        self.pairs = [(each.teacher, *pair) for each in lessons for pair in each.pairs.items()]
        self._captured = CapturedVariants()

    def __call__(self, images: Tensor, rng: np.random.Generator) -> Tensor:
        """(N, 3, H, W) in [0, 1] to the same shape."""
        teacher, own, taught = self.pairs[int(rng.integers(len(self.pairs)))]
        network, layer = (self.student, own) if rng.random() < 0.5 else (teacher, taught)
        length = upload(torch.tensor(rng.uniform(0.01, 0.05), dtype=torch.float32), images.device)
        for _ in range(int(rng.integers(1, LARGEST_DREAM + 1))):
            images = self._captured(
                (network is teacher, layer), partial(ascent, network, layer), images, length
            )["images"]
        return images


def ascent(network: FeatureNetwork, layer: str, images: Tensor, length: Tensor) -> dict[str, Tensor]:
    """The images after one step of gradient ascent on the layer, of this mean length."""
    learning = network.training
    network.eval()
    images = images.detach().requires_grad_(True)
    with low_precision(images.device):
        seen = network(images, [layer])[layer]
    (gradient,) = torch.autograd.grad(seen.float().square().mean(), images)
    network.train(learning)
    images = images + length * gradient / gradient.abs().mean(dim=(1, 2, 3), keepdim=True).clamp_min(1e-12)
    return {"images": images.clamp(0, 1).detach()}


@torch.no_grad()
def errors_on(
    photos: list[Path], student: Distilled, teacher: MobileNet, side: int = 224
) -> dict[str, float]:
    """Error of each branch: squared error divided by variance, averaged over the channels.

    Args:
        photos: image files; the center square of each is scaled to `side`.
        student, teacher: the networks to compare.
        side: in pixels, a multiple of 16.

    Returns:
        By branch: 0 = exact, 1 = no better than predicting the channel's mean.
    """
    found: dict[str, list[Tensor]] = {branch: [] for branch in LAYER_PAIRS}
    target: dict[str, list[Tensor]] = {branch: [] for branch in LAYER_PAIRS}
    for path in photos:
        image = middle_square(read_rgb(path), side)
        answer, expected = student(image, LAYER_PAIRS), teacher(image, LAYER_PAIRS.values())
        for branch, layer in LAYER_PAIRS.items():
            found[branch].append(answer[branch].clamp(max=CEILING))
            target[branch].append(expected[layer])
    result = {}
    for branch in LAYER_PAIRS:
        truth = torch.cat(target[branch])
        spread = truth.var(dim=(0, 2, 3)).clamp_min(LEAST_VARIANCE)
        error = (torch.cat(found[branch]) - truth).square().mean(dim=(0, 2, 3))
        result[branch] = (error / spread).mean().item()
    return result


def middle_square(image: Image.Image, side: int) -> Tensor:
    """The largest center square of an image, (1, 3, side, side)."""
    size = min(image.size)
    left, top = ((length - size) / 2 for length in image.size)
    box = (left, top, left + size, top + size)
    return to_tensor(image.resize((side, side), Image.Resampling.BICUBIC, box=box))


def main() -> None:
    """The command line: train, validate on the held-out photographs, save."""
    parser = argparse.ArgumentParser(description="Train the bundled feature network.")
    for name, text in (
        ("photos", "folder of photographs"),
        ("teacher", "MobileNet-v1 as .safetensors"),
        ("recipe", "TOML file, such as configs/features/distilled.toml"),
        ("output", "weights file to write"),
    ):
        parser.add_argument(name, type=Path, help=text)
    parser.add_argument("--second-teacher", type=Path, metavar="FILE", help="weights of VGG-16")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    recipe = Distillation(**tomllib.loads(options.recipe.read_text(encoding="utf-8")))
    teacher = load_features(options.teacher)
    assert isinstance(teacher, MobileNet)
    second = None if options.second_teacher is None else load_features(options.second_teacher)
    training, held_back = split(photograph_files(options.photos), recipe.held_back)
    start = time.monotonic()

    def log(step: int, errors: Mapping[str, float]) -> None:
        if step % 100 == 0:
            seconds = time.monotonic() - start
            values = " ".join(f"{name} {value:.3f}" for name, value in errors.items())
            LOG.info("step %d of %d, %.0f s: %s", step, recipe.steps, seconds, values)

    student = distill(training, teacher, recipe, log, devices.choose(options.device), second)
    teachers = " ".join(map(sha256_of, filter(None, (options.teacher, options.second_teacher))))
    recipe_text = options.recipe.read_text(encoding="utf-8")
    save_features(options.output, student, {"recipe": recipe_text, "teachers_sha256": teachers})
    errors = errors_on(held_back, student, teacher)
    LOG.info("%d held-out photographs: %s", len(held_back), errors)


if __name__ == "__main__":
    main()
