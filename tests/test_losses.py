"""Losses: truths that hold for any network."""

import pytest
import torch

from streamstyle.losses import (
    brightness_loss,
    content_loss,
    gram_matrix,
    stability_loss,
    style_loss,
    style_of,
    total_variation,
)


@pytest.fixture
def features() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.rand(2, 5, 8, 12, generator=generator) for name in ("low", "high")}


def test_gram_matrix_is_that_of_the_slow_sum():
    x = torch.rand(1, 3, 2, 4)
    slow = torch.zeros(3, 3)
    for i in range(3):
        for j in range(3):
            slow[i, j] = (x[0, i] * x[0, j]).sum() / 8
    torch.testing.assert_close(gram_matrix(x)[0], slow)


def test_gram_matrix_forgets_where_things_are_and_how_large_the_picture_is(features):
    x = features["low"]
    torch.testing.assert_close(gram_matrix(x), gram_matrix(x.flip(3)))
    torch.testing.assert_close(gram_matrix(x), gram_matrix(torch.cat((x, x), dim=2)))


def test_a_picture_has_no_distance_to_its_own_style_and_content(features):
    targets = {name: style_of(value) for name, value in features.items()}
    assert style_loss(features, targets) == 0
    assert content_loss(features, features, {"low": 1.0}) == 0


def test_style_loss_does_not_depend_on_the_scale_of_a_layer(features):
    other = {name: value.flip(0) ** 2 for name, value in features.items()}
    loss = style_loss(other, {name: style_of(value) for name, value in features.items()})
    larger = style_loss(
        {name: 7 * value for name, value in other.items()},
        {name: style_of(7 * value) for name, value in features.items()},
    )
    torch.testing.assert_close(loss, larger, rtol=1e-4, atol=0)
    assert loss > 0


def test_content_loss_forgives_another_palette_but_not_another_place(features):
    repainted = {name: 3 * value + 1 for name, value in features.items()}
    moved = {name: value.roll(3, dims=3) for name, value in features.items()}
    weights = {"low": 1.0, "high": 2.0}
    assert content_loss(repainted, features, weights) < 1e-3
    assert content_loss(moved, features, weights) > 1


def test_brightness_forgives_contrast_and_color_but_not_a_negative():
    picture = torch.rand(1, 1, 32, 32).expand(1, 3, 32, 32)
    assert brightness_loss(0.5 * picture + 0.3, picture, size=4) < 0.02
    assert brightness_loss(1 - picture, picture, size=4) == pytest.approx(4, rel=0.05)


def test_total_variation_of_a_ramp_is_its_squared_slope():
    ramp = 0.25 * torch.arange(4.0).expand(1, 3, 4, 4)
    assert total_variation(ramp) == pytest.approx(0.0625)
    assert total_variation(torch.ones(1, 3, 4, 4)) == 0


@pytest.mark.parametrize("shift", [(0, 0), (2, 3), (5, 0)])
def test_a_network_that_moves_with_the_picture_is_stable(shift):
    y, x = shift
    scene = torch.rand(1, 3, 30, 30)
    first, second = scene[..., :24, :24], scene[..., y : y + 24, x : x + 24]
    assert stability_loss(first, second, shift, margin=4) == 0
    assert stability_loss(first, second + 0.5, shift) == pytest.approx(0.25)
