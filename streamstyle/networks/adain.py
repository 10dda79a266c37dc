"""AdaIN: the content's features with the means and deviations of the style's, decoded to an image.

This is the reference for styles of any painting, as `Johnson` is for single styles. It loads the weights
`vgg_normalised.pth` and `decoder.pth` of github.com/naoto0804/pytorch-AdaIN. It is a hundred times slower
than `StyleNet`.

Reference: Huang, Belongie (2017), Arbitrary style transfer in real-time with adaptive instance
normalization, https://arxiv.org/abs/1703.06868, equations 8 and 14.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from streamstyle.networks.style_network import StyleNetwork

EPSILON = 1e-5  # added to variances
CHANNELS = 512  # of relu4_1
# Channels of the 3x3 convolutions; "down" and "up" change the resolution by two.
ENCODER = (64, 64, "down", 128, 128, "down", 256, 256, 256, 256, "down", CHANNELS)
DECODER = (256, "up", 256, 256, 256, 128, "up", 128, 64, "up", 64, 3)


class AdaIN(StyleNetwork):
    """A style network of encoder, AdaIN and decoder: RGB in [0, 1] in and out.

    The weights of the style are linear in what is mixed: halfway between the networks of two paintings, the
    decoder gets the mean of both AdaIN results, as in the paper's style interpolation (section 6.4); and
    halfway between a painting's network and `plain`, that of the content-style trade-off (equation 14).

    Attributes:
        scale, shift: (512,), deviations and means of the painting's features at relu4_1.
        kept: (), share of the content's own features.
    """

    multiple = 8  # sides must be a multiple of this
    minimum = 16  # shortest side: 2 pixels at 1/8 of the resolution, the least that can be reflected

    def __init__(self) -> None:
        super().__init__()
        # The numbers of the modules are those of the original, whose weights are named by them.
        colors = nn.Conv2d(3, 3, 1)  # to the colors that VGG expects
        self.encoder = nn.Sequential(colors, *layers(3, ENCODER))
        self.decoder = nn.Sequential(*layers(CHANNELS, DECODER)[:-1])  # no ReLU at the end
        self.scale, self.shift = nn.Parameter(torch.zeros(CHANNELS)), nn.Parameter(torch.zeros(CHANNELS))
        self.kept = nn.Parameter(torch.ones(()))

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] to the same shape; H and W multiples of 8."""
        features = self.encoder(image)
        mean, deviation = mean_and_deviation(features)
        changed = (features - mean) / deviation * self.scale[:, None, None] + self.shift[:, None, None]
        result: Tensor = self.decoder(changed + self.kept * features)
        return result.clamp(0, 1)

    @torch.no_grad()
    def set_style(self, painting: Tensor) -> None:
        """Takes the style of a painting, (1, 3, H, W) in [0, 1]."""
        mean, deviation = mean_and_deviation(self.encoder(painting))
        self.shift.copy_(mean.flatten())
        self.scale.copy_(deviation.flatten())
        self.kept.zero_()

    @torch.no_grad()
    def set_plain(self) -> None:
        """Encodes and decodes the content without changing its features."""
        for parameter, value in ((self.scale, 0), (self.shift, 0), (self.kept, 1)):
            parameter.fill_(value)


def mean_and_deviation(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation, (N, C, 1, 1) each, of each channel of each image of (N, C, H, W).

    Both are computed in single precision, since squares overflow half precision.
    """
    values = features.float()
    variance, mean = torch.var_mean(values, dim=(2, 3), keepdim=True)
    return mean.to(features.dtype), (variance + EPSILON).sqrt().to(features.dtype)


def layers(inputs: int, outputs: tuple[int | str, ...]) -> list[nn.Module]:
    """Convolutions with reflected borders and ReLU, and changes of the resolution between them."""
    made: list[nn.Module] = []
    for count in outputs:
        if count == "down":
            made.append(nn.MaxPool2d(2, ceil_mode=True))
        elif count == "up":
            made.append(nn.UpsamplingNearest2d(scale_factor=2))
        else:
            assert isinstance(count, int)
            made += [nn.ReflectionPad2d(1), nn.Conv2d(inputs, count, 3), nn.ReLU()]
            inputs = count
    return made


def parts_of_checkpoints(*checkpoints: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of encoder and decoder from the original's two files, in any order.

    The encoder's file goes on to relu5_4; layers after relu4_1 are left out.

    Raises:
        ValueError: the files are not one encoder and one decoder.
    """
    last = len([*layers(3, ENCODER)])  # number of the encoder's last module
    parts: dict[str, Tensor] = {}
    for tensors in checkpoints:
        part = "encoder" if "0.weight" in tensors else "decoder"
        if any(key.startswith(part) for key in parts):
            raise ValueError(f"both are {part}s")
        for key, value in tensors.items():
            number, _, name = key.partition(".")
            if part == "decoder" or (number.isdigit() and int(number) <= last):
                parts[f"{part}.{number}.{name}"] = value
    return parts
