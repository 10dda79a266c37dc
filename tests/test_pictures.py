"""Pictures: planes and RGB agree, and so do the host and a device."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from streamstyle.frames import ColorTags
from streamstyle.grids import Grid, Grids, matrices
from streamstyle.pictures import LEFT, RGB, Bars, YCbCr, chroma_grids, encoding
from streamstyle.planes_opencv import in_bytes, resampled

BT709, FULL_BT601 = ColorTags(1, 1, 1), ColorTags(6, 6, 6, full_range=True)
KINDS = [
    ((270, 480), (2, 2), BT709, LEFT),
    ((271, 481), (2, 2), FULL_BT601, LEFT),
    ((270, 480), (2, 2), BT709, (0.5, 0.5)),
    ((270, 480), (1, 2), ColorTags(9, 1, 1), LEFT),
    ((96, 160), (1, 1), BT709, LEFT),
]


def colorful(height: int, width: int, seed: int = 0) -> np.ndarray:
    """(H, W, 3) uint8, soft and of medium colors, which all codings can express."""
    coarse = np.random.default_rng(seed).integers(60, 196, (height // 16, width // 16, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def coded(
    pixels: np.ndarray, subsampling: tuple[int, int], tags: ColorTags, siting: tuple[float, float] = LEFT
) -> YCbCr:
    """The pixels in Y'CbCr."""
    codes = cv2.transform(pixels.astype(np.float32) / 255, encoding(tags))
    size = pixels.shape[0], pixels.shape[1]
    luma, cb, cr = (np.ascontiguousarray(codes[..., channel]) for channel in range(3))
    grids = (Grid.of(size[0]), Grid.of(size[1])), chroma_grids(size, subsampling, siting)
    planes = in_bytes(luma), in_bytes(resampled(cb, *grids)), in_bytes(resampled(cr, *grids))
    return YCbCr(planes, tags, siting)


def on_device(picture: YCbCr) -> YCbCr:
    """The same picture as tensors, as on CUDA."""
    luma, cb, cr = map(torch.from_numpy, picture.planes)
    return YCbCr((luma, cb, cr), picture.tags, picture.siting)


def difference(one: YCbCr, other: YCbCr) -> int:
    """The largest difference of two pictures in code values."""
    pairs = zip(one.planes, other.planes, strict=True)
    return max(int(np.abs(a.astype(int) - np.asarray(b).astype(int)).max()) for a, b in pairs)


@pytest.fixture(params=KINDS, ids=lambda kind: f"{kind[0]} {kind[1]}")
def picture(request: pytest.FixtureRequest) -> YCbCr:
    size, subsampling, tags, siting = request.param
    return coded(colorful(*size), subsampling, tags, siting)


def test_rgb_becomes_planes_and_rgb_again(picture: YCbCr) -> None:
    error = np.abs(picture.rgb.astype(int) - colorful(*picture.size))[4:-4, 4:-4]
    assert error.mean() < 1 and error.max() <= 4


@pytest.mark.parametrize(("code", "expected"), [((16, 128, 128), 0), ((235, 128, 128), 255)])
def test_black_and_white_of_the_limited_range(code: tuple[int, int, int], expected: int) -> None:
    luma, cb, cr = (np.full((4, 6), value, np.uint8) for value in code)
    assert (YCbCr((luma, cb, cr), BT709).rgb == expected).all()


def test_the_reduced_picture_is_that_of_the_rgb_picture(picture: YCbCr) -> None:
    planes, _ = picture.reduced(60, 100)
    pixels, _ = RGB(picture.rgb).reduced(60, 100)
    assert np.abs(planes - pixels).mean() < 1 / 255 and np.abs(planes - pixels).max() < 6 / 255


def test_host_and_device_agree(picture: YCbCr) -> None:
    there, height, width = on_device(picture), 60, 100
    small, luma = picture.reduced(height, width)
    small_there, luma_there = there.reduced(height, width)
    apart = np.abs(small - small_there.numpy())
    assert apart.max() < 1.01 / 219 and apart.mean() < 0.02 / 255  # a level of luma, and very few pixels
    for colors in (0.0, 0.7):
        painted = picture.repainted(1 - small, luma, colors)
        painted_there = there.repainted(torch.from_numpy(1 - small), luma_there, colors)
        assert difference(painted, painted_there) <= 1
    weights = np.random.default_rng(2).random(picture.size, np.float32)
    mixed = picture.blended(painted, weights)
    assert difference(mixed, there.blended(painted_there, torch.from_numpy(weights))) <= 1
    bars = Bars(11, 13, 4, 5)
    assert difference(picture.mirrored_into(bars), there.mirrored_into(bars)) == 0
    assert difference(painted.with_bars_of(picture, bars), painted_there.with_bars_of(there, bars)) <= 1
    part = slice(None, None, 3), slice(5, 40)
    torch.testing.assert_close(torch.from_numpy(picture.sampled(*part)), there.sampled(*part))


