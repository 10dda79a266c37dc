"""Training, a few steps on images made here."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from streamstyle.errors import UsageError
from streamstyle.networks import FeatureNetwork, StyleNet
from streamstyle.training import (
    Diverged,
    Photographs,
    Recipe,
    Training,
    TrainingProgress,
    loop as training,
    painting_for,
)
from streamstyle.weights import load_features

ROOT = Path(__file__).parents[1]
RECIPES = sorted((ROOT / "configs" / "styles").glob("*.toml"))
QUICK = Recipe(steps=4, batch=1, crop=64, seed=3)


@pytest.fixture(scope="module")
def features() -> FeatureNetwork:
    return load_features()


def a_training(pictures: Path, features: FeatureNetwork, recipe: Recipe = QUICK, **more) -> Training:
    painting = painting_for(pictures / "painting.png", recipe)
    return Training(painting, Photographs(pictures / "photos"), features, recipe, **more)


def weights_of(network: torch.nn.Module) -> torch.Tensor:
    return torch.cat([value.flatten() for value in network.state_dict().values()])


def test_the_same_seed_gives_the_same_network_and_another_another(pictures, features):
    runs = [
        weights_of(a_training(pictures, features, recipe).run())
        for recipe in (QUICK, QUICK, replace(QUICK, seed=4))
    ]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_training_leaves_the_callers_random_numbers_alone(pictures, features):
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    a_training(pictures, features).run()
    assert torch.rand(1) == expected


def test_each_step_is_reported_with_its_losses(pictures, features):
    seen: list[TrainingProgress] = []
    a_training(pictures, features).run(seen.append)
    assert [progress.step for progress in seen] == [1, 2, 3, 4]
    assert seen[0].losses.keys() == {"style", "content", "brightness", "tone", "variation", "temporal"}
    assert seen[-1].eta_seconds == 0


def test_regularity_is_scored_where_it_has_a_weight(pictures, features):
    seen: list[TrainingProgress] = []
    recipe = replace(QUICK, steps=1, regularity_weight=2.0)
    a_training(pictures, features, recipe).run(seen.append)
    assert "regularity" in seen[0].losses


def test_a_style_comes_closer_to_its_painting(pictures, features):
    seen: list[TrainingProgress] = []
    # Of these images, which are noise, style and content cannot both be had.
    recipe = replace(QUICK, steps=120, crop=96, content_weight=0.0, brightness_weight=0.0)
    a_training(pictures, features, recipe).run(seen.append)
    first, last = (sum(p.losses["style"] for p in part) for part in (seen[:5], seen[-5:]))
    assert last < 0.93 * first


def test_a_base_learns_to_give_the_photograph_back(pictures, features):
    seen: list[TrainingProgress] = []
    recipe = Recipe(steps=60, batch=1, crop=64, learning_rate=0.01, content_weight=0.1)
    Training(None, Photographs(pictures / "photos"), features, recipe).run(seen.append)
    first, last = (sum(p.losses["pixels"] for p in part) for part in (seen[:5], seen[-5:]))
    assert last < first / 2
    assert "content" in seen[0].losses


def test_training_starts_from_the_base_and_leaves_it_as_it_was(pictures, features):
    torch.manual_seed(5)
    base = StyleNet(width=8, depth=8, blocks=1, detail=8)
    before = weights_of(base).clone()
    recipe = replace(QUICK, steps=1, learning_rate=1e-9)
    trained = a_training(pictures, features, recipe, base=base).run()
    assert torch.equal(weights_of(base), before)
    torch.testing.assert_close(weights_of(trained), before, atol=1e-6, rtol=0)


def test_a_training_goes_on_from_its_state_as_if_never_stopped(pictures, features):
    whole = a_training(pictures, features)
    expected = weights_of(whole.run())
    first, second = a_training(pictures, features), a_training(pictures, features)
    first.advance()
    first.advance()
    state = first.state()
    first.advance()  # the state is that of its moment, not a window on the training
    second.restore(state)
    assert torch.equal(weights_of(second.run()), expected)


def test_training_runs_on_every_device_and_can_move_to_another(pictures, features, device):
    first = a_training(pictures, features, replace(QUICK, steps=2), device=torch.device(device))
    first.advance()
    second = a_training(pictures, features, replace(QUICK, steps=2))
    second.restore(first.state())
    network = first.run()
    assert next(network.parameters()).device.type == "cpu" and not network.training
    torch.testing.assert_close(weights_of(second.run()), weights_of(network), atol=5e-3, rtol=0)


def test_two_trainings_share_no_network(pictures, features):
    """One of them may run on another device, or the caller may use the network in another precision.

    In one that was moved, weights and images no longer match ("Input type (c10::BFloat16) and bias type
    (float) should be the same").
    """
    own = load_features().train()
    training = a_training(pictures, own, replace(QUICK, steps=1))
    own.double()
    with torch.autocast("cpu", torch.bfloat16):  # as on GPUs; leaves double precision as it is
        training.run()
    assert own.training and all(value.is_contiguous() for value in own.parameters())


def test_minutes_become_steps_that_give_the_same_again(pictures, features, monkeypatch):
    monkeypatch.setattr(training, "TIMED", 4)  # few enough for the slowest machine
    recipe = Recipe(minutes=0.03, batch=1, crop=64)
    timed = a_training(pictures, features, recipe)
    network = timed.run()
    assert timed.recipe.minutes is None
    assert timed.recipe.steps == timed.step > training.TIMED
    again = a_training(pictures, features, timed.recipe)
    assert torch.equal(weights_of(again.run()), weights_of(network))


def test_the_first_steps_do_not_depend_on_how_many_there_are():
    rates = [
        training.learning_rate(training.TIMED, replace(QUICK, steps=steps, minutes=5.0))
        for steps in (None, 100, 9)
    ]
    assert len(set(rates)) == 1
    assert training.learning_rate(100, replace(QUICK, steps=100)) == 0


def test_divergence_is_noticed_before_it_does_harm(pictures, features):
    broken = StyleNet()
    with torch.no_grad():
        broken.to_full.conv.bias.fill_(float("nan"))
    trained = a_training(pictures, features, base=broken)
    with pytest.raises(Diverged, match=r"diverged at step 1; try a learning rate below 0\.003"):
        trained.run()
    assert trained.step == 0


def test_a_layer_that_the_judge_does_not_have_is_named(pictures, features):
    with pytest.raises(UsageError, match="no layer relu9_9; it has relu1_1"):
        a_training(pictures, features, replace(QUICK, style_layers=("relu9_9",)))


def test_a_state_holds_whole_numbers_and_moments(pictures, features, tmp_path):
    trained = a_training(pictures, features)
    trained.advance()
    save_file(trained.state(), tmp_path / "state.safetensors")
    state = load_file(tmp_path / "state.safetensors")
    assert int(state["step"]) == 1
    assert state["optimiser.enter.weight.exp_avg"].shape == trained.network.enter.weight.shape
