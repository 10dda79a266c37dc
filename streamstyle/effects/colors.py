"""The source's colors in a painting.

Reference: Gatys et al. (2017), Controlling perceptual factors in neural style transfer, section 5.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

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
QUANTILES = 64  # points at which distributions are matched
SAMPLES = 65_536  # pixels that they are estimated from


def with_chroma_of(source: Tensor, result: Tensor) -> Tensor:
    """The lightness of `result` with the colors of `source` at each pixel.

    In Oklab, where lightness and color are independent to the eye: in Y'CbCr a saturated blue takes
    brightness with it, and CIELAB turns blues to violet. What leaves the range of RGB is clamped.

    Args:
        source, result: (3, H, W) sRGB in [0, 1].

    Returns:
        (3, H, W) sRGB in [0, 1], the type of `result`.
    """
    wanted, stylized = to_oklab(source), to_oklab(result)
    return from_oklab(torch.cat((stylized[:1], wanted[1:]))).to(result.dtype)


def with_histogram_of(source: Tensor, result: Tensor) -> Tensor:
    """`result` with its colors moved to those of `source` as a whole: as much of each, wherever it is.

    Each axis of Oklab is mapped so that its distribution becomes the source's. Strokes keep their contrasts,
    which `with_chroma_of` takes from them where the source is of one color.

    Args:
        source, result: (3, H, W) sRGB in [0, 1].

    Returns:
        (3, H, W) sRGB in [0, 1], the type of `result`.
    """
    wanted, stylized = to_oklab(source), to_oklab(result)
    matched = [matched_to(value, other) for value, other in zip(stylized, wanted, strict=True)]
    return from_oklab(torch.stack(matched)).to(result.dtype)


COLORS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "chroma": with_chroma_of,
    "histogram": with_histogram_of,
}


def matched_to(values: Tensor, wanted: Tensor) -> Tensor:
    """`values` (H, W), mapped by a rising function so that they are distributed as `wanted` (any shape)."""
    levels = torch.linspace(0, 1, QUANTILES, device=values.device)
    have, want = (torch.quantile(thinned(part), levels) for part in (values, wanted))
    # Quantiles that coincide, as in a flat image, would be divided by zero.
    have = have + torch.arange(QUANTILES, device=have.device) * 1e-6
    right = torch.searchsorted(have, values.contiguous()).clamp(1, QUANTILES - 1)
    left = right - 1
    share = ((values - have[left]) / (have[right] - have[left])).clamp(0, 1)
    return torch.lerp(want[left], want[right], share)


def thinned(values: Tensor) -> Tensor:
    """About SAMPLES of the values, taken evenly: the same ones for images of one size."""
    flat = values.flatten()
    return flat[:: max(1, flat.shape[0] // SAMPLES)]


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
