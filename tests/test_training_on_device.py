"""Training as on CUDA, with tensors on the CPU and graphs that are recorded here; and on CUDA itself."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from streamstyle import device as devices
from streamstyle.cuda_graphs import WARM_UP
from streamstyle.networks import FeatureNetwork, StyleNet
from streamstyle.networks.pretrained import Pretrained
from streamstyle.optical_flow import warp
from streamstyle.styles import load_style
from streamstyle.training import Diverged, Photographs, Recipe, Training, loop, painting_for
from streamstyle.training.optimization import CapturedSteps
from streamstyle.training.perceptual_loss import square
from streamstyle.training.synthetic_motion import NOISE, move, random_motion
from streamstyle.training.teacher import LargeNetwork
from streamstyle.weights import load_features
from tests.device_fakes import FakeDevice

needs_cuda = pytest.mark.skipif(
    not torch.cuda.is_available() and os.environ.get("FAIL_WITHOUT_CUDA") != "1", reason="needs CUDA"
)
RECIPE = Recipe(steps=10, batch=1, crop=64, tone_weight=3.0)


@pytest.fixture(scope="module")
def features() -> FeatureNetwork:
    return load_features()


@pytest.fixture(scope="module")
def base() -> StyleNet:
    network = load_style("base").network
    assert isinstance(network, StyleNet)
    return network


def a_training(pictures: Path, features: FeatureNetwork, recipe: Recipe, **more) -> Training:
    painting = painting_for(pictures / "painting.png", recipe)
    return Training(painting, Photographs(pictures / "photos"), features, recipe, **more)


def totals(training: Training) -> list[float]:
    """The sum of the losses of each step."""
    found = []
    while training.step < (training.recipe.steps or 0):
        training.advance()
        found.append(sum(training.finish().values()))
    return found


def weights_of(network: torch.nn.Module) -> Tensor:
    return torch.cat([value.flatten() for value in network.state_dict().values()])


@torch.no_grad()
def untrained(name: str) -> FeatureNetwork:
    """A network of torchvision with random weights; its own initialization takes seconds."""
    with torch.device("meta"):
        network = Pretrained(name)
    network.to_empty(device="cpu")
    for parameter in network.parameters():
        parameter.normal_(0, 0.03)
    return network.eval()


def test_a_captured_training_goes_as_on_the_cpu(pictures, features, base, fake_device: FakeDevice):
    """Crops, motion and learning rate are the same; rounding differs."""
    captured = a_training(pictures, features, RECIPE, base=base)
    assert isinstance(captured.steps, CapturedSteps)
    found = totals(captured)
    assert fake_device.replays == 2 * (10 - WARM_UP), "those of the crops and those of the steps"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(devices, "on_host", lambda where: True)
        expected = totals(a_training(pictures, features, RECIPE, base=base))
    assert found == pytest.approx(expected, rel=0.02)
    assert sum(found) == pytest.approx(sum(expected), rel=0.005)


@pytest.mark.parametrize(
    "changes",
    [
        {"statistic": "wasserstein", "style_together": False},
        {"statistic": "gram", "standardised": False, "style_scales": 3, "crop": 96},
        {"statistic": "moments"},
        {"painting": None, "content_weight": 0.1},
        {"features": "vgg16"},
        {"regularity_weight": 1.0},
        {"teacher": LargeNetwork(width=4, blocks=1)},
        {"base": LargeNetwork(width=4, blocks=1)},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_every_kind_of_training_is_captured(pictures, features, fake_device: FakeDevice, changes):
    """The graph forbids all access to the host."""
    judge = untrained("vgg16") if "features" in changes else features
    networks = {name: changes[name] for name in ("teacher", "base") if name in changes}
    others = {"features", "painting", *networks}
    settings = {name: value for name, value in changes.items() if name not in others}
    recipe = replace(RECIPE, steps=WARM_UP + 2, **settings)
    painting = None if "painting" in changes else painting_for(pictures / "painting.png", recipe)
    training = Training(painting, Photographs(pictures / "photos"), judge, recipe, **networks)
    before = weights_of(training.network).clone()
    training.run()
    assert len(fake_device.graphs) == 2 and fake_device.replays == 4
    assert not torch.equal(weights_of(training.network), before)


def test_a_captured_training_resumes_from_its_state(pictures, features, base, fake_device: FakeDevice):
    """Here the rounding is always the same, so it would show if anything was forgotten."""
    whole, first, second = (a_training(pictures, features, RECIPE, base=base) for _ in range(3))
    expected = weights_of(whole.run())
    for _ in range(5):
        first.advance()
        second.advance()
    state = first.state()
    second.advance()  # what it has captured uses another state
    second.restore(state)
    assert second.step == 5
    torch.testing.assert_close(weights_of(second.run()), expected, atol=1e-6, rtol=0)


def test_a_state_of_the_cpu_is_resumed_on_a_device(pictures, features, base, fake_device: FakeDevice):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(devices, "on_host", lambda where: True)
        whole = a_training(pictures, features, RECIPE, base=base)
        first = a_training(pictures, features, RECIPE, base=base)
        expected = weights_of(whole.run())
        for _ in range(5):
            first.advance()
        state = first.state()
    second = a_training(pictures, features, RECIPE, base=base)
    second.restore(state)
    assert second.optimizer.state[second.network.enter.weight]["step"] == 5
    torch.testing.assert_close(weights_of(second.run()), expected, atol=3e-3, rtol=0)


def test_a_moved_still_is_that_of_the_cpu_and_follows_its_flow(fake_device: FakeDevice):
    """Within what OpenCV rounds: positions to a 64th of a pixel."""
    still = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    still = torch.nn.functional.interpolate(still, 64, mode="bicubic").clamp(0, 1)
    motion = random_motion(64, 64, np.random.default_rng(0))
    pair = move(still, motion, margin=4)
    off = (pair.current - warp(still, pair.flow) - pair.change).abs()
    assert (pair.confidence * off).mean() < 2 * NOISE and pair.flow.abs().max() > 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(devices, "on_host", lambda where: True)
        expected = move(still, motion, margin=4)
    for found, other in zip(vars(pair).values(), vars(expected).values(), strict=True):
        assert (found - other).abs().max() < 0.01 and (found - other).abs().mean() < 0.001


def test_the_scored_square_is_that_of_the_cpu(fake_device: FakeDevice):
    image, corner = torch.rand(2, 3, 40, 40), torch.tensor([3, 20])
    assert torch.equal(square(image, corner, 16), image[..., 3:19, 20:36])


def test_minutes_become_steps_on_a_device(pictures, features, fake_device: FakeDevice, monkeypatch):
    monkeypatch.setattr(loop, "TIMED", WARM_UP + 5)
    training = a_training(pictures, features, Recipe(minutes=0.03, batch=1, crop=64))
    training.run()
    assert training.recipe.minutes is None
    assert training.recipe.steps == training.step >= loop.TIMED


def test_divergence_found_later_leaves_the_network_of_the_step_before(
    pictures, features, base, fake_device: FakeDevice, monkeypatch
):
    training = a_training(pictures, features, replace(RECIPE, steps=40), base=base)
    take = loop.crops_of_step

    def spoiled(source, side, step, recipe):
        return take(source, side, step, recipe) * (float("nan") if step == 6 else 1)

    monkeypatch.setattr(loop, "crops_of_step", spoiled)
    for _ in range(5):
        training.advance()
    good = weights_of(training.network).clone()
    with pytest.raises(Diverged, match=r"diverged at step 6; try a learning rate below 0\.003"):
        training.run()
    assert training.step == 5
    assert torch.equal(weights_of(training.network), good)


@pytest.mark.cuda
@needs_cuda
def test_a_training_on_cuda_is_captured_and_goes_as_on_the_cpu(pictures, features, base):
    recipe = replace(RECIPE, steps=60, batch=2)
    training = a_training(pictures, features, recipe, base=base, device=devices.choose("cuda"))
    found = totals(training)
    assert isinstance(training.steps, CapturedSteps)
    assert not training.steps.refusal
    expected = totals(a_training(pictures, features, recipe, base=base))
    assert sum(found[-20:]) == pytest.approx(sum(expected[-20:]), rel=0.05)


@pytest.mark.cuda
@needs_cuda
def test_on_cuda_a_resumed_training_goes_on_to_a_like_network(pictures, features, base):
    """Not to the same bits: gradients are added up in any order."""
    cuda = devices.choose("cuda")
    whole, first, second = (
        a_training(pictures, features, replace(RECIPE, steps=40, batch=2), base=base, device=cuda)
        for _ in range(3)
    )
    expected = totals(whole)
    for _ in range(20):
        first.advance()
    second.restore(first.state())
    assert totals(second) == pytest.approx(expected[20:], rel=0.05)
