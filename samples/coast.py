"""The headland with its lighthouse, the gulls and the terrace in front.

The sun stands between the town and the headland, so the lighthouse is lit from the left and the terrace,
far to the left, from the right.
"""

import numpy as np
from canvas import Array, Canvas, Colour, Paint, across, blend, curve, down, mix, noise, rgb, smoothstep
from town import SUNLIT, foliage

ROCK_LIT, ROCK_DARK = rgb("e0a27e"), rgb("3d355c")
SHORE = 216.0  # the headland's waterline
TOWER_X, TOWER_BASE, TOWER_HEIGHT = 592.0, 167.0, 84.0
HOUSE_X, HOUSE_BASE = 612.0, 166.0


def cliff_top(x: float) -> float:
    """Height of the headland's outline at x."""
    return (
        SHORE
        - 52 * float(smoothstep(500, 585, np.float32(x)))
        - 16 * float(smoothstep(610, 760, np.float32(x)))
    )


def paint_headland(canvas: Canvas, *, seed: int = 12) -> None:
    """Rocks and turf, a keeper's house and the lighthouse."""
    rng = np.random.default_rng(seed)
    xs = [float(x) for x in np.arange(500, canvas.right + 4, 3.0)]
    canvas.shape(
        [*((x, cliff_top(x)) for x in xs), (canvas.right + 4, SHORE), (500, SHORE)],
        down(150, SHORE, "6f6660", "5a4f62", "3b3354"),
    )
    for _ in range(900):
        x = float(rng.uniform(506, canvas.right))
        depth = float(rng.random())
        boulder(
            canvas,
            x,
            cliff_top(x) + 3 + depth * (SHORE - cliff_top(x) - 4),
            2.2 + 8 * float(rng.random()) ** 2.5,
            rng,
        )
    for x in np.arange(528, canvas.right, 0.22):
        grass(canvas, float(x), cliff_top(float(x)) + float(rng.normal(1.5, 1.6)), rng)
    _keepers_house(canvas)
    lighthouse(canvas, TOWER_X, TOWER_BASE, TOWER_HEIGHT)
    for x in np.arange(560, 655, 0.16):
        grass(canvas, float(x), cliff_top(float(x)) + float(rng.uniform(1.5, 5)), rng)
    for x in np.arange(498, canvas.right, 4.5):
        boulder(canvas, float(x), SHORE - 1.5, float(rng.uniform(2.0, 4.2)), rng)


def grass(canvas: Canvas, x: float, y: float, rng: np.random.Generator) -> None:
    """A blade that leans with the wind, lit towards its tip."""
    height, lean = float(rng.uniform(2.2, 5)), float(rng.normal(0.9, 0.8))
    tip = mix(rgb("55603f"), rgb("d9bd66"), float(rng.random()))
    blade = down(
        y - height, y, *("".join(f"{round(255 * c):02x}" for c in colour) for colour in (tip, rgb("2f3d3c")))
    )
    canvas.shape([(x - 0.45, y), (x + 0.45, y), (x + lean, y - height)], blade)


def boulder(canvas: Canvas, x: float, y: float, size: float, rng: np.random.Generator) -> None:
    """An angular rock, lit on its left and upper side."""
    angles = np.sort(rng.uniform(0, 2 * np.pi, 7))
    reach = size * rng.uniform(0.7, 1.1, 7)
    corners = np.stack([x + reach * np.cos(angles), y + 0.62 * reach * np.sin(angles)], axis=1)
    tone = float(rng.uniform(-0.14, 0.14))

    def facet(px: Array, py: Array) -> Array:
        px, py = np.broadcast_arrays(px, py)
        light = 0.48 + tone - (px - x) / size * 0.46 - (py - y) / size * 0.66
        light = light + 0.42 * (noise(px, py, cell=2.6, seed=17, octaves=4) - 0.5)
        return blend(ROCK_DARK, ROCK_LIT, np.clip(light, 0, 1))

    canvas.shape(corners, facet)