def test_an_unprocessed_picture_comes_back_from_the_working_size(picture: YCbCr) -> None:
    """All detail is added that the working size lacks, from a softer enlargement than the rest."""
    small, luma = picture.reduced(60, 100)
    back = picture.repainted(small, luma, colors=1.0)
    assert np.abs(back.luma.astype(int) - picture.luma).mean() < 1.5
    assert difference(YCbCr((back.luma, *picture.at_left().chroma), back.tags), back) <= 1


def test_rgb_pictures_come_back_too() -> None:
    picture = RGB(colorful(270, 480))
    small, luma = picture.reduced(60, 100)
    error = picture.repainted(small, luma, colors=1.0).pixels.astype(int) - picture.pixels
    assert np.abs(error).mean() < 2


def test_an_edge_stays_where_it_is_and_sharp() -> None:
    pixels = np.zeros((96, 160, 3), np.uint8)
    pixels[:, 75:] = 200
    for picture in (coded(pixels, (2, 2), BT709), RGB(pixels)):
        small, luma = picture.reduced(24, 40)
        result = picture.repainted(small, luma)
        row = (result.rgb if isinstance(result, YCbCr) else result.pixels)[48, :, 1].astype(int)
        assert np.abs(row - pixels[48, :, 1]).max() <= 20


def test_a_color_edge_is_painted_where_it_is(picture: YCbCr) -> None:
    """Chroma lies between the pixels; half a pixel off changes blue by 0.7."""
    pixels = np.full((*picture.size, 3), 90, np.uint8)
    noise = np.random.default_rng(0).uniform(-4, 4, picture.size)  # so that rounding has no bias
    pixels[..., 2] = 40 + 1.5 * np.arange(picture.size[1]).clip(0, 120) + noise
    ramp = coded(pixels, picture.subsampling, picture.tags, picture.siting)
    for size in ((60, 100), picture.size):
        small, luma = ramp.reduced(*size)
        result = ramp.repainted(small, luma).rgb.astype(int)
        inside = slice(8, -8), slice(10, 110), 2
        assert abs((result - pixels)[inside].mean()) < 0.25


def test_weights_of_0_and_1_take_one_of_two_pictures(picture: YCbCr) -> None:
    other = coded(colorful(*picture.size, seed=5), picture.subsampling, picture.tags)
    zeros, ones = np.zeros(picture.size, np.float32), np.ones(picture.size, np.float32)
    assert difference(picture.blended(other, zeros), picture.at_left()) == 0
    assert difference(picture.blended(other, ones), other) == 0


TURNS = [(a, b, c) for a in (False, True) for b in (False, True) for c in (False, True)]


@pytest.mark.parametrize("turn", TURNS, ids=str)
def test_turned_pictures_are_the_turned_rgb(picture: YCbCr, turn: tuple[bool, bool, bool]) -> None:
    transpose, up_down, left_right = turn
    expected = picture.rgb.swapaxes(0, 1) if transpose else picture.rgb
    expected = expected[:: -1 if up_down else 1, :: -1 if left_right else 1]
    turned = picture.turned(*turn)
    for result in (turned, turned.at_left()):
        error = np.abs(result.rgb.astype(int) - expected)[4:-4, 4:-4]
        assert error.mean() < 1 and error.max() <= 5


def test_another_size_shows_the_same(picture: YCbCr) -> None:
    for height, width in ((135, 241), (400, 700)):
        method = cv2.INTER_AREA if height < picture.size[0] else cv2.INTER_CUBIC
        expected = cv2.resize(picture.rgb, (width, height), interpolation=method)
        result = picture.resized(height, width)
        assert result.size == (height, width) and result.subsampling == picture.subsampling
        assert np.abs(result.rgb.astype(int) - expected)[4:-4, 4:-4].mean() < 1


def pairs_of_grids() -> list[tuple[Grids, Grids]]:
    full, small = (Grid.of(216), Grid.of(384)), (Grid.of(96), Grid.of(171))
    chroma, odd = chroma_grids((216, 384), (2, 2)), chroma_grids((215, 383), (2, 2))
    wide = chroma_grids((216, 384), (1, 2))
    return [
        (chroma, small),
        (small, chroma),
        (chroma, full),
        (full, chroma),
        (odd, small),
        (small, odd),
        (wide, small),
        (chroma, chroma_grids((75, 128), (2, 2))),  # only its columns cover the same area
    ]


@pytest.mark.parametrize("grids", pairs_of_grids())
def test_filters_and_matrices_are_the_same(grids: tuple[Grids, Grids]) -> None:
    source, target = grids
    plane = np.random.default_rng(0).random((source[0].samples, source[1].samples), np.float32)
    rows, columns = matrices(source, target)
    np.testing.assert_allclose(resampled(plane, source, target), rows @ plane @ columns.T, atol=2e-5)
