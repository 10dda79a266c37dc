"""Functions that become CUDA graphs: when they do, what they keep, and what they say if it fails."""

import logging
import os

import pytest
import torch

from streamstyle import cuda_graphs
from streamstyle.cuda_graphs import MOST_GRAPHS, WARM_UP, Captured
from tests.device_fakes import FakeDevice

needs_cuda = pytest.mark.skipif(
    not torch.cuda.is_available() and os.environ.get("FAIL_WITHOUT_CUDA") != "1", reason="needs CUDA"
)


def gradients(image: torch.Tensor, factor: torch.Tensor) -> dict[str, torch.Tensor]:
    with torch.enable_grad():
        seen = image.detach().requires_grad_(True)
        (cubes,) = torch.autograd.grad((factor * seen.pow(3)).sum(), seen)
        return {"cubes": cubes, "twice": 2 * seen.detach()}


def given(side: int, device: str = "cpu") -> tuple[torch.Tensor, torch.Tensor]:
    return torch.rand(1, 3, side, 5, device=device), torch.rand(5, device=device)


def test_on_cpus_a_captured_function_is_the_function():
    captured, inputs = Captured(gradients), given(4)
    for _ in range(WARM_UP + 2):
        for name, value in captured(*inputs).items():
            assert torch.equal(value, gradients(*inputs)[name])
    assert captured.graphs == 0


def test_there_is_a_graph_for_each_shape_layout_and_dtype(fake_device: FakeDevice):
    captured = Captured(gradients)
    image, factor = given(4)
    kinds = [image, image.double(), image.contiguous(memory_format=torch.channels_last), given(6)[0]]
    for kind in kinds:
        for _ in range(WARM_UP + 1):
            captured(kind, factor)
    assert captured.graphs == len(fake_device.graphs) == len(kinds)


def test_what_a_graph_gave_is_not_overwritten(fake_device: FakeDevice):
    captured = Captured(gradients)
    calls = [given(4) for _ in range(WARM_UP + 3)]
    found = [captured(*inputs) for inputs in calls]
    assert fake_device.replays == 3
    for inputs, result in zip(calls, found, strict=True):
        assert torch.equal(result["cubes"], gradients(*inputs)["cubes"])


def test_a_graph_serves_calls_in_inference_mode_and_outside(fake_device: FakeDevice):
    captured, inputs = Captured(lambda x: {"twice": 2 * x}), given(4)[0]
    with torch.inference_mode():
        for _ in range(WARM_UP + 1):
            captured(inputs)
    assert torch.equal(captured(inputs)["twice"], 2 * inputs)
    assert captured.graphs == 1


def test_no_more_than_so_many_graphs_are_kept(fake_device: FakeDevice):
    captured = Captured(gradients)
    for side in range(1, MOST_GRAPHS + 5):
        for _ in range(WARM_UP + 1):
            captured(*given(side))
    assert captured.graphs == MOST_GRAPHS


def test_what_cannot_be_captured_runs_without_and_says_why_once(fake_device, monkeypatch, caplog):
    def refused(function, inputs):
        raise RuntimeError("operation not permitted when stream is capturing\nand a trace")

    monkeypatch.setattr(cuda_graphs, "Graph", refused)
    captured, inputs = Captured(gradients), given(4)
    with caplog.at_level(logging.WARNING, "streamstyle"):
        for _ in range(WARM_UP + 3):
            found = captured(*inputs)
    assert torch.equal(found["cubes"], gradients(*inputs)["cubes"])
    assert captured.refusal == "RuntimeError: operation not permitted when stream is capturing"
    assert [record.getMessage() for record in caplog.records] == [
        f"gradients runs without CUDA graphs, and slower: {captured.refusal}"
    ]


@pytest.mark.cuda
@needs_cuda
def test_a_captured_function_follows_its_inputs_and_keeps_what_it_gave():
    captured = Captured(gradients)
    calls = [given(side, "cuda") for side in (4, 7, 4, 4, 4, 4, 7, 4)]
    found = [captured(*inputs) for inputs in calls]
    assert (captured.refusal, captured.graphs) == ("", 1)
    for inputs, result in zip(calls, found, strict=True):
        for name, value in result.items():
            torch.testing.assert_close(value, gradients(*inputs)[name])


@pytest.mark.cuda
@needs_cuda
def test_graphs_do_not_pile_up():
    captured = Captured(gradients)
    for side in range(1, MOST_GRAPHS + 5):
        for _ in range(WARM_UP + 1):  # a shape is captured only after its first calls
            captured(*given(side, "cuda"))
    assert (captured.refusal, captured.graphs) == ("", MOST_GRAPHS)


@pytest.mark.cuda
@needs_cuda
def test_a_failed_capture_leaves_the_device_usable():
    captured = Captured(lambda x: {"mean": x / x.sum().item()})
    inputs = torch.rand(3, 4, device="cuda")
    stream = torch.cuda.current_stream()
    for _ in range(WARM_UP + 2):
        torch.testing.assert_close(captured(inputs)["mean"], inputs / inputs.sum())
    assert captured.refusal
    assert captured.graphs == 0
    assert torch.cuda.current_stream() == stream


@pytest.mark.parametrize("fails", [False, True])
def test_what_a_function_changes_is_changed_once_for_each_call(fake_device: FakeDevice, monkeypatch, fails):
    """Also if it was called in vain to be captured."""
    count = torch.zeros(3)

    def counted(step: torch.Tensor) -> dict[str, torch.Tensor]:
        count.add_(step)
        return {"count": count + 0}

    if fails:

        def refused(function, inputs):
            function(*inputs)
            raise RuntimeError("operation not permitted when stream is capturing")

        monkeypatch.setattr(cuda_graphs, "Graph", refused)
    captured = Captured(counted, changes=lambda: [count])
    for number in range(1, WARM_UP + 4):
        assert captured(torch.ones(3))["count"].tolist() == [number] * 3
    assert captured.graphs == (0 if fails else 1)
