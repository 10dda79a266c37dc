"""The source's colors in a painting."""

import pytest
import torch

from streamstyle.effects.colors import from_oklab, to_oklab, with_chroma_of, with_histogram_of


def picture(height: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))


def test_chroma_keeps_colors_and_the_lightness_of_the_painting():
    """Gray stays gray; where the result is in range, lightness is the painting's and color the source's."""
    source, result = 0.4 + 0.2 * picture(8, 8), 0.4 + 0.2 * picture(8, 8, 1)
    mixed = to_oklab(with_chroma_of(source, result))
    torch.testing.assert_close(mixed[0], to_oklab(result)[0], atol=1e-4, rtol=0)
    torch.testing.assert_close(mixed[1:], to_oklab(source)[1:], atol=1e-4, rtol=0)
    kept = with_chroma_of(torch.full((3, 16, 16), 0.5), picture(16, 16))
    assert (kept - kept.mean(dim=0)).abs().max() < 2e-3


def test_the_histogram_becomes_the_source_s_wherever_things_are():
    source = 0.3 + 0.2 * picture(64, 64) ** 2
    result = 0.5 + 0.3 * picture(64, 64, 1)
    matched = with_histogram_of(source, result)
    levels = torch.linspace(0.05, 0.95, 10)
    for have, want in zip(to_oklab(matched), to_oklab(source), strict=True):
        torch.testing.assert_close(
            torch.quantile(have, levels), torch.quantile(want, levels), atol=5e-3, rtol=0
        )
    # What was lighter in the painting still is.
    before, after = to_oklab(result)[0].flatten(), to_oklab(matched)[0].flatten()
    order = before.argsort()
    assert (after[order][200:] - after[order][:-200]).min() > -5e-3


def test_matching_an_image_to_itself_changes_nothing():
    image = 0.2 + 0.6 * picture(64, 64)
    torch.testing.assert_close(with_histogram_of(image, image), image, atol=6e-3, rtol=0)


@pytest.mark.parametrize("flat", [0.0, 0.5, 1.0])
def test_flat_images_are_matched_without_division_by_zero(flat):
    image = torch.full((3, 8, 8), flat)
    for source, result in ((image, picture(8, 8)), (picture(8, 8), image), (image, image)):
        matched = with_histogram_of(source, result)
        assert torch.isfinite(matched).all()
        assert matched.min() >= 0 and matched.max() <= 1
    torch.testing.assert_close(with_histogram_of(image, picture(8, 8)), image, atol=2e-3, rtol=0)


def test_oklab_has_the_published_values():
    """Ottosson's article and CSS Color 4: sRGB red is (0.6280, 0.2249, 0.1258); white has no color."""
    colors = torch.tensor([[1.0, 1.0], [0.0, 1.0], [0.0, 1.0]])[..., None]
    red, white = to_oklab(colors)[..., 0].T.tolist()
    assert red == pytest.approx([0.6280, 0.2249, 0.1258], abs=2e-4)
    assert white == pytest.approx([1, 0, 0], abs=2e-4)


def test_oklab_there_and_back_is_the_same_image():
    image = torch.cat((picture(16, 16), torch.zeros(3, 1, 16), torch.ones(3, 1, 16)), dim=1)
    torch.testing.assert_close(from_oklab(to_oklab(image)), image, atol=1e-3, rtol=0)
