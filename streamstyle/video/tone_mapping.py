"""Tone and gamut mapping: HDR and wide-gamut colors as SDR BT.709, as a table with three dimensions.

The colors are those of swscale's perceptual intent, which takes seconds to prepare and 50 ms for each frame
of 1080 lines. The intensity is compressed in IPT with PQ-coded cone responses, where hue stays constant, by a
curve with a knee that keeps middle tones and has no hard end (cf. SMPTE ST 2094-10). Colors beyond BT.709 are
moved inwards, those near the gray axis hardly at all; what is left beyond its range is soft-clipped.

References: SMPTE ST 2084 (PQ); ITU-R BT.2100 (HLG); ITU-R BT.1886; Ebner and Fairchild (1998), Development
and testing of a color space (IPT) with improved hue uniformity.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

PQ, HLG = 16, 18  # transfer characteristics in ITU-T H.273
WHITE = 203.0  # cd/m2 of SDR white (ITU-R BT.2408)
HLG_PEAK = 1000.0  # cd/m2 of the reference display of HLG
PQ_PEAK = 10_000.0

# Primaries by their code points: x and y of red, green, blue and white.
_D65, _DCI, _C = (0.3127, 0.3290), (0.314, 0.351), (0.310, 0.316)
PRIMARIES = {
    1: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65),
    4: ((0.670, 0.330), (0.210, 0.710), (0.140, 0.080), _C),
    5: ((0.640, 0.330), (0.290, 0.600), (0.150, 0.060), _D65),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    8: ((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), _C),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _DCI),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),
    22: ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), _D65),
}
# Exponents of the displays for which SDR transfer characteristics are meant; of all others it is 2.4.
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0, 17: 2.6}
_BT1886 = 2.4
_SRGB = 13

_XYZ_TO_CONES = np.array(
    [[0.40024, 0.70760, -0.08081], [-0.22630, 1.16532, 0.04570], [0.0, 0.0, 0.91822]], np.float64
)
_CROSSTALK = 0.04  # share that each cone response gets of each other one; keeps the hue of blue
_CONES_TO_IPT = np.array(
    [[0.4000, 0.4000, 0.2000], [4.4550, -4.8510, 0.3960], [0.8056, 0.3572, -1.1628]], np.float32
)
_IPT_TO_CONES = np.linalg.inv(_CONES_TO_IPT)

_KNEE = 0.4  # place of the knee, as a share of the brightest intensity
_ADAPTATION = 0.4  # how far the knee moves from its own intensity towards the same share of SDR's
_PROTECTED = 0.3  # chroma relative to the gamut's up to which a color is not moved inwards
_INWARDS = 0.8  # how far the most colorful ones are moved
_SOFT = 0.7  # share of the range above which it is compressed


@dataclass(frozen=True, slots=True)
class Mastering:
    """The display on which a video was mastered, as its metadata say.

    Attributes:
        peak: its brightest white in cd/m2, or None.
        primaries: x and y of its red, green and blue, or None.
    """

    peak: float | None = None
    primaries: tuple[tuple[float, float], ...] | None = None

    @classmethod
    def parse(cls, metadata: bytes) -> Mastering:
        """From FFmpeg's AVMasteringDisplayMetadata; values that make no sense are left out."""
        if len(metadata) < 88:
            return cls()
        values = struct.unpack("=22i", metadata[:88])
        numbers = [above / (below or 1) for above, below in zip(values[:20:2], values[1:20:2], strict=True)]
        corners = tuple(zip(numbers[0:6:2], numbers[1:6:2], strict=True))
        peak, has_primaries, has_luminance = numbers[9], *values[20:]
        if not (has_luminance and WHITE <= peak <= PQ_PEAK):
            peak = None
        return cls(peak, corners if has_primaries and _is_gamut(corners) else None)


def _is_gamut(corners: tuple[tuple[float, float], ...]) -> bool:
    """Whether red, green and blue are colors, and span a triangle."""
    (x, y), green, blue = corners
    area = (green[0] - x) * (blue[1] - y) - (green[1] - y) * (blue[0] - x)
    return area > 0.01 and all(0 < x < 1 and 0 < y < 1 for x, y in corners)


