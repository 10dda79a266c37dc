"""Color preservation: transfers the source's colors to the stylized image.

Reference: Gatys et al. (2017), Controlling perceptual factors in neural style transfer, section 5.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from streamstyle.constants import constant

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
QUANTILES = 64  # number of quantiles at which distributions are matched
SAMPLES = 65_536  # number of pixels from which the quantiles are estimated


def with_chroma_of(source: Tensor, result: Tensor) -> Tensor:
    """Combines the lightness of `result` with the chroma of `source` at each pixel.

    The colors are combined in Oklab, where lightness and chroma are perceptually independent: in Y'CbCr a
    saturated blue changes the brightness, and CIELAB shifts blue towards violet. Colors outside the range of
    RGB are clamped.

    Args:
        source, result: (3, H, W) sRGB in [0, 1].

    Returns:
        (3, H, W) sRGB in [0, 1], with the dtype of `result`.
    """
    original, stylized = to_oklab(source), to_oklab(result)
    return from_oklab(torch.cat((stylized[:1], original[1:]))).to(result.dtype)


def with_histogram_of(source: Tensor, result: Tensor) -> Tensor:
    """Matches the color histogram of `result` to that of `source`, regardless of position.

    The histograms are matched separately on each axis of Oklab. Strokes keep their color contrast, which
    `with_chroma_of` removes where the source is uniform.

    Args:
        source, result: (3, H, W) sRGB in [0, 1].

    Returns:
        (3, H, W) sRGB in [0, 1], with the dtype of `result`.
    """
    original, stylized = to_oklab(source), to_oklab(result)
    matched = [matched_to(values, target) for values, target in zip(stylized, original, strict=True)]
    return from_oklab(torch.stack(matched)).to(result.dtype)


COLORS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "chroma": with_chroma_of,
    "histogram": with_histogram_of,
}


def matched_to(values: Tensor, target: Tensor) -> Tensor:
    """Histogram matching: maps `values` (H, W) monotonically to the distribution of `target` (any shape)."""
    levels = torch.linspace(0, 1, QUANTILES, device=values.device)
    before, after = (torch.quantile(subsampled(part), levels) for part in (values, target))
    # Made distinct: quantiles that coincide, as in a flat image, would lead to a division by zero.
    before = before + torch.arange(QUANTILES, device=before.device) * 1e-6
    right = torch.searchsorted(before, values.contiguous()).clamp(1, QUANTILES - 1)
    left = right - 1
    share = ((values - before[left]) / (before[right] - before[left])).clamp(0, 1)
    return torch.lerp(after[left], after[right], share)


def subsampled(values: Tensor) -> Tensor:
    """About SAMPLES evenly spaced values, at the same positions for images of the same size."""
    flat = values.flatten()
    return flat[:: max(1, flat.shape[0] // SAMPLES)]


def to_oklab(image: Tensor) -> Tensor:
    """(3, H, W) sRGB in [0, 1] to lightness in [0, 1], a and b; single precision."""
    image = image.float()
    linear = torch.where(image <= 0.04045, image / 12.92, ((image + 0.055) / 1.055).clamp_min(0).pow(2.4))
    cones = transformed(linear, RGB_TO_CONES)
    return transformed(cones.clamp_min(0).pow(1 / 3), CONES_TO_LAB)


def from_oklab(lab: Tensor) -> Tensor:
    """The inverse of `to_oklab`, clamped to [0, 1]."""
    cones = transformed(lab, CONES_TO_LAB, inverted=True).pow(3)
    linear = transformed(cones, RGB_TO_CONES, inverted=True).clamp(0, 1)
    return torch.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear.pow(1 / 2.4) - 0.055)


def transformed(image: Tensor, matrix: tuple[tuple[float, ...], ...], *, inverted: bool = False) -> Tensor:
    """(3, H, W) with each pixel multiplied by a 3x3 matrix, or by its inverse."""

    def values() -> np.ndarray:
        weights = torch.tensor(matrix)
        return (torch.linalg.inv(weights) if inverted else weights).numpy()

    return torch.einsum("ij,jhw->ihw", constant((matrix, inverted), values, image.device), image)
