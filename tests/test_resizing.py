"""Blurring on a device: values and gradients of the host, by operations that add in a fixed order."""

import pytest
import torch

from streamstyle.effects.resizing import blurred, extended
from tests.device_fakes import host_access_forbidden


def gradient(images: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    seen = images.detach().requires_grad_(True)
    return torch.autograd.grad((weights * blurred(seen, 0.8)).sum(), seen)[0]


@pytest.mark.parametrize("dim", [2, 3])
def test_the_border_is_repeated_as_on_the_host(dim, request):
    planes = torch.rand(3, 1, 4, 6)
    expected = extended(planes, 3, dim)
    request.getfixturevalue("fake_device")
    assert torch.equal(extended(planes, 3, dim), expected)


def test_blur_and_its_gradient_are_those_of_the_host(request):
    images, weights = torch.rand(1, 3, 5, 9), torch.rand(1, 3, 5, 9)
    expected = blurred(images, 0.8), gradient(images, weights)
    request.getfixturevalue("fake_device")
    with host_access_forbidden():
        found = blurred(images, 0.8), gradient(images, weights)
    assert torch.equal(found[0], expected[0])
    torch.testing.assert_close(found[1], expected[1])


def test_on_a_device_no_gradient_adds_atomically(fake_device):
    """The gradients of `F.pad` by repetition or reflection do, on CUDA."""
    images = torch.rand(1, 3, 5, 9, requires_grad=True)
    pending, names = [blurred(images, 0.8).grad_fn], set()
    while pending:
        node = pending.pop()
        names.add(type(node).__name__)
        pending += [below for below, _ in node.next_functions if below is not None]
    assert "ConvolutionBackward0" in names
    assert not {name for name in names if "Pad" in name or "Index" in name or "Scatter" in name}