@lru_cache(2)
def cube(primaries: int, transfer: int, mastering: Mastering) -> str:
    """The colors of `color_table` as the text of a .cube file."""
    table = color_table(primaries, transfer, mastering)
    lines = "%.5f %.5f %.5f\n" * (table.size // 3) % tuple(table.ravel().tolist())
    return f"LUT_3D_SIZE {len(table)}\n{lines}"


def color_table(primaries: int, transfer: int, mastering: Mastering, size: int = 65) -> Array:
    """The SDR colors of all RGB codes at steps of 1 / (size - 1).

    Args:
        primaries, transfer: code points of ITU-T H.273; unknown ones are taken for BT.709.
        mastering: the range of colors that occur.

    Returns:
        (size, size, size, 3) float32, codes of BT.709 in [0, 1], by the codes of blue, green and red.
    """
    peak = (mastering.peak or {PQ: PQ_PEAK, HLG: HLG_PEAK}.get(transfer, WHITE)) / PQ_PEAK
    white = WHITE / PQ_PEAK
    *corners, white_point = PRIMARIES.get(primaries, PRIMARIES[1])
    encoding = rgb_to_cones((*corners, white_point))
    gamut = rgb_to_cones((*(mastering.primaries or corners), white_point))
    target = rgb_to_cones(PRIMARIES[1])

    steps = np.linspace(0, 1, size, dtype=np.float32)
    green, red = np.meshgrid(steps, steps, indexing="ij")
    limits = pq(np.array([peak, white])).tolist()
    widest = most_chroma(gamut, target, white)
    result = np.empty((size, size, size, 3), np.float32)
    for blue, plane in zip(steps, result, strict=True):  # a plane at a time stays in the processor's cache
        codes = np.stack((red, green, np.full_like(red, blue)), axis=-1).reshape(-1, 3)
        ipt = to_ipt(displayed(codes, transfer, peak) @ encoding.T)
        ipt = moved_inwards(compressed(ipt, *limits), gamut, target, widest)
        rgb = soft_clipped(to_cones(ipt) @ np.linalg.inv(target).T / white)
        plane[:] = (rgb ** np.float32(1 / _BT1886)).reshape(plane.shape)
    return result


def displayed(codes: Array, transfer: int, peak: float) -> Array:
    """(N, 3) codes as light on a display with white at `peak`, both as shares of 10,000 cd/m2."""
    if transfer == PQ:
        return from_pq(codes)
    if transfer == HLG:
        # Scene light, and the system gamma of the display that makes it light there (BT.2100, table 5).
        scene = np.where(
            codes <= 0.5, codes**2 / 3, (np.exp((codes - 0.55991073) / 0.17883277) + 0.28466892) / 12
        )
        luminance = scene @ np.array([0.2627, 0.6780, 0.0593], np.float32)
        gamma = max(1.2 + 0.42 * float(np.log10(peak * PQ_PEAK / HLG_PEAK)), 1.0)
        return peak * luminance[:, None] ** (gamma - 1) * scene
    if transfer == _SRGB:
        return peak * np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4)
    return peak * codes ** np.float32(_GAMMAS.get(transfer, _BT1886))


def pq(light: Array) -> Array:
    """The PQ code of light as a share of 10,000 cd/m2."""
    power = np.maximum(light, 0) ** np.float32(0.1593017578125)
    codes: Array = ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** np.float32(78.84375)
    return codes


def from_pq(codes: Array) -> Array:
    """The inverse of `pq`."""
    power = np.maximum(codes, 0) ** np.float32(1 / 78.84375)
    ratio: Array = np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)
    light: Array = ratio ** np.float32(1 / 0.1593017578125)
    return light


def rgb_to_cones(corners: tuple[tuple[float, float], ...]) -> Array:
    """(3, 3), linear RGB to cone responses, which are 1 for white.

    Args:
        corners: x and y of red, green, blue and white.
    """
    *primaries, white = (np.array([x / y, 1, (1 - x - y) / y]) for x, y in corners)
    xyz = np.stack(primaries, axis=1)
    cones = _XYZ_TO_CONES @ (xyz * np.linalg.solve(xyz, white))
    cones = cones / cones.sum(axis=1, keepdims=True)
    mixed: Array = cones * (1 - 3 * _CROSSTALK) + _CROSSTALK * cones.sum(axis=0)
    return mixed.astype(np.float32)