def _keepers_house(canvas: Canvas) -> None:
    """A white house to the right of the tower."""
    x, base = HOUSE_X, HOUSE_BASE
    canvas.box(x, base - 15, 30, 15, across(x, x + 30, "f4d8ae", "b79aa8"))
    canvas.shape(
        [(x - 2, base - 14.5), (x + 32, base - 14.5), (x + 28, base - 24), (x + 2, base - 24)],
        across(x, x + 30, "d06a4e", "7c3f4c"),
    )
    canvas.box(x + 22, base - 29, 3.4, 7, across(x + 22, x + 25.4, "d9a27c", "6f5068"))
    for window in (4.5, 21.5):
        canvas.box(x + window, base - 10.6, 4, 5, rgb("ffd36e"))
        canvas.line([(x + window + 2, base - 10.6), (x + window + 2, base - 5.6)], 0.5, rgb("6a4a50"))
    canvas.box(x + 13, base - 10, 4.2, 10, rgb("3f5f6b"))


def lighthouse(canvas: Canvas, x: float, base: float, height: float) -> None:
    """A round tower with two red bands, a gallery and a lit lantern, in proportion to its height."""
    unit = height / 84

    def around(light: str, middle: str, dark: str) -> Paint:
        # A cylinder: brightest a third of the way in, a little light returned on the far edge.
        def paint(px: Array, py: Array) -> Array:
            px, py = np.broadcast_arrays(px, py)
            half = (6.2 + 3.3 * np.clip((base - py) / height * -1 + 1, 0, 1)) * unit
            turn = np.clip((px - x) / half, -1, 1)
            lit = np.clip(np.cos(np.arcsin(turn) + 0.75), 0, 1)
            colour = blend(
                blend(rgb(dark), rgb(middle), np.minimum(lit * 2, 1)), rgb(light), np.maximum(lit * 2 - 1, 0)
            )
            stain = 0.93 + 0.12 * noise(px * 1.5, py * 0.5, cell=3.2 * unit, seed=23, octaves=2)
            return np.clip(colour * stain[..., None], 0, 1)

        return paint

    def ring(low: float, high: float, paint: Paint) -> None:
        wide = [(9.5 - 3.3 * share) * unit for share in (low, high)]
        canvas.shape(
            [
                (x - wide[0], base - low * height),
                (x + wide[0], base - low * height),
                (x + wide[1], base - high * height),
                (x - wide[1], base - high * height),
            ],
            paint,
        )

    white, red = around("fff2d6", "e8b9a0", "6d5f8c"), around("ef6a4c", "b13f42", "4d2647")
    for low, high, paint in ((0, 1, white), (0.2, 0.4, red), (0.6, 0.8, red)):
        ring(low, high, paint)
    for share in (0.3, 0.5, 0.87):
        canvas.box(x - 1.3 * unit, base - share * height - 3 * unit, 2.6 * unit, 4.2 * unit, rgb("3b3154"))
        canvas.dab(x, base - share * height - 3 * unit, 1.3 * unit, 1.3 * unit, rgb("3b3154"))
    canvas.shape(
        [
            (x - 2.2 * unit, base),
            (x + 2.2 * unit, base),
            (x + 2.2 * unit, base - 5.5 * unit),
            (x, base - 7.5 * unit),
            (x - 2.2 * unit, base - 5.5 * unit),
        ],
        rgb("4a3040"),
    )
    _lantern(canvas, x, base - height, unit)


