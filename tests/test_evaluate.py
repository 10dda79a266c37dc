"""Measures of steadiness, on motion that is known."""

import pytest
import torch

from streamstyle.evaluate import change_along_flow, warp_error
from streamstyle.flow import warp
from streamstyle.train.motion import random_flow


def moved(dx: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two frames of a picture that moves to the right, their flow, and where it holds."""
    scene = torch.rand(1, 3, 20, 40, generator=torch.Generator().manual_seed(1))
    flow = torch.tensor([-float(dx), 0.0]).view(1, 2, 1, 1).expand(1, 2, 20, 30)
    return scene[..., 5:35], scene[..., 5 - dx : 35 - dx], flow, torch.ones(1, 1, 20, 30)


def test_a_film_that_only_moves_does_not_change_along_its_motion():
    assert change_along_flow(*moved(3)) < 1e-9
    previous, current, flow, reliable = moved(3)
    assert change_along_flow(previous, current, -flow, reliable) > 0.05, "the forward flow is wrong"


def test_what_the_source_changes_is_not_charged_to_the_result():
    previous, current, flow, reliable = moved(3)
    lit = current + 0.2
    assert warp_error((previous, lit), (previous, lit), flow, reliable) == 0
    error = warp_error((previous, current), (previous, lit), flow, reliable)
    assert error == pytest.approx(0.04, rel=1e-3)


def test_pixels_that_are_hidden_or_unknown_do_not_count():
    previous, current, flow, reliable = moved(3)
    current, flow, reliable = current.clone(), flow.clone(), reliable.clone()
    current[..., 10:15] = 9
    assert change_along_flow(previous, current, flow, reliable) > 1
    reliable[..., 10:15] = 0
    assert change_along_flow(previous, current, flow, reliable) < 1e-9
    reliable[..., 10:15] = 1
    flow[..., 10:15] = float("nan")
    assert change_along_flow(previous, current, flow, reliable) < 1e-9
    assert change_along_flow(previous, current, flow, 0 * reliable) == 0


def test_smooth_motion_between_pixels_is_followed():
    import numpy as np

    coarse = torch.rand(1, 3, 6, 8, generator=torch.Generator().manual_seed(2))
    previous = torch.nn.functional.interpolate(coarse, (96, 128), mode="bicubic")
    flow = random_flow(96, 128, np.random.default_rng(3))
    current = warp(previous, flow)
    assert change_along_flow(previous, current, flow, torch.ones(1, 1, 96, 128)) < 1e-9
