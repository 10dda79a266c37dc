"""Losses: truths that hold for any network."""

import pytest
import torch

from streamstyle import device as devices
from streamstyle.losses import (
    STATISTICS,
    brightness_loss,
    content_loss,
    gram_matrix,
    luma,
    regularity_loss,
    style_loss,
    style_of,
    temporal_loss,
    tone_loss,
    tones_of,
    total_variation,
    wasserstein,
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


def test_gram_matrix_forgets_where_things_are_and_how_large_the_image_is(features):
    x = features["low"]
    torch.testing.assert_close(gram_matrix(x), gram_matrix(x.flip(3)))
    torch.testing.assert_close(gram_matrix(x), gram_matrix(torch.cat((x, x), dim=2)))


@pytest.mark.parametrize("statistic", STATISTICS.values(), ids=STATISTICS)
def test_an_image_has_no_distance_to_its_own_style_and_content(features, statistic):
    targets = {name: style_of(value[:1], statistic) for name, value in features.items()}
    painting = {name: value[:1] for name, value in features.items()}
    assert style_loss(painting, targets, statistic) == 0
    assert content_loss(features, features, {"low": 1.0}) == 0


@pytest.mark.parametrize("statistic", STATISTICS.values(), ids=STATISTICS)
def test_style_loss_does_not_depend_on_the_scale_of_a_layer(features, statistic):
    other = {name: value.flip(0) ** 2 for name, value in features.items()}
    loss = style_loss(
        other, {name: style_of(value[:1], statistic) for name, value in features.items()}, statistic
    )
    larger = style_loss(
        {name: 7 * value for name, value in other.items()},
        {name: style_of(7 * value[:1], statistic) for name, value in features.items()},
        statistic,
    )
    torch.testing.assert_close(loss, larger, rtol=1e-3, atol=0)
    assert loss > 0


@pytest.mark.parametrize("statistic", STATISTICS.values(), ids=STATISTICS)
def test_a_style_forgets_where_things_are(features, statistic):
    turned = {name: value[:1].flip(2).transpose(2, 3) for name, value in features.items()}
    targets = {name: style_of(value[:1], statistic) for name, value in features.items()}
    assert style_loss(turned, targets, statistic) < 1e-6


def test_a_faint_channel_has_a_say_if_standardised_only():
    painting = torch.rand(1, 2, 16, 16, generator=torch.Generator().manual_seed(0))
    painting[:, 1] /= 8  # above LEAST_DEVIATION
    without = painting.clone()
    without[:, 1] = 0
    losses = [
        style_loss({"a": without}, {"a": style_of(painting, standardised=standardised)})
        for standardised in (True, False)
    ]
    assert losses[0] > 0.25
    assert losses[1] < 0.02


def test_wasserstein_sees_what_mean_and_covariance_cannot():
    """Two values against a bell curve of the same mean and variance."""
    torch.manual_seed(0)
    bell = torch.randn(1, 1, 64, 64)
    bell = (bell - bell.mean()) / bell.std(correction=0)
    halves = torch.cat((torch.ones(2048), -torch.ones(2048))).view(1, 1, 64, 64)
    assert style_loss({"a": halves}, {"a": style_of(bell)}) < 1e-6
    assert style_loss({"a": halves}, {"a": style_of(bell, wasserstein)}, wasserstein) > 0.1


def test_content_loss_forgives_another_palette_but_not_another_place(features):
    repainted = {name: 3 * value + 1 for name, value in features.items()}
    moved = {name: value.roll(3, dims=3) for name, value in features.items()}
    weights = {"low": 1.0, "high": 2.0}
    assert content_loss(repainted, features, weights) < 1e-3
    assert content_loss(moved, features, weights) > 0.8


def test_faint_places_count_as_content():
    """A faint pattern beside a strong one is replaced: little energy is lost, half of the image is."""
    photo = torch.randn(1, 8, 16, 32, generator=torch.Generator().manual_seed(0))
    photo[..., 16:] *= 0.05
    erased = photo.clone()
    erased[..., 16:] = -0.05 * photo[..., :16]
    distance = (erased - photo).square().mean() / 2
    assert distance < 0.01
    assert content_loss({"a": erased}, {"a": photo}, {"a": 1.0}) > 0.15


def test_brightness_forgives_contrast_and_color_but_not_a_negative():
    picture = torch.rand(1, 1, 32, 32).expand(1, 3, 32, 32)
    assert brightness_loss(0.5 * picture + 0.3, picture, size=4) < 0.02
    assert brightness_loss(1 - picture, picture, size=4) == pytest.approx(4, rel=0.05)


def test_tones_are_taken_to_those_of_the_painting():
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)).mean(1, keepdim=True)
    picture = picture.expand(-1, 3, -1, -1)
    assert tone_loss(0.2 + 0.5 * picture, picture, (0.2, 0.7)) < 1e-9
    flat = torch.full_like(picture, 0.45)
    assert tone_loss(flat, picture, (0.2, 0.7)) > 10 * tone_loss(0.25 + 0.4 * picture, picture, (0.2, 0.7))
    painting = torch.full((1, 3, 80, 80), 0.5)
    painting[..., :16], painting[..., -16:] = 0.1, 0.8
    assert tones_of(painting) == pytest.approx((0.1, 0.8), abs=1e-6)


