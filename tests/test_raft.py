"""RAFT by made weights: what a file holds decides, sizes are fitted, errors are named."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models.optical_flow import raft_large, raft_small

from streamstyle.device import choose
from streamstyle.errors import InputError
from streamstyle.frames import Frame
from streamstyle.optical_flow import FLOWS, FlowEstimation
from streamstyle.optical_flow.raft import Raft
from streamstyle.weights.downloads import URLS
from tests.motions import texture, video


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Files of random weights: both networks, and one that lacks a tensor."""
    folder = tmp_path_factory.mktemp("raft")
    torch.manual_seed(0)
    small, large = raft_small().state_dict(), raft_large().state_dict()
    torch.save(small, folder / "small.pth")
    save_file(large, folder / "large.safetensors")
    lacking = dict(list(small.items())[1:])
    torch.save(lacking, folder / "lacking.pth")
    torch.save({"other": torch.zeros(1)}, folder / "other.pth")
    return folder


@pytest.mark.parametrize("name", ["small.pth", "large.safetensors"])
def test_the_file_decides_which_network_it_is(weights, name):
    raft = Raft(weights / name)
    many = sum(value.numel() for value in raft.network.parameters()) > 2_000_000
    assert many == name.startswith("large")


@pytest.mark.parametrize("size", [(100, 130), (136, 161)])
def test_flow_has_the_size_of_the_picture(weights, size, device):
    picture = texture(0, *size)
    flow = FLOWS["raft"].open(weights / "small.pth", choose(device))(picture, picture)
    assert flow.shape == (*size, 2) and flow.dtype == np.float32
    assert np.isfinite(flow).all()


def test_motion_of_a_video_is_estimated_on_the_device(weights, device):
    estimation = FlowEstimation("raft", size=160, weights=weights / "small.pth", device=choose(device))
    *_, last = [moved for moved in estimation(video([texture(), texture()])) if isinstance(moved.item, Frame)]
    assert last.motion is None or last.motion.flow.device.type == device


@pytest.mark.parametrize("name", ["lacking.pth", "other.pth", "absent.pth"])
def test_weights_that_do_not_fit_are_named(weights, name):
    with pytest.raises(InputError, match=name):
        Raft(weights / name)


def test_weights_that_cannot_be_fetched_say_where_to_put_them(monkeypatch, tmp_path):
    monkeypatch.setitem(URLS, "raft", "http://127.0.0.1:9/raft_small_C_T_V2-01064c6d.pth")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(InputError, match=str(tmp_path)):
        Raft()
