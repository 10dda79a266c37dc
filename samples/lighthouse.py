"""The still "lighthouse": the clip's headland by moonlight, with the lamp lit."""

import numpy as np
from canvas import Array, Canvas, noise, rgb, smoothstep
from coast import HOUSE_BASE, HOUSE_X, TOWER_BASE, TOWER_HEIGHT, TOWER_X, paint_headland
from seascape import Light, mirrored, paint_mountains, paint_sky, paint_water

SIZE = (960, 640)  # width, height in pixels
VIEW = (470.0, 57.0, 177.0)  # left, top and height of the view in scene units
LAMP = (TOWER_X, TOWER_BASE - TOWER_HEIGHT - 6)

NIGHT = Light(
    sky=((40, "0d1a3f"), (90, "173768"), (140, "2c6388"), (180, "6c9fa6"), (205, "d6c49a")),
    sun=(517, 131, 8.5),
    disc=rgb("fff6da"),
    glow=rgb("8fc4cc"),
    cloud_lit=rgb("a9c3cf"),
    cloud_shade=rgb("2a3f6c"),
    water=((205, "b9b59a"), (214, "4d7f93"), (235, "16375f")),
    glitter=rgb("f4ecc4"),
    cloudiness=0.5,
)


def paint_lighthouse() -> Array:
    """The image, (640, 960, 3) float RGB in [0, 1]."""
    density = SIZE[1] / VIEW[2]
    right, bottom = VIEW[0] + SIZE[0] / density, VIEW[1] + VIEW[2]
    sheets = [Canvas(VIEW[0], VIEW[1], right, bottom, density=density) for _ in range(4)]
    sky, hills, water, headland = sheets
    paint_sky(sky, NIGHT)
    _stars(sky)
    paint_mountains(hills, base=209, rise=40, cell=60, seed=15, colours=("2a4a72", "6f93a0", "9fb0a4"))
    paint_headland(headland)
    headland.tint(_moonlight)
    headland.glow(*LAMP, 22, rgb("ffb95c"), strength=0.55)
    _windows(headland)
    paint_water(water, NIGHT, [mirrored(hills, 206), mirrored(headland, 216)])
    picture = np.zeros_like(sky.pixels[..., :3])
    for sheet in (sky, hills, water):
        picture = picture * (1 - sheet.pixels[..., 3:]) + sheet.pixels[..., :3]
    picture = _beam(picture, *sky.grid())
    picture = picture * (1 - headland.pixels[..., 3:]) + headland.pixels[..., :3]
    return np.clip(_halo(picture, *sky.grid()), 0, 1)


def _moonlight(x: Array, y: Array) -> Array:
    """Factor (h, w, 3) that turns evening colors to night: cool, darker away from the moon."""
    depth = smoothstep(520, 740, x) * 0.3 + np.zeros_like(y)
    factor = np.array([0.60, 0.78, 1.06], np.float32)
    return factor * (1 - depth)[..., None]


def _stars(sky: Canvas) -> None:
    """Stars of differing size and warmth, thinning out towards the horizon."""
    rng = np.random.default_rng(77)
    for _ in range(150):
        x = float(rng.uniform(sky.left, sky.right))
        y = sky.top + 90 * float(rng.random()) ** 1.5
        if np.hypot(x - NIGHT.sun[0], y - NIGHT.sun[1]) < 22:
            continue
        size = 0.1 + 0.26 * float(rng.random()) ** 4
        sky.dab(
            x,
            y,
            size,
            size,
            rgb(["fff4d8", "dbe8ff", "ffffff"][rng.integers(3)]),
            opacity=float(rng.uniform(0.5, 1)),
        )


def _windows(headland: Canvas) -> None:
    """Light the keeper's windows and the lamp room again after the night's tint."""
    x, y = LAMP
    sill = HOUSE_BASE - 5.6
    for left in (HOUSE_X + 4.5, HOUSE_X + 21.5):
        headland.box(left, sill - 5, 4, 5, rgb("ffd77a"))
        headland.line([(left + 2, sill - 5), (left + 2, sill)], 0.5, rgb("4a3a4a"))
        headland.glow(left + 2, sill - 2.5, 5, rgb("ffb04a"), strength=0.35)
    for pane in (-4.7, -2.2, 0.3, 2.6):
        headland.box(x + pane, y - 4.4, 1.9, 8.6, rgb("fff4c4"))


def _beam(picture: Array, x: Array, y: Array) -> Array:
    """Add the lamp's two beams, which widen and fade, with the haze they light."""
    u, v = x - LAMP[0], y - LAMP[1]
    along, apart = np.abs(u), v + 0.13 * u
    width = 1.6 + 0.085 * along
    haze = 0.72 + 0.5 * noise(x + 0 * y, y + 0 * x, cell=16, seed=83, octaves=3)
    light = np.exp(-((apart / width) ** 2)) * np.exp(-along / 95) * haze * 0.85
    return picture + (1 - picture) * light[..., None] * np.asarray(rgb("ffe9ac"), np.float32)


def _halo(picture: Array, x: Array, y: Array) -> Array:
    """Add the bloom of the lamp itself."""
    distance = np.hypot(x - LAMP[0], y - LAMP[1])
    light = 0.75 * np.exp(-((distance / 7) ** 2)) + 0.28 * np.exp(-distance / 17)
    return picture + (1 - picture) * light[..., None] * np.asarray(rgb("ffdf98"), np.float32)