def test_total_variation_of_a_ramp_is_its_squared_slope():
    ramp = 0.25 * torch.arange(4.0).expand(1, 3, 4, 4)
    assert total_variation(ramp) == pytest.approx(0.0625)
    assert total_variation(torch.ones(1, 3, 4, 4)) == 0


def test_what_the_source_changes_too_is_no_unsteadiness():
    before = torch.rand(1, 3, 8, 8)
    brighter = torch.full((1, 1, 8, 8), 0.1)
    everywhere = torch.ones(1, 1, 8, 8)
    assert temporal_loss(before + 0.1, before, brighter, everywhere) < 1e-12
    assert temporal_loss(before + 0.1, before, 0 * brighter, everywhere) == pytest.approx(0.01, rel=1e-4)


def test_only_reliable_pixels_are_compared():
    before = torch.zeros(1, 3, 4, 4)
    after = before.clone()
    after[..., :2] = 1
    confidence = torch.ones(1, 1, 4, 4)
    assert temporal_loss(after, before, 0 * confidence, confidence) == 0.5
    confidence[..., :2] = 0
    assert temporal_loss(after, before, 0 * confidence, confidence) == 0
    assert temporal_loss(after, before, 0 * confidence, 0 * confidence) == 0


def test_luma_is_the_same_on_a_device(fake_device, monkeypatch):
    image = torch.rand(2, 3, 4, 6)
    found = luma(image)
    monkeypatch.setattr(devices, "on_host", lambda where: True)
    torch.testing.assert_close(found, luma(image))


def test_a_statistic_that_was_first_taken_for_inference_can_be_trained_with():
    with torch.inference_mode():
        wasserstein(torch.rand(1, 7, 4, 4))
    features = torch.rand(1, 7, 4, 4, requires_grad=True)
    torch.stack([part.sum() for part in wasserstein(features)]).sum().backward()
    assert features.grad is not None


def test_regularity_is_what_repeats_in_the_image_alone():
    generator = torch.Generator().manual_seed(0)
    tile = torch.rand(1, 3, 16, 16, generator=generator)
    wallpaper = tile.repeat(1, 1, 8, 8)
    noise = torch.rand(1, 3, 128, 128, generator=generator)
    assert regularity_loss(wallpaper, noise) > 3
    assert regularity_loss(noise, wallpaper) == regularity_loss(wallpaper, wallpaper) == 0
    gray = torch.full((1, 3, 128, 128), 0.5, requires_grad=True)
    regularity_loss(gray, noise).backward()
    assert gray.grad is not None
    assert torch.isfinite(gray.grad).all()
