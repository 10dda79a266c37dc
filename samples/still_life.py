"""The still "still_life": a jug, oranges, pears and grapes on a striped cloth, lit from a window.

Rays are marched through signed distance fields; see Hart (1996), "Sphere Tracing". Positions are (x, y, z)
in decimetres: x right, y up (the table is y = 0), z away from the viewer.
"""

from collections.abc import Callable

import cv2
import numpy as np
from canvas import Array, blend, noise, ramp, rgb, smoothstep
from numpy.typing import NDArray

SIZE = (960, 640)  # width, height in pixels
EYE, LOOK_AT, FOCAL = (0.3, 3.1, -8.2), (0.3, 1.12, 0.0), 2.7  # focal length in half image heights
WINDOW = np.array([-0.62, 0.62, -0.48], np.float32) / np.linalg.norm([0.62, 0.62, 0.48]).astype(np.float32)
FAR, STEPS = 18.0, 120
TABLE, JUG, ORANGE, PEAR, GRAPE, STALK, WALL = range(7)
WALL_Z, TABLE_EDGE = 3.4, -2.3

ORANGES = ((-1.95, 0.62, -0.35, 0.62), (-1.0, 0.56, -1.15, 0.56), (3.1, 0.6, 0.35, 0.6))
PEARS = ((1.45, 0.25, -0.55), (2.35, -0.5, -0.95))  # (x, lean, z)


def _grapes() -> list[tuple[float, float, float, float]]:
    """Centers and radii of a heap of grapes."""
    rng = np.random.default_rng(3)
    heap = []
    for layer, (count, reach, height) in enumerate(((15, 0.72, 0.19), (9, 0.45, 0.46), (3, 0.2, 0.7))):
        for number in range(count):
            angle = 2.4 * number + layer
            radius = reach * float(np.sqrt((number + 0.5) / count))
            heap.append(
                (
                    0.3 + 1.25 * radius * float(np.cos(angle)),
                    height + float(rng.normal(0, 0.02)),
                    -1.55 + 0.75 * radius * float(np.sin(angle)),
                    0.19 + float(rng.uniform(-0.015, 0.02)),
                )
            )
    return heap


GRAPES = _grapes()


def _sphere(p: Array, centre: tuple[float, ...], radius: float) -> Array:
    """Distance of the points p (n, 3) from a sphere."""
    return np.sqrt(((p - np.asarray(centre, np.float32)) ** 2).sum(-1)) - radius


def _smooth_min(a: Array, b: Array, blend_width: float) -> Array:
    """The smaller of two distances, rounded where they meet."""
    h = np.clip(0.5 + 0.5 * (b - a) / blend_width, 0, 1)
    return b + (a - b) * h - blend_width * h * (1 - h)


def _jug_radius(y: Array) -> Array:
    """Radius of the jug at height y."""
    heights = [0, 0.12, 0.5, 1.0, 1.5, 1.95, 2.3, 2.6, 2.9, 3.1]
    radii = [0.5, 0.55, 0.8, 0.98, 0.92, 0.66, 0.45, 0.42, 0.52, 0.6]
    fine = np.linspace(0, 3.1, 125)
    smooth = np.convolve(
        np.pad(np.interp(fine, heights, radii), 6, mode="edge"), np.hanning(15)[1:-1] / 7, mode="valid"
    )
    return np.interp(y, fine, smooth).astype(np.float32)


def _jug(p: Array) -> Array:
    """Distance from a turned jug with an open mouth and a handle."""
    x, y, z = p[:, 0] + 0.25, p[:, 1], p[:, 2] - 0.75
    around = np.sqrt(x * x + z * z)
    wall = np.abs(around - _jug_radius(np.clip(y, 0, 3.1))) - 0.035
    body = np.maximum(np.maximum(wall * 0.72, y - 3.1), -y)
    ring = np.sqrt((np.sqrt((x - 0.72) ** 2 + (0.72 * (y - 2.0)) ** 2) - 0.58) ** 2 + (z * 0.9) ** 2) - 0.1
    handle = np.maximum(ring * 0.8, _jug_radius(np.clip(y, 0, 3.1)) - around)
    return _smooth_min(body, handle, 0.08)


def _pear(p: Array, x: float, lean: float, z: float) -> Array:
    """Distance from a pear that leans to its side."""
    belly, neck = (x, 0.56, z), (x + 0.3 * lean, 1.18, z + 0.05)
    return _smooth_min(_sphere(p, belly, 0.57), _sphere(p, neck, 0.3), 0.42) * 0.95


