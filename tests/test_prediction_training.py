"""Training of the style predictor: its data, its losses on hosts and devices, and going on with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from streamstyle import device as devices
from streamstyle.errors import InputError, UsageError
from streamstyle.networks import FeatureNetwork, StyleNet
from streamstyle.networks.style_predictor import StylePredictor
from streamstyle.training import Photographs, prediction_loss
from streamstyle.training.drawing import amount_of_lines, color_statistics, redrawn
from streamstyle.training.patterns import pattern
from streamstyle.training.prediction import (
    PredictionTraining,
    bundled_networks,
    install,
    learning_rate,
    mean_of,
    train_predictor,
)
from streamstyle.training.prediction_data import Paintings, random_colors
from streamstyle.training.prediction_loss import PredictionLoss, recolored
from streamstyle.training.prediction_recipe import PredictionRecipe, read_prediction_recipe
from streamstyle.weights import load_features
from streamstyle.weights.predictor import load_predictor
from streamstyle.weights.table import FOLDER, read_table
from tests.device_fakes import host_access_forbidden

ROOT = Path(__file__).parents[1]
RECIPES = sorted((ROOT / "configs" / "prediction").glob("*.toml"))
TINY = PredictionRecipe(
    steps=4,
    styles=2,
    photos=1,
    crop=64,
    painting_crop=128,
    identity=0.3,
    mixed=0.5,
    regularity_weight=50.0,
)


@pytest.fixture(scope="module")
def networks() -> list[StyleNet]:
    return bundled_networks(())[:3]


@pytest.fixture(scope="module")
def features() -> FeatureNetwork:
    return load_features()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("art")
    (made / "photos").mkdir()
    for number, name in enumerate(("ann_a", "ann_b", "bob_a", "carl_a", "photos/1", "photos/2")):
        pixels = np.random.default_rng(number).integers(0, 256, (15, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((200, 150)).save(made / f"{name}.png")
    return made


def a_training(folder: Path, features: FeatureNetwork, networks: list[StyleNet]) -> PredictionTraining:
    return PredictionTraining(
        Paintings(folder, ("bob",)), Photographs(folder / "photos"), features, TINY, networks
    )


def weights_of(network: torch.nn.Module) -> Tensor:
    return torch.cat([value.flatten() for value in network.parameters()])


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipes_are_read(path: Path) -> None:
    recipe = read_prediction_recipe(path)
    assert len(recipe.held_out) == 15 and recipe.temporal_weight > 0


def test_wrong_recipes_are_refused_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("stepps = 3\n")
    with pytest.raises(InputError, match=r"recipe\.toml: unknown keys stepps \(did you mean steps\?\)"):
        read_prediction_recipe(path)
    path.write_text("crop = 100\n")
    with pytest.raises(UsageError, match="crop is 100, expected a multiple of 8"):
        read_prediction_recipe(path)
    path.write_text("mixed = 2.0\n")
    with pytest.raises(UsageError, match="mixed is 2, expected 0 to 1"):
        read_prediction_recipe(path)


def test_paintings_of_painters_held_out_are_not_used(folder: Path) -> None:
    paintings = Paintings(folder, ("ann",))
    assert [path.name for path in paintings.files] == ["bob_a.png", "carl_a.png"]
    assert max(paintings[0].size) == 640
    assert len(Paintings(folder, most=2)) == 2


def test_another_painting_takes_the_place_of_one_that_cannot_be_used(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Image.new("RGB", (200, 150), "red").save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((folder / "ann_a.png").read_bytes())
    paintings = Paintings(tmp_path)
    assert paintings[0].tobytes() == paintings[1].tobytes()
    assert "a.png: the painting has one color only" in caplog.text


def test_changed_colors_keep_gray_gray() -> None:
    gray = torch.linspace(0.3, 0.7, 8).expand(1, 3, 1, 8)
    rng = np.random.default_rng(0)
    changed = [torch.from_numpy(random_colors(rng, 1.0)).float()[None] for _ in range(5)]
    for colors in changed:
        result = recolored(gray, colors)
        assert (result.amax(dim=1) - result.amin(dim=1)).max() < 1e-5
    red = torch.tensor([0.7, 0.3, 0.3])[None, :, None, None]
    assert max((recolored(red, colors) - red).abs().max() for colors in changed) > 0.1
    untouched = torch.from_numpy(random_colors(rng, 0.0)).float()[None]
    torch.testing.assert_close(recolored(red, untouched), red)


def test_patterns_are_four_kinds_in_many_palettes() -> None:
    images = [np.asarray(pattern(number)) for number in (0, 1, 2, 3, 4)]
    assert np.array_equal(np.asarray(pattern(0)), images[0])
    means = np.array([image.mean(axis=(0, 1)) for image in images])
    assert np.abs(means[0] - means[4]).max() > 5
    assert all(image.std() > 10 for image in images)


def test_a_photograph_that_is_its_own_style_is_what_is_stylized(
    folder: Path, features: FeatureNetwork, networks: list[StyleNet]
) -> None:
    data = a_training(folder, features, networks).data
    for step in range(1, 20):
        paintings, colors, shares, photos, expected, known, *_ = data.inputs_of_step(step)
        assert torch.equal(expected, photos)
        for number in np.flatnonzero(known.numpy()):
            assert torch.equal(photos[number, 0], paintings[number][:, 32:96, 32:96])
            assert shares[number] == 0 and torch.equal(colors[number, :, :3], torch.eye(3))
        if known.any() and shares.any():
            return
    raise AssertionError("no step had both")


@pytest.mark.parametrize("share", [None, 1.0])
def test_on_a_device_all_styles_at_once_give_the_same_losses_and_gradients(
    share: float | None,
    folder: Path,
    features: FeatureNetwork,
    networks: list[StyleNet],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    training = a_training(folder, features, networks)
    training.prepare()
    if share is not None:
        training.loss.teachers = [StylePredictor(networks[2])]
        training.loss.recipe = replace(TINY, redrawn=share)
    inputs, found = training.data.inputs_of_step(3), []
    for on_host in (True, False):
        training.predictor.zero_grad()
        if on_host:
            losses = training.loss(*inputs)
        else:
            monkeypatch.setattr(devices, "on_host", lambda where: False)
            with host_access_forbidden():
                losses = training.loss(*inputs)
        torch.stack(list(losses.values())).sum().backward()
        gradient = torch.cat([each.grad.flatten() for each in training.predictor.encode.parameters()])
        found.append(({name: value.item() for name, value in losses.items()}, gradient))
    (losses, gradient), (others, other) = found
    assert losses == pytest.approx(others, rel=2e-2, abs=1e-4)
    assert torch.nn.functional.cosine_similarity(gradient, other, dim=0) > 0.99


def test_a_training_goes_on_to_the_same_weights(
    folder: Path, features: FeatureNetwork, networks: list[StyleNet]
) -> None:
    whole = a_training(folder, features, networks)
    whole.run(600)
    first = a_training(folder, features, networks)
    first.prepare()
    first.advance()
    second = a_training(folder, features, networks)
    second.restore(first.state())
    second.run(600)
    assert second.step == whole.step == TINY.steps
    for one, other in ((whole.predictor, second.predictor), (whole.averaged, second.averaged)):
        assert torch.equal(weights_of(one), weights_of(other))
    assert not torch.equal(weights_of(whole.averaged), weights_of(whole.predictor))


def test_a_result_keeps_a_share_of_the_first_weights(
    folder: Path, features: FeatureNetwork, networks: list[StyleNet]
) -> None:
    training = a_training(folder, features, networks)
    training.prepare()
    before = weights_of(training.predictor).clone()
    training.advance()
    again = a_training(folder, features, networks)
    again.restore(training.state())
    after = weights_of(again.averaged)
    assert torch.equal(weights_of(again.result()), after) and not torch.equal(before, after)
    again.recipe = replace(TINY, kept=0.25)
    torch.testing.assert_close(weights_of(again.result()), 0.25 * before + 0.75 * after)


def test_what_teachers_give_is_imitated(
    folder: Path, features: FeatureNetwork, networks: list[StyleNet]
) -> None:
    training = a_training(folder, features, networks)
    training.prepare()
    paintings, colors, shares, photos, expected, known, corner, *motion = training.data.inputs_of_step(1)
    known, loss = torch.tensor([1.0, 0.0]), training.loss
    inputs = paintings, colors, shares, photos, expected, known, corner, *motion
    moments = loss.moments(recolored(paintings, colors), shares)
    second = StylePredictor(networks[2])
    loss.teachers = [training.predictor, second]
    goals, all_known = loss.taught(moments, paintings, photos, expected, known)
    assert all_known.tolist() == [1, 1] and torch.equal(goals[0], expected[0])
    between = training.predictor.network({name: value[1:] for name, value in moments.items()})
    with torch.no_grad():
        for value, other in zip(between.parameters(), networks[2].parameters(), strict=True):
            value.lerp_(other, 0.5)
        torch.testing.assert_close(goals[1], between(photos[1]), rtol=1e-3, atol=1e-3)
    loss.teachers = [training.predictor]
    own = loss(*inputs)["known"]
    loss.teachers = [second]
    assert loss(*inputs)["known"] > own + 0.01


def test_what_teachers_give_is_redrawn(
    folder: Path, features: FeatureNetwork, networks: list[StyleNet]
) -> None:
    training = a_training(folder, features, networks)
    training.prepare()
    paintings, _, shares, photos, expected, *_ = training.data.inputs_of_step(1)
    known, loss = torch.zeros(2), training.loss
    loss.teachers, moments = [training.predictor], loss.moments(paintings, shares)
    plain, _ = loss.taught(moments, paintings, photos, expected, known)
    loss.recipe = replace(TINY, redrawn=0.5)
    goals, _ = loss.taught(moments, paintings, photos, expected, known)
    for goal, result, photo, painting in zip(goals, plain, photos, paintings, strict=True):
        colors, amounts = color_statistics(painting[None]), amount_of_lines(painting[None])
        halfway = torch.lerp(result, redrawn(result, photo, colors, amounts), 0.5)
        assert (goal - halfway).abs().mean() < 1e-3 < 1e-2 < (goal - result).abs().mean()


def test_the_style_of_what_is_redrawn_counts_instead_of_the_paintings(
    folder: Path, features: FeatureNetwork, networks: list[StyleNet], monkeypatch: pytest.MonkeyPatch
) -> None:
    training = a_training(folder, features, networks)
    training.prepare()
    paintings, colors, shares, photos, expected, _, *choices = training.data.inputs_of_step(1)
    inputs, loss = (paintings, colors, shares, photos, expected, torch.zeros(2), *choices), training.loss
    loss.teachers = [training.predictor]
    monkeypatch.setattr(prediction_loss, "redrawn", lambda results, *_: results)
    painting = loss(*inputs)["style"]
    loss.recipe = replace(TINY, redrawn=1.0)
    assert loss(*inputs)["style"] < 0.02 * painting


def test_results_alone_can_be_imitated_without_the_feature_network(
    folder: Path, features: FeatureNetwork, networks: list[StyleNet], monkeypatch: pytest.MonkeyPatch
) -> None:
    training = a_training(folder, features, networks)
    training.prepare()
    inputs = training.data.inputs_of_step(1)
    plain = replace(TINY, style_weight=0.0, content_weight=0.0)
    loss = PredictionLoss(training.predictor, features, plain, training.loss.strength)
    expected = training.loss(*inputs)
    seen: list[object] = []
    monkeypatch.setattr(loss, "activations", lambda image, layers: seen.extend(layers) or {})
    found = loss(*inputs)
    assert not seen and found["style"] == found["content"] == 0
    torch.testing.assert_close(found["temporal"], expected["temporal"])


def test_steps_lower_the_losses(folder: Path, features: FeatureNetwork, networks: list[StyleNet]) -> None:
    training = a_training(folder, features, networks)
    training.prepare()
    inputs = training.data.inputs_of_step(1)
    totals = [sum(training.steps(1e-3, *inputs).values()) for _ in range(8)]
    assert totals[-1] < 0.95 * totals[0]


def test_a_new_predictor_can_write_the_networks_it_starts_from(networks: list[StyleNet]) -> None:
    torch.manual_seed(0)
    predictor = StylePredictor(mean_of(networks))
    predictor.learn(networks)
    with torch.no_grad():
        written = predictor.weights(torch.eye(64)[: len(networks)])
    for name, value in written.items():
        wanted = torch.stack([network.get_parameter(name).detach() for network in networks])
        trunk = predictor.writer.trunk.get_parameter(name).detach()
        assert (value - wanted).square().sum() <= 0.05 * (wanted - trunk).square().sum(), name


def test_the_rate_rises_stays_and_falls() -> None:
    recipe = PredictionRecipe(steps=1000, cooling=0.3, learning_rate=1.0)
    rates = [learning_rate(step, recipe) for step in (1, 50, 100, 700, 850, 1000)]
    assert rates == pytest.approx([0.01, 0.5, 1, 1, 0.5, 0], abs=0.01)


def test_parts_are_written_and_installed(
    folder: Path, networks: list[StyleNet], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, recipe = tmp_path / "p.safetensors", replace(TINY, steps=1)
    monkeypatch.setattr("streamstyle.training.prediction.bundled_networks", lambda left_out: networks)
    paintings, photos = Paintings(folder), Photographs(folder / "photos")
    device = torch.device("cpu")
    train_predictor(paintings, photos, recipe, output, seconds=600, device=device)
    training = train_predictor(
        paintings, photos, replace(recipe, steps=2), output, seconds=600, device=device
    )
    assert training.step == 2
    found = load_predictor(output)
    assert torch.equal(weights_of(found), weights_of(training.averaged).half().float())
    with pytest.raises(InputError, match=r"p\.state: the paintings have changed"):
        train_predictor(Paintings(folder, ("ann",)), photos, recipe, output, seconds=1, device=device)
    (tmp_path / "table.toml").write_bytes((FOLDER / "table.toml").read_bytes())
    install(output, tmp_path)
    entry = read_table(tmp_path / "table.toml")["predictor"]
    assert entry.bytes == output.stat().st_size and (tmp_path / "predictor.safetensors").exists()


def test_the_loss_is_one_class_for_all(features: FeatureNetwork, networks: list[StyleNet]) -> None:
    """A flat painting has neither infinite losses nor gradients."""
    predictor = StylePredictor(mean_of(networks))
    loss = PredictionLoss(predictor, features, TINY)
    moments = loss.moments(torch.full((1, 3, 128, 128), 0.5), torch.zeros(1))
    weights = predictor(moments)
    assert all(torch.isfinite(value).all() for value in weights.values())
