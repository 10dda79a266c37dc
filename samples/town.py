"""A hill town above its quay: houses, roofs, lit windows, a church, cypresses.

The sun stands low on the right, so right-hand walls glow and the fronts lie in violet shade.
"""

import numpy as np
from canvas import Array, Canvas, Colour, Paint, blend, down, mix, noise, rgb

PLASTER = ["d9a27c", "cf8a6c", "e0bd93", "c9796a", "d8b0a0", "b98a86", "e3c9a4", "c4937a"]
SHUTTERS = ["3f6f6b", "54617f", "7a3f45", "47704f", "6a5a7f"]
ROOFS = ["a5493c", "b65b41", "93423f", "bd6d4d", "8a4a4c"]
SHADE = rgb("4a3a66")
SUNLIT = rgb("ffd08a")
LEAF_DARK, LEAF_LIT = rgb("26363c"), rgb("a89a52")
STREETS = (
    (118, 3),
    (136, 6),
    (155, 8),
    (174, 10),
    (194, 11),
)  # (height of the footings, houses), far to near


def hill_top(x: float) -> float:
    """Height of the hill's outline at x: a dome that slopes to the water on the right."""
    return 222 - 118 * float(np.exp(-(((x - 70) / 170) ** 2))) - 6 * float(np.sin(x / 23))


def paint_hill(canvas: Canvas, rng: np.random.Generator) -> None:
    """The hill under the town, wooded where no house stands."""
    xs = np.arange(canvas.left - 2, 330.0, 3.0)
    outline = [(float(x), hill_top(float(x))) for x in xs]
    canvas.shape([*outline, (330, 226), (canvas.left - 2, 226)], down(100, 222, "5f5a55", "46504c", "3a4248"))
    for _ in range(1500):
        x = float(rng.uniform(canvas.left, 326))
        y = hill_top(x) + (222 - hill_top(x)) * float(rng.random()) ** 1.3
        foliage(canvas, x, y, float(rng.uniform(2.0, 4.2)), rng, dabs=5)


def foliage(
    canvas: Canvas,
    x: float,
    y: float,
    size: float,
    rng: np.random.Generator,
    *,
    dabs: int = 14,
    dark: Colour = LEAF_DARK,
    lit: Colour = LEAF_LIT,
) -> None:
    """A tuft of leaves: dark dabs first, lit ones last and to the sun's side."""
    for step in range(dabs):
        share = step / max(dabs - 1, 1)
        dx, dy = rng.normal(0, 0.42, 2) * size
        colour = mix(dark, lit, float(np.clip(share * 0.75 + rng.normal(0, 0.12), 0, 1)))
        radius = size * (0.55 - 0.3 * share) * float(rng.uniform(0.7, 1.2))
        canvas.dab(
            x + dx + share * size * 0.3,
            y + dy - share * size * 0.3,
            radius,
            radius * 0.8,
            colour,
            turn=float(rng.uniform(-0.6, 0.6)),
        )


def cypress(canvas: Canvas, x: float, base: float, height: float, rng: np.random.Generator) -> None:
    """A slim dark tree, lit along its right side."""
    for _ in range(int(height * 5)):
        share = float(rng.random())
        half = height * 0.13 * float(np.sin(np.pi * min(share * 0.85 + 0.12, 1.0))) ** 0.8
        across = float(rng.uniform(-1, 1))
        colour = mix(
            rgb("1d2f36"), rgb("7d8348"), float(np.clip(across * 0.5 + 0.18 + rng.normal(0, 0.1), 0, 1))
        )
        canvas.dab(x + across * half, base - share * height, 0.9, 2.6, colour, turn=across * 0.25)