def _stalk(
    p: Array, start: tuple[float, float, float], end: tuple[float, float, float], radius: float
) -> Array:
    """Distance from a rod."""
    a, b = np.asarray(start, np.float32), np.asarray(end, np.float32)
    along = np.clip(((p - a) @ (b - a)) / ((b - a) @ (b - a)), 0, 1)[:, None]
    return np.sqrt(((p - a - along * (b - a)) ** 2).sum(-1)) - radius


def _table(p: Array) -> Array:
    """Distance from the cloth: it lies flat with soft folds and falls over the table's edge."""
    fold = 0.05 * np.sin(1.3 * p[:, 0] + 0.8 * p[:, 2]) * np.clip(np.abs(p[:, 0]) - 2.2, 0, 1)
    flat = p[:, 1] + fold
    front = TABLE_EDGE - p[:, 2] + 0.12 * np.sin(2.2 * p[:, 0]) * np.clip(-p[:, 1], 0, 1.5)
    return np.maximum(flat, front) * 0.8


def _heap(p: Array) -> Array:
    """Distance from the grapes."""
    near = _sphere(p, (0.3, 0.4, -1.55), 1.35)
    close = near < 0.3
    if close.any():
        near[close] = np.min([_sphere(p[close], grape[:3], grape[3]) for grape in GRAPES], axis=0)
    return near


def _stalks(p: Array) -> Array:
    """Distance from the pears' stalks and the grapes'."""
    rods = [
        ((x + 0.3 * lean, 1.4, z + 0.05), (x + 0.45 * lean + 0.05, 1.78, z + 0.02), 0.035)
        for x, lean, z in PEARS
    ]
    rods.append(((0.1, 0.75, -1.5), (-0.22, 0.98, -1.62), 0.04))
    return np.min([_stalk(p, *rod) for rod in rods], axis=0)


FORMS: tuple[tuple[int, Callable[[Array], Array]], ...] = (
    (TABLE, _table),
    (JUG, _jug),
    (ORANGE, lambda p: np.min([_sphere(p, o[:3], o[3]) for o in ORANGES], axis=0)),
    (PEAR, lambda p: np.min([_pear(p, *pear) for pear in PEARS], axis=0)),
    (GRAPE, _heap),
    (STALK, _stalks),
    (WALL, lambda p: WALL_Z - p[:, 2]),
)


def _distance(p: Array) -> Array:
    """Distance (n,) of the points p (n, 3) from the nearest surface."""
    return np.min([form(p) for _, form in FORMS], axis=0).astype(np.float32)


def _march(start: Array, ray: Array, *, reach: float = FAR, stride: float = 1.0) -> tuple[Array, Array]:
    """Sphere tracing: walk along the rays until they hit; a step is `stride` times the distance left.

    Returns:
        How far each went (n,), and how clear of everything it stayed (n,), 0 = touched, for soft shadows.
    """
    gone, narrow = np.full(len(ray), 0.02, np.float32), np.ones(len(ray), np.float32)
    walking = np.arange(len(ray))
    for _ in range(STEPS):
        room = _distance(start[walking] + ray[walking] * gone[walking, None])
        clear = np.where(room > 0.0012, np.clip(7 * room / gone[walking], 0, 1), 0)
        narrow[walking] = np.minimum(narrow[walking], clear)
        gone[walking] += np.maximum(stride * room, 0.002)
        walking = walking[(room > 0.0012) & (gone[walking] < reach)]
        if not walking.size:
            break
    return gone, narrow


def _normals(p: Array) -> Array:
    """Unit normals (n, 3) from differences of the distance at four corners of a tetrahedron."""
    corners = np.array([(1, -1, -1), (-1, -1, 1), (-1, 1, -1), (1, 1, 1)], np.float32)
    normal = sum(corner * _distance(p + 0.004 * corner)[:, None] for corner in corners)
    return normal / np.linalg.norm(normal, axis=1, keepdims=True)


def _dimpled(p: Array, normal: Array) -> Array:
    """Normals (n, 3) of an orange's peel: the smooth ones tilted by fine pores."""
    pores = [
        noise(p[:, i] * 30 + 7, p[:, j] * 30 + p[:, k] * 11, cell=1, seed=31 + i)
        for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1))
    ]
    tilted = normal + 0.1 * (np.stack(pores, axis=1) - 0.5)
    return tilted / np.linalg.norm(tilted, axis=1, keepdims=True)