def to_ipt(cones: Array) -> Array:
    """(N, 3) linear cone responses to intensity I in [0, 1] and the chroma components P and T."""
    return pq(cones) @ _CONES_TO_IPT.T


def to_cones(ipt: Array) -> Array:
    """The inverse of `to_ipt`."""
    return from_pq(ipt @ _IPT_TO_CONES.T)


def compressed(ipt: Array, peak: float, white: float) -> Array:
    """(N, 3) with intensities up to `peak` compressed to the range up to `white`.

    Below the knee the curve is a parabola through black, above it a cubic that reaches `white` without
    curvature; both have the same slope at the knee.
    """
    knee = _KNEE * peak
    mapped = min(knee + _ADAPTATION * (_KNEE * white - knee), 0.8 * white)
    contrast = min(max(1.5 * (peak / white - 1), 0.2), 1.2)
    slope = (mapped / knee) ** (0.5 * contrast)
    above, excess = peak - knee, slope * (peak - knee) - (white - mapped)
    x = ipt[:, :1] - knee
    lower = x * (slope + x * (slope * knee - mapped) / knee**2)
    upper = x * (slope + x * excess / above**2 * (0.5 * x / above - 1.5))
    intensity = np.maximum(np.where(x > 0, upper, lower) + mapped, 0)
    # Darker colors need less chroma to look alike, and brighter ones must not get more than they had.
    before = np.maximum(ipt[:, :1], 1e-6)
    chroma = np.minimum(before / np.maximum(intensity, 1e-6), _width(intensity) / _width(before))
    return np.concatenate((intensity, ipt[:, 1:] * chroma), axis=1)


def _width(intensity: Array) -> Array:
    """How wide a gamut is, about, at an intensity."""
    return intensity * (3 - intensity) ** 2


def moved_inwards(ipt: Array, gamut: Array, target: Array, widest: Array) -> Array:
    """(N, 3), where colorful colors of `gamut` are moved towards the same RGB in `target`.

    Args:
        ipt: colors up to the brightness for which `widest` is.
        gamut, target: as from `rgb_to_cones`.
        widest: as from `most_chroma`.
    """
    hue = np.arctan2(ipt[:, 2], ipt[:, 1]) * (len(widest) / (2 * np.pi))
    chroma = np.hypot(ipt[:, 1], ipt[:, 2]) / widest[np.rint(hue).astype(int) % len(widest)]
    share = np.clip((chroma - _PROTECTED) / (1 - _PROTECTED), 0, 1)
    share = _INWARDS * share * share * (3 - 2 * share)
    moved = to_ipt(to_cones(ipt) @ (target @ np.linalg.inv(gamut)).T)
    mixed: Array = ipt + share[:, None] * (moved - ipt)
    return mixed


def most_chroma(gamut: Array, target: Array, white: float, hues: int = 4096) -> Array:
    """(hues,), the largest chroma of a color in either gamut, for hues all around from that of P.

    It is that of the edges from red by yellow, green … to red.
    """
    cube = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1], [1, 0, 0]])
    along = np.linspace(0, 1, 64, endpoint=False)[:, None]
    edges = np.concatenate([start + along**3 * (end - start) for start, end in pairwise(cube)])
    around = np.arange(hues) * (2 * np.pi / hues)
    found = []
    for cones in (gamut, target):
        _, p, t = to_ipt(white * edges.astype(np.float32) @ cones.T).T
        found.append(np.interp(around, np.arctan2(t, p), np.hypot(p, t), period=2 * np.pi))
    widest: Array = np.maximum(*found)
    return widest.astype(np.float32)


def soft_clipped(rgb: Array) -> Array:
    """(N, 3) linear RGB in [0, 1]: above a part of the range, compressed so that the largest becomes 1."""
    knee, peak = _SOFT, np.maximum(rgb.max(axis=1, keepdims=True), 1 + 1e-6)
    a = -(knee**2) * (peak - 1) / (knee**2 - 2 * knee + peak)
    b = (knee**2 - 2 * knee * peak + peak) / (peak - 1)
    scale = (b**2 + 2 * b * knee + knee**2) / (b - a)
    soft = np.where((rgb > knee) & (peak > 1 + 1e-4), scale * (rgb + a) / (rgb + b), rgb)
    return np.clip(soft, 0, 1)
