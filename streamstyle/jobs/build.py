"""Builds the effect and the optical flow estimation from settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import torch

from streamstyle.device import choose, shared_cores
from streamstyle.effects import EffectContext, RenderSettings
from streamstyle.frames import Effect, OptimizationStep
from streamstyle.optical_flow import FlowEstimation


@contextmanager
def open_effect(
    settings: RenderSettings, kind: str, on_step: Callable[[OptimizationStep], None] | None = None
) -> Iterator[Effect]:
    """Open the effect for a source of that kind; files that it reads stay open within the context."""
    with ExitStack() as files:
        device = choose(settings.device)
        yield settings.compose(EffectContext(kind, settings.keyframes(), device, files, on_step=on_step))


def cores_for(device: torch.device, kind: str) -> AbstractContextManager[None]:
    """The cores that an effect may use for a source of that kind; see `shared_cores`.

    A video's decoder and encoder run in parallel to the network, on a core that is kept free for them.
    """
    return shared_cores(device, 1 if kind == "video" else 0)


def open_flow(settings: RenderSettings, kind: str) -> FlowEstimation | None:
    """The optical flow estimation, or None if the effect needs none for a source of that kind."""
    if not settings.needs_flow(kind):
        return None
    return FlowEstimation(
        settings.flow,
        size=settings.flow_size,
        weights=None if settings.flow_weights is None else Path(settings.flow_weights),
        device=choose(settings.device),
    )
