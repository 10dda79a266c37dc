"""Sky, mountains and water: the distant scenery and its reflections.

Heights are scene units, y down; `HORIZON` is where the sea ends.
"""

from dataclasses import dataclass

import numpy as np
from canvas import Array, Canvas, Colour, Paint, blend, down, noise, ramp, rgb, smoothstep

HORIZON = 205.0
WATER_DEPTH = 160.0  # units below the horizon at which the water is as near as the foreground
_ALONG = np.linspace(-1, 1, 9)
LENS = (
    np.concatenate(  # corners (18, 2) of a ripple from (-1, 0) to (1, 0): its back is higher than its belly
        [
            np.stack([_ALONG, _ALONG**2 - 1], axis=1),
            np.stack([_ALONG[::-1], 0.7 * (1 - _ALONG**2)], axis=1),
        ]
    )
)


@dataclass(frozen=True)
class Light:
    """The light at a time of day: a sky's colors from top to horizon, and its sun (or moon).

    Attributes:
        sky: gradient stops (height in scene units, "rrggbb").
        sun: center (x, y) and radius in scene units.
        disc, glow: colors of the sun and of the air around it.
        cloud_lit, cloud_shade: colors of the clouds on the sun's side and on the other.
        water: gradient stops (height, "rrggbb") of open water.
        glitter: color of the sun's path on the water.
        cloudiness: share of the sky that is not cloud; lower means more cloud.
    """

    sky: tuple[tuple[float, str], ...]
    sun: tuple[float, float, float]
    disc: Colour
    glow: Colour
    cloud_lit: Colour
    cloud_shade: Colour
    water: tuple[tuple[float, str], ...]
    glitter: Colour
    cloudiness: float = 0.5


EVENING = Light(
    sky=((-70, "1f3a6b"), (10, "3c5f96"), (70, "8a86b4"), (120, "d99aa5"), (165, "f7b884"), (205, "ffd98c")),
    sun=(402, 158, 15),
    disc=rgb("fff6d0"),
    glow=rgb("ffb45a"),
    cloud_lit=rgb("ffc894"),
    cloud_shade=rgb("7a6a9c"),
    water=((205, "f3b57c"), (222, "c98d86"), (255, "75799c"), (310, "37577f"), (380, "1c3a5c")),
    glitter=rgb("ffe3a0"),
)


def paint_sky(canvas: Canvas, light: Light) -> None:
    """A gradient, the sun in its haze, and clouds lit from below where the sun stands."""
    canvas.cover(lambda x, y: _sky(x, y, light))


def _sky(x: Array, y: Array, light: Light) -> Array:
    """Colors (h, w, 3) of the sky at scene positions (x of shape (1, w), y of shape (h, 1))."""
    sun_x, sun_y, radius = light.sun
    x, y = np.broadcast_arrays(x, y)
    distance = np.hypot(x - sun_x, (y - sun_y) * 1.25)
    colour = ramp(y, light.sky)
    colour = blend(colour, light.glow, 0.55 * np.exp(-distance / 95))
    colour = blend(colour, light.disc, 0.65 * np.exp(-((distance / 34) ** 2)))
    disc = smoothstep(radius + 0.6, radius - 0.6, np.hypot(x - sun_x, y - sun_y))
    colour = blend(colour, light.disc, disc)
    # Clouds lie on a ceiling: rows crowd towards the horizon.
    cover, towards_sun = _clouds(x, y), _clouds(x + np.tanh((sun_x - x) / 80) * 5, y + 4)
    cloud = smoothstep(light.cloudiness, light.cloudiness + 0.16, cover) * smoothstep(202, 150, y)
    lit = np.clip(0.45 + (cover - towards_sun) * 7.5, 0, 1) * (0.45 + 0.55 * np.exp(-distance / 260))
    paint = blend(light.cloud_shade, light.cloud_lit, lit)
    paint = blend(paint, light.disc, 0.5 * lit * np.exp(-distance / 90))
    return blend(colour, paint, cloud * (0.92 - 0.55 * np.exp(-distance / 60)))


def _clouds(x: Array, y: Array) -> Array:
    """Cloud density in [0, 1]; flat long banks far off, rounder heaps overhead."""
    depth = 60 / (HORIZON + 35 - y)
    u, v = (x - 320) * depth * 0.55, 240 * depth
    warp = noise(u, v, cell=28, seed=5) - 0.5
    return noise(u + 18 * warp, v * 1.5 + 14 * warp, cell=34, seed=11, octaves=5)


def ridge(x: Array, *, cell: float, seed: int, octaves: int = 4) -> Array:
    """A skyline in [0, 1] at places x (1-d)."""
    return noise(x[None, :], np.zeros((1, 1), np.float32), cell=cell, seed=seed, octaves=octaves)[0]


