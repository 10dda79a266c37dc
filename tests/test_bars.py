"""Letterbox and pillarbox bars stay as they are, to the bit, and nothing else is taken for bars."""

from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from streamstyle.device import download, upload
from streamstyle.effects import EffectContext, StylizeSettings
from streamstyle.effects.bars import find_bars
from streamstyle.effects.composite import Composite
from streamstyle.effects.identity import Identity
from streamstyle.effects.stylize.effect import Style
from streamstyle.frames import Moment
from streamstyle.keyframes import keyframes_of
from streamstyle.pictures import RGB, Bars

CPU = torch.device("cpu")
MOMENT = Moment(0, 0.0)


def picture(height: int = 90, width: int = 161, seed: int = 0) -> np.ndarray:
    """(H, W, 3) uint8, colorful and nowhere dark."""
    coarse = np.random.default_rng(seed).integers(60, 256, (6, 8, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).clip(40, 255)


def boxed(bars: Bars, color: int = 0, noise: int = 2, seed: int = 0) -> np.ndarray:
    """A picture between bars, with the noise of coding."""
    pixels = picture(seed=seed)
    height, width = pixels.shape[:2]
    off = np.random.default_rng(seed).integers(-noise, noise + 1, pixels.shape)
    whole = np.clip(color + off, 0, 255).astype(np.uint8)
    inside = slice(bars.top, height - bars.bottom), slice(bars.left, width - bars.right)
    whole[inside] = pixels[inside]
    return whole


def found(pixels: np.ndarray, known: Bars | None = None) -> Bars:
    return find_bars(RGB(pixels), known)


BOXES = [Bars(11, 12), Bars(0, 0, 20, 21), Bars(8, 8, 15, 15), Bars(30, 30), Bars(2, 2)]


@pytest.mark.parametrize("bars", BOXES, ids=str)
@pytest.mark.parametrize("color", [0, 16, 128, 255])
def test_bars_of_any_color_are_found_in_spite_of_coding(bars: Bars, color: int) -> None:
    assert found(boxed(bars, color)) == bars


def dark_sky() -> np.ndarray:
    pixels = picture()
    pixels[:50] = np.random.default_rng(0).integers(0, 14, (50, 161, 3))
    return pixels


def dot_on_white() -> np.ndarray:
    return cv2.circle(np.full((90, 161, 3), 255, np.uint8), (80, 40), 12, (200, 0, 0), -1)


def drawing() -> np.ndarray:
    paper = cv2.line(np.full((90, 161, 3), 250, np.uint8), (10, 70), (150, 70), (0, 0, 0), 2)
    return cv2.circle(paper, (60, 40), 20, (0, 0, 0), 1)


def product() -> np.ndarray:
    return cv2.ellipse(np.full((90, 161, 3), 255, np.uint8), (80, 45), (76, 38), 0, 0, 360, (90, 90, 90), -1)


def one_side() -> np.ndarray:
    pixels = picture()
    pixels[:20] = 0
    return pixels


OTHERS = [
    dark_sky,
    dot_on_white,
    drawing,
    product,
    one_side,
    picture,
    lambda: np.zeros((90, 161, 3), np.uint8),
]


@pytest.mark.parametrize("draw", [*OTHERS, lambda: picture(1, 1), lambda: picture(3, 200)])
def test_nothing_else_is_taken_for_bars(draw) -> None:
    assert not found(draw())


def test_a_dark_edge_of_the_picture_does_not_widen_a_bar() -> None:
    pixels = boxed(Bars(10, 10))
    pixels[10:25] = 1
    assert found(pixels) == Bars(10, 10)


def test_known_bars_remain_in_dark_scenes_and_under_subtitles() -> None:
    known = Bars(12, 12)
    night = boxed(known)
    night[12:-12] = np.random.default_rng(0).integers(0, 4, night[12:-12].shape)
    titled = boxed(known)
    titled[-9:-3, 50:100] = 255
    for pixels in (night, titled, np.zeros_like(night)):
        assert found(pixels, known) == known


def test_known_bars_end_with_the_picture_and_grow_evenly() -> None:
    known = Bars(12, 12)
    assert not found(picture(), known)
    assert found(boxed(Bars(20, 20)), known) == Bars(20, 20)
    assert found(boxed(Bars(5, 5)), known) == Bars(5, 5)
    lopsided = boxed(Bars(12, 12))
    lopsided[12:30] = 0
    assert found(lopsided, known) == known
    assert found(picture(20, 20), Bars(12, 12)) == Bars()


def test_after_a_cut_only_dark_bars_remain() -> None:
    """Slides have white margins; the next one may be paper."""
    known = Bars(12, 12)
    for color, remaining in ((2, known), (250, Bars())):
        plain = RGB(np.full((90, 161, 3), color, np.uint8))
        assert find_bars(plain, known) == known
        assert find_bars(plain, known, cut=True) == remaining


class Recording(Identity):
    """Inverts, and keeps what it was given."""

    def __init__(self) -> None:
        self.seen: list[Tensor] = []

    def __call__(self, image: Tensor, moment: Moment) -> Tensor:
        self.seen.append(image)
        return 1 - image


def test_the_effect_sees_the_picture_mirrored_into_the_bars() -> None:
    bars, effect = Bars(11, 12, 7, 8), Recording()
    pixels = boxed(bars, noise=0)
    result = Composite(effect, keyframes_of("a"), bars="video")(upload(pixels, CPU), MOMENT)
    inside = upload(pixels[11:-12, 7:-8], CPU)
    assert torch.equal(effect.seen[0][:, 11:-12, 7:-8], inside)
    assert torch.equal(effect.seen[0][:, :11, 7:-8], inside[:, 1:12].flip(1))
    assert torch.equal(effect.seen[0][:, 11:-12, -8:], inside[:, :, -9:-1].flip(2))
    assert torch.equal(result[:, 11:-12, 7:-8], 1 - inside)


@pytest.mark.parametrize(
    "options", [{}, {"strength": 0.4}, {"tile": 64}, {"keep_colors": 0.5}, {"mask": "m.png"}, {"steady": 0.7}]
)
def test_bars_are_the_source_s_to_the_bit(options: dict, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("m.png", cv2.resize(picture(seed=3), (30, 20)))
    settings = StylizeSettings(style="ink", device="cpu", **options)
    bars = Bars(13, 12)
    with ExitStack() as files:
        effect = settings.compose(EffectContext("video", settings.keyframes(), CPU, files))
        for index in range(2):
            pixels = boxed(bars, seed=index)
            result = download(effect(upload(pixels, CPU), Moment(index, index / 25)))
            assert np.array_equal(result[:13], pixels[:13]) and np.array_equal(result[-12:], pixels[-12:])
            assert not np.array_equal(result[13:-12], pixels[13:-12])


def test_without_the_option_everything_is_stylized() -> None:
    """As the style network and the composite alone do it."""
    settings = StylizeSettings(style="ink", device="cpu", keep_blank=False)
    image = upload(boxed(Bars(13, 12)), CPU)
    with ExitStack() as files:
        result = settings.compose(EffectContext("still", settings.keyframes(), CPU, files))(image, MOMENT)
    keyframes = keyframes_of("ink")
    assert torch.equal(result, Composite(Style(keyframes, device="cpu"), keyframes)(image, MOMENT))


def test_bars_are_carried_over_a_resume() -> None:
    night = np.zeros_like(picture())
    night[20:-20] = 3
    composite, resumed = (Composite(Recording(), keyframes_of("a"), bars="video") for _ in range(2))
    composite(upload(boxed(Bars(12, 12)), CPU), MOMENT)
    composite.reset()  # at a cut
    resumed.restore(composite.state())
    image = upload(night, CPU)
    results = [effect(image, Moment(1, 0.04)) for effect in (composite, resumed)]
    assert torch.equal(*results) and torch.equal(results[0][:, :12], image[:, :12])


def test_images_of_a_folder_have_bars_of_their_own() -> None:
    settings = StylizeSettings(style="ink", device="cpu")
    night = upload(np.zeros_like(picture()) + np.uint8(2), CPU)
    with ExitStack() as files:
        context = EffectContext("folder", settings.keyframes(), CPU, files)
        effect, alone = settings.compose(context), settings.compose(context)
    effect(upload(boxed(Bars(12, 12)), CPU), MOMENT)
    assert torch.equal(effect(night, MOMENT), alone(night, MOMENT))
