"""Dense inverse search in torch: known motion is found both ways, and one graph does it for all values."""

import numpy as np
import pytest
import torch

from streamstyle.cuda_graphs import WARM_UP, Captured
from streamstyle.optical_flow.dis import SMALLEST_SIDE, Dis
from streamstyle.optical_flow.dis_torch import flow_both_ways, flow_to_previous
from tests.device_fakes import FakeDevice
from tests.motions import MOTIONS, affine, end_point_error, moved, texture


def grays_of(*pictures: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack([picture.mean(2) for picture in pictures])).float()


@pytest.mark.parametrize("name", MOTIONS)
def test_known_motion_is_found_more_exactly_than_by_opencv(name):
    previous = texture()
    current = moved(previous, MOTIONS[name])
    error = end_point_error(flow_to_previous(current, previous), MOTIONS[name])
    assert error < 0.1
    assert error < end_point_error(Dis("fast")(current, previous), MOTIONS[name]) + 0.01


def test_both_directions_are_found():
    previous = texture()
    current = moved(previous, affine(x=5, y=-3))
    back, forth = flow_both_ways(grays_of(current, previous)).permute(0, 2, 3, 1).numpy()
    assert end_point_error(back, affine(x=5, y=-3)) < 0.05
    assert end_point_error(forth, affine(x=-5, y=3)) < 0.05
    swapped = flow_both_ways(grays_of(previous, current)).permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(swapped, np.stack((forth, back)), atol=1e-3)


def test_another_brightness_is_no_motion():
    previous = texture() // 2 + 40
    found = flow_to_previous(moved(previous, affine(x=3)) + np.uint8(30), previous)
    assert end_point_error(found, affine(x=3)) < 0.05


def test_a_small_thing_moves_over_a_still_ground():
    """Neither neighbors nor the coarser level know of the ground that appears beside it: it may lie still."""
    ground, cover = texture(1), texture(2)
    previous, current = ground.copy(), ground.copy()
    previous[80:128, 100:148] = current[80:128, 112:160] = cover[80:128, 100:148]
    flow = flow_to_previous(current, previous)
    assert np.abs(flow[88:120, 120:152] - (-12, 0)).mean() < 0.5
    still = np.ones(flow.shape[:2], bool)
    still[64:144, 84:176] = False
    assert np.abs(flow[still]).mean() < 0.1


@pytest.mark.parametrize("size", [(32, 32), (33, 131), (120, 67), (225, 400)])
def test_every_size_from_the_smallest_is_searched(size):
    whole = texture(0, 240, 420)[: size[0] + 8, : size[1] + 8]
    current, previous = whole[4:-4, 2:-6], whole[4:-4, 4:-4]  # what was at x is at x + 2
    back, forth = flow_both_ways(grays_of(current, previous))
    assert back.shape == forth.shape == (2, *size) and back.dtype == torch.float32
    middle = (slice(None), slice(8, -8), slice(8, -8))
    wanted = torch.tensor((-2.0, 0.0))[:, None, None]
    assert (back - wanted)[middle].abs().mean() < 0.2 and (forth + wanted)[middle].abs().mean() < 0.2


@pytest.mark.parametrize("size", [(SMALLEST_SIDE - 1, 400), (400, SMALLEST_SIDE - 1), (1, 1)])
def test_pictures_too_small_to_search_in_lie_still(size):
    flow = flow_both_ways(torch.rand(2, *size) * 255)
    assert flow.shape == (2, 2, *size) and not flow.any()


def test_flat_pictures_lie_still():
    assert not flow_both_ways(torch.stack((torch.full((60, 80), 9.0), torch.full((60, 80), 200.0)))).any()


def test_a_graph_gives_the_same_for_any_values(fake_device: FakeDevice):
    captured = Captured(lambda grays: {"flow": flow_both_ways(grays)})
    pictures = [grays_of(moved(texture(), affine(x=step)), texture())[:, :120, :160] for step in range(6)]
    found = [captured(grays)["flow"] for grays in pictures]
    assert not captured.refusal and fake_device.replays == 6 - WARM_UP
    for grays, flow in zip(pictures, found, strict=True):
        assert torch.equal(flow, flow_both_ways(grays))
