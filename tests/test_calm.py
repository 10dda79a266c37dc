"""Where an image has one color, the result has one too; everything else is the effect's own."""

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from streamstyle.device import upload
from streamstyle.effects.calm import Calm
from streamstyle.effects.identity import Identity
from streamstyle.frames import Moment

MOMENT = Moment(0, 0.0)
CPU = torch.device("cpu")


class Strokes(Identity):
    """Other strokes over the whole image at every call, and a darker color."""

    def __init__(self) -> None:
        self.noise = torch.Generator().manual_seed(0)

    def __call__(self, image: Tensor, moment: Moment) -> Tensor:
        return 0.5 * image + 0.2 * torch.rand(image.shape, generator=self.noise)


def dot(x: int, height: int = 160, width: int = 320) -> Tensor:
    """A dot on white."""
    pixels = cv2.circle(np.full((height, width, 3), 255, np.uint8), (x, 80), 10, (200, 30, 40), -1)
    return upload(pixels, CPU)


def test_blank_areas_hold_still_and_have_one_color() -> None:
    effect = Calm(Strokes())
    one, other = (effect(dot(x), MOMENT)[..., 160:] for x in (60, 70))
    raw = Strokes()(dot(60), MOMENT)[..., 160:]
    assert raw.std() > 0.05
    assert one.std(dim=(1, 2)).max() < 1e-3 and (one - other).abs().max() < 2e-3
    assert (one.mean(dim=(1, 2)) - raw.mean(dim=(1, 2))).abs().max() < 0.01  # the effect's own color


def test_what_is_drawn_is_the_effect_s_own_and_fades_into_the_blank() -> None:
    image = dot(100)
    raw, calm = Strokes()(image, MOMENT), Calm(Strokes())(image, MOMENT)
    assert torch.equal(calm[:, 72:88, 92:108], raw[:, 72:88, 92:108])
    share = (calm - calm[:, :1, -1:]).abs().mean(dim=(0, 1))  # by columns, away from the dot
    steps = share[110:200].unfold(0, 10, 10).mean(dim=1)
    assert (steps[1:] <= steps[:-1] + 0.005).all() and steps[0] > 10 * steps[-1]


def test_every_color_keeps_its_own() -> None:
    image = torch.ones(3, 160, 320)
    image[:, :, 160:] = 0.1
    calm = Calm(Strokes())(image, MOMENT)
    assert calm[:, 80, 40].mean() > 0.55 and calm[:, 80, 280].mean() < 0.2


def test_the_blank_beside_what_is_drawn_has_its_color_too() -> None:
    image = torch.ones(3, 240, 320)
    image[:, 120:150] = 0

    class Darker(Identity):
        def __call__(self, image: Tensor, moment: Moment) -> Tensor:
            return image * 0.8

    assert torch.allclose(Calm(Darker())(image, MOMENT), Darker()(image, MOMENT), atol=2e-3)


def sky() -> Tensor:
    """A clear gradient, without any noise."""
    return torch.linspace(0.4, 0.75, 240)[None, :, None].expand(3, 240, 320).contiguous()


def noisy() -> Tensor:
    """A wall in a photograph."""
    return 0.5 + 0.01 * torch.randn(3, 240, 320, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("draw", [sky, noisy])
def test_photographs_are_the_effect_s_own(draw) -> None:
    assert torch.equal(Calm(Strokes())(draw(), MOMENT), Strokes()(draw(), MOMENT))


@pytest.mark.parametrize("size", [(1, 1), (7, 65), (97, 130), (16, 300)])
def test_images_of_every_size_keep_it(size: tuple[int, int]) -> None:
    image = torch.full((3, *size), 0.5)
    calm = Calm(Strokes())(image, MOMENT)
    assert calm.shape == image.shape and (calm - calm[:, :1, :1]).abs().max() < 1e-4


def test_an_effect_that_does_nothing_gives_the_image_itself() -> None:
    image = torch.ones(3, 64, 64)
    assert Calm(Identity())(image, MOMENT) is image


def test_a_fade_to_black_has_no_jump() -> None:
    """The share of the blank grows little by little as the picture fades."""
    pixels = np.random.default_rng(0).integers(0, 256, (20, 40, 3), np.uint8)
    picture = upload(cv2.resize(pixels, (320, 160), interpolation=cv2.INTER_CUBIC), CPU)

    class Fixed(Identity):
        def __call__(self, image: Tensor, moment: Moment) -> Tensor:
            return image + 0.2 * picture

    effect = Calm(Fixed())
    results = torch.stack([effect(picture * (1 - step / 100), MOMENT) for step in range(101)])
    assert (results[1:] - results[:-1]).abs().mean(
        dim=(1, 2, 3)
    ).max() < 0.04  # a threshold would make 0.05 of it