def _colours(p: Array, normal: Array, thing: NDArray[np.int64]) -> tuple[Array, Array]:
    """Own color (n, 3) and gloss (n,) of the surface points."""
    x, y, z = p[:, 0], p[:, 1], p[:, 2]
    wall = blend(rgb("4f6b66"), rgb("93a58c"), noise(x, y, cell=1.6, seed=5, octaves=5))
    colour, gloss = wall, np.zeros(len(p), np.float32)
    orange = ramp(noise(x * 3, y * 3 + z, cell=1, seed=7), ((0, "e05c08"), (0.5, "ee7410"), (1, "f58a20")))
    blush = smoothstep(
        0.35, 0.75, noise(x * 1.4 + z, y * 1.4, cell=1, seed=9, octaves=3) + 0.25 * normal[:, 0]
    )
    pear = blend(rgb("c3bc3a"), rgb("c8552c"), 0.8 * blush)
    specks = smoothstep(0.72, 0.78, noise(x * 30 + z * 9, y * 30, cell=1, seed=12))
    pear = blend(pear, rgb("7a6a2c"), 0.35 * specks)
    grape = blend(rgb("3a1a4f"), rgb("7a3f86"), noise(x * 2, y * 2 + z * 2, cell=0.5, seed=15))
    grape = blend(
        grape, rgb("a79ac4"), 0.35 * smoothstep(0.45, 0.8, noise(x * 6, y * 6, cell=1, seed=16, octaves=2))
    )
    looks = (
        (TABLE, _cloth(x, y, z), 0.0),
        (JUG, _glaze(p), 0.9),
        (ORANGE, orange, 0.35),
        (PEAR, pear, 0.4),
        (GRAPE, grape, 0.55),
        (STALK, np.broadcast_to(np.asarray(rgb("5a3f22"), np.float32), p.shape), 0.1),
    )
    for number, own, shine in looks:
        colour = np.where((thing == number)[:, None], own, colour)
        gloss = np.where(thing == number, shine, gloss)
    return colour.astype(np.float32), gloss.astype(np.float32)


def _cloth(x: Array, y: Array, z: Array) -> Array:
    """Linen with blue and red stripes and a visible weave."""
    along = z - np.minimum(y, 0)  # the pattern goes on down the fall of the cloth
    u, v = x + 0.25 * along, along - 0.1 * x
    weave = 0.97 + 0.03 * np.sin(110 * u) * np.sin(110 * v)
    linen = blend(rgb("efe3cb"), rgb("dccaa8"), noise(u, v, cell=0.5, seed=19, octaves=3))
    wide = smoothstep(0.19, 0.17, np.abs((u / 1.5 - np.round(u / 1.5)) * 1.5))
    thin = smoothstep(0.035, 0.02, np.abs(np.abs((u / 1.5 - np.round(u / 1.5)) * 1.5) - 0.3))
    return blend(blend(linen, rgb("2f5590"), 0.85 * wide), rgb("b8433c"), 0.85 * thin) * weave[:, None]


def _glaze(p: Array) -> Array:
    """White glaze painted in cobalt: bands, and leaves around the belly."""
    y = p[:, 1]
    angle = np.arctan2(p[:, 2] - 0.75, p[:, 0] + 0.25)
    band = np.zeros_like(y)
    for height, half in ((0.2, 0.05), (0.36, 0.02), (1.72, 0.02), (1.88, 0.05), (2.98, 0.06), (2.3, 0.02)):
        band = np.maximum(band, smoothstep(half + 0.012, half, np.abs(y - height)))
    turn = angle * 9 / (2 * np.pi)
    u, v = (turn - np.round(turn)) * 2, (y - 1.03) / 0.5
    leaf = smoothstep(0.06, 0.0, np.abs(u) - 0.55 * np.clip(1 - v * v, 0, 1) ** 1.2)
    vein = smoothstep(0.06, 0.03, np.abs(u)) + smoothstep(
        0.07, 0.03, np.abs(np.abs(u) * 1.1 + v * 0.5 - np.round((np.abs(u) * 1.1 + v * 0.5) * 4) / 4)
    )
    leaf = leaf * (1 - 0.6 * np.clip(vein, 0, 1)) * (np.abs(v) < 1)
    dot = smoothstep(0.11, 0.07, np.hypot((np.abs(u) - 1) * 0.5, (y - 1.5) * 1.1))
    brush = 0.75 + 0.35 * noise(angle * 3, y * 3, cell=0.5, seed=27, octaves=2)
    return blend(rgb("f2efe4"), rgb("23479c"), np.clip(np.maximum(np.maximum(band, leaf), dot) * brush, 0, 1))


