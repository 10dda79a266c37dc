"""The style effect."""

import itertools
import math
import os
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from streamstyle.effects.stylize.effect import Style, padded_to
from streamstyle.errors import InputError, OutOfMemoryError, UsageError
from streamstyle.frames import Moment
from streamstyle.keyframes import keyframes_of
from streamstyle.networks import Johnson, StyleNet
from streamstyle.styles import load_style, save_style
from streamstyle.weights import STYLES

MOMENT = Moment(index=0, seconds=0.0)
needs_cuda = pytest.mark.skipif(
    not torch.cuda.is_available() and os.environ.get("FAIL_WITHOUT_CUDA") != "1", reason="needs CUDA"
)


@pytest.fixture(scope="module")
def stylized() -> Style:
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
def test_a_style_changes_the_image(name):
    image = picture(64, 64)
    assert (Style(name, device="cpu")(image, MOMENT) - image).abs().mean() > 0.05


@pytest.mark.parametrize("name", STYLES)
def test_a_flat_image_has_no_grid_and_no_frame(name):
    result = Style(name, device="cpu")(torch.full((3, 96, 96), 0.4), MOMENT)
    assert result.std(dim=(1, 2)).max() < 1e-3


def test_the_image_is_not_changed(stylized):
    image = picture(20, 20)
    before = image.clone()
    stylized(image, MOMENT)
    assert torch.equal(image, before)


def test_strength_0_is_the_source_itself(stylized):
    image = picture(20, 20)
    assert Style(keyframes_of("great_wave", strength=0), device="cpu")(image, MOMENT) is image
    assert Style("none", device="cpu")(image, MOMENT) is image


def far(a: torch.Tensor, b: torch.Tensor) -> float:
    return (a - b).abs().mean().item()


def test_strength_leads_from_the_source_to_the_painting_without_a_jump(stylized):
    image = picture(64, 64)
    steps = [Style(keyframes_of("starry_night", strength=number / 20), device="cpu") for number in range(21)]
    results = [style(image, MOMENT) for style in steps]
    whole = far(results[0], results[-1])
    assert results[0] is image
    torch.testing.assert_close(results[-1], stylized(image, MOMENT))
    assert all(far(a, b) < 0.2 * whole for a, b in itertools.pairwise(results))
    distances = [far(image, result) for result in results]
    assert all(after > before - 0.02 * whole for before, after in itertools.pairwise(distances))


def test_strength_moves_weights_towards_the_base():
    image, share = picture(64, 64), 0.5**0.75
    network, ends = load_style("base").network, [load_style(name).network for name in ("base", "great_wave")]
    with torch.no_grad():
        for parameter, a, b in zip(*(net.parameters() for net in (network, *ends)), strict=True):
            parameter.copy_(torch.lerp(a, b, share))
        expected = torch.lerp(image, network(image[None])[0], math.sin(math.pi / 2 * share))
    result = Style(keyframes_of("great_wave", strength=0.5), device="cpu")(image, MOMENT)
    torch.testing.assert_close(result, expected, atol=1e-4, rtol=1e-4)


def test_without_a_base_strength_is_a_blend(tmp_path):
    torch.manual_seed(0)
    save_style(tmp_path / "alone.safetensors", StyleNet(), {})
    image, name = picture(24, 24), str(tmp_path / "alone.safetensors")
    whole = Style(name, device="cpu")(image, MOMENT)
    blended = Style(keyframes_of(name, strength=0.25), device="cpu")(image, MOMENT)
    torch.testing.assert_close(blended, 0.75 * image + 0.25 * whole)


def test_styles_of_other_families_are_blended_as_images(tmp_path, stylized):
    torch.manual_seed(0)
    save_style(tmp_path / "alone.safetensors", Johnson(width=4, blocks=1), {})
    image, name = picture(24, 24), str(tmp_path / "alone.safetensors")
    mixed = Style(f"0.25*{name}+0.75*starry_night", device="cpu")(image, MOMENT)
    parts = Style(name, device="cpu")(image, MOMENT), stylized(image, MOMENT)
    torch.testing.assert_close(mixed, 0.25 * parts[0] + 0.75 * parts[1])


def test_a_mixture_is_a_blend_of_images_or_on_request_of_weights(stylized):
    image, text = picture(24, 24), "0.25*great_wave+0.75*starry_night"
    parts = Style("great_wave", device="cpu")(image, MOMENT), stylized(image, MOMENT)
    by_pictures = Style(text, device="cpu")(image, MOMENT)
    torch.testing.assert_close(by_pictures, 0.25 * parts[0] + 0.75 * parts[1])
    network, ends = (
        load_style("base").network,
        [load_style(name).network for name in ("starry_night", "great_wave")],
    )
    with torch.no_grad():
        for parameter, a, b in zip(*(net.parameters() for net in (network, *ends)), strict=True):
            parameter.copy_(torch.lerp(a, b, 0.25))
        expected = network(image[None])[0]
    by_weights = Style(text, mix_by="weights", device="cpu")(image, MOMENT)
    torch.testing.assert_close(by_weights, expected, atol=1e-4, rtol=1e-4)


