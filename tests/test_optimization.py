"""Steps of an optimizer on the CPU, and as they are captured on CUDA, with a graph that is recorded here."""

import pytest
import torch
from torch import Tensor, nn

from streamstyle import device as devices
from streamstyle.cuda_graphs import WARM_UP
from streamstyle.training import Diverged
from streamstyle.training.optimization import REPORT_EVERY, CapturedSteps, HostSteps, Steps, steps_of
from tests.device_fakes import FakeDevice

RATES = [0.5, 0.1, 0.2, 0.4, 0.3, 0.05, 0.25, 0.125]  # more than are run before a graph is captured


class Line(nn.Module):
    """A number whose gradient is the input."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor([8.0]))
        self.register_buffer("calls", torch.zeros(()))

    def losses(self, x: Tensor) -> dict[str, Tensor]:
        self.calls += 1
        return {"first": (self.slope * x).sum(), "second": 0 * self.slope.square().sum() + 2}


@pytest.fixture(params=["host", "captured"])
def line(request: pytest.FixtureRequest) -> tuple[Line, Steps]:
    network = Line()
    if request.param == "captured":
        request.getfixturevalue("fake_device")
    steps = steps_of(network, network.losses, clip=100.0)
    assert isinstance(steps, HostSteps if request.param == "host" else CapturedSteps)
    return network, steps


def test_each_step_has_its_own_learning_rate(line):
    """Adam goes by the learning rate while the gradient stays the same."""
    network, steps = line
    for number, rate in enumerate(RATES, start=1):
        steps(rate, torch.ones(1))
        assert network.slope.item() == pytest.approx(8 - sum(RATES[:number]), abs=1e-4)


def test_a_step_is_taken_once(line):
    """Capturing calls the function, too, but what it changes is set back."""
    network, steps = line
    for _ in RATES:
        steps(0.1, torch.ones(1))
    assert network.calls == len(RATES)
    assert steps.optimizer.state[network.slope]["step"] == len(RATES) == steps.done


def test_the_last_losses_are_those_before_the_last_step(line):
    network, steps = line
    for _ in range(12):
        before = network.slope.item()
        steps(0.5, torch.full((1,), 3.0))
    assert steps.finish() == {"first": pytest.approx(3 * before), "second": 2}


def test_a_long_gradient_is_cut(fake_device: FakeDevice):
    moments = []
    for host in (True, False):
        network = Line()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(devices, "on_host", lambda where, host=host: host)
            steps = steps_of(network, network.losses, clip=2.0, betas=(0.0, 0.9))
            steps(0.1, torch.full((1,), 50.0))
        moments.append(steps.optimizer.state[network.slope]["exp_avg"])
    assert moments[0] == moments[1] == pytest.approx(2, rel=1e-4)


@pytest.mark.parametrize("at", [1, 3, WARM_UP + 3, 2 * REPORT_EVERY])
def test_after_losses_that_are_not_finite_nothing_changes(line, at):
    network, steps = line
    with pytest.raises(Diverged, match=f"training diverged at step {at}$") as raised:
        for step in range(1, 60):
            if step == at:
                before = network.slope.item()
            steps(0.1, torch.full((1,), float("inf") if step == at else 1.0))
    assert raised.value.completed == at - 1
    assert network.slope.item() == before
    assert step < at + 2 * REPORT_EVERY


def test_what_diverged_in_the_last_steps_is_found_in_the_end(fake_device: FakeDevice):
    network = Line()
    steps = steps_of(network, network.losses, clip=1.0)
    for value in (1.0, 1.0, float("nan")):
        steps(0.1, torch.full((1,), value))
    with pytest.raises(Diverged, match="at step 3"):
        steps.finish()


def test_losses_are_downloaded_seldom(fake_device: FakeDevice, monkeypatch):
    """On CUDA a download is a wait, if not for the present step."""
    from streamstyle.training import optimization

    asked = []
    start = optimization.start_download
    monkeypatch.setattr(optimization, "start_download", lambda tensor: asked.append(1) or start(tensor))
    network = Line()
    steps = steps_of(network, network.losses, clip=1.0)
    for _ in range(4 * REPORT_EVERY):
        steps(0.1, torch.ones(1))
    assert len(asked) == 1 + 4
    assert fake_device.replays == 4 * REPORT_EVERY - WARM_UP
