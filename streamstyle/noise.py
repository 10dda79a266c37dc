"""Noise with the spectrum of natural images."""

from __future__ import annotations

import numpy as np


def noise(rng: np.random.Generator, sides: tuple[int, int], slope: float) -> np.ndarray:
    """Random clouds, (height, width) float with mean 0 and deviation 1.

    Args:
        rng: source of randomness.
        sides: height and width in pixels.
        slope: amplitudes fall with the frequency to this power; in photographs it is about 1 (Field 1987,
            Relations between the statistics of natural images and the response properties of cortical cells).
    """
    rows, columns = np.fft.fftfreq(sides[0])[:, None], np.fft.rfftfreq(sides[1])[None]
    frequency = np.hypot(rows, columns)
    frequency[0, 0] = np.inf
    phases = np.exp(2j * np.pi * rng.random(frequency.shape))
    field = np.fft.irfft2(phases * frequency**-slope, sides)
    result: np.ndarray = (field - field.mean()) / field.std()
    return result