def test_keyframes_fade_from_style_to_style_to_the_source(stylized):
    image = picture(48, 48)
    video = Style(keyframes_of("starry_night", at=["1=great_wave", "3=none"]), device="cpu")
    at = [video(image, Moment(0, seconds)) for seconds in (0.5, 1.0, 1.5, 2.0, 3.5, 4.0)]
    wave = Style("great_wave", device="cpu")(image, MOMENT)
    torch.testing.assert_close(at[0], stylized(image, MOMENT))
    torch.testing.assert_close(at[1], at[0])
    torch.testing.assert_close(at[3], wave)
    assert min(far(at[2], at[1]), far(at[2], at[3])) > 0.01
    torch.testing.assert_close(at[4], (image + wave) / 2)
    assert at[5] is image
    torch.testing.assert_close(video(image, Moment(0, 0.5)), at[0])  # weights go back as well


def test_strips_give_the_same_image(stylized):
    """One set of statistics for all bands, and margins: no seam."""
    image = F.interpolate(picture(32, 24)[None], scale_factor=8, mode="bicubic")[0].clamp(0, 1)
    whole = stylized(image, MOMENT)
    for rows in (64, 104, 512):
        banded = Style(rows=rows, device="cpu")(image, MOMENT)
        assert (banded - whole).abs().max() < 1e-4


def test_too_little_memory_makes_strips(monkeypatch, caplog):
    caplog.set_level("INFO")
    whole = StyleNet.forward
    seen = []

    def forward(self: StyleNet, image: torch.Tensor, rows: int | None = None) -> torch.Tensor:
        seen.append(rows)
        if rows is None or rows > 100:
            raise MemoryError
        return whole(self, image, rows)

    monkeypatch.setattr(StyleNet, "forward", forward)
    style = Style(device="cpu")
    for _ in range(2):
        assert style(picture(400, 40), MOMENT).shape == (3, 400, 40)
    assert seen == [None, 200, 96, 96]
    other = Style(device="cpu")
    other.restore(style.state())
    other(picture(400, 40), MOMENT)
    assert seen[4:] == [96]
    assert "200 at a time" in caplog.text
    monkeypatch.setattr(StyleNet, "forward", lambda *_, **__: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(OutOfMemoryError):
        style(picture(400, 40), MOMENT)


def test_every_frame_is_stylized_by_itself(stylized):
    first = stylized(picture(24, 24), MOMENT)
    stylized(picture(40, 24), MOMENT)
    stylized.reset()
    stylized.restore(stylized.state())
    assert stylized.state() == {"rows": 0}
    torch.testing.assert_close(stylized(picture(24, 24), MOMENT), first, atol=0, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (16, 24)])
def test_padding_keeps_the_image_and_mirrors_where_it_can(size):
    image = picture(*size)[None]
    grown = padded_to(image, 8, 16)
    assert grown.shape[-2] % 8 == grown.shape[-1] % 8 == 0
    assert min(grown.shape[-2:]) >= 16
    assert torch.equal(grown[..., : size[0], : size[1]], image)
    if size[1] == 9:
        assert torch.equal(grown[..., :2, 9], image[..., 7])


def test_unknown_styles_and_missing_files_are_refused():
    with pytest.raises(UsageError, match="known: "):
        Style("mona_lisa", device="cpu")
    with pytest.raises(InputError, match=r"absent\.safetensors"):
        Style(Path("absent.safetensors"), device="cpu")


def test_networks_of_others_are_used(tmp_path):
    torch.manual_seed(0)
    save_style(tmp_path / "other.safetensors", Johnson(width=4, blocks=1), {})
    assert Style(tmp_path / "other.safetensors", device="cpu")(picture(5, 9), MOMENT).shape == (3, 5, 9)


def test_half_precision_that_overflows_falls_back_to_single(tmp_path, stylized):
    """As on CUDA, tried on the CPU: an activation beyond 65,504 must not reach the image."""
    torch.manual_seed(0)
    network = StyleNet(width=8, depth=8, blocks=1, detail=8)
    with torch.no_grad():
        network.merge.narrow.bias.fill_(6e4)
        network.to_half.conv.weight.mul_(1e3)
    save_style(tmp_path / "loud.safetensors", network, {})
    style = Style(tmp_path / "loud.safetensors", device="cpu")
    expected = style(picture(16, 16), MOMENT)
    (family,) = style.families
    family.network.half()
    result = style(picture(16, 16), MOMENT)
    assert next(family.network.parameters()).dtype == torch.float32
    torch.testing.assert_close(result, expected)


@pytest.mark.cuda
@needs_cuda
def test_half_precision_on_cuda_looks_like_single_on_the_cpu(stylized):
    image = picture(64, 96)
    result = Style(device="cuda")(image.cuda(), MOMENT).cpu()
    assert (result - stylized(image, MOMENT)).abs().mean() < 0.01
