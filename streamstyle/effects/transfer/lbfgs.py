"""L-BFGS on a device: it never asks the device for a value, so that the device never waits for the host.

A line search would have to read each loss. Here each evaluation is a step: it is taken if the loss has fallen
enough, which the device decides by itself. If it is not taken, what it showed of the curvature is used all
the same, and the next step is shorter.

Reference: Nocedal and Wright (2006), Numerical optimization, algorithms 7.4 (two loops) and 3.1 (sufficient
decrease), with the curvature of failed steps in place of a line search.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor

DECREASE = 1e-4  # share of the decrease that the slope promises, which a step has to reach
SHORTER = 0.5  # factor on the length of the step after one that was not taken
LEAST_CURVATURE = 1e-10  # of a step that enters the history


class LBFGS:
    """A minimization, one evaluation at a time.

    Args:
        start: any shape, float; where to begin.
        history: number of steps that describe the curvature.

    Attributes:
        trial: where to evaluate next.
        best: the point with the least loss so far.
    """

    def __init__(self, start: Tensor, history: int) -> None:
        self.trial = self.best = start
        self._loss = torch.full((), torch.inf, device=start.device)
        self._gradient = self._direction = torch.zeros_like(start)
        self._length = torch.ones((), device=start.device)
        self._scale = torch.ones((), device=start.device)  # of the inverse Hessian
        self._steps: deque[tuple[Tensor, Tensor, Tensor]] = deque(maxlen=history)
        self._first = True

    def minimize(self, evaluate: Callable[[Tensor], tuple[Tensor, Tensor]], evaluations: int) -> Tensor:
        """The best point after so many evaluations; each gives the loss, a scalar, and its gradient."""
        for _ in range(evaluations):
            self.step(*evaluate(self.trial))
        return self.best

    def step(self, loss: Tensor, gradient: Tensor) -> None:
        """Take the loss and gradient at `trial`, and choose the next one."""
        if self._first:
            self._first = False
            self.best, self._loss, self._gradient = self.trial, loss, gradient
            length = (1 / gradient.abs().sum()).clamp_max(1)
        else:
            taken = self._judge(loss, gradient)
            length = torch.where(taken, 1.0, SHORTER * self._length)
        self._length = length
        self._direction = self._quasi_newton(self._gradient)
        self.trial = self.best + length * self._direction

    def _judge(self, loss: Tensor, gradient: Tensor) -> Tensor:
        """Whether the step to `trial` is taken; it enters the history in either case."""
        step, change = self.trial - self.best, gradient - self._gradient
        slope = (self._gradient * step).sum()
        taken = loss <= self._loss + DECREASE * slope
        curvature = (step * change).sum()
        known = curvature > LEAST_CURVATURE
        # A step of zeros changes nothing: it stands for one that is not known.
        step, change = (torch.where(known, part, 0.0) for part in (step, change))
        self._steps.append((step, change, torch.where(known, 1 / curvature, 0.0)))
        self._scale = torch.where(known, curvature / change.square().sum(), self._scale)
        self.best = torch.where(taken, self.trial, self.best)
        self._loss = torch.where(taken, loss, self._loss)
        self._gradient = torch.where(taken, gradient, self._gradient)
        return taken

    def _quasi_newton(self, gradient: Tensor) -> Tensor:
        """The direction of the next step: minus the inverse Hessian times the gradient."""
        direction, shares = -gradient, []
        for step, change, inverse in reversed(self._steps):
            shares.append(inverse * (step * direction).sum())
            direction = direction - shares[-1] * change
        direction = self._scale * direction
        for (step, change, inverse), share in zip(self._steps, reversed(shares), strict=True):
            direction = direction + (share - inverse * (change * direction).sum()) * step
        return direction