def paint_mountains(
    canvas: Canvas,
    *,
    base: float,
    rise: float,
    cell: float,
    seed: int,
    colours: tuple[str, ...],
    relief: float = 1.0,
    dip: float = 0.0,
) -> None:
    """A range whose slopes catch light from the right and sink into haze at `base` (scene height).

    `dip` lowers the skyline, in scene units, where the sun stands.
    """
    x = np.arange(canvas.left - 2, canvas.right + 3, 1.0, dtype=np.float32)
    top = base - rise * (0.25 + 0.75 * ridge(x, cell=cell, seed=seed))
    top += dip * np.exp(-(((x - 402) / 75) ** 2))
    outline = [(canvas.left - 2, base + 60), *zip(x, top, strict=True), (canvas.right + 2, base + 60)]

    def slopes(px: Array, py: Array) -> Array:
        px, py = np.broadcast_arrays(px, py)
        crest = np.interp(px[0], x, top).astype(np.float32)[None, :]
        depth = np.clip((py - crest) / (base - crest), 0, 1)
        bend = 26 * noise(px, py, cell=30, seed=seed + 2, octaves=2)
        lean = px + (py - crest) * 0.5 + bend  # gullies wind down to the left
        cut = noise(lean + 2, py * 0.9, cell=cell / 5, seed=seed + 1, octaves=4)
        cut = cut - noise(lean - 2, py * 0.9, cell=cell / 5, seed=seed + 1, octaves=4)
        shade = np.clip(0.5 + cut * relief * 2.2, 0, 1)
        colour = blend(rgb(colours[0]), rgb(colours[1]), shade)
        return blend(colour, rgb(colours[2]), depth**1.5)

    canvas.shape(outline, slopes)


def mirrored(source: Canvas, waterline: float, *, squash: float = 1.0) -> Canvas:
    """Reflection of `source` in calm water: upside down below the `waterline`, `squash` times as tall."""
    row = round((waterline - source.top) * source.density)
    upper = source.pixels[:row][::-1]
    height = round(upper.shape[0] * squash)
    flipped = Canvas(
        source.left, waterline, source.right, waterline + height / source.density, density=source.density
    )
    rows = np.minimum((np.arange(flipped.pixels.shape[0]) / squash).astype(int), upper.shape[0] - 1)
    flipped.pixels[:] = upper[rows]
    return flipped


def paint_water(canvas: Canvas, light: Light, mirrors: list[Canvas], *, seed: int = 3) -> None:
    """Open water: color by distance, mirror images, then ripples and the sun's path, all in perspective."""
    canvas.shape(
        [
            (canvas.left, HORIZON),
            (canvas.right, HORIZON),
            (canvas.right, canvas.bottom),
            (canvas.left, canvas.bottom),
        ],
        lambda x, y: _water(x, y, light),
    )
    for mirror in mirrors:
        _lay_mirror(canvas, mirror)
    _ripples(canvas, light, np.random.default_rng(seed))


def _water(x: Array, y: Array, light: Light) -> Array:
    """Colors of open water: the sky's, mirrored, under a gradient of its own."""
    x, y = np.broadcast_arrays(x, y)
    own = ramp(y, light.water)
    sky = _sky(x, np.minimum(2 * HORIZON - y, HORIZON), light)
    swell = noise(x * 0.25, np.log(np.maximum(y - HORIZON, 0) + 8) * 40, cell=9, seed=21, octaves=3)
    colour = blend(own, sky, 0.18 + 0.34 * swell)
    near = np.maximum(y - HORIZON, 0) / WATER_DEPTH
    shine = np.exp(-(((x - light.sun[0]) / (24 + 60 * near)) ** 2)) * np.exp(-1.7 * near)
    return blend(colour, light.glow, 0.5 * shine)


def _lay_mirror(canvas: Canvas, mirror: Canvas) -> None:
    """Blend a mirror image into the water, fading with its length and broken by ripples."""
    x, y = canvas.grid()
    x, y = np.broadcast_arrays(x, y)
    far = np.maximum(y - mirror.top, 0)
    wave = noise(x * 0.35, np.log(np.maximum(y - HORIZON, 0) + 6) * 60, cell=7, seed=31, octaves=2) - 0.5
    columns = ((x + wave * (1 + 0.16 * far) - mirror.left) * mirror.density).astype(int)
    rows = ((y - mirror.top + wave * 0.5 * (2 + 0.1 * far)) * mirror.density).astype(int)
    height, width = mirror.pixels.shape[:2]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width) & (y >= mirror.top)
    image = mirror.pixels[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
    strength = (0.72 * np.exp(-far / 90) * inside)[..., None]
    colours = canvas.pixels[..., :3]
    colours += strength * (image[..., :3] * 0.86 - colours * image[..., 3:])


def _ripples(canvas: Canvas, light: Light, rng: np.random.Generator) -> None:
    """Lens-shaped ripples, small and dense far off, long and wide apart near by."""
    sun_x = light.sun[0]
    width = canvas.right - canvas.left
    y = HORIZON + 1.5
    while y < canvas.bottom:
        near = (y - HORIZON) / WATER_DEPTH
        length, thick = 2.5 + 26 * near, 0.28 + 2.1 * near
        count = int(width / length * 0.62)
        on_path = int((20 + 80 * near) / length * 1.6)
        places = [
            *(canvas.left + rng.random(count) * width),
            *(sun_x + rng.normal(0, 12 + 46 * near, on_path)),
        ]
        for x in places:
            height = y + rng.normal() * thick * 0.8
            size = length * rng.uniform(0.45, 1.25)
            path = np.exp(-(((x - sun_x) / (15 + 62 * near)) ** 2))
            if rng.random() < 0.15 + 0.8 * path:
                glint = rng.uniform(0.25, 1.0) * (0.28 + 0.72 * path)
                _lens(canvas, x, height, size * (0.6 + 0.3 * path), thick, light.glitter, glint * 0.85)
            else:
                dark = down(HORIZON, canvas.bottom, "8a6a84", "3a4f78", "14304f")
                _lens(canvas, x, height, size, thick * 1.1, dark, rng.uniform(0.12, 0.42))
        y += thick * 1.15


def _lens(
    canvas: Canvas, x: float, y: float, length: float, thick: float, paint: Paint, opacity: float
) -> None:
    """A ripple pointed at both ends."""
    canvas.shape(LENS * (length / 2, thick / 2) + (x, y), paint, opacity=float(opacity))
