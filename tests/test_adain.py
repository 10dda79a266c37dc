"""AdaIN against a plain restatement of the paper, with made weights in the shape of the known checkpoints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from streamstyle.arbitrary_styles import Arbitrary
from streamstyle.effects import StylizeSettings
from streamstyle.effects.stylize.effect import Style
from streamstyle.errors import InputError, UsageError
from streamstyle.frames import Moment
from streamstyle.networks.adain import AdaIN
from streamstyle.paintings import read_painting
from streamstyle.styles import load_style

# The shapes of the convolutions in vgg_normalised.pth and decoder.pth, by their numbers.
ENCODER = {
    **{0: (3, 3, 1), 2: (64, 3, 3), 5: (64, 64, 3), 9: (128, 64, 3), 12: (128, 128, 3), 16: (256, 128, 3)},
    **dict.fromkeys((19, 22, 25), (256, 256, 3)),
    29: (512, 256, 3),
    **dict.fromkeys((32, 35, 38, 42, 45, 48, 51), (512, 512, 3)),
}
DECODER = {
    1: (256, 512, 3),
    **dict.fromkeys((5, 8, 11), (256, 256, 3)),
    **{14: (128, 256, 3), 18: (128, 128, 3), 21: (64, 128, 3), 25: (64, 64, 3), 28: (3, 64, 3)},
}


def made(shapes: dict[int, tuple[int, int, int]], seed: int) -> dict[str, Tensor]:
    generator, tensors = torch.Generator().manual_seed(seed), {}
    for number, (outputs, inputs, side) in shapes.items():
        scale = (2 / (inputs * side * side)) ** 0.5
        weight = torch.randn(outputs, inputs, side, side, generator=generator)
        tensors[f"{number}.weight"] = scale * weight
        tensors[f"{number}.bias"] = 0.1 * torch.randn(outputs, generator=generator)
    return tensors


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adain")
    torch.save(made(ENCODER, 1), folder / "vgg_normalised.pth")
    decoder = made(DECODER, 2)
    decoder["28.weight"] *= 0.2  # so that the result is within [0, 1], mostly
    decoder["28.bias"] = torch.full((3,), 0.5)
    torch.save(decoder, folder / "decoder.pth")
    for seed in (3, 4):
        pixels = np.random.default_rng(seed).integers(0, 256, (16, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((160, 128)).save(folder / f"{seed}.png")
    return folder


def adain(files: Path) -> Arbitrary:
    return Arbitrary("adain", (str(files / "vgg_normalised.pth"), str(files / "decoder.pth")))


def encoded(image: Tensor, tensors: dict[str, Tensor]) -> Tensor:
    """VGG to relu4_1, written out."""
    x = F.conv2d(image, tensors["0.weight"], tensors["0.bias"])
    for number in (2, 5, 9, 12, 16, 19, 22, 25, 29):
        if number in (9, 16, 29):
            x = F.max_pool2d(x, 2)
        padded = F.pad(x, [1] * 4, mode="reflect")
        x = F.conv2d(padded, tensors[f"{number}.weight"], tensors[f"{number}.bias"]).relu()
    return x


def decoded(x: Tensor, tensors: dict[str, Tensor]) -> Tensor:
    for number in (1, 5, 8, 11, 14, 18, 21, 25, 28):
        if number in (5, 18, 25):
            x = F.interpolate(x, scale_factor=2, mode="nearest")
        x = F.conv2d(
            F.pad(x, [1] * 4, mode="reflect"), tensors[f"{number}.weight"], tensors[f"{number}.bias"]
        )
        x = x if number == 28 else x.relu()
    return x


def equation_8(content: Tensor, style: Tensor) -> Tensor:
    """AdaIN(x, y) = sigma(y) (x - mu(x)) / sigma(x) + mu(y), channel by channel."""
    result = torch.empty_like(content)
    for channel in range(content.shape[1]):
        x, y = content[0, channel].double(), style[0, channel].double()
        sigma_x, sigma_y = ((value.var() + 1e-5).sqrt() for value in (x, y))
        result[0, channel] = sigma_y * (x - x.mean()) / sigma_x + y.mean()
    return result


def features(files: Path, photo: Tensor, *paintings: int) -> list[Tensor]:
    tensors = torch.load(files / "vgg_normalised.pth")
    content = encoded(photo, tensors)
    styles = [encoded(read_painting(files / f"{number}.png", grain=1), tensors) for number in paintings]
    return [content, *(equation_8(content, style) for style in styles)]


@pytest.fixture(scope="module")
def photo() -> Tensor:
    return F.interpolate(torch.rand(1, 3, 6, 8, generator=torch.Generator().manual_seed(9)), (48, 64))


def test_the_network_of_a_painting_is_the_papers(files: Path, photo: Tensor) -> None:
    loaded = load_style(files / "3.png", adain(files))
    _, mixed = features(files, photo, 3)
    expected = decoded(mixed, torch.load(files / "decoder.pth")).clamp(0, 1)
    with torch.no_grad():
        found = loaded.network(photo)
    assert expected.std() > 0.02
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_styles_are_interpolated_as_in_the_paper(files: Path, photo: Tensor) -> None:
    """Section 6.4: the decoder gets the weighted sum of the AdaIN results."""
    _, first, second = features(files, photo, 3, 4)
    expected = decoded(0.25 * first + 0.75 * second, torch.load(files / "decoder.pth")).clamp(0, 1)
    mixture = f"0.25*{files / '3.png'}+0.75*{files / '4.png'}"
    style = Style(mixture, arbitrary=adain(files), mix_by="weights", device="cpu")
    assert len(style.families) == 1
    found = style(photo[0], Moment(0, 0.0))
    torch.testing.assert_close(found[None], expected, rtol=1e-3, atol=1e-4)


def test_strength_is_the_papers_content_style_trade_off(files: Path, photo: Tensor) -> None:
    """Equation 14: the decoder gets (1 - alpha) f(c) + alpha AdaIN(f(c), f(s))."""
    content, mixed = features(files, photo, 3)
    style = Style(files / "3.png", arbitrary=adain(files), device="cpu")
    (family,) = style.families
    with torch.no_grad():
        network = family._interpolation.set({family.names[0]: 0.3, "base": 0.7})
        found = network(photo)
    expected = decoded(0.3 * mixed + 0.7 * content, torch.load(files / "decoder.pth")).clamp(0, 1)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_the_files_may_come_in_any_order(files: Path) -> None:
    swapped = Arbitrary("adain", tuple(reversed(adain(files).weights)))
    one, other = (load_style(files / "3.png", each).network for each in (adain(files), swapped))
    for value, same in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(value, same)


def test_wrong_weights_are_refused_in_a_line(files: Path) -> None:
    encoder, decoder = adain(files).weights
    with pytest.raises(InputError, match="expected an encoder and a decoder of AdaIN, both are encoders"):
        load_style(files / "3.png", Arbitrary("adain", (encoder, encoder)))
    torch.save({"1.weight": torch.zeros(3, 3, 1, 1)}, files / "other.pth")
    with pytest.raises(InputError, match="lacks decoder"):
        load_style(files / "3.png", Arbitrary("adain", (encoder, str(files / "other.pth"))))
    with pytest.raises(UsageError, match="needs --weights twice"):
        StylizeSettings(style=str(files / "3.png"), arbitrary="adain", weights=(decoder,))
    with pytest.raises(UsageError, match="weights: only for --arbitrary adain"):
        StylizeSettings(weights=(encoder, decoder))


def test_without_a_style_it_only_encodes_and_decodes(photo: Tensor) -> None:
    torch.manual_seed(0)
    network = AdaIN()
    with torch.no_grad():
        expected = network.decoder(network.encoder(photo)).clamp(0, 1)
        torch.testing.assert_close(network(photo), expected)
