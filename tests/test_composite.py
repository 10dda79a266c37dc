"""Compositing: working size, color preservation, masks, too little memory."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from streamstyle.effects.composite import Composite, feathered, working_size
from streamstyle.effects.float_image import FloatImage
from streamstyle.effects.identity import Identity
from streamstyle.effects.resizing import resized
from streamstyle.effects.stabilize import Stabilize
from streamstyle.errors import OutOfMemoryError
from streamstyle.frames import Moment
from streamstyle.keyframes import keyframes_of
from streamstyle.pictures import YCbCr
from tests.test_pictures import BT709, coded, difference, on_device

MOMENT = Moment(0, 0.0)


class Inverse(Identity):
    """Turns images into their negatives; remembers the sizes it was given, and can be short of memory."""

    def __init__(self, most: float = float("inf")) -> None:
        self.sizes: list[tuple[int, ...]] = []
        self.most = most

    def __call__(self, image: torch.Tensor, moment: Moment) -> torch.Tensor:
        self.sizes.append(tuple(image.shape[1:]))
        if image.shape[1] * image.shape[2] > self.most:
            raise OutOfMemoryError("too large")
        return 1 - image


def soft(height: int, width: int) -> torch.Tensor:
    noise = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    return F.interpolate(noise, (height, width), mode="bilinear")[0]


@pytest.mark.parametrize(
    ("size", "stroke_size", "expected"),
    [
        ((480, 640), 1, (480, 640)),
        ((1080, 1920), 1, (480, 853)),
        ((2160, 3840), 1, (480, 853)),
        ((2160, 3840), 0.25, (1920, 3413)),
        ((1920, 1080), 2, (427, 240)),
        ((360, 640), 1, (360, 640)),
        ((360, 640), 0.5, (720, 1280)),
        ((20, 3000), 4, (16, 750)),
    ],
)
def test_strokes_have_one_size_at_every_resolution(size, stroke_size, expected):
    assert working_size(*size, stroke_size) == expected


def test_an_effect_works_at_the_size_of_its_strokes_and_comes_back_at_the_image_size():
    image, effect = soft(96, 128), Inverse()
    result = Composite(effect, keyframes_of("a", stroke_size=2))(image, MOMENT)
    assert effect.sizes == [(48, 64)]
    assert (result - (1 - image)).abs().mean() < 0.005


def upsampled(result: torch.Tensor, reduced: torch.Tensor, guide: torch.Tensor) -> torch.Tensor:
    """The result for a reduced image in the size of the guide."""
    whole = FloatImage(guide)
    _, luma = whole.reduced(*reduced.shape[1:])
    return whole.repainted(result.permute(1, 2, 0), luma).image


def test_edges_stay_sharp_where_the_painting_follows_them():
    image = torch.zeros(3, 64, 64)
    image[:, :, 31:] = 1
    small = resized(image, 16, 16)
    plain = F.interpolate(small[None], (64, 64), mode="bicubic")[0].clamp(0, 1)
    for result in (upsampled(small, small, image), 1 - upsampled(1 - small, small, image)):
        assert (result - image).abs().mean() < 0.1 * (plain - image).abs().mean()


def test_strokes_that_the_source_does_not_show_survive_upsampling():
    small = torch.full((3, 32, 32), 0.5)
    painting = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    expected = resized(painting, 64, 64)
    torch.testing.assert_close(upsampled(painting, small, torch.full((3, 64, 64), 0.5)), expected)


def test_the_source_itself_comes_back_untouched():
    image = soft(700, 20)
    assert Composite(Identity(), keyframes_of("a", stroke_size=3))(image, MOMENT) is image


def test_too_little_memory_makes_the_working_size_smaller_and_keeps_it_so(caplog):
    image, effect = soft(400, 400), Inverse(most=210 * 210)
    composite = Composite(effect, keyframes_of("a"))
    for _ in range(2):
        assert composite(image, MOMENT).shape == image.shape
    assert effect.sizes == [(400, 400), (200, 200), (200, 200)]
    assert "not enough memory" in caplog.text
    other = Composite(Inverse(), keyframes_of("a"))
    other.restore(composite.state())
    other(image, MOMENT)
    assert other.effect.sizes == [(200, 200)]


def test_an_image_that_never_fits_is_an_error():
    with pytest.raises(OutOfMemoryError):
        Composite(Inverse(most=0), keyframes_of("a"))(soft(400, 400), MOMENT)


def steady(mask: np.ndarray) -> Callable[[float], np.ndarray]:
    return lambda seconds: mask


def test_a_mask_says_where_the_effect_is_seen():
    image = torch.full((3, 40, 40), 0.2)
    mask = np.zeros((40, 40), np.uint8)
    mask[:, 20:] = 255
    mask[:10, 20:] = 51
    result = Composite(Inverse(), keyframes_of("a"), mask=steady(mask))(image, MOMENT)
    torch.testing.assert_close(result[:, :, :20], image[:, :, :20], atol=0, rtol=0)
    torch.testing.assert_close(result[:, 10:, 20:], 1 - image[:, 10:, 20:])
    torch.testing.assert_close(result[:, :10, 20:], torch.full((3, 10, 20), 0.2 + 0.2 * 0.6))


def test_a_mask_is_brought_to_the_image_size_and_feathered():
    mask = np.zeros((10, 10), np.uint8)
    mask[:, 5:] = 255
    image = torch.zeros(3, 100, 200)
    result = Composite(Inverse(), keyframes_of("a"), mask=steady(mask), feather=0.05)(image, MOMENT)
    row = result[0, 50]
    assert row[:70].max() < 0.01 and row[130:].min() > 0.99
    assert row[100] == pytest.approx(0.5, abs=0.05)
    assert (row[1:] - row[:-1]).min() >= -1e-5


def test_a_feather_is_a_gaussian_that_keeps_flat_masks():
    flat = torch.full((1, 20, 30), 0.7)
    torch.testing.assert_close(feathered(flat, 4), flat)
    step = (torch.arange(201) >= 100).float().expand(1, 3, 201)
    row = feathered(step, 10)[0, 1]
    normal = torch.distributions.Normal(0, 10).cdf(torch.arange(201) - 99.5)
    torch.testing.assert_close(row, normal, atol=2e-3, rtol=0)


def test_kept_colors_are_the_source_s():
    image = torch.full((3, 16, 16), 0.5)
    image[0] += 0.2

    class Green(Identity):
        def __call__(self, image: torch.Tensor, moment: Moment) -> torch.Tensor:
            return torch.stack((0.2 * image[0], image[1], 0.2 * image[2]))

    kept = Composite(Green(), keyframes_of("a", keep_colors=1))(image, MOMENT)
    half = Composite(Green(), keyframes_of("a", keep_colors=0.5))(image, MOMENT)
    assert (kept[0] > kept[1]).all()
    torch.testing.assert_close(half, (kept + Green()(image, MOMENT)) / 2)
    whole = Composite(Green(), keyframes_of("a", keep_colors=1), colors="histogram")(image, MOMENT)
    torch.testing.assert_close(whole, image, atol=2e-3, rtol=0)


def test_effects_within_effects_keep_their_states_apart():
    """Each of them remembers something under one name."""

    class Remembering(Identity):
        def __init__(self):
            self.last = 0

        def __call__(self, image, moment):
            self.last += 1
            return image * 0.5

        def state(self):
            return {"last": self.last, "reduced": self.last, "coming_index": self.last}

        def restore(self, state):
            self.last = int(state["last"])
            assert state["reduced"] == state["coming_index"] == self.last

    image = torch.rand(3, 32, 40)
    effect, again = (Composite(Stabilize(Remembering(), 1.0), keyframes_of("a")) for _ in range(2))
    for index in range(3):
        effect(image, Moment(index, index / 25))
    again.restore(effect.state())
    assert again.state().keys() == effect.state().keys()
    assert again.effect.effect.last == 3


@pytest.mark.parametrize("stroke_size", [1.0, 2.0])
def test_host_and_device_paint_the_same(stroke_size: float) -> None:
    """Everything that a composite can do, with planes as arrays and as tensors, as on CUDA."""
    pixels = cv2.resize(np.random.default_rng(0).integers(60, 196, (6, 10, 3), np.uint8), (160, 96))
    pixels[:13] = pixels[-12:] = 16
    mask = np.zeros((96, 160), np.uint8)
    mask[:, 80:] = 255
    host = coded(pixels, (2, 2), BT709)
    results = []
    for picture in (host, on_device(host)):
        keyframes = keyframes_of("a", stroke_size=stroke_size, keep_colors=0.5)
        composite = Composite(Inverse(), keyframes, mask=steady(mask), feather=0.05, bars="video")
        assert composite.paint(picture, MOMENT).size == (96, 160)
        results.append(composite.paint(picture, MOMENT))
    painted, on_a_device = results
    assert isinstance(painted, YCbCr) and isinstance(on_a_device, YCbCr)
    assert difference(painted, on_a_device) <= 1
    assert difference(painted, host) > 20
    assert (painted.luma[:12] == host.luma[:12]).all() and (
        painted.luma[20:76, :60] == host.luma[20:76, :60]
    ).all()
