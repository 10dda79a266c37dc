"""Gradient steps on a device: each is one CUDA graph, and nothing is asked of the device between them.

What changes from step to step (the random shift, the mixture, the mean length so far) is in tensors there, so
that one graph serves all steps at an octave.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor

from streamstyle.cuda_graphs import Captured
from streamstyle.transfers import upload

LENGTH_INERTIA = 0.9  # of the moving average that normalizes gradients; without it the strength would pulse
UNKNOWN = -1.0  # in place of a mean length, before the first one


class DeviceSteps:
    """The steps of gradient ascent on a device.

    Args:
        size: mean change per step, as a share of the full range.
        gradient: gives the gradient, (1, 3, H, W), at an image for the weights of the objectives.
        penalty: gives the gradient of the regularization from the image and the detail.
    """

    def __init__(
        self,
        size: float,
        gradient: Callable[[Tensor, Mapping[str, Tensor]], Tensor],
        penalty: Callable[[Tensor, Tensor], Tensor | float],
    ) -> None:
        self.size, self.gradient, self.penalty = size, gradient, penalty
        self._captured: dict[tuple[str, ...], Captured] = {}
        self._uploaded: dict[tuple[float, ...], Tensor] = {}

    def __call__(
        self,
        base: Tensor,
        detail: Tensor,
        *,
        scale: Tensor | None,
        shift: tuple[int, int],
        last: Tensor | None,
        weights: Mapping[str, float],
        whole: bool = True,
    ) -> tuple[Tensor, Tensor]:
        """The detail after one step, and the mean length of gradients so far, a scalar.

        Args:
            base: (1, 3, H, W), the image without its detail.
            detail: (1, 3, H, W).
            scale: (1, 1, H, W), factor on the step size at each pixel; None: 1.
            shift: in rows and columns, by which the network sees the image moved.
            last: the mean length up to the last frame, a scalar; None: there is none.
            weights: of the objectives.
            whole: capture the whole step; not possible if `gradient` uses graphs itself.
        """
        names = tuple(weights)
        if names not in self._captured:
            self._captured[names] = Captured(partial(self.step, names=names))
        step = self._captured[names] if whole else partial(self.step, names=names)
        found = step(
            base,
            detail,
            base.new_ones(1, 1, *base.shape[2:]) if scale is None else scale,
            self._on_device(shift, base).long(),
            base.new_full((), UNKNOWN) if last is None else last,
            self._on_device(tuple(weights.values()), base),
        )
        return found["detail"], found["length"]

    def step(
        self,
        base: Tensor,
        detail: Tensor,
        scale: Tensor,
        shift: Tensor,
        last: Tensor,
        weights: Tensor,
        *,
        names: tuple[str, ...],
    ) -> dict[str, Tensor]:
        """The same from tensors alone."""
        image = rolled((base + detail).clamp(0, 1), shift)
        gradient = self.gradient(image, dict(zip(names, weights.unbind(), strict=True)))
        gradient = rolled(gradient, -shift)
        length = gradient.abs().mean()
        length = torch.where(last < 0, length, torch.lerp(length, last, LENGTH_INERTIA))
        change = gradient / length.clamp_min(1e-12) - self.penalty(base, detail)
        return {"detail": detail + self.size * scale * change, "length": length}

    def _on_device(self, values: tuple[float, ...], like: Tensor) -> Tensor:
        """Numbers on the device of a tensor; those of the last steps are there already."""
        if values not in self._uploaded:
            while len(self._uploaded) >= 1024:  # weights may be others in every frame
                del self._uploaded[next(iter(self._uploaded))]
            self._uploaded[values] = upload(torch.tensor(values, dtype=torch.float32), like.device)
        return self._uploaded[values]


def rolled(image: Tensor, shift: Tensor) -> Tensor:
    """(1, 3, H, W) moved by rows and columns (2,) on its device, as `torch.roll` does by known numbers."""
    rows, columns = (
        (torch.arange(side, device=image.device) - offset).remainder(side)
        for side, offset in zip(image.shape[2:], shift.unbind(), strict=True)
    )
    return image.index_select(2, rows).index_select(3, columns)
