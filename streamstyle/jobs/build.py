"""Builds what settings ask for: the source, the effect, the optical flow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from streamstyle.device import choose
from streamstyle.effects import EffectContext, RenderSettings
from streamstyle.frames import Effect, OptimizationStep
from streamstyle.optical_flow import FLOWS, FlowEstimation


@contextmanager
def open_effect(
    settings: RenderSettings, kind: str, on_step: Callable[[OptimizationStep], None] | None = None
) -> Iterator[Effect]:
    """The effect for a source of that kind; the files that it reads are open meanwhile."""
    with ExitStack() as files:
        device = choose(settings.device)
        yield settings.compose(EffectContext(kind, settings.keyframes(), device, files, on_step=on_step))


def open_flow(settings: RenderSettings, kind: str) -> FlowEstimation | None:
    """What estimates the optical flow, where the effect on a source of that kind needs it."""
    if not settings.needs_flow(kind):
        return None
    return FlowEstimation(
        settings.flow if settings.flow in FLOWS else Path(settings.flow),
        size=settings.flow_size,
        weights=None if settings.flow_weights is None else Path(settings.flow_weights),
        device=choose(settings.device),
    )
