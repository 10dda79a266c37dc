"""Feature networks."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from streamstyle import weights
from streamstyle.effects.dream.ascent import Ascent
from streamstyle.effects.dream.effect import Dream
from streamstyle.frames import Moment
from streamstyle.networks import (
    FEATURE_NETWORKS,
    PRETRAINED,
    Distilled,
    FeatureNetwork,
    MobileNet,
    Pretrained,
)
from streamstyle.networks.features import DEPTHS
from streamstyle.networks.mobilenet import same_padding
from streamstyle.training.data import read_rgb, to_tensor
from streamstyle.weights import load_features

SAMPLES = Path(__file__).parents[1] / "samples"


@pytest.fixture(scope="module", params=["distilled", "mobilenet_v1", "squeezenet"])
def network(request: pytest.FixtureRequest):
    torch.manual_seed(0)
    return FEATURE_NETWORKS[request.param]().eval()


@torch.no_grad()
def test_mobilenet_has_the_shapes_of_its_paper():
    """Table 1 of Howard et al. (2017), for an image of 224 pixels."""
    found = MobileNet()(torch.rand(1, 3, 224, 224))
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
def test_the_bundled_network_is_small_and_answers_at_four_depths():
    network = weights.load_features()
    assert isinstance(network, Distilled)
    assert weights.parameters_of(network) <= 2_500_000
    found = network(torch.rand(1, 3, 64, 96), ("texture", "pattern", "part", "thing"))
    assert {name: tuple(value.shape[1:]) for name, value in found.items()} == {
        "texture": (128, 16, 24),
        "pattern": (256, 8, 12),
        "part": (512, 4, 6),
        "thing": (512, 4, 6),
    }


@torch.no_grad()
def test_the_bundled_network_has_learnt_what_stays_the_same():
    """A mirrored image is closer to itself than another image is, far more than to random weights."""
    lighthouse, still_life = (
        to_tensor(read_rgb(SAMPLES / name).resize((240, 160)))
        for name in ("lighthouse.png", "still_life.png")
    )

    def unlikeness(network: FeatureNetwork) -> float:
        pictures = (lighthouse, lighthouse.flip(3), still_life)
        seen, mirrored, other = (network(p, ["thing"])["thing"].mean(dim=(2, 3)) for p in pictures)
        return ((seen - mirrored).norm() / (seen - other).norm()).item()

    torch.manual_seed(0)
    assert unlikeness(weights.load_features()) < 0.7 * unlikeness(Distilled().eval())


@torch.no_grad()
def test_asking_for_some_layers_gives_these_and_the_same_values(network):
    image, some = torch.rand(1, 3, 64, 64), network.layers[1:6:4]
    everything, found = network(image), network(image, some)
    assert tuple(everything) == network.layers
    assert tuple(found) == some
    torch.testing.assert_close(found[some[1]], everything[some[1]])


def test_no_layer_beyond_the_deepest_one_is_computed():
    network, calls = MobileNet(), []
    network.get_submodule("3").register_forward_hook(lambda *_: calls.append(1))
    network(torch.rand(1, 3, 32, 32), ["2"])
    assert not calls
    network(torch.rand(1, 3, 32, 32), [])
    assert not calls


def test_a_branch_that_is_not_wanted_is_not_computed():
    network, calls = Distilled(), []
    network.heads["texture"].register_forward_hook(lambda *_: calls.append(1))
    network(torch.rand(1, 3, 32, 32), ["relu3_1"])
    assert not calls


def test_an_unknown_layer_is_named_with_the_known_ones(network):
    with pytest.raises(KeyError, match=f"unknown layers: soup; known: {network.layers[0]}, "):
        network(torch.rand(1, 3, 32, 32), ["soup"])


def test_features_have_gradients_towards_the_image(network):
    image = torch.rand(1, 3, 64, 64, requires_grad=True)
    layer = network.layers[4]
    network(image, [layer])[layer].square().mean().backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0


@pytest.mark.parametrize("size", [7, 8, 15, 224])
@pytest.mark.parametrize("stride", [1, 2])
def test_same_padding_gives_tensorflows_size(size, stride):
    padded = F.pad(torch.zeros(1, 1, size, size), same_padding(size, size, stride))
    assert F.conv2d(padded, torch.zeros(1, 1, 3, 3), stride=stride).shape[-1] == -(-size // stride)


def test_same_padding_is_lopsided_for_even_sizes_at_stride_2():
    assert same_padding(8, 9, 2) == [0, 1, 1, 1]


@pytest.mark.parametrize(
    ("name", "layer", "shape"),
    [
        ("vgg16", "relu3_3", (256, 32, 32)),
        ("vgg16", "relu4_3", (512, 16, 16)),
        ("vgg19", "relu5_4", (512, 8, 8)),
        ("googlenet", "inception4c", (512, 8, 8)),
        ("inception_v3", "Mixed_6e", (768, 6, 6)),
        ("resnet50", "layer3.5", (1024, 8, 8)),
        ("squeezenet", "fire9", (512, 7, 7)),
        ("mobilenet_v2", "features.17", (320, 4, 4)),
    ],
)
@torch.no_grad()
def test_layers_have_the_names_and_shapes_that_users_know(name, layer, shape):
    with torch.device("meta"):  # shapes only
        found = Pretrained(name).eval()(torch.empty(1, 3, 128, 128), [layer])
    assert tuple(found[layer].shape[1:]) == shape


@pytest.mark.parametrize("name", PRETRAINED)
@torch.no_grad()
def test_every_network_has_the_layers_of_the_bundled_one_from_fine_to_coarse(name):
    with torch.device("meta"):
        network = Pretrained(name).eval()
        image = torch.empty(1, 3, 128, 128)
        layers = [network.depths[depth] for depth in DEPTHS]
        sides = [network(image, [layer])[layer].shape[-1] for layer in layers]
    assert len(set(layers)) == 4
    assert sides == sorted(sides, reverse=True) and sides[0] > sides[-1]


@pytest.mark.parametrize("name", PRETRAINED)
@torch.no_grad()
def test_what_names_things_is_a_layer_of_its_own_where_it_is_asked_for(name):
    with torch.device("meta"):  # shapes only
        network = Pretrained(name, head=True).eval()
        assert network(torch.empty(1, 3, 128, 128), ["class"])["class"].shape == (1, 1000, 1, 1)
        assert "class" not in Pretrained(name).layers


def test_the_classes_of_vgg_stand_behind_its_last_pooling():
    with torch.device("meta"):
        network = Pretrained("vgg16", head=True)
    assert isinstance(network.parts["class"][0], torch.nn.MaxPool2d)


@torch.no_grad()
def test_classes_are_those_of_torchvisions_own_network(tmp_path):
    """Made weights stand in for the real ones; they come from a file, with the head and without."""
    import torchvision

    torch.manual_seed(0)
    theirs = torchvision.models.squeezenet1_1(weights=None).eval()
    torch.save(theirs.state_dict(), tmp_path / "made.pth")
    ours = load_features(tmp_path / "made.pth", head=True)
    image = torch.rand(1, 3, 64, 64)
    found = ours(image, ["class"])["class"]
    torch.testing.assert_close(found.flatten(1), theirs(ours.normalized(image)))
    assert "class" not in load_features(tmp_path / "made.pth").layers


def test_a_dream_of_a_class_makes_it_likelier(tmp_path):
    import torchvision

    torch.manual_seed(0)
    made = torchvision.models.squeezenet1_1(weights=None).state_dict()
    made["classifier.1.bias"] += 1  # the last thing in it is a ReLU
    torch.save(made, tmp_path / "made.pth")
    image, path = torch.rand(3, 96, 96), tmp_path / "made.pth"
    dreamt = Dream("class:207", Ascent(octaves=1, steps=5), features=path, device="cpu")(
        image, Moment(0, 0.0)
    )
    with torch.no_grad():
        network = load_features(path, head=True)
        before, after = (network(seen[None], ["class"])["class"][0, 207] for seen in (image, dreamt))
    assert after > before


@torch.no_grad()
def test_layers_are_those_of_torchvisions_own_network():
    """Cut into layers and put together again it computes the same."""
    import torchvision

    torch.manual_seed(0)
    ours = Pretrained("squeezenet").eval()
    theirs = torchvision.models.squeezenet1_1(weights=None).eval()
    theirs.features.load_state_dict(ours.model.features.state_dict())
    image = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(ours(image, ["fire9"])["fire9"], theirs.features(ours.normalized(image)))


@pytest.mark.parametrize("name", FEATURE_NETWORKS)
def test_layers_used_in_training_exist_and_are_of_falling_size(name):
    with torch.device("meta"):
        network = FEATURE_NETWORKS[name]().eval()
        found = network(torch.empty(1, 3, 256, 256), network.style_layers)
    assert {*network.style_layers, *network.content_layers} <= set(network.layers)
    sides = [value.shape[-1] for value in found.values()]
    assert sides == sorted(sides, reverse=True)


def test_loading_imports_no_algebra() -> None:
    """As torch does for some of its ways to make tensors, which takes a second."""
    code = (
        "import sys\nfrom streamstyle.weights.features import load_features\n"
        "load_features()\nprint('sympy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"
