"""Measures of temporal consistency, on known motion."""

import math

import cv2
import numpy as np
import pytest
import torch

from streamstyle.effects.identity import Identity
from streamstyle.errors import InputError
from streamstyle.evaluation import Evaluation, change_along_flow, evaluate_frames, warp_error
from streamstyle.evaluation.report import evaluation_sheet, flow_colors
from streamstyle.frames import Packet
from streamstyle.optical_flow import FlowEstimation, warp
from streamstyle.sources.memory import MemorySource
from streamstyle.training.synthetic_motion import flow_of, random_motion
from tests.motions import pan, video


def moved(dx: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two frames of an image that moves to the right, their flow, and where it holds."""
    scene = torch.rand(1, 3, 20, 40, generator=torch.Generator().manual_seed(1))
    flow = torch.tensor([-float(dx), 0.0]).view(1, 2, 1, 1).expand(1, 2, 20, 30)
    return scene[..., 5:35], scene[..., 5 - dx : 35 - dx], flow, torch.ones(1, 1, 20, 30)


def test_a_video_that_only_moves_does_not_change_along_its_motion():
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
    coarse = torch.rand(1, 3, 6, 8, generator=torch.Generator().manual_seed(2))
    previous = torch.nn.functional.interpolate(coarse, (96, 128), mode="bicubic")
    flow = flow_of(random_motion(96, 128, np.random.default_rng(3)))
    current = warp(previous, flow)
    assert change_along_flow(previous, current, flow, torch.ones(1, 1, 96, 128)) < 1e-9


def evaluated(source: list[np.ndarray], result: list[np.ndarray], **more: object) -> Evaluation:
    videos = (MemorySource(list(video(pictures))) for pictures in (source, result))
    return evaluate_frames(*videos, FlowEstimation("medium"), **more)


def test_grain_raises_warp_error_and_flicker_but_not_sharpness():
    source = pan(6, step=0.0)
    clean, grainy = (evaluated(source, grainy_video(source, amount)).summary for amount in (0.0, 0.06))
    assert clean["warp_error"] < 1e-6 and clean["flicker"] < 1e-4
    # Of two independent grains the squares add up; those of an edge are cut off.
    assert grainy["warp_error"] == pytest.approx(2 * 0.06**2, rel=0.1)
    assert grainy["flicker"] == pytest.approx(0.06 * 2 / math.pi**0.5, rel=0.1)
    assert grainy["sharpness"] == pytest.approx(clean["sharpness"], rel=0.03)
    assert grainy["source_warp_error"] == clean["source_warp_error"]
    assert grainy["excess_warp_error"] == grainy["warp_error"] - grainy["source_warp_error"]


def grainy_video(pictures: list[np.ndarray], amount: float) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [
        np.clip(picture + rng.normal(0, 255 * amount, picture.shape), 0, 255).round().astype(np.uint8)
        for picture in pictures
    ]


def test_blur_lowers_sharpness():
    source = pan(5)
    soft = [cv2.GaussianBlur(picture, (0, 0), 1.5) for picture in source]
    assert evaluated(source, soft).summary["sharpness"] < 0.7 * evaluated(source, source).summary["sharpness"]


def test_drift_is_what_the_end_is_brighter_than_the_beginning():
    source = pan(20, step=0.0)
    brighter = [np.clip(p.astype(int) + index, 0, 255).astype(np.uint8) for index, p in enumerate(source)]
    redder = [picture.copy() for picture in source]
    for index, picture in enumerate(redder):
        picture[..., 0] = np.clip(picture[..., 0].astype(int) + index, 0, 255)
    assert evaluated(source, source).summary["drift"] == 0
    summary = evaluated(source, brighter).summary
    assert summary["drift"] == pytest.approx(18 / 255, rel=0.05)
    assert summary["color_drift"] < 0.002
    assert evaluated(source, redder).summary["color_drift"] > 0.04


def test_cuts_are_told_and_not_measured():
    source = [*pan(4), *pan(4, seed=5)]
    evaluation = evaluated(source, source)
    assert evaluation.cuts == [4]
    unknown = [measured.frame for measured in evaluation.frames if math.isnan(measured.warp_error)]
    assert unknown == [0, 4]
    assert evaluation.summary["frames"] == 8


def test_frames_that_one_video_lacks_are_counted():
    evaluation = evaluated(pan(5), pan(3))
    assert evaluation.missing == 2 and len(evaluation.frames) == 3
    nothing = MemorySource([Packet(1, 0)], MemorySource(list(video(pan(1)))).info)
    with pytest.raises(InputError, match="no frame to compare"):
        evaluate_frames(MemorySource(list(video(pan(2)))), nothing, FlowEstimation())


def test_the_result_may_have_another_size():
    small = [cv2.resize(picture, (160, 120), interpolation=cv2.INTER_AREA) for picture in pan(4)]
    assert evaluated(pan(4), small).summary["warp_error"] < 1e-3


def test_style_is_compared_with_that_of_frames_painted_by_themselves():
    source = pan(3)
    same = evaluated(source, source, frame_by_frame=Identity()).summary["style_loss"]
    other = evaluated(source, grainy_video(source, 0.1), frame_by_frame=Identity()).summary["style_loss"]
    assert same < 1e-3 < 0.05 < other
    assert math.isnan(evaluated(source, source).summary["style_loss"])


def test_the_worst_frames_are_shown_with_their_motion_and_error():
    result = pan(8)
    result[5] = np.clip(result[5].astype(int) + 60, 0, 255).astype(np.uint8)
    evaluation = evaluated(pan(8), result)
    assert {5, 6} <= {shown.frame for shown in evaluation.worst} and len(evaluation.worst) == 4
    page = evaluation_sheet(evaluation)
    assert page is not None and page.ndim == 3 and page.shape[1] > 5 * 320
    assert evaluation_sheet(evaluated(pan(1), pan(1))) is None


def test_flow_has_a_hue_for_its_direction_and_is_white_where_nothing_moves():
    flow = torch.zeros(2, 2, 100)
    flow[0, 0], flow[0, 1] = 9, -9
    colors = flow_colors(flow)
    assert colors[0, 0].tolist() == [255, 0, 0]
    assert colors[1, 0].tolist() == [0, 254, 255]  # OpenCV rounds
    assert (flow_colors(torch.zeros(2, 3, 100)) == 255).all()