def house(canvas: Canvas, x: float, base: float, w: float, h: float, rng: np.random.Generator) -> None:
    """A house with its left lower corner at (x, base), front `w` by `h` units, gable end to the right."""
    wall = rgb(PLASTER[rng.integers(len(PLASTER))])
    side, rise, pitch = w * 0.42, w * 0.05, h * 0.26 + 3.5
    top = base - h
    canvas.shape(
        [
            (x + w, base),
            (x + w + side, base - rise),
            (x + w + side, top - rise),
            (x + w + side / 2, top - pitch),
            (x + w, top),
        ],
        _plaster(mix(wall, SUNLIT, 0.68), 41),
    )
    canvas.box(x, top, w, h, _plaster(mix(wall, SHADE, 0.42), 43))
    canvas.box(x, base - h * 0.13, w, h * 0.13, mix(wall, SHADE, 0.62), opacity=0.6)
    canvas.box(x + w - 0.35, top, 0.7, h, mix(wall, SUNLIT, 0.8), opacity=0.7)
    _windows(canvas, x, top, w, h, rng)
    _side_windows(canvas, x + w, top, side, rise, h, rng)
    _roof(canvas, x, top, w, side, pitch, rng)


def _plaster(colour: Colour, seed: int) -> Paint:
    """A wall's paint: the color with stains and faint courses of stone."""

    def paint(x: Array, y: Array) -> Array:
        x, y = np.broadcast_arrays(x, y)
        stain = 0.84 + 0.3 * noise(x, y * 0.6, cell=7, seed=seed, octaves=3)
        course = 1 - 0.09 * (np.abs(y / 1.9 - np.round(y / 1.9)) < 0.14)
        return np.clip(np.asarray(colour, np.float32) * (stain * course)[..., None], 0, 1)

    return paint


def _windows(canvas: Canvas, x: float, top: float, w: float, h: float, rng: np.random.Generator) -> None:
    """Rows of shuttered windows on the front, some lit, and a door."""
    shutter = mix(rgb(SHUTTERS[rng.integers(len(SHUTTERS))]), SHADE, 0.25)
    columns, rows = max(round(w / 9), 2), max(round(h / 11), 1)
    pane_w, pane_h = 2.9, 4.6
    for row in range(rows):
        for column in range(columns):
            cx = x + w * (column + 0.5) / columns
            cy = top + h * (row + 0.52) / rows
            if row == rows - 1 and column == columns // 2 and rows > 1:
                canvas.box(cx - 1.9, top + h - 7.2, 3.8, 7.2, rgb("4a2f35"))
                canvas.box(cx - 1.3, top + h - 6.6, 2.6, 1.5, rgb("ffce6a"))
                continue
            canvas.box(cx - pane_w / 2 - 0.5, cy - pane_h / 2 - 0.5, pane_w + 1, pane_h + 1, rgb("e9d3b4"))
            if rng.random() < 0.5:
                canvas.box(
                    cx - pane_w / 2,
                    cy - pane_h / 2,
                    pane_w,
                    pane_h,
                    down(cy - pane_h / 2, cy + pane_h / 2, "fff0a8", "ffc14d", "f08a35"),
                )
            else:
                canvas.box(cx - pane_w / 2, cy - pane_h / 2, pane_w, pane_h, rgb("2c3355"))
                canvas.box(cx - pane_w / 2, cy - pane_h / 2, pane_w, pane_h * 0.35, rgb("6f78a5"))
            canvas.box(cx - 0.2, cy - pane_h / 2, 0.4, pane_h, rgb("5b4048"))
            canvas.box(cx - pane_w / 2, cy - 0.5, pane_w, 0.4, rgb("5b4048"))
            for side in (cx - pane_w / 2 - 2.0, cx + pane_w / 2 + 0.5):
                canvas.box(side, cy - pane_h / 2 - 0.3, 1.5, pane_h + 0.6, shutter)


def _side_windows(
    canvas: Canvas, x: float, top: float, side: float, rise: float, h: float, rng: np.random.Generator
) -> None:
    """Narrow windows on the sunlit gable end; they mirror the evening sky."""
    for row in range(max(round(h / 11), 1)):
        if rng.random() < 0.8:
            cy = top + h * (row + 0.5) / max(round(h / 11), 1)
            tilt = rise * 0.5
            canvas.shape(
                [
                    (x + side * 0.4, cy - 2.0 - tilt),
                    (x + side * 0.62, cy - 2.0 - tilt * 1.3),
                    (x + side * 0.62, cy + 2.2 - tilt * 1.3),
                    (x + side * 0.4, cy + 2.2 - tilt),
                ],
                rgb("7a4a52"),
            )


