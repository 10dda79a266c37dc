"""What a dream can look for: each kind grows with what it names, and what does not exist is named."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from streamstyle.effects.dream.natural_images import natural_noise, with_natural_colors
from streamstyle.effects.dream.objectives import (
    Dreamt,
    Objective,
    guided_similarity,
    read_objective,
    weighted,
)
from streamstyle.errors import InputError, UsageError
from streamstyle.networks import FeatureNetwork, MobileNet
from streamstyle.weights import load_features


@pytest.fixture(scope="module")
def network():
    return load_features("distilled").requires_grad_(False)


def activations(seed: int = 0) -> torch.Tensor:
    return torch.rand(1, 4, 5, 6, generator=torch.Generator().manual_seed(seed))


def test_a_layer_is_its_mean_square_and_a_minus_turns_it(network):
    seen = activations()
    assert read_objective("part", network).value(seen) == seen.square().mean()
    assert read_objective("-part", network).value(seen) == -seen.square().mean()


def test_a_channel_is_its_mean_and_a_neuron_one_place_of_it(network):
    seen = torch.rand(1, 512, 5, 6)
    assert read_objective("part:42", network).value(seen) == pytest.approx(seen[0, 42].mean().item())
    assert read_objective("part:42@0x0.99", network).value(seen) == pytest.approx(seen[0, 42, 4, 0].item())
    assert read_objective("part:42@1x1", network).value(seen) == pytest.approx(seen[0, 42, 4, 5].item())


def test_a_direction_comes_from_a_file(network, tmp_path):
    values = np.zeros(512)
    values[[3, 4]] = 3, 4
    np.save(tmp_path / "d.npy", values)
    seen = torch.rand(1, 512, 5, 6)
    expected = (0.6 * seen[0, 3] + 0.8 * seen[0, 4]).mean().item()
    assert read_objective(f"part:{tmp_path}/d.npy", network).value(seen) == pytest.approx(expected)


def test_a_guide_is_matched_wherever_it_has_what_is_seen():
    """Each place takes its best match; equal positions do not matter."""
    seen, guide = activations(), activations(1)
    rows = guide[0].flatten(1).T
    expected = torch.stack([(rows @ place).max() for place in seen[0].flatten(1).T]).mean() / 4
    assert guided_similarity(seen, rows) == pytest.approx(expected.item())
    assert guided_similarity(seen, rows[torch.randperm(len(rows))]) == pytest.approx(expected.item())
    assert Objective("part").value(seen, rows) == pytest.approx(expected.item())


def test_weights_share_a_step_whatever_the_layers_answer(network):
    picture = torch.rand(1, 3, 64, 64)
    dreamt = Dreamt(network, {name: read_objective(name, network) for name in ("part", "relu1_1", "-part")})
    one, other = (dreamt.gradients(picture, [name])[name] for name in ("part", "relu1_1"))
    weights = {"part": 0.75, "relu1_1": 0.25}
    both = weighted(dreamt.gradients(picture, weights), weights)
    expected = 0.75 * one / one.abs().mean() + 0.25 * other / other.abs().mean()
    torch.testing.assert_close(both, expected, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(weighted(dreamt.gradients(picture, ["-part"]), {"-part": 1.0}), -one)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prat", r"no layer 'prat' \(did you mean part\?\); there are part, "),
        ("part:512", "part has channels 0 to 511"),
        ("part:x", "expected LAYER, LAYER:CHANNEL"),
        ("part:3~a.png", "a guide needs a whole layer"),
        ("class:3", "no layer 'class'"),
        ("part:3@2x0", "a position in shares"),
        ("part:3@1.2.3x0", "a position in shares"),
    ],
)
def test_what_does_not_exist_is_named(network, text, message):
    with pytest.raises(UsageError, match=message):
        read_objective(text, network)


@pytest.mark.parametrize("values", [np.ones(3), np.zeros(512), np.array(["a"] * 512)])
def test_a_direction_that_does_not_fit_is_named(network, tmp_path, values):
    np.save(tmp_path / "d.npy", values)
    with pytest.raises(InputError, match=r"d\.npy: shape"):
        read_objective(f"part:{tmp_path}/d.npy", network)
    with pytest.raises(InputError, match="absent"):
        read_objective(f"part:{tmp_path}/absent.npy", network)


class Uneven(FeatureNetwork):
    """The image itself, and the same a hundred times as strong in red."""

    layers = ("image",)

    def normalized(self, image):
        return image

    def activations(self, x, requested):
        yield "image", x * torch.tensor([100.0, 1.0, 1.0])[:, None, None]


def test_channels_count_alike_however_strong_they_are():
    objective = read_objective("image", Uneven())
    red, green = (torch.zeros(1, 3, 8, 8) for _ in range(2))
    red[:, 0], green[:, 1] = 100.0, 1.0
    raw = replace(objective, strengths=None)
    ratios = [float(each.value(red) / each.value(green)) for each in (raw, objective)]
    assert ratios[0] == pytest.approx(1e4)
    assert ratios[1] < 1e3  # no channel is raised by more than LEAST allows
    assert read_objective("-image", Uneven()).value(red) == -objective.value(red)


def test_the_bundled_network_needs_no_evening_out(network):
    assert read_objective("part", network).strengths is None


def test_the_names_of_the_bundled_layers_stand_for_layers_of_other_networks(network):
    assert read_objective("thing", network).layer == "thing"
    assert read_objective("-thing", MobileNet()).layer == "20"


def test_natural_noise_has_the_colors_of_photographs_and_no_grain():
    noise = natural_noise()
    assert torch.equal(noise, natural_noise()) and noise.min() >= 0 and noise.max() <= 1
    red, green, blue = noise[0].flatten(1)
    assert torch.corrcoef(torch.stack((red, green, blue))).min() > 0.7
    coarse = torch.nn.functional.avg_pool2d(noise, 8)
    assert coarse.std() > 0.7 * noise.std()  # of white noise an eighth would be left


def test_colors_of_a_step_are_probable_ones():
    colors = torch.tensor([[1.0, 1.0, 1.0], [1.0, -2.0, 1.0]])[..., None, None]
    kept = [with_natural_colors(each[None]).norm() / each.norm() for each in colors]
    assert kept[0] > 0.95 and 0.05 < kept[1] < 0.3
