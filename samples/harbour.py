"""The clip's scene, an evening harbor seen from a terrace, and the motion of camera and boats.

The camera pans and travels to the right and zooms in a little. A pan moves all layers alike; travel moves
a layer by its nearness; on the water, nearness grows evenly from the horizon down, so travel shears it. All
of that is affine, and the flow is exact.
"""

import math
from collections.abc import Callable

import numpy as np
from canvas import Array, Canvas, blend, noise, ramp
from coast import paint_gull, paint_headland, paint_terrace
from ketch import paint_ketch
from numpy.typing import NDArray
from render import Layer
from seascape import EVENING, HORIZON, WATER_DEPTH, mirrored, paint_mountains, paint_sky, paint_water
from town import paint_town

WIDTH, HEIGHT, FPS, FRAMES = 640, 360, 24, 120
CENTRE = (330.0, 195.0)  # the point of the screen that the zoom leaves where it is
PAN, TRAVEL, ZOOM = 90.0, 80.0, 0.10  # over the whole clip: units, units at nearness 1, share
KETCH_NEARNESS = 0.44
DENSITY = 2.0

Map = NDArray[np.float64]


def progress(frame: float) -> float:
    """Camera progress, -0.5 to 0.5, with a slow start and end."""
    share = frame / (FRAMES - 1)
    return share - 0.5 - 0.7 * math.sin(2 * math.pi * share) / (2 * math.pi)


def camera(nearness: float) -> Callable[[float], Map]:
    """frame -> (2, 3) map from scene to screen of an upright layer at `nearness` (0 = endlessly far)."""

    def place(frame: float) -> Map:
        moved = progress(frame)
        zoom = 1 + ZOOM * (moved + 0.5)
        shift = PAN * moved + TRAVEL * nearness * moved
        (cx, cy), leave = CENTRE, 1 - zoom
        return np.array([[zoom, 0, cx * leave - zoom * shift], [0, zoom, cy * leave]])

    return place


def water_camera(frame: float) -> Map:
    """The map of the water, whose nearness is (y - HORIZON) / WATER_DEPTH."""
    place = camera(0)(frame)
    shear = -place[0, 0] * TRAVEL * progress(frame) / WATER_DEPTH
    place[0, 1] += shear
    place[0, 2] -= shear * HORIZON
    return place


def water_sway(y: Array, frame: float) -> Array:
    """Sideways shift of the water's rows: long waves that run towards the camera, smaller far off."""
    depth = np.maximum(np.asarray(y) - HORIZON, 0) + 5
    phase, turn = 16 * np.log(depth), 2 * np.pi * frame / FPS
    return depth * (0.016 * np.sin(phase - 0.55 * turn) + 0.008 * np.sin(2.3 * phase - 0.8 * turn + 1))


def ketch_place(frame: float, *, mirror: bool = False) -> Map:
    """The ketch sails to the right, heaves and rolls; its `mirror` image does the opposite."""
    turn, share, side = 2 * math.pi * frame / FPS, frame / (FRAMES - 1), -1 if mirror else 1
    x = 60 + 415 * share
    y = HORIZON + KETCH_NEARNESS * WATER_DEPTH + side * 1.6 * math.sin(0.42 * turn)
    roll = side * math.radians(1.0 + 1.5 * math.sin(0.36 * turn + 1))
    c, s = math.cos(roll), math.sin(roll)
    return compose(camera(KETCH_NEARNESS)(frame), np.array([[c, -s, x], [s, c, y]]))


def ketch_mirror_sway(y: Array, frame: float) -> Array:
    """Rows of the mirror image waver more the further they are from the hull."""
    away = np.maximum(np.asarray(y), 0)
    return 0.035 * away * np.sin(0.34 * away - 2 * np.pi * 0.6 * frame / FPS) + 1.2 * np.sin(
        0.8 * away - 0.3 * frame
    )


