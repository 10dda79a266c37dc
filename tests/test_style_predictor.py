"""The style predictor: what it sees of a painting, what it writes, and that both are as described."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from streamstyle.losses import STATISTICS, style_of
from streamstyle.networks import StyleNet
from streamstyle.networks.style_predictor import (
    StylePredictor,
    channels_of_statistics,
    mean_and_covariance,
    moments_of,
    raw_moments,
)
from streamstyle.networks.weight_writer import PARTS, WeightWriter
from streamstyle.styles import load_style
from streamstyle.training.prediction_loss import targets_of
from streamstyle.weights import WEIGHTS, load_features
from streamstyle.weights.predictor import load_predictor, save_predictor


def random_image(height: int = 96, width: int = 128, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, height // 8, width // 8, generator=generator)
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)


@pytest.fixture
def small() -> StyleNet:
    torch.manual_seed(0)
    return StyleNet(width=8, depth=16, blocks=2, detail=8)


@pytest.mark.parametrize("part", [*PARTS, "all"])
def test_numbers_of_each_part_change_their_weights_only(small: StyleNet, part: str) -> None:
    writer = WeightWriter(small, PARTS if part == "all" else (part,), rank=4)
    torch.manual_seed(1)
    weights = writer(torch.randn(2, writer.count))
    own = dict(small.named_parameters())
    assert weights.keys() == own.keys()
    changed = {name for name, value in weights.items() if not torch.equal(value[0], own[name])}
    expected = {
        "norms": {name for name in own if ".norm." in name},
        "gains": {name for name in own if ".norm." not in name and ".space." not in name},
        "kernels": {name for name in own if ".space." in name},
        "output": {"edges.weight", "to_full.conv.weight"},
        "mixing": {
            *(name for name in own if name.endswith(("widen.weight", "narrow.weight"))),
            *("enter.weight", "down.weight", "up.weight", "to_half.conv.weight"),
        },
        "all": set(own),
    }
    assert changed == expected[part]
    for name, value in weights.items():
        assert value.shape == (2, *own[name].shape)


def test_weights_are_linear_in_the_numbers(small: StyleNet) -> None:
    writer = WeightWriter(small, rank=4)
    torch.manual_seed(1)
    numbers = torch.randn(2, writer.count)
    pair, (middle,) = writer(numbers), numbers.mean(dim=0, keepdim=True)[None]
    for name, value in writer(middle).items():
        torch.testing.assert_close(value[0], pair[name].mean(dim=0), rtol=1e-4, atol=1e-5)
    for name, value in writer(torch.zeros(1, writer.count)).items():
        assert torch.equal(value[0], small.get_parameter(name))


def test_moments_are_those_of_the_features() -> None:
    features, image = load_features(), random_image()
    with torch.no_grad():
        moments = moments_of(image, features)
        layer = features(image, ("relu2_2",))["relu2_2"]
    assert moments.keys() == channels_of_statistics().keys()
    mean, covariance = mean_and_covariance(moments["0/relu2_2"])
    torch.testing.assert_close(mean, layer.mean(dim=(2, 3)))
    pixels = layer[0].flatten(1)
    torch.testing.assert_close(covariance[0], torch.cov(pixels, correction=0), rtol=1e-3, atol=1e-4)


def test_moments_of_two_halves_mix_to_those_of_the_whole() -> None:
    whole = torch.rand(1, 5, 8, 12, generator=torch.Generator().manual_seed(0))
    parts = [raw_moments(part) for part in (whole[..., :6], whole[..., 6:])]
    torch.testing.assert_close(torch.lerp(*parts, 0.5), raw_moments(whole))


def test_what_the_loss_wants_of_a_painting_is_what_a_training_for_it_wants() -> None:
    features, image = load_features(), random_image()
    with torch.no_grad():
        moments = {name: value[0] for name, value in moments_of(image, features).items()}
        found = features(image, features.style_layers)
    for layer, style in targets_of(moments, 0, features.style_layers).items():
        expected = style_of(found[layer], STATISTICS["covariance"])
        torch.testing.assert_close(style.scale, expected.scale, rtol=1e-2, atol=1e-4)
        for value, other in zip(style.description, expected.description, strict=True):
            torch.testing.assert_close(value, other, rtol=2e-2, atol=2e-3)


def test_a_new_predictor_writes_its_trunk(small: StyleNet) -> None:
    with torch.no_grad():
        network = StylePredictor(small).network(moments_of(random_image(), load_features()))
    for name, value in network.named_parameters():
        assert torch.equal(value, small.get_parameter(name))


def test_the_bundled_predictor_writes_a_network_of_its_own_for_each_painting() -> None:
    predictor, features, photo = load_predictor(), load_features(), random_image(seed=5)
    results = []
    with torch.no_grad():
        for seed in (0, 1):
            painting = random_image(seed=seed) * torch.tensor([1.0, 0.5 + seed / 2, 0.3])[:, None, None]
            network = predictor.network(moments_of(painting, features))
            assert isinstance(network, StyleNet)
            results.append(network(photo))
    assert all(torch.isfinite(result).all() for result in results)
    assert (results[0] - results[1]).abs().mean() > 0.01
    assert WEIGHTS["predictor"].bytes <= 6e6


def test_a_saved_predictor_is_loaded_alike(tmp_path: Path) -> None:
    base = load_style("base").network
    assert isinstance(base, StyleNet)
    predictor = StylePredictor(base)
    torch.nn.init.normal_(predictor.head.weight)
    save_predictor(tmp_path / "p.safetensors", predictor, {})
    loaded = load_predictor(tmp_path / "p.safetensors")
    for name, value in predictor.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value.half().float())
