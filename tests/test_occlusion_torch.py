"""Checks of flow on a device: the same as on the host, on random and on real pictures."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from streamstyle.images import read_image
from streamstyle.optical_flow import inside, occlusion, occlusion_torch, scene_cuts
from streamstyle.optical_flow.dis import Dis
from streamstyle.optical_flow.warping import sampled_along, warped_pixels
from tests.motions import affine, moved, texture

SAMPLES = Path(__file__).parents[1] / "samples"
ROUNDED = 0.002  # share of pixels whose value lies so close to a threshold that rounding decides


def real() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A picture, the same before it was turned, and flow both ways."""
    still = cv2.resize(read_image(SAMPLES / "lighthouse.png").pixels[..., :3], (320, 240))
    current = moved(still, affine(degrees=3, x=6))
    current[60:120, 100:180] = texture(2)[60:120, 100:180]  # this was not there
    return current, still, Dis("fast")(current, still), Dis("fast")(still, current)


def noise() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Noise over a texture, and smooth random flow both ways that is wrong nearly everywhere."""
    rng = np.random.default_rng(4)
    coarse = (rng.normal(0, 6, (6, 8, 2)).astype(np.float32) for _ in range(2))
    flow, reverse = (cv2.resize(values, (101, 77), interpolation=cv2.INTER_CUBIC) for values in coarse)
    pictures = (
        np.clip(texture(3, 77, 101) + rng.normal(0, spread, (77, 101, 3)), 0, 255) for spread in (5, 40)
    )
    current, previous = (picture.astype(np.uint8) for picture in pictures)
    return current, previous, flow, -flow + 0.2 * reverse


PAIRS = pytest.mark.parametrize("pair", [real, noise])


def planes(*values: np.ndarray) -> Tensor:
    """(N, C, H, W) from (H, W, C) or (H, W)."""
    return torch.stack([torch.from_numpy(np.atleast_3d(each)).permute(2, 0, 1) for each in values]).float()


def differing(on_device: Tensor, on_host: np.ndarray) -> float:
    """The share of differing values of two masks, neither of which may be the same everywhere."""
    mask = on_device[0, 0].numpy() > 0
    assert 0.02 < on_host.mean() < 0.98, "a mask without two values tells nothing"
    return float((mask != on_host).mean())


@PAIRS
def test_flow_leaves_the_image_at_the_same_places(pair):
    _, _, flow, _ = pair()
    flow = flow + np.float32(5)
    assert differing(inside(planes(flow)), occlusion.in_bounds(flow)) == 0


@PAIRS
def test_flow_is_consistent_at_the_same_places(pair):
    _, _, flow, reverse = pair()
    expected = occlusion.flow_consistent(flow, reverse)
    assert differing(occlusion_torch.flow_consistent(planes(flow), planes(reverse)), expected) < ROUNDED


@PAIRS
def test_colors_are_consistent_at_the_same_places(pair):
    current, previous, flow, _ = pair()
    expected = occlusion.color_consistent(current, warped_pixels(previous, flow))
    warped = sampled_along(planes(previous), planes(flow)).round()
    actual = occlusion_torch.color_consistent(planes(current), warped)
    # OpenCV rounds positions to a 32nd of a pixel, then colors, differences and their means.
    assert differing(actual, expected) < 5 * ROUNDED


@PAIRS
def test_confidence_is_as_soft(pair):
    _, _, flow, reverse = pair()
    mask = occlusion.flow_consistent(flow, reverse)
    actual = occlusion_torch.soft_confidence(planes(mask.astype(np.uint8)) > 0)[0, 0].numpy()
    expected = occlusion.soft_confidence(mask)
    np.testing.assert_allclose(actual, expected, atol=1e-6)
    assert 0 < expected.mean() < mask.mean()


def similarity_on_device(
    current: np.ndarray, previous: np.ndarray, flow: np.ndarray, confidence: np.ndarray
) -> list[float]:
    grays = occlusion_torch.gray_levels(planes(current, previous))
    motion, mask = planes(flow), planes(confidence.astype(np.uint8)) > 0
    numbers: list[float] = occlusion_torch.similarity(grays, motion, mask, inside(motion)).tolist()
    return numbers


@PAIRS
def test_frames_are_as_similar(pair):
    current, previous, flow, _ = pair()
    confidence = np.hypot(*flow.transpose(2, 0, 1)) < 8
    expected = scene_cuts.similarity(current, previous, flow, confidence)
    continuity, change = similarity_on_device(current, previous, flow, confidence)
    assert continuity == pytest.approx(expected.continuity, abs=0.002)
    assert change == pytest.approx(expected.histogram_change, abs=0.002)
    assert expected.continuity > 0.02 and expected.histogram_change > 0.01


@pytest.mark.parametrize("value", [0, 90, 255])
def test_a_blank_frame_continues_any_other(value):
    current, previous = np.full((40, 60, 3), value, np.uint8), texture(0)[:40, :60]
    flow, confidence = np.zeros((40, 60, 2), np.float32), np.zeros((40, 60), bool)
    for one, other in ((current, previous), (previous, current)):
        expected = scene_cuts.similarity(one, other, flow, confidence)
        continuity, change = similarity_on_device(one, other, flow, confidence)
        assert continuity == expected.continuity == 1
        assert change == pytest.approx(expected.histogram_change, abs=1e-3) and change > 0.5


def test_opposite_structure_is_no_continuity():
    picture = texture(1)[:40, :60]
    flow, confidence = np.zeros((40, 60, 2), np.float32), np.ones((40, 60), bool)
    assert similarity_on_device(picture, picture, flow, confidence)[0] == pytest.approx(1, abs=1e-5)
    assert similarity_on_device(picture, 255 - picture, flow, confidence)[0] == 0


def test_gray_levels_are_those_of_opencv():
    picture = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    difference = occlusion_torch.gray_levels(planes(picture))[0, 0].numpy() - cv2.cvtColor(
        picture, cv2.COLOR_RGB2GRAY
    )
    assert np.abs(difference).max() <= 1 and (difference != 0).mean() < ROUNDED


@pytest.mark.parametrize("size", [(1, 1), (2, 40), (3, 5), (300, 1)])
def test_tiny_images_can_be_checked(size):
    assert occlusion_torch.blurred(torch.rand(1, 1, *size), 5).shape == (1, 1, *size)
    assert occlusion_torch.soft_confidence(torch.ones(1, 1, *size) > 0).eq(1).all()