def _lantern(canvas: Canvas, x: float, top: float, unit: float) -> None:
    """Gallery, lamp room and cap on the tower whose upper end is at (x, top)."""
    canvas.box(
        x - 9 * unit,
        top - 1.6 * unit,
        18 * unit,
        2.6 * unit,
        across(x - 9 * unit, x + 9 * unit, "f6d2a4", "4d3f66"),
    )
    canvas.box(
        x - 5 * unit,
        top - 10.5 * unit,
        10 * unit,
        9 * unit,
        down(top - 10.5 * unit, top - 1.6 * unit, "fff9d8", "ffe08a", "ffb954"),
    )
    for share in (-5, -2.5, 0, 2.5, 4.6):
        canvas.box(x + (share - 0.2) * unit, top - 10.5 * unit, 0.45 * unit, 9 * unit, rgb("4a3348"))
    canvas.line(
        [(x - 9 * unit, top - 5.2 * unit), (x + 9 * unit, top - 5.2 * unit)], 0.5 * unit, rgb("4a3348")
    )
    for share in np.linspace(-8.8, 8.8, 9):
        canvas.line(
            [(x + share * unit, top - 5.2 * unit), (x + share * unit, top - 1.5 * unit)],
            0.35 * unit,
            rgb("4a3348"),
        )
    cap = [
        (x + 6.4 * unit * float(np.cos(a)), top - 10.3 * unit - 6 * unit * float(np.sin(a)))
        for a in np.linspace(0, np.pi, 40)
    ]
    canvas.shape(cap, across(x - 6.4 * unit, x + 6.4 * unit, "f08a5c", "b5454a", "4d2647"))
    canvas.line([(x, top - 16 * unit), (x, top - 21 * unit)], 0.7 * unit, rgb("4a3348"))
    canvas.dab(x, top - 16.8 * unit, 1 * unit, 1 * unit, rgb("ffcf8a"))


def paint_gull(canvas: Canvas) -> None:
    """A gull seen from the side and below, wings raised; its middle is at (0, 0), span 30 units."""
    for side, shade in ((-1, "8f86a8"), (1, "d9cdd6")):
        upper = curve((0, -0.6), (5 * side, -9), (9 * side, -9.5), (15.5 * side, -5))
        lower = curve((15.5 * side, -5), (9 * side, -6.5), (6 * side, -5), (1.5 * side, 1.6))
        canvas.shape(
            [*upper, *lower],
            across(0, 15 * side, "f6ead8", shade) if side > 0 else across(-15, 0, shade, "f6ead8"),
        )
        canvas.shape(
            [
                *curve((15.5 * side, -5), (13 * side, -7.4), (11 * side, -8.2)),
                *curve((11 * side, -8.2), (12 * side, -6.4), (15.5 * side, -5)),
            ],
            rgb("38304e"),
        )
    canvas.dab(-0.5, 0.6, 4.6, 1.7, down(-1, 2.3, "fff2dc", "a79bb8"))
    canvas.dab(-4.6, 0.1, 1.7, 1.4, rgb("fff2dc"))
    canvas.shape([(-6, -0.2), (-8.2, 0.6), (-5.9, 0.9)], rgb("f0a03c"))
    canvas.shape([(3.4, 0), (7.2, 0.2), (7.0, 1.6), (3.2, 1.4)], rgb("e6d6d0"))


def paint_terrace(canvas: Canvas, *, seed: int = 6) -> None:
    """A parapet with flowers, a pillar and a lit lamp, close to the camera at the lower left."""
    rng = np.random.default_rng(seed)
    _masonry(canvas, canvas.left, 322, 236 - canvas.left, 100, rng)
    canvas.box(canvas.left, 316, 240 - canvas.left, 8, down(316, 324, "d9a080", "6f5068"))
    _masonry(canvas, 212, 300, 34, 120, rng)
    canvas.box(208, 292, 42, 9, across(208, 250, "6a4a66", "f0b07c"))
    canvas.box(211, 301, 36, 2.5, rgb("33284a"), opacity=0.6)
    _lamp_post(canvas, 104)
    for pot in (20.0, 160.0, 228.0):
        rim = 290.0 if pot > 200 else 314.0
        canvas.shape(
            [(pot - 13, rim - 14), (pot + 13, rim - 14), (pot + 9, rim + 3), (pot - 9, rim + 3)],
            across(pot - 13, pot + 13, "5f3040", "a8503f", "e08a58"),
        )
        canvas.box(pot - 14.5, rim - 16.5, 29, 4, across(pot - 14, pot + 14, "6f3a44", "f0a070"))
        _geranium(canvas, pot, rim - 26, rng)
    for _ in range(150):
        x = float(rng.uniform(canvas.left, 212))
        foliage(
            canvas,
            x,
            326 + float(rng.random()) ** 1.5 * (26 + 14 * np.sin(x / 19)),
            float(rng.uniform(3, 6)),
            rng,
            dabs=7,
            dark=rgb("1f2c38"),
            lit=rgb("8c9450"),
        )


