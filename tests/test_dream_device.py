"""Dreams on a device: the same as on the host, in graphs, without a question to the device between frames."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from streamstyle.cuda_graphs import WARM_UP
from streamstyle.effects.dream.ascent import Ascent
from streamstyle.effects.dream.device_steps import rolled
from streamstyle.effects.dream.effect import Dream
from streamstyle.effects.dream.objectives import Dreamt, read_objective
from streamstyle.effects.zoom.effect import Zoom, ZoomPath
from streamstyle.frames import Moment, OpticalFlow
from streamstyle.keyframes import keyframes_of
from streamstyle.weights import load_features
from tests.device_fakes import host_access_forbidden

HEIGHT, WIDTH = 64, 96
SAMPLES = "painting.png", "ink.png", "lighthouse.png"
WAYS = {  # what the steps of a dream are made of
    "one layer": ("part", Ascent(octaves=2, steps=4)),
    "mixture": ("0.7*part+0.3*-texture", Ascent(octaves=2, steps=4)),
    "regularized": ("part", Ascent(octaves=2, steps=4, near=1.0, variation=1.0)),
    "tiles": ("texture", Ascent(octaves=1, steps=4, jitter=5, tile=32)),
    "limited": ("part", Ascent(octaves=2, steps=4, limit=0.5)),
}


def picture(seed: int) -> Tensor:
    """(3, H, W), smooth, between 0.2 and 0.8."""
    coarse = torch.rand(1, 3, HEIGHT // 8, WIDTH // 8, generator=torch.Generator().manual_seed(seed))
    fine = torch.nn.functional.interpolate(coarse, (HEIGHT, WIDTH), mode="bicubic")[0]
    return (0.2 + 0.6 * fine).clamp(0.2, 0.8)


def moment(index: int) -> Moment:
    if index == 0:
        return Moment(0, 0.0)
    flow = torch.tensor([1.0, -0.5])[:, None, None].expand(2, HEIGHT, WIDTH).contiguous()
    confidence = torch.ones(1, HEIGHT, WIDTH)
    confidence[:, :, :20] = 0
    return Moment(index, index / 25, motion=OpticalFlow(flow, confidence))


IMAGES = [picture(0) for _ in range(6)]
MOMENTS = [moment(index) for index in range(6)]


def video(effect: Dream, numbers: range) -> list[Tensor]:
    return [effect(IMAGES[number], MOMENTS[number]) for number in numbers]


def dream(way: str) -> Dream:
    layers, ascent = WAYS[way]
    return Dream(layers, ascent, device="cpu")


@pytest.mark.parametrize("shift", [(0, 0), (3, -5), (-70, 200)])
def test_an_image_rolls_by_numbers_on_the_device(shift):
    image = torch.rand(1, 3, 7, 11)
    assert torch.equal(rolled(image, torch.tensor(shift)), image.roll(shift, (2, 3)))


@pytest.mark.parametrize("way", WAYS)
def test_dreams_on_a_device_are_those_of_the_host(way, request):
    expected = video(dream(way), range(4))
    request.getfixturevalue("fake_device")
    # The steps amplify the different rounding of enlargements; both are dreams of the same strength.
    for image, found, reference in zip(IMAGES, video(dream(way), range(4)), expected, strict=False):
        assert (found - reference).abs().mean() < 0.1 * (reference - image).abs().mean()


@pytest.mark.parametrize("way", ["one layer", "mixture", "regularized", "limited"])
def test_once_captured_a_frame_asks_the_device_nothing(way, fake_device):
    effect = dream(way)
    video(effect, range(3))
    before = fake_device.replays
    with host_access_forbidden():
        found = effect(IMAGES[3], MOMENTS[3])
    assert torch.isfinite(found).all()
    steps = effect.ascent.octaves * effect.ascent.steps_later
    assert fake_device.replays - before == steps, "one graph for each step"


def test_graphs_give_what_the_steps_give_one_by_one(fake_device, monkeypatch):
    captured = video(dream("mixture"), range(5))
    assert fake_device.replays
    monkeypatch.setattr("streamstyle.cuda_graphs.WARM_UP", 1000)
    direct = video(dream("mixture"), range(5))
    assert all(torch.equal(one, other) for one, other in zip(captured, direct, strict=True))


def test_a_resumed_video_is_the_same_on_a_device(fake_device):
    whole = video(dream("mixture"), range(5))
    before, after = dream("mixture"), dream("mixture")
    video(before, range(2))
    state = {  # as files keep it: no array without a dimension
        name: torch.from_numpy(np.ascontiguousarray(value.numpy())) if isinstance(value, Tensor) else value
        for name, value in before.state().items()
    }
    after.restore(state)
    assert all(torch.equal(a, b) for a, b in zip(video(after, range(2, 5)), whole[2:], strict=True))


def test_weights_that_change_need_no_new_graphs(fake_device, monkeypatch):
    def changing() -> Dream:
        changes = keyframes_of("0.9*part+0.1*texture", at=["0.04=0.1*part+0.9*texture"], fade=0.2)
        return Dream(changes, WAYS["mixture"][1], device="cpu")

    effect = changing()
    captured = video(effect, range(WARM_UP + 1))
    graphs = len(fake_device.graphs)
    captured += video(effect, range(WARM_UP + 1, 6))
    assert len(fake_device.graphs) == graphs
    monkeypatch.setattr("streamstyle.cuda_graphs.WARM_UP", 1000)
    direct = video(changing(), range(6))
    assert all(torch.equal(one, other) for one, other in zip(captured, direct, strict=True))


def test_a_zoom_asks_the_device_nothing(fake_device):
    path = ZoomPath(pan=(0.1, 0.0), dreams=20, loop=0.9)
    zoom = Zoom(dream("one layer"), keyframes_of("part", speed=1.3, rotate=30), path)
    for index in range(12):
        zoom(IMAGES[0], Moment(index, index / 25))
    with host_access_forbidden():
        found = [zoom(IMAGES[0], Moment(index, index / 25)) for index in range(12, 20)]
    assert all(torch.isfinite(view).all() for view in found)


@pytest.mark.parametrize("layer", ["texture", "pattern", "part", "thing", "relu4_2:7"])
def test_gradients_in_float16_point_where_those_in_single_precision_do(layer, monkeypatch):
    network = load_features("distilled").requires_grad_(False)
    dreamt = Dreamt(network, {layer: read_objective(layer, network)})
    for name in SAMPLES:
        with Image.open(f"samples/{name}") as opened:
            pixels = np.asarray(opened.convert("RGB").resize((256, 192)))
        image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 255
        found = []
        for low in (False, True):
            monkeypatch.setattr(
                "streamstyle.effects.dream.objectives.low_precision",
                lambda device, narrow, low=low: torch.autocast("cpu", torch.float16, enabled=low),
            )
            found.append(dreamt.computed(image, (layer,))[layer].flatten())
        assert not torch.equal(*found)
        assert torch.nn.functional.cosine_similarity(*found, dim=0) > 0.99
        assert max(part.abs().max() for part in found) < 100
