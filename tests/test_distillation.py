"""Training of the bundled feature network, a few steps with a teacher of random weights."""

import copy
import os
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from streamstyle import device as devices
from streamstyle.cuda_graphs import WARM_UP
from streamstyle.networks import Distilled, MobileNet
from streamstyle.networks.features import TRUNK, FeatureNetwork
from streamstyle.training import distillation
from streamstyle.training.distillation import Distillation
from streamstyle.training.optimization import REPORT_EVERY
from streamstyle.training.pupil import Branched

needs_cuda = pytest.mark.skipif(
    not torch.cuda.is_available() and os.environ.get("FAIL_WITHOUT_CUDA") != "1", reason="needs CUDA"
)
TINY = Distillation(steps=3, batch=4, crop=32)


@pytest.fixture(scope="module")
def teacher() -> MobileNet:
    torch.manual_seed(0)
    return MobileNet().eval()


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> list[Path]:
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    files = [folder / f"{number}.png" for number in range(3)]
    for path in files:
        coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        coarse.resize((80, 60), Image.Resampling.BICUBIC).save(path)
    return files


@torch.no_grad()
@pytest.mark.parametrize(("inputs", "outputs", "stride"), [(6, 6, 1), (6, 9, 1), (6, 6, 2)])
def test_a_folded_convolution_gives_what_its_branches_gave(inputs, outputs, stride):
    torch.manual_seed(1)
    branched = Branched(nn.Conv2d(inputs, outputs, 3, stride, 1))
    for norm in (branched.norm, branched.identity):
        if norm is not None:
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
            norm.weight.normal_()
            norm.bias.normal_()
    branched.eval()
    x = torch.randn(2, inputs, 8, 8)
    torch.testing.assert_close(branched.folded()(x), branched(x), atol=1e-5, rtol=1e-4)
    assert (branched.identity is not None) == (inputs == outputs and stride == 1)


def test_the_same_seed_gives_the_same_plain_network(photos, teacher):
    seen: list[dict[str, float]] = []
    first = distillation.distill(photos, teacher, TINY, lambda step, errors: seen.append(dict(errors)))
    again = distillation.distill(photos, teacher, TINY)
    assert all(isinstance(first.trunk[name], nn.Conv2d) for name in TRUNK)
    assert first.state_dict().keys() == Distilled().state_dict().keys()
    for key, value in first.state_dict().items():
        assert torch.equal(again.state_dict()[key], value)
    assert len(seen) == 3 and seen[0].keys() == distillation.LAYER_PAIRS.keys()


class Second(FeatureNetwork):
    """Stands in for VGG-16: three layers of its names, at strides 2, 4 and 8."""

    layers = ("relu2_2", "relu3_3", "relu4_3")

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.model = nn.ModuleList(nn.Conv2d(inputs, 6, 2, 2) for inputs in (3, 6, 6))

    def normalized(self, image: Tensor) -> Tensor:
        return image

    def activations(self, x: Tensor, requested: Collection[str]) -> Iterator[tuple[str, Tensor]]:
        for name, convolution in zip(self.layers, self.model, strict=True):
            x = torch.relu(convolution(x))
            yield name, x


def test_a_second_teacher_shapes_the_trunk_and_leaves_nothing_else(photos, teacher):
    seen: list[dict[str, float]] = []
    recipe = replace(TINY, steps=12)
    student = distillation.distill(
        photos, teacher, recipe, lambda step, errors: seen.append(dict(errors)), second_teacher=Second()
    )
    assert seen[0].keys() == {*distillation.LAYER_PAIRS, *distillation.SECOND_PAIRS}
    assert student.state_dict().keys() == Distilled().state_dict().keys()
    alone = distillation.distill(photos, teacher, recipe)
    assert not torch.equal(student.trunk["relu1_1"].weight, alone.trunk["relu1_1"].weight)
    second = [sum(errors[name] for name in distillation.SECOND_PAIRS) for errors in seen]
    assert second[-1] < second[0]


def test_errors_are_0_for_the_truth_and_1_for_the_mean():
    target = torch.rand(2, 5, 4, 4)
    assert (distillation.channel_errors(target, target) == 0).all()
    mean = target.mean(dim=(0, 2, 3), keepdim=True).expand_as(target)
    spread = target.var(dim=(0, 2, 3), keepdim=True, correction=0)
    torch.testing.assert_close(distillation.channel_errors(mean, target), spread)


