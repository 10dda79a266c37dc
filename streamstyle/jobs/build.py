"""Builds what settings ask for: the source, the effect with its masks and pictures, the motion."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from streamstyle.device import choose, upload
from streamstyle.effects.composite import Composite
from streamstyle.effects.dream import Ascent, Dream
from streamstyle.effects.stabilize import Stabilize
from streamstyle.effects.style import Style
from streamstyle.effects.transfer import Optimisation, Step, Transfer
from streamstyle.effects.zoom import Travel, Zoom
from streamstyle.errors import InputError, UsageError
from streamstyle.frames import Effect, Frame, Source
from streamstyle.keyframes import ParametersOverTime
from streamstyle.optical_flow import FlowEstimation
from streamstyle.settings import (
    FLOWS,
    DreamSettings,
    RenderSettings,
    StylizeSettings,
    TransferSettings,
    ZoomSettings,
)
from streamstyle.sources import open_source
from streamstyle.sources.masks import Mask
from streamstyle.sources.repeated import RepeatedSource
from streamstyle.training import Recipe
from streamstyle.training.data import read_painting
from streamstyle.video.opening import regular_file

GUIDE_SIDE = 320  # pixels
TARGET_SIDE = 1920


def open_input(name: str, settings: RenderSettings) -> Source:
    """The source, as the settings want it; a folder that is to be held still is a film."""
    if isinstance(settings, ZoomSettings):
        return RepeatedSource(
            regular_file(name),
            seconds=settings.seconds,
            rate=settings.fps or Fraction(25),
            size=settings.size,
            max_size=settings.max_size,
            sound=settings.sound,
        )
    return open_source(
        name,
        size=settings.size,
        max_size=settings.max_size,
        start=settings.start,
        length=settings.length,
        fps=settings.fps,
        deinterlace=settings.deinterlace,
        as_film=settings.needs_motion("folder"),
    )


@contextmanager
def open_effect(
    settings: RenderSettings, kind: str, on_step: Callable[[Step], None] | None = None
) -> Iterator[Effect]:
    """The effect for a source of that kind, with the masks open."""
    with ExitStack() as files:
        if isinstance(settings, TransferSettings):
            effect: Effect = transfer_of(settings, files, on_step)
        else:
            effect = effect_of(settings, kind)
        if isinstance(settings, ZoomSettings):  # has nothing of the still source that could be laid under it
            yield effect
            return
        mask, keyframes = None, settings.keyframes()
        if settings.mask is not None:
            mask = open_mask(settings.mask, settings, files, invert=settings.mask_invert)
        feather = settings.mask_feather / 100
        yield Composite(effect, keyframes, colors=settings.keep_colors_by, mask=mask, feather=feather)


def effect_of(settings: RenderSettings, kind: str) -> Effect:
    """What is laid onto a source of that kind."""
    keyframes, device = settings.keyframes(), choose(settings.device)
    if isinstance(settings, DreamSettings):
        dream = dream_of(settings, keyframes, ascent_of(settings), device)
        if not isinstance(settings, ZoomSettings):
            return dream
        loop = settings.seconds if settings.loop else None
        laid = Composite(dream, keyframes, colors=settings.keep_colors_by)
        return Zoom(laid, keyframes, Travel(settings.pan, settings.dreams, loop))
    assert isinstance(settings, StylizeSettings)
    style = Style(
        keyframes, mix_by=settings.mix_by, rows=settings.tile, inertia=settings.inertia, device=device
    )
    steady = settings.steadiness(kind)
    return Stabilize(style, steady) if steady > 0 else style


def ascent_of(settings: DreamSettings) -> Ascent:
    """How to climb."""
    values = settings.model_dump(include={entry.name for entry in fields(Ascent)} - {"size", "towards"})
    return Ascent(size=settings.step_size, towards=settings.towards_weight, **values)


def dream_of(
    settings: DreamSettings, parameters: ParametersOverTime, ascent: Ascent, device: torch.device
) -> Dream:
    """A dream with its guides and what it moves towards.

    Raises:
        UsageError: an objective does not exist.
        InputError: a picture or the weights cannot be read.
    """
    return Dream(
        parameters,
        ascent,
        features=settings.features,
        guides=guides_of(settings),
        target=target_of(settings.towards),
        device=device,
    )


def guides_of(settings: DreamSettings) -> dict[str, Tensor]:
    """The guide picture of each objective that has one: its own, or that of all.

    Raises:
        InputError: one cannot be read.
    """
    pictures: dict[str, Tensor] = {}
    guides = {}
    for name in settings.keyframes().styles():
        file = name.partition("~")[2] or settings.guide
        if file:
            pictures.setdefault(file, upload(first_picture(file, GUIDE_SIDE), choose("cpu")))
            guides[name] = pictures[file]
    return guides


def target_of(towards: str | None) -> Tensor | None:
    """The picture to move towards; a colour is one of a single pixel.

    Raises:
        InputError: it cannot be read.
    """
    if towards is None:
        return None
    if towards.startswith("#"):
        return torch.tensor(list(bytes.fromhex(towards[1:])))[:, None, None] / 255
    return upload(first_picture(towards, TARGET_SIDE), choose("cpu"))


def transfer_of(
    settings: TransferSettings, files: ExitStack, on_step: Callable[[Step], None] | None
) -> Transfer:
    """Painting by optimisation, with its paintings read and their masks open.

    Raises:
        InputError: a painting or mask cannot be read.
        UsageError: a mask is for a painting that does not occur.
    """
    keyframes = settings.keyframes()
    paintings = {name: read_painting(regular_file(name), Recipe())[0] for name in keyframes.styles()}
    covers = {}
    for text in settings.style_mask:
        name, _, mask = text.partition("=")
        if name not in paintings:
            raise UsageError(f"--style-mask {text}: {name} is none of the paintings {' '.join(paintings)}")
        covers[name] = open_mask(mask, settings, files)
    values = settings.model_dump(include={entry.name for entry in fields(Optimisation)})
    return Transfer(
        keyframes,
        paintings,
        Optimisation(**values),
        covers=covers,
        features=settings.features,
        device=settings.device,
        on_step=on_step,
    )


def open_mask(name: str, settings: RenderSettings, files: ExitStack, *, invert: bool = False) -> Mask:
    """A mask that goes with the film as it is read."""
    return files.enter_context(Mask(name, invert=invert, start=settings.start, fps=settings.fps))


def first_picture(name: str, side: int) -> np.ndarray:
    """(H, W, 3) uint8, a picture or the first frame of a film, at most `side` pixels along its longer side.

    Raises:
        InputError: it is missing, or no picture.
    """
    with open_source(name, max_size=side) as source:
        for item in source:
            if isinstance(item, Frame):
                return item.pixels
    raise InputError(f"{name}: holds no picture")


def open_motion(settings: RenderSettings, kind: str) -> FlowEstimation | None:
    """What estimates the motion, where the effect on a source of that kind needs it."""
    if not settings.needs_motion(kind):
        return None
    return FlowEstimation(
        settings.flow if settings.flow in FLOWS else Path(settings.flow),
        size=settings.flow_size,
        weights=None if settings.flow_weights is None else Path(settings.flow_weights),
        device=choose(settings.device),
    )
