"""What is made of results for a predictor to imitate: colors, strokes, calm flat areas, outlines."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from streamstyle.training import drawing
from streamstyle.training.drawing import (
    amount_of_lines,
    averaged,
    color_statistics,
    edges,
    guided,
    matched,
    outlines,
    redrawn,
)


def scene(line: float = 0.5, ground: float = 0.6) -> Tensor:
    """(1, 3, 96, 96): an even ground with an upright line, 3 pixels wide."""
    image = torch.full((1, 3, 96, 96), ground)
    image[..., 47:50] = line * ground
    return image


def noisy(image: Tensor, amount: float) -> Tensor:
    return (image + amount * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)


@pytest.mark.parametrize("ground", [0.6, 0.15])
def test_outlines_are_on_dark_lines_and_nowhere_else(ground: float) -> None:
    found = outlines(scene(ground=ground)[:, :1])[0, 0]
    assert found[10:-10, 48].min() > 0.5
    assert found[:, :40].max() < 0.05 and found[:, 57:].max() < 0.05


def test_an_even_image_and_light_lines_have_no_outlines() -> None:
    assert outlines(torch.full((1, 1, 96, 96), 0.4)).max() == 0
    assert outlines(scene(line=1.4)[:, :1])[0, 0, 10:-10, 48].max() < 0.05


def test_lines_are_averaged_along_the_edges() -> None:
    broken = scene()
    broken[..., 45, 47:50] = 0.6  # a gap
    speck = torch.full((1, 3, 96, 96), 0.6)
    speck[..., 47:50, 47:50] = 0.3
    assert outlines(broken[:, :1])[0, 0, 45, 48] > 0.2
    assert outlines(speck[:, :1]).max() < 0.5 * outlines(scene()[:, :1]).max()


def test_the_direction_is_along_the_edge() -> None:
    along, coherence = edges(scene()[:, :1], 0.7, 2.0)
    assert along[0, 1, 20:-20, 44:52].abs().min() > 0.99  # down
    assert coherence[0, 0, 20:-20, 44:52].min() > 0.99
    across, _ = edges(scene()[:, :1].transpose(2, 3), 0.7, 2.0)
    assert across[0, 0, 44:52, 20:-20].abs().min() > 0.99


def test_the_guide_says_where_edges_stay() -> None:
    step = torch.zeros(1, 1, 96, 96)
    step[..., 48:] = 1
    image = noisy(0.2 + 0.5 * step.expand(-1, 3, -1, -1), 0.05)
    found, even = guided(step, image), guided(torch.full_like(step, 0.5), image)
    assert (found[..., 60:80] - 0.7).abs().max() < 0.02 and (found[..., 16:36] - 0.2).abs().max() < 0.02
    assert (found[..., 49] - found[..., 46]).mean() > 0.45
    assert (even[..., 49] - even[..., 46]).mean() < 0.1


def test_outlines_are_drawn_by_their_amount_in_darker_colors_of_the_same_hue() -> None:
    photo = scene().expand(2, -1, -1, -1)
    results = torch.tensor((0.8, 0.4, 0.4))[:, None, None].expand(2, 3, 96, 96)
    none, full = redrawn(results, photo, color_statistics(results), torch.tensor((0.0, 1.0)))
    torch.testing.assert_close(none, results[0], atol=1e-3, rtol=0)
    ink = full[:, 20:-20, 48]
    assert ink[0].max() < 0.6 and (ink[0] > 1.5 * ink[1]).all()
    torch.testing.assert_close(full[:, 20:-20, 70], results[0, :, 20:-20, 70], atol=1e-2, rtol=0)


def test_marks_stay_where_the_photograph_has_detail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "averaged", lambda values, *_: values)
    photo = noisy(torch.full((1, 3, 96, 192), 0.5), 0.2)
    photo[..., :96] = 0.5
    result = noisy(torch.full((1, 3, 96, 192), 0.5), 0.1)
    found = redrawn(result, photo, color_statistics(result), torch.zeros(1))
    calm, lively = (found[..., 16:-16, part].std() for part in (slice(16, 70), slice(120, 176)))
    assert calm < 0.5 * result.std()
    assert lively > 0.9 * result.std()


def test_paintings_with_dark_lines_have_more_of_them_than_soft_ones() -> None:
    across = torch.linspace(0, 1, 128).expand(1, 3, 128, 128)
    lined = torch.full((1, 3, 128, 128), 0.9)
    lined[..., ::12] = 0.2
    faint = torch.full((1, 3, 128, 128), 0.9)
    faint[..., ::12] = 0.84
    found = amount_of_lines(torch.cat((across, faint, lined, 1 - lined)))
    assert found[0] == 0 and 0 <= found[1] < 0.5 and found[2] == 1
    assert found.shape == (4,)


def test_each_result_gets_the_colors_of_the_painting_by_itself() -> None:
    painting = noisy(torch.tensor((0.7, 0.4, 0.2))[:, None, None].expand(1, 3, 64, 64), 0.1)
    dark, gray = (noisy(torch.full((1, 3, 64, 64), level), 0.05) for level in (0.1, 0.5))
    wanted = color_statistics(painting)
    found = matched(torch.cat((dark, gray)), wanted.expand(2, -1, -1))
    for one, before in zip(found, (dark, gray), strict=True):
        mean, deviation = color_statistics(one[None])[0]
        old_deviation = color_statistics(before)[0, 1]
        torch.testing.assert_close(mean, wanted[0, 0], atol=2e-2, rtol=0)
        gain = (wanted[0, 1] / old_deviation).clamp(1 / 4, 4)
        torch.testing.assert_close(deviation / old_deviation, gain, atol=8e-2, rtol=0)


def test_colors_that_are_the_paintings_own_stay() -> None:
    image = noisy(torch.full((1, 3, 64, 64), 0.5), 0.1)
    torch.testing.assert_close(matched(image, color_statistics(image)), image, atol=1e-4, rtol=0)


def test_strokes_follow_the_edges_and_do_not_cross_them() -> None:
    image = scene(line=0.2)
    along, _ = edges(image[:, :1], 1.0, 2.5)
    dashed = image.clone()
    dashed[..., ::4, 47:50] = 0.6
    found = averaged(dashed, along, 8)
    ground, line = found[..., 20:-20, 60:70], found[..., 20:-20, 48]
    torch.testing.assert_close(ground, image[..., 20:-20, 60:70], atol=1e-3, rtol=0)
    assert line.std() < 0.2 * dashed[..., 20:-20, 48].std()


def test_what_is_redrawn_stays_in_its_range_at_any_size() -> None:
    images = noisy(torch.rand((2, 3, 64, 88), generator=torch.Generator().manual_seed(1)), 0.3)
    found = redrawn(images, images.flip(0), color_statistics(images), torch.ones(2))
    assert found.shape == images.shape and found.min() >= 0 and found.max() <= 1
