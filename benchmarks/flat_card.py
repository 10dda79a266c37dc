"""How regular a pattern styles paint where nothing is: `python benchmarks/flat_card.py [STYLE …]`.

Each style paints photographs of a gray card: light that falls off to one side, and the noise of a sensor, at
three brightnesses. From the luma of the result, without what is larger than BLUR pixels, follows the
autocorrelation: 1 at no shift, and for a pattern that repeats, nearly 1 again at its period. Printed are the
highest value beyond the middle peak, with its shift, and the deviation of the luma, which says how visible
the pattern is; then the mean of both over the cards. A style is the name of a bundled one, or a file.
"""

from __future__ import annotations

import argparse

import cv2
import numpy as np
import torch

from streamstyle.losses import LUMA
from streamstyle.styles import load_style
from streamstyle.weights import STYLES

SIDE = 384  # of the card, in pixels
GRAYS = (0.25, 0.5, 0.75)
FALL_OFF = 0.08  # from one side to the other
NOISE = 1.5 / 255
BLUR = 16  # standard deviation in pixels


def card(gray: float) -> np.ndarray:
    """(SIDE, SIDE, 3) float32 in [0, 1]."""
    rng = np.random.default_rng(0)
    light = gray + FALL_OFF * (np.linspace(-0.5, 0.5, SIDE) + np.linspace(-0.3, 0.3, SIDE)[:, None])
    return (light[..., None] + rng.normal(0, NOISE, (SIDE, SIDE, 3))).astype(np.float32)


def regularity(luma: np.ndarray) -> tuple[float, int, float]:
    """Highest autocorrelation beyond the middle peak, its shift in pixels, and the deviation of the luma.

    Args:
        luma: (H, W) in [0, 1].
    """
    detail = luma - cv2.GaussianBlur(luma, (0, 0), BLUR)
    detail = detail[BLUR:-BLUR, BLUR:-BLUR]
    detail -= detail.mean()
    power = np.abs(np.fft.fft2(detail)) ** 2
    correlation = np.fft.fftshift(np.fft.ifft2(power).real / power.mean())
    height, width = correlation.shape
    rows, columns = np.ogrid[:height, :width]
    shift = np.hypot(rows - height // 2, columns - width // 2)
    means = np.bincount(shift.astype(int).ravel(), correlation.ravel()) / np.bincount(
        shift.astype(int).ravel()
    )
    edge = int(np.argmax(means[: width // 4] <= 0.05)) or 1  # where the middle peak has ended
    outside = np.where((shift > edge) & (shift < width // 4), correlation, -1)
    return float(outside.max()), round(float(shift.ravel()[outside.argmax()])), float(detail.std())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("styles", nargs="*", help="by default all bundled ones")
    for name in parser.parse_args().styles or STYLES:
        network = load_style(name).network.eval()
        measured = []
        for gray in GRAYS:
            with torch.no_grad():
                image = torch.from_numpy(card(gray)).permute(2, 0, 1)[None]
                painted = network(image)[0].permute(1, 2, 0).numpy()
            measured.append(regularity(painted @ np.float32(LUMA)))
        text = "   ".join(
            f"{peak:.2f} at {shift:3d} px, {deviation:.4f}" for peak, shift, deviation in measured
        )
        peaks, _, deviations = zip(*measured, strict=True)
        print(f"{name:18} {text}   mean {np.mean(peaks):.3f} {np.mean(deviations):.4f}")


if __name__ == "__main__":
    main()