def _masonry(canvas: Canvas, x: float, y: float, w: float, h: float, rng: np.random.Generator) -> None:
    """A wall of dressed stones, joints dark, each stone a little different."""
    canvas.box(x, y, w, h, rgb("2c2444"))
    for row in range(int(h / 11) + 1):
        left = x - (row % 2) * 9
        while left < x + w:
            tone: Colour = mix(rgb("574a68"), rgb("a87f78"), float(rng.uniform(0.05, 0.75)))
            a, b = max(left, x), min(left + 18, x + w)
            if b - a > 1.5:
                top = y + row * 11 + 0.6
                canvas.box(a + 0.5, top, b - a - 1, 9.8, _stone(tone))
                canvas.box(a + 0.5, top, b - a - 1, 1.0, mix(tone, SUNLIT, 0.45))
            left += 18


def _stone(tone: Colour) -> Paint:
    """Paint of one stone: its tone, weathered."""

    def paint(x: Array, y: Array) -> Array:
        wear = 0.8 + 0.42 * noise(x, y, cell=5, seed=47, octaves=3)
        return np.clip(np.asarray(tone, np.float32) * wear[..., None], 0, 1)

    return paint


def _lamp_post(canvas: Canvas, x: float) -> None:
    """An iron post with a hexagonal lantern."""
    iron = across(x - 3, x + 3, "1d1a33", "3a3350", "c98a6a")
    canvas.shape(
        [(x - 6, 316), (x + 6, 316), (x + 3, 300), (x - 3, 300)], across(x - 6, x + 6, "1d1a33", "b07a66")
    )
    canvas.line([(x, 304), (x, 196)], 3.6, iron)
    for y in (292, 214):
        canvas.dab(x, y, 4, 2, iron)
    canvas.line([(x - 11, 203), (x + 11, 203)], 1.6, iron)
    canvas.shape(
        [(x - 6, 194), (x + 6, 194), (x + 9, 170), (x - 9, 170)], down(170, 194, "fff7cf", "ffdc7c", "ffae4a")
    )
    for offset in (-1, -0.33, 0.33, 1):
        canvas.line([(x + 6 * offset, 194), (x + 9 * offset, 170)], 0.9, rgb("2a2440"))
    canvas.shape(
        [(x - 11.5, 170), (x + 11.5, 170), (x + 4, 160), (x - 4, 160)],
        across(x - 11, x + 11, "1d1a33", "a8705f"),
    )
    canvas.line([(x, 161), (x, 154)], 1.5, rgb("2a2440"))
    canvas.box(x - 7, 193.4, 14, 2.4, rgb("2a2440"))


def _geranium(canvas: Canvas, x: float, y: float, rng: np.random.Generator) -> None:
    """Leaves and heads of red and pink flowers."""
    for _ in range(34):
        dx, dy = float(rng.uniform(-15, 15)), 15 * float(rng.random())
        foliage(canvas, x + dx, y + 10 - dy, 4.2, rng, dabs=6, dark=rgb("1f3a35"), lit=rgb("a3a552"))
    for _ in range(15):
        cx, cy = x + float(rng.uniform(-16, 16)), y + 4 - 17 * float(rng.random())
        hue = rgb(["d8324a", "e8486a", "f0703f"][rng.integers(3)])
        for _ in range(9):
            dx, dy = rng.normal(0, 1.7, 2)
            colour = mix(hue, SUNLIT, float(np.clip(0.2 + 0.16 * (dx - dy), 0, 0.7)))
            canvas.dab(cx + float(dx), cy + float(dy), 1.5, 1.2, colour)
