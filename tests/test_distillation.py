"""Training of the bundled feature network, a few steps with a teacher of random weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from streamstyle.networks import Distilled, MobileNet
from streamstyle.networks.features import TRUNK
from streamstyle.training import distillation
from streamstyle.training.distillation import Branched, Distillation

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
    moved = distillation.dreamed_images(images, teacher, student, Choices())
    before, after = (student(image, ["texture"])["texture"].square().mean() for image in (images, moved))
    assert after > 1.1 * before
    assert moved.min() >= 0 and moved.max() <= 1
    assert student.training, "it goes on learning"
