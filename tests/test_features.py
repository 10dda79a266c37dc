"""Feature networks."""

import pytest
import torch
import torch.nn.functional as F

from streamstyle.networks import FEATURE_NETWORKS, VGG16, MobileNet
from streamstyle.networks.features import same_padding


@pytest.fixture(scope="module")
def mobilenet() -> MobileNet:
    torch.manual_seed(0)
    return MobileNet().eval()


@torch.no_grad()
def test_mobilenet_has_the_shapes_of_its_paper(mobilenet):
    """Table 1 of Howard et al. (2017), for a picture of 224 pixels."""
    found = mobilenet(torch.rand(1, 3, 224, 224))
    shapes = {name: tuple(found[name].shape[1:]) for name in ("0", "2", "4", "8", "12", "22", "26")}
    assert shapes == {
        "0": (32, 112, 112),
        "2": (64, 112, 112),
        "4": (128, 56, 56),
        "8": (256, 28, 28),
        "12": (512, 14, 14),
        "22": (512, 14, 14),
        "26": (1024, 7, 7),
    }


@torch.no_grad()
def test_asking_for_some_layers_gives_these_and_the_same_values(mobilenet):
    image = torch.rand(1, 3, 32, 32)
    everything, some = mobilenet(image), mobilenet(image, ["2", "6"])
    assert list(some) == ["2", "6"]
    torch.testing.assert_close(some["6"], everything["6"])


def test_no_layer_beyond_the_deepest_one_is_computed(mobilenet):
    image = torch.rand(1, 3, 32, 32, requires_grad=True)
    calls = []
    handle = mobilenet.get_submodule("3").register_forward_hook(lambda *_: calls.append(1))
    mobilenet(image, ["2"])
    handle.remove()
    assert not calls


def test_an_unknown_layer_is_named_with_the_known_ones(mobilenet):
    with pytest.raises(KeyError, match="unknown layers: 27; known: 0, 1"):
        mobilenet(torch.rand(1, 3, 32, 32), ["27"])


def test_features_have_gradients_towards_the_picture(mobilenet):
    image = torch.rand(1, 3, 32, 32, requires_grad=True)
    mobilenet(image, ["4"])["4"].square().mean().backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0


@pytest.mark.parametrize("size", [7, 8, 15, 224])
@pytest.mark.parametrize("stride", [1, 2])
def test_same_padding_gives_tensorflows_size(size, stride):
    padded = F.pad(torch.zeros(1, 1, size, size), same_padding(size, size, stride))
    assert F.conv2d(padded, torch.zeros(1, 1, 3, 3), stride=stride).shape[-1] == -(-size // stride)


def test_same_padding_is_lopsided_for_even_sizes_at_stride_2():
    assert same_padding(8, 9, 2) == [0, 1, 1, 1]


@torch.no_grad()
def test_vgg_layers_are_named_as_in_the_paper():
    with torch.device("meta"):  # shapes only
        found = VGG16().eval()(torch.empty(1, 3, 32, 32), ["relu1_1", "relu4_3"])
    assert {name: tuple(value.shape[1:]) for name, value in found.items()} == {
        "relu1_1": (64, 32, 32),
        "relu4_3": (512, 4, 4),
    }


@pytest.mark.parametrize("name", FEATURE_NETWORKS)
def test_layers_used_in_training_exist(name):
    with torch.device("meta"):
        network = FEATURE_NETWORKS[name]()
    assert {*network.style_layers, *network.content_layers} <= set(network.layers)