def gull_place(number: int) -> Callable[[float], Map]:
    """Gulls cross to the left one behind the other; a wing beat is a change of the layer's height."""

    def place(frame: float) -> Map:
        seconds = frame / FPS
        size = 0.72 + 0.17 * ((number * 5) % 4)
        beat = 0.62 + 0.38 * math.sin(2 * math.pi * (1.15 + 0.07 * number) * seconds + 1.7 * number)
        x = 430 + 62 * number + 17 * ((number * 3) % 4) - (58 + 5 * number) * seconds
        y = 92 + 15 * ((number * 7) % 5) - 6 * seconds + 5 * math.sin(1.3 * seconds + number)
        return compose(camera(0.3)(frame), np.array([[size, 0, x], [0, size * beat, y]]))

    return place


def compose(outer: Map, inner: Map) -> Map:
    """The (2, 3) affine map that applies `inner`, then `outer`."""
    return np.concatenate([outer[:, :2] @ inner[:, :2], outer[:, :2] @ inner[:, 2:] + outer[:, 2:]], axis=1)


def layers(*, density: float = DENSITY) -> list[Layer]:
    """The whole scene, far to near; `density` is the canvases' pixels per unit."""

    def sheet(left: float = -90, top: float = -10, right: float = 760, bottom: float = 375) -> Canvas:
        return Canvas(left, top, right, bottom, density=density)

    sky, far_range, near_range, water = sheet(), sheet(), sheet(), sheet(top=HORIZON, bottom=395)
    town, headland, terrace = sheet(left=-150), sheet(left=490), sheet(left=-130, right=262, top=150)
    ketch = Canvas(-104, -182, 96, 10, density=density)
    paint_sky(sky, EVENING)
    paint_mountains(
        far_range, base=208, rise=78, cell=140, seed=4, colours=("6f6a99", "d3a2a6", "edb9a2"), dip=26
    )
    paint_mountains(
        near_range, base=212, rise=50, cell=100, seed=9, colours=("4f4c74", "b58082", "c59694"), dip=14
    )
    paint_town(town)
    paint_headland(headland)
    paint_ketch(ketch)
    paint_terrace(terrace)
    paint_water(water, EVENING, [mirrored(near_range, 206), mirrored(town, 221), mirrored(headland, 216)])
    gull = Canvas(-18, -12, 18, 5, density=density * 2)
    paint_gull(gull)
    return [
        Layer("sky", sky, camera(0)),
        Layer("far mountains", far_range, camera(0.015)),
        Layer("near mountains", near_range, camera(0.035)),
        Layer("water", water, water_camera, water_sway),
        Layer("headland", headland, camera(0.07)),
        Layer("town", town, camera(0.1)),
        *(Layer(f"gull {number + 1}", gull, gull_place(number)) for number in range(6)),
        Layer(
            "mirrored ketch",
            ketch_mirror(ketch),
            lambda frame: ketch_place(frame, mirror=True),
            ketch_mirror_sway,
        ),
        Layer("ketch", ketch, ketch_place),
        Layer("terrace", terrace, camera(1)),
    ]


def ketch_mirror(ketch: Canvas) -> Canvas:
    """The ketch's mirror image: darker, bluer and broken into bars by the waves."""
    image = mirrored(ketch, 2, squash=0.62)
    x, y = np.broadcast_arrays(*image.grid())
    water = ramp(y, [(0, "5f6a90"), (90, "2c4a70")])
    alpha = image.pixels[..., 3:]
    colour = image.pixels[..., :3] / np.maximum(alpha, 1e-3)
    bars = np.sin(0.9 * y + 5 * noise(x * 0.4, y, cell=12, seed=53, octaves=2)) * 0.5 + 0.5
    gap = 0.1 + 0.75 * np.clip(y / 105, 0, 1)  # wider further from the hull
    kept = np.clip((bars - gap) * 3.5 * image.density / DENSITY + 0.5, 0, 1)[..., None] * alpha
    image.pixels[..., :3] = blend(colour * 0.9, water, np.clip(0.32 + y / 260, 0, 1)) * kept
    image.pixels[..., 3:] = kept
    return image
