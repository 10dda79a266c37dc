"""Painting each picture in a style, with one pass through a trained network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from streamstyle import device as devices
from streamstyle.errors import UsageError
from streamstyle.networks import Johnson, StyleNet
from streamstyle.stream import Moment
from streamstyle.weights import DEFAULT_STYLE, load

# Linear sRGB to the cone responses of Oklab, and those (after a cube root) to lightness, a and b.
# Reference: Ottosson (2020), A perceptual color space for image processing,
# https://bottosson.github.io/posts/oklab/
RGB_TO_CONES = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
CONES_TO_LAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)


class Style:
    """Paints pictures in the style of a painting; each frame by itself.

    Args:
        style: a bundled name, a .safetensors file, a .pth of pytorch/examples, or "none".
        strength: 1 = the network's result, 0 = the source itself, between them a blend.
        keep_colors: 1 = the source's colours with the result's lightness, 0 = the result's colours.
        device: "auto", "cpu", "cuda" or "cuda:N", or a torch device.

    Raises:
        UsageError: a value is out of range, or there is no such style or device.
        InputError: a file is missing, damaged, or no style network.
    """

    def __init__(
        self,
        style: str | Path = DEFAULT_STYLE,
        *,
        strength: float = 1.0,
        keep_colors: float = 0.0,
        device: str | torch.device = "auto",
    ) -> None:
        for name, value in (("strength", strength), ("keep-colors", keep_colors)):
            if not 0 <= value <= 1:
                raise UsageError(f"{name} is {value:g}, expected 0 to 1")
        self.strength, self.keep_colors = strength, keep_colors
        self.device = devices.choose(device) if isinstance(device, str) else device
        self.network: StyleNet | Johnson | None = None
        if str(style) != "none":
            network = load(style).network.to(self.device, devices.half(self.device))
            self.network = network.to(memory_format=torch.channels_last)
        self.style = style

    def __call__(self, image: Tensor, moment: Moment) -> Tensor:
        """The picture, painted.

        Args:
            image: (3, H, W) in [0, 1] on `device`, of any size. It is not changed.
            moment: not used; every frame is painted by itself.

        Returns:
            The same shape, type and range; the tensor itself where nothing is to be done.

        Raises:
            OutOfMemoryError: the picture is too large for the device.
        """
        if self.network is None or self.strength == 0:
            return image
        with devices.out_of_memory(image.shape[2], image.shape[1]), torch.inference_mode():
            result = self.painted(image)
            if self.keep_colors > 0:
                result = with_colors_of(image, result, self.keep_colors)
            return torch.lerp(image, result, self.strength) if self.strength < 1 else result

    def painted(self, image: Tensor) -> Tensor:
        """What the network makes of (3, H, W): padded to sizes that it takes, and cut back."""
        assert self.network is not None
        height, width = image.shape[1:]
        padded = padded_to(image[None], self.network.multiple, self.network.minimum)
        result = self.network(padded.to(next(self.network.parameters()).dtype))
        # Half precision may overflow in networks that were trained elsewhere; then single for good.
        if result.dtype == torch.float16 and not torch.isfinite(result).all():
            self.network = self.network.float()
            result = self.network(padded.float())
        cut: Tensor = result[0, :, :height, :width].to(image.dtype)
        return cut

    def reset(self) -> None:
        """There is nothing to forget."""

    def state(self) -> dict[str, Tensor | float | int]:
        """Empty: no frame depends on an earlier one."""
        return {}

    def restore(self, state: Mapping[str, Tensor | float | int]) -> None:
        """There is nothing to take up."""


def padded_to(images: Tensor, multiple: int, minimum: int = 1) -> Tensor:
    """(N, C, H, W) grown to the right and below to multiples of `multiple`, each at least `minimum`.

    The border is mirrored, and repeated where the picture is too small to be mirrored.
    """
    height, width = images.shape[-2:]
    right = -(-max(width, minimum) // multiple) * multiple - width
    below = -(-max(height, minimum) // multiple) * multiple - height
    if right == below == 0:
        return images
    mirrored = min(right, width - 1), min(below, height - 1)
    images = F.pad(images, (0, mirrored[0], 0, mirrored[1]), mode="reflect")
    return F.pad(images, (0, right - mirrored[0], 0, below - mirrored[1]), mode="replicate")


def with_colors_of(source: Tensor, result: Tensor, share: float = 1.0) -> Tensor:
    """The lightness of `result` with the colours of `source`.

    In Oklab, where lightness and colour are independent to the eye: in Y'CbCr a saturated blue takes
    brightness with it, and CIELAB turns blues to violet. What leaves the range of RGB is clamped.

    Args:
        source, result: (3, H, W) sRGB in [0, 1].
        share: 1 = the colours of `source`, 0 = those of `result`.

    Returns:
        (3, H, W) sRGB in [0, 1], the type of `result`.
    """
    wanted, painted = to_oklab(source), to_oklab(result)
    colors = torch.lerp(painted[1:], wanted[1:], share)
    return from_oklab(torch.cat((painted[:1], colors))).to(result.dtype)


def to_oklab(image: Tensor) -> Tensor:
    """(3, H, W) sRGB in [0, 1] to lightness in [0, 1], a and b; single precision."""
    image = image.float()
    linear = torch.where(image <= 0.04045, image / 12.92, ((image + 0.055) / 1.055).clamp_min(0).pow(2.4))
    cones = mixed(linear, image.new_tensor(RGB_TO_CONES))
    return mixed(cones.clamp_min(0).pow(1 / 3), image.new_tensor(CONES_TO_LAB))


def from_oklab(lab: Tensor) -> Tensor:
    """The inverse of `to_oklab`, clamped to [0, 1]."""
    cones = mixed(lab, torch.linalg.inv(lab.new_tensor(CONES_TO_LAB))).pow(3)
    linear = mixed(cones, torch.linalg.inv(lab.new_tensor(RGB_TO_CONES))).clamp(0, 1)
    return torch.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear.pow(1 / 2.4) - 0.055)


def mixed(image: Tensor, matrix: Tensor) -> Tensor:
    """Each pixel of (3, H, W) multiplied with a 3x3 matrix."""
    return torch.einsum("ij,jhw->ihw", matrix, image)