def _roof(
    canvas: Canvas, x: float, top: float, w: float, side: float, pitch: float, rng: np.random.Generator
) -> None:
    """The front slope with rows of tiles, its ridge catching the sun, and a chimney."""
    tile = rgb(ROOFS[rng.integers(len(ROOFS))])

    def tiles(px: Array, py: Array) -> Array:
        px, py = np.broadcast_arrays(px, py)
        rows = (py - top) / 1.5
        phase = px / 1.7 + 0.5 * (np.floor(rows) % 2)
        bump = 0.86 + 0.22 * np.sin(2 * np.pi * phase) * 0.5 + 0.16 * (rows - np.floor(rows))
        patch = 0.8 + 0.4 * noise(px, py, cell=5, seed=61, octaves=2)
        lit = np.clip((top - py) / pitch, 0, 1)
        colour = blend(mix(tile, SHADE, 0.32), mix(tile, SUNLIT, 0.3), lit)
        return np.clip(colour * (bump * patch)[..., None], 0, 1)

    eave = 1.2
    stack = x + w * float(rng.uniform(0.25, 0.7))
    canvas.box(stack, top - pitch - 2.6, 2.6, 5, mix(rgb("b06a58"), SHADE, 0.3))
    canvas.box(stack + 1.9, top - pitch - 2.6, 0.7, 5, SUNLIT)
    canvas.shape(
        [
            (x - eave, top + 0.9),
            (x + w + 0.5, top + 0.9),
            (x + w + side / 2 + 0.4, top - pitch),
            (x + side / 2 - eave, top - pitch),
        ],
        tiles,
    )
    canvas.line([(x - eave, top + 0.9), (x + w + 0.5, top + 0.9)], 0.8, mix(tile, SHADE, 0.75))
    canvas.line(
        [
            (x + side / 2 - eave, top - pitch),
            (x + w + side / 2 + 0.4, top - pitch),
            (x + w + side + 0.6, top - side * 0.12 + 0.6),
        ],
        0.9,
        mix(tile, SUNLIT, 0.65),
    )


def church(canvas: Canvas, x: float, base: float) -> None:
    """A church with a dome and a bell tower, the town's landmark."""
    stone = rgb("dcb894")
    canvas.box(x + 12, base - 26, 34, 26, _plaster(mix(stone, SHADE, 0.3), 71))
    canvas.shape(
        [(x + 9, base - 25), (x + 49, base - 25), (x + 40, base - 34), (x + 18, base - 34)],
        down(base - 34, base - 25, "c8705a", "8f4848"),
    )
    dome = [
        (x + 29 + 11 * float(np.cos(a)), base - 33 - 13 * float(np.sin(a))) for a in np.linspace(0, np.pi, 40)
    ]
    canvas.shape(
        dome,
        lambda px, py: blend(
            rgb("3f6a72"),
            rgb("d8c27c"),
            np.broadcast_to(np.clip((px - x - 20) / 20, 0, 1) ** 1.6, np.broadcast(px, py).shape),
        ),
    )
    canvas.line([(x + 29, base - 45), (x + 29, base - 52)], 0.8, rgb("5b4048"))
    canvas.box(x, base - 52, 10, 52, _plaster(mix(stone, SHADE, 0.34), 73))
    canvas.shape(
        [(x + 10, base), (x + 14.5, base - 1), (x + 14.5, base - 53), (x + 10, base - 52)],
        _plaster(mix(stone, SUNLIT, 0.55), 75),
    )
    canvas.shape(
        [(x - 1, base - 52), (x + 10, base - 52), (x + 15, base - 53), (x + 7.2, base - 70)], _tower_roof(x)
    )
    for level in (base - 46, base - 34):
        canvas.box(x + 3, level, 4, 7, rgb("3a2c4a"))
        canvas.dab(x + 5, level, 2, 2, rgb("3a2c4a"))
    for window in (18, 27, 36):
        canvas.box(x + window, base - 18, 3.4, 9, rgb("ffc65c"))
        canvas.dab(x + window + 1.7, base - 18, 1.7, 1.9, rgb("ffd987"))


