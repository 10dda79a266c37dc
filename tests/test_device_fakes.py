"""The fake device: it raises where a device would wait, and repeats operations, not Python code."""

import numpy as np
import pytest
import torch

from streamstyle.cuda_graphs import WARM_UP, Captured
from streamstyle.effects.resizing import padded_to
from tests.device_fakes import FakeDevice, HostAccess, RecordedGraph, host_access_forbidden

VALUES = torch.tensor([[1.0, -2.0], [3.0, -4.0]])
MASK = torch.tensor([[True, False], [False, True]])
PLACES = torch.tensor([1, 0])

FORBIDDEN = {
    "item": lambda x: x.sum().item(),
    "float": lambda x: float(x.sum()),
    "int": lambda x: int(x.sum()),
    "bool": lambda x: 1 if x.sum() > 0 else 0,
    "index": lambda x: [1, 2, 3][x.sum().long().clamp(0, 2)],
    "contains": lambda x: 1.0 in x,
    "tolist": lambda x: x.tolist(),
    "numpy": lambda x: x.numpy(),
    "array": np.asarray,
    "cpu": lambda x: x.cpu(),
    "nonzero": lambda x: x.nonzero(),
    "where": lambda x: torch.where(x > 0),
    "mask": lambda x: x[x > 0],
    "mask beside a number": lambda x: x[:, 0][x[:, 0] > 0],
    "mask set": lambda x: x.clone().__setitem__(MASK, 0.0),
    "masked_select": lambda x: x.masked_select(MASK),
    "equal": lambda x: torch.equal(x, x),
    "allclose": lambda x: torch.allclose(x, x),
    "unique": lambda x: torch.unique(x),
    "repeat_interleave": lambda x: torch.repeat_interleave(x, PLACES, dim=0),
    "new_tensor": lambda x: x.new_tensor((1.0, 2.0)),
    "tensor": lambda x: x * torch.tensor([1.0, 2.0]),
    "as_tensor": lambda x: x * torch.as_tensor([1.0, 2.0]),
    "from_numpy": lambda x: x * torch.from_numpy(np.ones(2, np.float32)),
    "list as index": lambda x: x[[1, 0]],
    "array as index": lambda x: x[np.array([1, 0])],
    "arange": lambda x: x * torch.arange(2),
    "randn": lambda x: x + torch.randn(2, 2),
    "in a backward pass": lambda x: gradient(Asking.apply, x),
}
ALLOWED = {
    "arithmetic": lambda x: (x * 2 + 1).clamp(0, 1).sum(),
    "shapes": lambda x: x.reshape(1, 1, *x.shape) if x.shape[0] > 1 and x.numel() > 2 else x,
    "arange there": lambda x: x * torch.arange(2, device=x.device),
    "zeros like it": lambda x: torch.zeros_like(x) + x.new_zeros(2),
    "index by places": lambda x: x[PLACES],
    "where of three": lambda x: torch.where(x > 0, x, -x),
    "padding": lambda x: padded_to(x[None, None], 4),
    "set to a number": lambda x: x.clone().__setitem__((slice(None), 0), 1.0),
    "gradient": lambda x: gradient(torch.square, x),
}


class Asking(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values):
        return values * 2

    @staticmethod
    def backward(ctx, gradient):
        return gradient * gradient.max().item()


def gradient(function, values: torch.Tensor) -> torch.Tensor:
    seen = values.detach().requires_grad_(True)
    return torch.autograd.grad(function(seen).sum(), seen)[0]


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_a_device_would_wait_for_raises(name):
    with pytest.raises(HostAccess), host_access_forbidden():
        FORBIDDEN[name](VALUES)


@pytest.mark.parametrize("name", ALLOWED)
def test_what_a_device_does_by_itself_passes(name):
    with host_access_forbidden():
        ALLOWED[name](VALUES)


def test_outside_of_the_context_nothing_is_forbidden():
    with host_access_forbidden():
        pass
    assert VALUES.sum().item() == -2


def cubes(image: torch.Tensor, weights: torch.Tensor) -> dict[str, torch.Tensor]:
    with torch.enable_grad():
        seen = image.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad((weights * seen.pow(3)).sum(), seen)
    total = torch.zeros_like(image).add_(gradient)
    total[..., 0] += 1
    return {"cubes": gradient, "more": total, "turned": gradient.transpose(-1, -2)}


def test_a_recorded_graph_gives_what_the_function_gives():
    graph = RecordedGraph(cubes, (torch.rand(3, 4), torch.rand(4)))
    for _ in range(2):
        given = torch.rand(3, 4), torch.rand(4)
        for name, value in graph.replay(given).items():
            assert torch.equal(value, cubes(*given)[name])


def test_a_recorded_graph_repeats_operations_and_not_python_code():
    factor = [2.0]
    graph = RecordedGraph(lambda x: {"product": factor[0] * x}, [VALUES])
    factor[0] = 3.0
    assert torch.equal(graph.replay([VALUES])["product"], 2 * VALUES)


def test_a_recorded_graph_reads_memory_that_changes_outside():
    factor = torch.tensor(2.0)
    graph = RecordedGraph(lambda x: {"product": factor * x}, [VALUES])
    factor.fill_(3)
    assert torch.equal(graph.replay([VALUES])["product"], 3 * VALUES)


def test_functions_become_graphs_after_their_first_calls(fake_device: FakeDevice):
    captured = Captured(cubes)
    for call in range(WARM_UP + 3):
        given = torch.rand(3, 4), torch.rand(4)
        found = captured(*given)
        assert captured.graphs == (call >= WARM_UP)
        for name, value in found.items():
            assert torch.equal(value, cubes(*given)[name])
    assert fake_device.replays == 3


def test_a_graph_that_asks_the_device_is_not_hidden(fake_device: FakeDevice):
    captured = Captured(lambda x: {"mean": x / x.sum().item()})
    with pytest.raises(HostAccess):
        for _ in range(WARM_UP + 1):
            captured(VALUES)
