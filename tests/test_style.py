"""The style effect."""

import os
from pathlib import Path

import pytest
import torch

from streamstyle.effects import EFFECTS
from streamstyle.effects.style import Style, from_oklab, padded_to, to_oklab, with_colors_of
from streamstyle.errors import InputError, UsageError
from streamstyle.networks import Johnson, StyleNet
from streamstyle.stream import Moment
from streamstyle.weights import STYLES, save_style

MOMENT = Moment(index=0, seconds=0.0)
needs_cuda = pytest.mark.skipif(
    not torch.cuda.is_available() and os.environ.get("FAIL_WITHOUT_CUDA") != "1", reason="needs CUDA"
)


@pytest.fixture(scope="module")
def painted() -> Style:
    return Style(device="cpu")


def picture(height: int, width: int) -> torch.Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(height * 1000 + width))


@pytest.mark.parametrize("size", [(1, 1), (1, 90), (7, 3), (16, 16), (17, 31), (65, 48)])
@pytest.mark.parametrize("name", [*STYLES, "none"])
def test_any_size_comes_back_in_range(name, size):
    result = Style(name, device="cpu")(picture(*size), MOMENT)
    assert result.shape == (3, *size)
    assert torch.isfinite(result).all()
    assert 0 <= result.min() <= result.max() <= 1


@pytest.mark.parametrize("name", STYLES)
def test_a_style_changes_the_picture(name):
    image = picture(64, 64)
    assert (Style(name, device="cpu")(image, MOMENT) - image).abs().mean() > 0.05


@pytest.mark.parametrize("name", STYLES)
def test_a_flat_picture_has_no_grid_and_no_frame(name):
    result = Style(name, device="cpu")(torch.full((3, 96, 96), 0.4), MOMENT)
    assert result.std(dim=(1, 2)).max() < 1e-3


def test_the_image_is_not_changed(painted):
    image = picture(20, 20)
    before = image.clone()
    painted(image, MOMENT)
    assert torch.equal(image, before)


def test_strength_0_is_the_source_itself(painted):
    image = picture(20, 20)
    assert Style(strength=0, device="cpu")(image, MOMENT) is image
    assert Style("none", device="cpu")(image, MOMENT) is image


def test_strength_is_a_blend(painted):
    image = picture(24, 24)
    blended = Style(strength=0.25, device="cpu")(image, MOMENT)
    torch.testing.assert_close(blended, 0.75 * image + 0.25 * painted(image, MOMENT))


def test_every_frame_is_painted_by_itself(painted):
    first = painted(picture(24, 24), MOMENT)
    painted(picture(40, 24), MOMENT)
    painted.reset()
    painted.restore(painted.state())
    assert painted.state() == {}
    torch.testing.assert_close(painted(picture(24, 24), MOMENT), first, atol=0, rtol=0)


def test_keeping_colors_keeps_them_and_the_lightness_of_the_painting():
    """Grey stays grey; where the result is in range, lightness is the painting's and colour the source's."""
    source, result = 0.4 + 0.2 * picture(8, 8), 0.4 + 0.2 * picture(8, 9)[..., :8]
    mixed = to_oklab(with_colors_of(source, result))
    torch.testing.assert_close(mixed[0], to_oklab(result)[0], atol=1e-4, rtol=0)
    torch.testing.assert_close(mixed[1:], to_oklab(source)[1:], atol=1e-4, rtol=0)
    grey = torch.full((3, 16, 16), 0.5)
    kept = Style(keep_colors=1, device="cpu")(grey, MOMENT)
    assert (kept - kept.mean(dim=0)).abs().max() < 2e-3


def test_keeping_no_colors_changes_nothing():
    source, result = picture(8, 8), picture(8, 9)[..., :8]
    torch.testing.assert_close(with_colors_of(source, result, 0.0), result, atol=1e-4, rtol=0)


def test_oklab_has_the_published_values():
    """Ottosson's article and CSS Color 4: sRGB red is (0.6280, 0.2249, 0.1258); white has no colour."""
    colors = torch.tensor([[1.0, 1.0], [0.0, 1.0], [0.0, 1.0]])[..., None]
    red, white = to_oklab(colors)[..., 0].T.tolist()
    assert red == pytest.approx([0.6280, 0.2249, 0.1258], abs=2e-4)
    assert white == pytest.approx([1, 0, 0], abs=2e-4)


def test_oklab_there_and_back_is_the_same_picture():
    image = torch.cat((picture(16, 16), torch.zeros(3, 1, 16), torch.ones(3, 1, 16)), dim=1)
    torch.testing.assert_close(from_oklab(to_oklab(image)), image, atol=1e-3, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (16, 24)])
def test_padding_keeps_the_picture_and_mirrors_where_it_can(size):
    image = picture(*size)[None]
    grown = padded_to(image, 8, 16)
    assert grown.shape[-2] % 8 == grown.shape[-1] % 8 == 0
    assert min(grown.shape[-2:]) >= 16
    assert torch.equal(grown[..., : size[0], : size[1]], image)
    if size[1] == 9:
        assert torch.equal(grown[..., :2, 9], image[..., 7])


@pytest.mark.parametrize("name", ["strength", "keep_colors"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_values_out_of_range_are_refused(name, value):
    with pytest.raises(UsageError, match=r"expected 0 to 1"):
        Style(device="cpu", **{name: value})


def test_unknown_styles_and_missing_files_are_refused():
    with pytest.raises(UsageError, match="known: "):
        Style("mona_lisa", device="cpu")
    with pytest.raises(InputError, match=r"absent\.safetensors"):
        Style(Path("absent.safetensors"), device="cpu")


def test_networks_of_others_are_used(tmp_path):
    torch.manual_seed(0)
    save_style(tmp_path / "other.safetensors", Johnson(width=4, blocks=1), {})
    assert Style(tmp_path / "other.safetensors", device="cpu")(picture(5, 9), MOMENT).shape == (3, 5, 9)


def test_half_precision_that_overflows_falls_back_to_single(tmp_path, painted):
    """As on CUDA, tried on the CPU: an activation beyond 65,504 must not reach the picture."""
    torch.manual_seed(0)
    network = StyleNet(width=8, depth=8, blocks=1, detail=8)
    with torch.no_grad():
        network.merge.narrow.bias.fill_(6e4)
        network.to_half.conv.weight.mul_(1e3)
    save_style(tmp_path / "loud.safetensors", network, {})
    style = Style(tmp_path / "loud.safetensors", device="cpu")
    expected = style(picture(16, 16), MOMENT)
    assert style.network is not None
    style.network.half()
    result = style(picture(16, 16), MOMENT)
    assert next(style.network.parameters()).dtype == torch.float32
    torch.testing.assert_close(result, expected)


def test_the_table_makes_effects():
    assert EFFECTS["identity"]()(image := picture(2, 2), MOMENT) is image
    assert isinstance(EFFECTS["style"](strength=0.5, device="cpu"), Style)


@pytest.mark.cuda
@needs_cuda
def test_half_precision_on_cuda_looks_like_single_on_the_cpu(painted):
    image = picture(64, 96)
    result = Style(device="cuda")(image.cuda(), MOMENT).cpu()
    assert (result - painted(image, MOMENT)).abs().mean() < 0.01
