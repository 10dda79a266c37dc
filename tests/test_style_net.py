"""Our style network."""

import pytest
import torch
from torch import nn

from streamstyle.networks import STYLE_NETWORKS, StyleNet
from streamstyle.networks.style_net import Block, InstanceNorm, Shuffle
from streamstyle.styles import load_style


@pytest.fixture
def network() -> StyleNet:
    torch.manual_seed(1)
    return StyleNet().eval()


@pytest.mark.parametrize("size", [(16, 16), (24, 40), (64, 32)])
def test_the_result_has_the_size_of_the_image_and_its_range(network, size):
    result = network(torch.rand(2, 3, *size))
    assert result.shape == (2, 3, *size)
    assert 0 <= result.min() <= result.max() <= 1


def test_it_is_small(network):
    assert 100_000 < sum(value.numel() for value in network.parameters()) < 300_000


def test_memory_order_does_not_change_the_result(network):
    image = torch.rand(1, 3, 32, 48)
    ordered = network.to(memory_format=torch.channels_last)(
        image.contiguous(memory_format=torch.channels_last)
    )
    torch.testing.assert_close(network(image), ordered, atol=1e-5, rtol=0)


def test_images_of_a_batch_do_not_mix(network):
    images = torch.rand(3, 3, 32, 32)
    torch.testing.assert_close(network(images)[1:2], network(images[1:2]), atol=1e-5, rtol=0)


def test_a_flat_image_stays_flat_whatever_the_weights(network):
    """No grid and no frame: constant features give a constant image."""
    for value in network.parameters():
        nn.init.normal_(value, std=0.3)
    result = network(torch.full((1, 3, 64, 64), 0.3))
    assert result.std(dim=(2, 3)).max() < 1e-4


@pytest.mark.parametrize("size", [(64, 64), (480, 856)])
def test_a_flat_image_has_one_color_at_every_size(size):
    """Rounding errors of flat features are not blown up: black before a video fades in stays as it is."""
    network = load_style("starry_night").network
    colors = [network(torch.full((1, 3, *size), 0.0), rows)[0, :, 5, 5] for rows in (None, 16)]
    expected = network(torch.zeros(1, 3, 32, 32))[0, :, 5, 5]
    for color in colors:
        torch.testing.assert_close(color, expected, atol=1e-4, rtol=0)


def test_moving_the_image_by_the_period_of_the_network_moves_the_result(network):
    """Eight pixels are one step of the coarsest grid; border and normalization are kept out."""
    for module in network.modules():
        if isinstance(module, InstanceNorm):
            module.forward = lambda x, offset: x
        if isinstance(module, Block):
            module.centered = lambda wide, first, block=module: block.space(wide)
    picture = torch.rand(1, 3, 256, 264)
    left, right = network(picture[..., :256]), network(picture[..., 8:])
    inside = slice(112, 136)
    torch.testing.assert_close(left[..., inside, 120:136], right[..., inside, 112:128], atol=1e-5, rtol=0)


@pytest.mark.parametrize("channels_last", [False, True])
def test_instance_norm_is_that_of_pytorch(channels_last):
    ours, theirs = InstanceNorm(6, epsilon=1e-5), nn.InstanceNorm2d(6, affine=True)
    x = torch.rand(2, 6, 20, 30) * 3 + 5
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        for norm in (ours, theirs):
            norm.weight.copy_(torch.arange(6.0))
            norm.bias.copy_(torch.arange(6.0) - 3)
    torch.testing.assert_close(ours(x), theirs(x), atol=1e-3, rtol=0)


def test_instance_norm_survives_large_values_in_half_precision():
    """Their squares would overflow."""
    x = torch.full((1, 2, 4, 4), 1000.0, dtype=torch.float16)
    x[..., 0] = 900
    assert torch.isfinite(InstanceNorm(2).half()(x)).all()


def test_shuffle_starts_without_a_grid_and_keeps_its_promise_of_size():
    shuffle = Shuffle(5, 3, kernel=3)
    result = shuffle(torch.ones(1, 5, 9, 12))
    assert result.shape == (1, 3, 12, 18)
    assert result.std(dim=(2, 3)).max() < 1e-6


@pytest.mark.parametrize("name", STYLE_NETWORKS)
def test_every_style_network_keeps_size_and_range_at_its_smallest(name):
    network = STYLE_NETWORKS[name]().eval()
    side = network.minimum
    result = network(torch.rand(1, 3, side, side + network.multiple))
    assert result.shape == (1, 3, side, side + network.multiple)
    assert torch.isfinite(result).all()
    assert 0 <= result.min() <= result.max() <= 1
