"""What is true of all photographs, for dreams in networks that were not made for dreaming.

In the classifiers of ImageNet a few channels are many times as strong as the others, and dreams would show
nothing else: edges in violet and green. So their channels are divided by their strength on noise that has the
spectrum and the colors of photographs. And a step up the gradient is made as probable in color as it is in
photographs, where red, green and blue rise and fall together.

Reference: Olah, Mordvintsev and Schubert (2017), Feature visualization, Distill, on preconditioning; its
matrix for the correlation of colors. Here its square root is used, since dreams may have more color.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from streamstyle.constants import constant
from streamstyle.networks.features import FeatureNetwork

COLORS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))  # rows: R, G, B; columns: independent
CONTRAST = 0.23  # standard deviation of each channel of the noise
SIDE = 256  # of the noise, in pixels
LEAST = 0.05  # share of a layer's mean strength by which each channel's is raised; some are silent


def natural_noise() -> Tensor:
    """(1, 3, SIDE, SIDE) in [0, 1], always the same; amplitudes fall with the frequency."""
    rng = np.random.default_rng(0)
    frequencies = np.fft.fftfreq(SIDE)
    frequency = np.hypot(frequencies[:, None], frequencies[None])
    frequency[0, 0] = 1 / SIDE
    waves = np.fft.fft2(rng.normal(size=(3, SIDE, SIDE))) / frequency
    colored = np.tensordot(np.array(COLORS), np.fft.ifft2(waves).real, 1)
    colored -= colored.mean(axis=(1, 2), keepdims=True)
    pixels = 0.5 + CONTRAST * colored / colored.std()
    return torch.from_numpy(pixels.clip(0, 1).astype(np.float32))[None]


def channel_strengths(network: FeatureNetwork, layer: str) -> Tensor:
    """(C,), the root mean square of each channel of a layer on `natural_noise`, none far below the others."""
    with torch.no_grad():
        square = network(natural_noise(), [layer])[layer].square().mean(dim=(0, 2, 3))
    result: Tensor = (square + LEAST * square.mean()).sqrt()
    return result


def with_natural_colors(gradient: Tensor) -> Tensor:
    """A gradient, (1, 3, H, W), whose colors are correlated as those of photographs are."""
    matrix = constant("natural colors", color_matrix, gradient.device).to(gradient.dtype)
    return torch.einsum("ij,njhw->nihw", matrix, gradient)


def color_matrix() -> np.ndarray:
    """(3, 3): the square root of the covariance of R, G and B, scaled to 1 along its longest axis."""
    values, axes = np.linalg.eigh(np.array(COLORS) @ np.array(COLORS).T)
    result: np.ndarray = (axes * np.sqrt(values / values.max())) @ axes.T
    return result.astype(np.float32)
