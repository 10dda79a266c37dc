"""The palette of predicted networks."""

import torch
from torch import Tensor

from streamstyle.networks import StyleNet
from streamstyle.networks.palette import (
    LARGEST_GAIN,
    color_moments,
    match_palette,
    noise_images,
    power,
    transport,
)


def covariance(seed: int) -> Tensor:
    factor = torch.rand(3, 3, generator=torch.Generator().manual_seed(seed))
    return factor @ factor.T + 0.2 * torch.eye(3)


def pale_network() -> StyleNet:
    torch.manual_seed(0)
    network = StyleNet(width=8, depth=16, blocks=1, detail=8).eval().requires_grad_(False)
    network.to_full.conv.weight.mul_(2)
    return network


def test_transport_gives_colors_the_wanted_covariance() -> None:
    own, wanted = covariance(1), covariance(2)
    linear = transport(own, wanted)
    torch.testing.assert_close(linear, linear.T)
    torch.testing.assert_close(linear @ own @ linear.T, wanted, rtol=1e-4, atol=1e-5)


def test_gains_are_bounded() -> None:
    strongest = torch.linalg.eigvalsh(transport(0.001 * torch.eye(3), torch.eye(3))).max()
    torch.testing.assert_close(strongest, torch.tensor(LARGEST_GAIN))


def test_powers_of_a_matrix() -> None:
    matrix = covariance(3)
    torch.testing.assert_close(power(matrix, 0.5) @ power(matrix, 0.5), matrix)
    torch.testing.assert_close(power(matrix, -0.5) @ power(matrix, 0.5), torch.eye(3), atol=1e-5, rtol=0)


def test_a_network_gets_the_mean_color_of_the_painting() -> None:
    network = pale_network()
    painting = torch.tensor([0.7, 0.4, 0.2])[:, None, None] + 0.1 * torch.rand(1, 3, 64, 96)
    wanted, _ = color_moments(torch.nn.functional.avg_pool2d(painting, 2))
    match_palette(network, painting)
    after, _ = color_moments(network(noise_images()))
    # Not exactly, as the moments are those of colors that are brought away from 0 and 1.
    torch.testing.assert_close(after, wanted, atol=0.02, rtol=0)


def test_noise_images_are_always_the_same_and_colored() -> None:
    first = noise_images()
    noise_images.cache_clear()
    assert torch.equal(first, noise_images())
    assert first.min() >= 0 and first.max() <= 1 and (first[:, 0] - first[:, 2]).abs().mean() > 0.05
