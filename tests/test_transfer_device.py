"""Transfer on a device: an L-BFGS that asks for no value gets as far as the one with a line search."""

import math

import pytest
import torch
from torch import Tensor

from streamstyle.cuda_graphs import WARM_UP
from streamstyle.effects.transfer.effect import SCALE, Transfer, evaluation
from streamstyle.effects.transfer.lbfgs import LBFGS
from streamstyle.effects.transfer.loss import Optimization
from streamstyle.frames import Moment, OpticalFlow, OptimizationStep
from streamstyle.keyframes import keyframes_of
from tests.device_fakes import host_access_forbidden

HEIGHT, WIDTH = 64, 80
QUICK = Optimization(scales=1, steps=12, later_steps=6)
ATOMIC = ("Pad2D", "Index", "Scatter", "GridSampler", "Upsample", "Adaptive", "Cumsum", "Embedding", "Put")


def picture(seed: int = 0) -> Tensor:
    coarse = torch.rand(1, 3, HEIGHT // 8, WIDTH // 8, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, (HEIGHT, WIDTH), mode="bicubic")[0].clamp(0, 1)


def transfer(how: Optimization = QUICK, **more: object) -> Transfer:
    rows = (torch.arange(160) // 6 % 2).float()[None, :, None].expand(1, 160, 160)
    stripes = torch.cat((torch.ones_like(rows), rows, rows))
    return Transfer(keyframes_of("a"), {"a": stripes}, how, device="cpu", **more)


def moment(index: int) -> Moment:
    flow = torch.full((2, HEIGHT, WIDTH), 0.5)
    motion = OpticalFlow(flow, torch.ones(1, HEIGHT, WIDTH)) if index else None
    return Moment(index, index / 25, motion=motion)


IMAGES = [picture(), *(picture() for _ in range(4))]
MOMENTS = [moment(index) for index in range(5)]


def total(effect: Transfer, result: Tensor) -> float:
    """The loss of a result."""
    with torch.no_grad():
        loss = effect.loss(picture()[None], {"a": 1.0}, 0.0)
        return sum(term.item() for term in loss.terms(result[None]).values())


def test_a_quadratic_is_minimized_without_a_question():
    curvature = torch.logspace(0, 3, 30)

    def evaluate(point: Tensor) -> tuple[Tensor, Tensor]:
        return (curvature * (point - 1).square()).sum() / 2, curvature * (point - 1)

    start = torch.zeros(30)
    with host_access_forbidden():
        found = LBFGS(start, 20).minimize(evaluate, 60)
    assert evaluate(found)[0] < 1e-5 * evaluate(start)[0]


def test_steps_that_climb_or_are_not_finite_are_not_taken():
    """Rosenbrock's valley is curved; beyond 1.25 the function is not a number."""

    def evaluate(point: Tensor) -> tuple[Tensor, Tensor]:
        seen = point.detach().requires_grad_(True)
        x, y = seen.unbind()
        loss = 100 * (y - x.square()).square() + (1 - x).square()
        loss = torch.where(seen.abs().max() > 1.25, torch.nan, loss)
        evaluated.append(loss.item())
        return loss.detach(), torch.autograd.grad(loss, seen)[0]

    evaluated: list[float] = []
    search = LBFGS(torch.tensor([-1.2, 1.0]), 20)
    losses = []
    for _ in range(150):
        search.step(*evaluate(search.trial))
        losses.append(evaluate(search.best)[0].item())
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 1e-4
    assert any(math.isnan(loss) for loss in evaluated)


def test_the_same_number_of_evaluations_gets_as_far_as_on_the_host(request):
    how = Optimization(scales=1, steps=40)
    on_host = total(transfer(how), transfer(how)(IMAGES[0], MOMENTS[0]))
    request.getfixturevalue("fake_device")
    on_device = total(transfer(how), transfer(how)(IMAGES[0], MOMENTS[0]))
    assert on_device < 1.05 * on_host


def test_a_frame_asks_the_device_nothing_once_the_painting_is_known(fake_device):
    effect = transfer()
    for index in range(2):
        effect(IMAGES[index], MOMENTS[index])
    before = fake_device.replays
    with host_access_forbidden():
        found = effect(IMAGES[2], MOMENTS[2])
    assert torch.isfinite(found).all()
    assert fake_device.replays - before == QUICK.later_steps, "one graph, of the frame before"


@pytest.mark.parametrize("masked", [False, True])
def test_graphs_give_what_the_loss_gives(masked, fake_device, monkeypatch):
    """Also where the mask is another one in each frame."""
    mask = torch.zeros(HEIGHT, WIDTH, dtype=torch.uint8).numpy()

    def by_time(seconds: float):
        mask[:, : int(20 + 500 * seconds)] = 255
        return mask.copy()

    def frames() -> list[Tensor]:
        effect = transfer(masks={"a": by_time} if masked else {})
        return [effect(image, now) for image, now in zip(IMAGES[:3], MOMENTS, strict=False)]

    captured = frames()
    assert fake_device.replays == 12 + 6 + 6 - (3 if masked else 2) * WARM_UP
    mask[:] = 0
    monkeypatch.setattr("streamstyle.cuda_graphs.WARM_UP", 1000)
    assert all(torch.equal(one, other) for one, other in zip(captured, frames(), strict=True))


def test_a_resumed_video_is_the_same_on_a_device(fake_device):
    whole, before, after = transfer(), transfer(), transfer()
    expected = [whole(image, now) for image, now in zip(IMAGES, MOMENTS, strict=True)][-1]
    for index in range(3):
        before(IMAGES[index], MOMENTS[index])
    after.restore({name: value.contiguous() for name, value in before.state().items()})
    assert torch.equal([after(IMAGES[index], MOMENTS[index]) for index in (3, 4)][-1], expected)


def test_few_evaluations_are_reported_for_each_has_to_be_waited_for(fake_device):
    steps: list[OptimizationStep] = []
    transfer(Optimization(scales=1, steps=25), on_step=steps.append)(IMAGES[0], MOMENTS[0])
    assert [step.step for step in steps] == [1, 10, 11, 20, 21]
    assert set(steps[0].losses) == {"style", "content", "variation", "range"}


def test_the_gradient_adds_nothing_atomically_on_cuda(fake_device):
    """The same call gives the same bits; on CUDA the gradients of these operations do not."""
    effect = transfer()
    with torch.no_grad():
        loss = effect.loss(picture()[None], {"a": 1.0}, 0.0)
    nodes: set[str] = set()
    grad = torch.autograd.grad

    def walk(output: Tensor, leaf: Tensor) -> tuple[Tensor, ...]:
        pending = [output.grad_fn]
        while pending:
            node = pending.pop()
            if node is not None and node not in seen:
                seen.add(node)
                nodes.add(type(node).__name__)
                pending += [below for below, _ in node.next_functions]
        return grad(output, leaf)

    seen: set[object] = set()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(torch.autograd, "grad", walk)
        found = evaluation(loss, picture()[None], *loss.tensors())
    terms = [value for name, value in found.items() if name not in ("total", "gradient", "image")]
    assert found["total"] == pytest.approx(SCALE * sum(terms).item())
    assert "ConvolutionBackward0" in nodes
    assert not {node for node in nodes if node.startswith(("Replication", "Reflection", *ATOMIC))}