def _rays(width: int, height: int) -> Array:
    """Unit directions (height * width, 3) of the view through each pixel's center."""
    eye, target = np.asarray(EYE, np.float32), np.asarray(LOOK_AT, np.float32)
    ahead = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross((0, 1, 0), ahead)
    right /= np.linalg.norm(right)
    up = np.cross(ahead, right)
    x = (2 * (np.arange(width) + 0.5) - width) / height
    y = (height - 2 * (np.arange(height) + 0.5)) / height
    ray = FOCAL * ahead + x[None, :, None] * right + y[:, None, None] * up
    ray = ray / np.linalg.norm(ray, axis=-1, keepdims=True)
    return ray.reshape(-1, 3).astype(np.float32)


def _shade(ray: Array) -> Array:
    """Color (n, 3) seen along the rays from the eye."""
    gone, _ = _march(np.broadcast_to(np.asarray(EYE, np.float32), ray.shape), ray)
    p = np.asarray(EYE, np.float32) + ray * gone[:, None]
    thing = np.argmin([form(p) for _, form in FORMS], axis=0)
    normal = _normals(p)
    own, gloss = _colours(p, normal, thing)
    peel = thing == ORANGE
    normal[peel] = _dimpled(p[peel], normal[peel])
    lit = np.clip(normal @ WINDOW, 0, 1)
    clear = np.zeros_like(lit)
    facing = lit > 0
    clear[facing] = _march(
        p[facing] + 0.03 * normal[facing], np.broadcast_to(WINDOW, p[facing].shape), reach=7.0
    )[1]
    room = np.mean([np.clip(_distance(p + normal * step) / step, 0, 1) for step in (0.12, 0.35, 0.8)], axis=0)
    room = 0.2 + 0.8 * room
    # The window lights less of the wall further right, which leaves that side of the image dark.
    fall = np.where(thing == WALL, np.clip(1.0 - 0.2 * (p[:, 0] + 2), 0.12, 1), 1.0)
    sun = (1.18 * lit * clear * fall)[:, None] * np.asarray(rgb("ffe6bd"), np.float32)
    sky = (0.36 * room**1.4 * (0.65 + 0.35 * normal[:, 1]))[:, None] * np.asarray(rgb("a9bede"), np.float32)
    bounce = (0.16 * room * np.clip(0.4 - 0.6 * normal[:, 1], 0, 1))[:, None] * np.asarray(
        rgb("ffc890"), np.float32
    )
    colour = own**1.6 * (sun + sky + bounce) * 1.25
    return colour + _reflection(ray, normal, gloss, clear=clear * facing, room=room)


def _reflection(ray: Array, normal: Array, gloss: Array, *, clear: Array, room: Array) -> Array:
    """Mirror image (n, 3) of the bright window with its bars, and of the dim room."""
    towards = -(ray * normal).sum(-1)
    mirror = ray + 2 * towards[:, None] * normal
    fresnel = 0.05 + 0.95 * np.clip(1 - towards, 0, 1) ** 5
    side = np.cross(WINDOW, (0, 1, 0))
    side /= np.linalg.norm(side)
    u, v = mirror @ side, mirror @ np.cross(side, WINDOW)
    pane = smoothstep(0.24, 0.19, np.abs(u)) * smoothstep(0.30, 0.25, np.abs(v)) * (mirror @ WINDOW > 0)
    pane *= smoothstep(0.012, 0.03, np.abs(u)) * smoothstep(0.012, 0.03, np.abs(v))
    light = (pane * (0.16 + fresnel) * 3.4 * (0.25 + 0.75 * clear) + 0.28 * fresnel * room**2) * gloss
    return light[:, None] * np.asarray(rgb("fff4e0"), np.float32)


def paint_still_life(*, supersampling: int = 2) -> Array:
    """The image, (640, 960, 3) float RGB in [0, 1]."""
    width, height = SIZE[0] * supersampling, SIZE[1] * supersampling
    rays = _rays(width, height)
    strip = width * 40  # a number of rays that fits the processor's cache
    light = np.concatenate([_shade(rays[first : first + strip]) for first in range(0, len(rays), strip)])
    shown = 1 - np.exp(-1.55 * np.clip(light, 0, None))  # film-like shoulder instead of clipped highlights
    picture = np.clip(shown, 0, 1) ** (1 / 1.6)
    return cv2.resize(
        picture.reshape(height, width, 3).astype(np.float32), SIZE, interpolation=cv2.INTER_AREA
    )
