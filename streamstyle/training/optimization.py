"""Steps of an optimizer: checked one by one on the CPU; on CUDA captured as a graph and never waited for.

A step on CUDA is one CUDA graph of the losses, their gradients and the optimizer. The learning rate is one of
its inputs, and its losses are fetched while later steps run. It cannot be undone by the time the host learns
that a loss was not finite, so the device itself leaves that step out, and all that follow.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from streamstyle import device as devices
from streamstyle.cuda_graphs import WARM_UP, Captured
from streamstyle.errors import StreamstyleError
from streamstyle.transfers import Download, start_download, upload

REPORT_EVERY = 10  # steps on CUDA between two downloads of the losses

Losses = Callable[..., dict[str, Tensor]]  # tensors of a step -> scalars by name, whose sum is minimized


class Diverged(StreamstyleError):
    """The losses are not finite; the network is as it was before the step.

    Attributes:
        completed: number of steps before.
    """

    def __init__(self, message: str, completed: int = 0) -> None:
        super().__init__(message)
        self.completed = completed


class Steps(Protocol):
    """Steps of an optimizer that minimize losses.

    Attributes:
        optimizer: with one group of parameters.
        done: number of completed steps; on CUDA, of those that were started.
        settling: number of steps at the start that take longer than others.
        counts_on: where the optimizer's counts of steps lie.
    """

    counts_on: torch.device
    optimizer: torch.optim.Optimizer
    done: int
    settling: int

    def __call__(self, rate: float, *inputs: Tensor) -> dict[str, float]:
        """One step.

        Args:
            rate: the learning rate.
            inputs: of the losses; copied to the device if they are not there.

        Returns:
            The losses before the step, by name; on CUDA those of a step at most 2 * REPORT_EVERY before.

        Raises:
            Diverged: a loss or its gradient is not finite; on CUDA that may be found later, too.
        """

    def finish(self) -> dict[str, float]:
        """Waits until all steps are done.

        Returns:
            The losses of the last one.

        Raises:
            Diverged: as above.
        """

    def restart(self, done: int) -> None:
        """Goes on after `done` steps; to be called when the optimizer has been given another state."""


def steps_of(
    network: nn.Module,
    losses: Losses,
    kind: type[torch.optim.Adam] = torch.optim.Adam,
    *,
    clip: float,
    **options: Any,
) -> Steps:
    """Steps that train a network where its parameters are.

    Args:
        network: whose parameters and buffers change.
        losses: see `Losses`; on CUDA it has to be a function as `Captured` takes them.
        kind: of optimizer.
        clip: largest norm of the gradient of all parameters; longer ones are scaled down to it.
        options: of the optimizer.
    """
    parameters = list(network.parameters())
    if devices.on_host(parameters[0]):
        return HostSteps(losses, kind(parameters, lr=0.0, **options), clip)
    optimizer = kind(parameters, lr=0.0, fused=True, capturable=True, **options)
    return CapturedSteps(losses, optimizer, clip, list(network.buffers()))


class HostSteps:
    """See `Steps`; each is checked before the network is changed."""

    settling = 1
    counts_on = torch.device("cpu")

    def __init__(self, losses: Losses, optimizer: torch.optim.Optimizer, clip: float) -> None:
        self.losses, self.optimizer, self.clip, self.done = losses, optimizer, clip, 0
        self._last: dict[str, float] = {}

    def __call__(self, rate: float, *inputs: Tensor) -> dict[str, float]:
        group = self.optimizer.param_groups[0]
        group["lr"] = rate
        losses = self.losses(*inputs)
        values = {name: loss.item() for name, loss in losses.items()}
        self.optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        norm = clip_grad_norm_(group["params"], self.clip).item()
        if not all(math.isfinite(value) for value in (*values.values(), norm)):
            raise diverged_after(self.done)
        self.optimizer.step()
        self.done += 1
        self._last = values
        return values

    def finish(self) -> dict[str, float]:
        return self._last

    def restart(self, done: int) -> None:
        self.done = done


class CapturedSteps:
    """See `Steps`; each is a CUDA graph.

    Args:
        losses: see `Losses`.
        optimizer: capturable and fused.
        clip: largest norm of the gradient.
        buffers: tensors that the losses change in place, besides the parameters.
    """

    settling = WARM_UP + 2

    def __init__(
        self, losses: Losses, optimizer: torch.optim.Optimizer, clip: float, buffers: list[Tensor]
    ) -> None:
        self.losses, self.optimizer, self.clip, self.buffers = losses, optimizer, clip, buffers
        group = optimizer.param_groups[0]
        self.parameters: list[nn.Parameter] = group["params"]
        self.counts_on = device = self.parameters[0].device
        group["lr"] = torch.zeros((), device=device)
        self.rate: Tensor = group["lr"]
        self.failed = torch.zeros((), device=device)  # 1 after a step whose losses are not finite
        optimizer.found_inf = self.failed  # type: ignore[attr-defined]  # then the optimizer changes nothing
        self.restart(0)

    def restart(self, done: int) -> None:
        self.done = done
        self.failed.zero_()
        self._step = Captured(self._train, self._changes)  # graphs hold the addresses of the old state
        self._names: tuple[str, ...] = ()
        self._last: dict[str, float] = {}
        self._report = torch.empty(0)
        self._pending: tuple[int, Download] | None = None

    def __call__(self, rate: float, *inputs: Tensor) -> dict[str, float]:
        device = self.rate.device
        sent = (upload(each, device) for each in (torch.tensor(rate), *inputs))
        self._report = self._step(*sent)["report"]
        self.done += 1
        if not self._last:
            return self.finish()
        if self.done % REPORT_EVERY == 0:
            self._read()
            self._pending = self.done, start_download(self._report)
        return self._last

    def finish(self) -> dict[str, float]:
        self._read()
        if self._names:
            self._pending = self.done, start_download(self._report)
            self._read()
        return self._last

    @property
    def refusal(self) -> str:
        """Why steps run without a graph; see `Captured`."""
        return self._step.refusal

    def _read(self) -> None:
        """Take over the report that was last asked for.

        Raises:
            Diverged: a step before it was left out.
        """
        if self._pending is None:
            return
        (expected, download), self._pending = self._pending, None
        *losses, done = download.array().tolist()
        if done < expected:
            raise diverged_after(int(done))
        self._last = dict(zip(self._names, losses, strict=True))

    def _train(self, rate: Tensor, *inputs: Tensor) -> dict[str, Tensor]:
        """One step: its losses, followed by the number of steps that the optimizer has taken."""
        self.rate.copy_(rate)
        losses = self.losses(*inputs)
        total = torch.stack(list(losses.values())).sum()
        self.optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        for parameter in self.parameters:  # fused optimizers need gradients laid out as their parameters
            if parameter.grad is not None and parameter.grad.stride() != parameter.stride():
                parameter.grad = torch.empty_like(parameter).copy_(parameter.grad)
        norm = clip_grad_norm_(self.parameters, self.clip)
        self.failed.copy_(torch.maximum(self.failed, 1 - torch.isfinite(total.detach() + norm).float()))
        self.optimizer.step()
        self._names = tuple(losses)
        done = self.optimizer.state[self.parameters[0]]["step"]
        return {"report": torch.stack([*(loss.detach() for loss in losses.values()), done])}

    def _changes(self) -> Iterator[Tensor]:
        """All tensors that a step changes."""
        yield from (*self.parameters, *self.buffers, self.rate, self.failed)
        for state in self.optimizer.state.values():
            yield from state.values()


def diverged_after(completed: int) -> Diverged:
    """The error that stops a training after this number of steps."""
    return Diverged(f"training diverged at step {completed + 1}", completed)


def optimizer_state(network: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The state of an optimizer by the names of the parameters: NAME.step, NAME.exp_avg …"""
    return {
        f"{name}.{key}": value
        for name, parameter in network.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def restore_optimizer(network: nn.Module, steps: Steps, state: Mapping[str, Tensor]) -> None:
    """Restores the state from `optimizer_state`; moments get device and memory layout of their parameters."""
    kept: dict[str, dict[str, Tensor]] = {}
    for key, value in state.items():
        name, _, entry = key.rpartition(".")
        kept.setdefault(name, {})[entry] = value
    for name, parameter in network.named_parameters():
        steps.optimizer.state[parameter] = {
            key: value.to(steps.counts_on, copy=True)
            if key == "step"
            else torch.empty_like(parameter).copy_(value)
            for key, value in kept.get(name, {}).items()
        }