def test_beyond_where_the_teacher_is_cut_off_is_as_good():
    target = torch.tensor([0.0, 6.0, 3.0]).view(1, 1, 1, 3)
    beyond = torch.tensor([-4.0, 9.0, 3.0]).view(1, 1, 1, 3)
    short = torch.tensor([1.0, 5.0, 3.0]).view(1, 1, 1, 3)
    assert distillation.channel_errors(beyond, target).item() == 0
    assert distillation.channel_errors(short, target).item() == pytest.approx(2 / 3)


def test_the_student_learns(photos, teacher):
    seen: list[float] = []
    recipe = Distillation(steps=40, batch=4, crop=32, dreamed=0)
    distillation.distill(photos, teacher, recipe, lambda step, errors: seen.append(sum(errors.values())))
    assert sum(seen[-5:]) < 0.8 * sum(seen[:5])


@torch.no_grad()
def test_errors_are_measured_at_each_depth(photos, teacher):
    errors = distillation.errors_on(photos, Distilled().eval(), teacher, side=64)
    assert errors.keys() == distillation.LAYER_PAIRS.keys()
    assert all(error > 0 for error in errors.values())


def test_a_captured_distillation_learns_as_on_the_cpu(photos, teacher, fake_device, monkeypatch):
    """Its errors are known later."""
    recipe = Distillation(steps=2 * REPORT_EVERY, batch=4, crop=32)
    on_device, on_host = [], []

    def noise_of_the_host(batch, rng):
        return torch.from_numpy(rng.standard_normal(batch.shape, dtype=np.float32))

    monkeypatch.setattr(distillation, "pixel_noise", noise_of_the_host)
    student = distillation.distill(photos, teacher, recipe, lambda step, errors: on_device.append(errors))
    assert fake_device.replays > 2 * (recipe.steps - WARM_UP), "of crops, steps and dreams"
    assert all(isinstance(student.trunk[name], nn.Conv2d) for name in TRUNK)
    assert not any(value.requires_grad for value in student.parameters())
    monkeypatch.setattr(devices, "on_host", lambda where: True)
    distillation.distill(photos, teacher, recipe, lambda step, errors: on_host.append(errors))
    assert on_device[-1] == pytest.approx(on_host[-1 - REPORT_EVERY], rel=0.03)
    assert sum(on_host[-1].values()) < 0.9 * sum(on_host[0].values())


def test_noise_of_a_device_is_normal_and_follows_the_seed(fake_device):
    draws = [
        distillation.pixel_noise(torch.empty(4, 3, 32, 32), np.random.default_rng(seed)) for seed in (1, 1, 2)
    ]
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    assert draws[0].mean().abs() < 0.05 and draws[0].std() == pytest.approx(1, abs=0.05)


def test_a_teacher_stays_as_it_was(photos, teacher):
    own = copy.deepcopy(teacher).train()
    distillation.distill(photos, own, replace(TINY, steps=1))
    assert own.training and all(value.requires_grad for value in own.parameters())


@pytest.mark.cuda
@needs_cuda
def test_a_distillation_on_cuda_learns_as_on_the_cpu(photos, teacher):
    recipe, totals = Distillation(steps=40, batch=4, crop=32), []
    for device in ("cpu", "cuda"):
        seen: list[float] = []

        def log(step, errors, seen=seen):
            seen.append(sum(errors.values()))

        student = distillation.distill(photos, teacher, recipe, log, devices.choose(device))
        totals.append((seen[0], seen[-1]))
    assert totals[1][0] == pytest.approx(totals[0][0], rel=0.05), "other noise"
    assert all(last < 0.8 * first for first, last in totals)
    assert not next(student.parameters()).is_cuda


class Choices:
    """Stands in for a random generator: the first branch, the student, four steps."""

    def integers(self, low: int, high: int | None = None) -> int:
        return 0 if high is None else high - 1

    def random(self) -> float:
        return 0.0

    def uniform(self, low: float, high: float) -> float:
        return low


def test_a_dream_moves_a_picture_up_the_features(teacher):
    torch.manual_seed(0)
    student, images = Distilled(), torch.rand(2, 3, 32, 32)
    lessons = [distillation.lesson(teacher, distillation.LAYER_PAIRS, images)]
    moved = distillation.Dreams(lessons, student)(images, Choices())
    before, after = (student(image, ["texture"])["texture"].square().mean() for image in (images, moved))
    assert after > 1.1 * before
    assert moved.min() >= 0 and moved.max() <= 1
    assert student.training, "it goes on learning"
