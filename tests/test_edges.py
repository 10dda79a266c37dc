"""Edges at full resolution, as a layer of style."""

import torch

from streamstyle.training.edges import CHANNELS, edges


def test_a_flat_image_has_none():
    assert edges(torch.full((2, 3, 8, 12), 0.3)).shape == (2, CHANNELS, 8, 12)
    assert edges(torch.full((2, 3, 8, 12), 0.3)).max() < 1e-5


def test_a_turned_image_has_turned_edges():
    image = torch.zeros(1, 3, 16, 16)
    image[..., 8:] = 1
    strengths = edges(image).mean(dim=(0, 2, 3))
    turned = edges(image.transpose(2, 3)).mean(dim=(0, 2, 3))
    assert not torch.equal(strengths, turned)
    torch.testing.assert_close(strengths.sort().values, turned.sort().values)


def test_sharp_edges_are_stronger_than_soft_ones():
    image = torch.zeros(1, 3, 16, 16)
    image[..., 8:] = 1
    soft = torch.nn.functional.avg_pool2d(image, (1, 5), 1, (0, 2))
    assert edges(image).square().mean() > edges(soft).square().mean()