def _tower_roof(x: float) -> Paint:
    """Paint of the bell tower's pointed roof: shade on the left, sun on the right."""
    return lambda px, py: blend(
        rgb("7d3f46"),
        rgb("f0a06a"),
        np.broadcast_to(np.clip((px - x - 4) / 9, 0, 1), np.broadcast(px, py).shape),
    )


def paint_town(canvas: Canvas, *, seed: int = 8) -> None:
    """The whole town, street below street, then the quay at the water's edge (y = 221)."""
    rng = np.random.default_rng(seed)
    paint_hill(canvas, rng)
    for street, (base, count) in enumerate(STREETS):
        left, right = -118 + street * 6, 120 + street * 38
        places = np.linspace(left, right, count + 4)[: count + 4] + rng.uniform(-4, 4, count + 4)
        for x in places:
            if base - 8 < hill_top(float(x) + 12):
                continue
            if street == 1 and 58 < x < 112:
                continue
            house(
                canvas,
                float(x),
                base + float(rng.uniform(-3, 3)),
                float(rng.uniform(17, 25)),
                float(rng.uniform(15, 27)),
                rng,
            )
        if street == 1:
            church(canvas, 66, base + 1)
        for _ in range(16):
            x = float(rng.uniform(canvas.left, right))
            if base - 2 > hill_top(x):
                foliage(canvas, x, base + 2, float(rng.uniform(3, 5.5)), rng)
        for x in rng.uniform(-100, right, 3):
            if base - 6 > hill_top(float(x)):
                cypress(canvas, float(x), base + 2, float(rng.uniform(17, 27)), rng)
    quay(canvas, rng)


def quay(canvas: Canvas, rng: np.random.Generator) -> None:
    """The quay wall with its stones, lamps and moored boats."""
    canvas.box(canvas.left, 205, 327 - canvas.left, 16, down(205, 221, "a07f7c", "6b5a70", "43405c"))
    for row in range(5):
        y = 207.5 + row * 2.8
        for x in np.arange(canvas.left + (row % 2) * 3, 322, 6.0):
            tone = float(rng.uniform(0.0, 0.35))
            canvas.box(float(x), y, 5.6, 2.4, mix(rgb("7d6a78"), rgb("d09a78"), tone), opacity=0.7)
    canvas.box(canvas.left, 203.6, 328 - canvas.left, 2.4, down(203.6, 206, "f0c794", "b08a80"))
    for x in np.arange(-110, 320, 36.0):
        lamp(canvas, float(x), 204)
    for x in np.arange(-128, 318, 23.0):
        if rng.random() < 0.85:
            moored_boat(canvas, float(x + rng.uniform(-4, 4)), float(rng.uniform(0.75, 1.2)), rng)


def lamp(canvas: Canvas, x: float, base: float) -> None:
    """A street lamp that is already lit."""
    canvas.line([(x, base), (x, base - 13)], 0.8, rgb("33294a"))
    canvas.dab(x, base - 14, 1.6, 1.9, rgb("fff3b8"))


def moored_boat(canvas: Canvas, x: float, size: float, rng: np.random.Generator) -> None:
    """A small boat alongside the quay, its mast bare."""
    hull = rgb(["d9d2c8", "3f6f8f", "a5433f", "2f4f5f", "e0b45c"][rng.integers(5)])
    canvas.line([(x, 218), (x - 0.4, 218 - 21 * size)], 0.7, rgb("5a3f4a"))
    canvas.line([(x - 0.4, 218 - 21 * size), (x + 7 * size, 217)], 0.22, rgb("5a3f4a"))
    canvas.shape(
        [(x - 8 * size, 216), (x + 9 * size, 215.4), (x + 6 * size, 221), (x - 6.5 * size, 221)],
        down(215.5, 221, *(_code(mix(hull, SUNLIT, 0.25)), _code(mix(hull, SHADE, 0.55)))),
    )
    canvas.line([(x - 8 * size, 216), (x + 9 * size, 215.4)], 0.7, rgb("f4dcb4"))
    canvas.box(x - 3.5 * size, 213.2, 5 * size, 2.6, rgb("e6cfae"))


def _code(colour: Colour) -> str:
    """The color as "rrggbb"."""
    return "".join(f"{round(255 * channel):02x}" for channel in colour)
