"""How deep dreams are: by default the source lives on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from streamstyle.effects import DreamSettings
from streamstyle.effects.resizing import blurred
from streamstyle.frames import Moment
from streamstyle.images import read_image
from streamstyle.jobs.build import open_effect
from streamstyle.options import load_preset, make_settings

SAMPLES = Path(__file__).parents[1] / "samples"


def test_depth_says_how_many_steps() -> None:
    steps = [DreamSettings(depth=depth).ascent().steps for depth in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)]
    assert steps == [1, 2, 5, 8, 12, 16]
    assert DreamSettings(depth=1.0, steps=3).ascent().steps == 3


@pytest.mark.parametrize("preset", ["dogs", "eyes", "flowers"])  # those that used to leave least
def test_the_source_lives_on_in_a_preset(preset: str) -> None:
    """Most of the edges of the source are still there; a full dream leaves fewer."""
    image = torch.from_numpy(read_image(SAMPLES / "lighthouse.png").on_white()).permute(2, 0, 1)[None] / 255
    image = torch.nn.functional.interpolate(image, (144, 256), mode="area")[0]
    shares = []
    for depth in ({}, {"depth": 1.0}):
        settings = make_settings(
            {**load_preset(preset, DreamSettings), **depth, "device": "cpu"}, DreamSettings
        )
        with open_effect(settings, "image") as effect:
            shares.append(shared_edges(image, effect(image, Moment(0, 0.0, cut=True))))
    assert shares[0] > max(0.5, 1.15 * shares[1])


def shared_edges(one: torch.Tensor, other: torch.Tensor) -> float:
    """The cosine between the gradients of the blurred luma of two images."""
    lumas = (blurred(image[None], 1.5)[0].mean(0) for image in (one, other))
    gradients = [torch.stack(torch.gradient(luma)).flatten() for luma in lumas]
    return float(torch.cosine_similarity(*gradients, dim=0))
