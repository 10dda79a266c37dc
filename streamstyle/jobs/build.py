"""Builds the effect and the optical flow estimation from settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from streamstyle.device import choose
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
