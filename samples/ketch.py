"""The ketch that crosses the clip, with the sun behind its sails."""

import numpy as np
from canvas import Array, Canvas, across, blend, curve, down, mix, noise, rgb, smoothstep
from town import SHADE


def paint_ketch(canvas: Canvas) -> None:
    """A sailing boat bound to the right; the middle of its waterline is at (0, 0)."""
    wood = rgb("5a3440")
    canvas.line([(-2, -18), (0, -172)], 2.4, across(-2, 2, "c98a5a", "5a3440"))
    canvas.line([(-48, -14), (-47.5, -96)], 1.7, across(-49, -46, "c98a5a", "5a3440"))
    canvas.line([(60, -17), (86, -24)], 1.9, wood)
    main_luff, main_foot = [(-3, -24), (-1, -160)], curve((-43, -25), (-24, -19), (-3, -24))
    _sail(
        canvas,
        [*main_luff, *curve((-1, -160), (-26, -112), (-47, -70), (-43, -25)), *main_foot],
        (-20, -75),
        "c24a2c",
        "ffb45c",
    )
    _sail(
        canvas,
        [
            (-49, -22),
            (-48, -92),
            *curve((-48, -92), (-66, -58), (-78, -24)),
            *curve((-78, -24), (-64, -19), (-49, -22)),
        ],
        (-60, -46),
        "b23f34",
        "f79a52",
    )
    _sail(
        canvas,
        [
            *curve((1, -152), (27, -100), (80, -24)),
            *curve((80, -24), (44, -17), (6, -27)),
            *curve((6, -27), (15, -84), (1, -152)),
        ],
        (26, -62),
        "d98a52",
        "ffe9b8",
    )
    for start, end in (
        ((0, -172), (86, -24)),
        ((0, -172), (-48, -96)),
        ((-47.5, -96), (-72, -13)),
        ((0, -150), (-14, -12)),
        ((0, -150), (12, -14)),
    ):
        canvas.line([start, end], 0.42, rgb("4a3040"))
    canvas.shape(
        [(0, -172), (-15, -169.5), (-13, -166.5), (-15, -163.5), (0, -166)],
        down(-172, -163, "ffe08a", "e0693c"),
    )
    _hull(canvas)
    for x, coat in ((-58, "2c4f63"), (-34, "a83f3f"), (32, "e0b45c")):
        canvas.shape([(x - 2.6, -14), (x + 2.6, -14), (x + 2, -22), (x - 1.8, -22)], rgb(coat))
        canvas.dab(x + 0.2, -24.2, 1.8, 2.1, rgb("e8ae84"))
        canvas.dab(x, -25.4, 2.2, 1.1, rgb("33294a"))
    _bow_wave(canvas)


def _sail(
    canvas: Canvas, outline: list[tuple[float, float]], heart: tuple[float, float], rim: str, middle: str
) -> None:
    """Cloth with the sun behind it: bright at its `heart`, with seams and a darker hem."""

    def cloth(x: Array, y: Array) -> Array:
        x, y = np.broadcast_arrays(x, y)
        distance = np.hypot((x - heart[0]) / 34, (y - heart[1]) / 72)
        seam = (y + 0.28 * x + 0.004 * (x - heart[0]) ** 2) / 12.5
        crease = 0.05 * np.sin(2 * np.pi * seam) + 0.1 * (
            noise(x * 1.6 + y * 0.5, y * 0.35, cell=14, seed=29, octaves=3) - 0.5
        )
        line = 1 - 0.2 * smoothstep(0.07, 0.02, np.abs(seam - np.round(seam)))
        colour = blend(rgb(middle), rgb(rim), np.clip(distance + crease * 2, 0, 1) ** 1.3)
        return np.clip(colour * (line + crease)[..., None], 0, 1)

    canvas.shape(outline, cloth)
    canvas.line([*outline, outline[0]], 0.7, mix(rgb(rim), SHADE, 0.45), opacity=0.8)


def _hull(canvas: Canvas) -> None:
    """Planked hull with a pale strake, ports and the sun's light along the rail."""
    sheer = curve((-82, -15), (-30, -7), (25, -9), (74, -21))
    bottom = curve((74, -21), (66, -4), (58, 3), (30, 4))
    outline = [*sheer, *bottom, *curve((30, 4), (-40, 5), (-70, 4), (-82, -15))]

    def planks(x: Array, y: Array) -> Array:
        x, y = np.broadcast_arrays(x, y)
        row = (y + 10 - 0.0016 * (x + 8) ** 2) / 2.7
        grain = 0.86 + 0.24 * noise(x * 0.25, y, cell=2.2, seed=37, octaves=2)
        groove = 1 - 0.22 * smoothstep(0.12, 0.03, np.abs(row - np.round(row)))
        colour = blend(rgb("2f5f78"), rgb("15283f"), np.clip((y + 14) / 17, 0, 1))
        colour = blend(colour, rgb("d9855c"), 0.5 * np.clip(x / 90, 0, 1) ** 2)
        return np.clip(colour * (grain * groove)[..., None], 0, 1)

    canvas.shape(outline, planks)
    canvas.line([(x, y + 2.6) for x, y in sheer], 1.7, across(-82, 74, "c9a48a", "fff0cc"))
    canvas.line(sheer, 1.3, across(-82, 74, "a5603f", "ffcf8a"))
    canvas.line(curve((-70, 1.5), (-20, 3), (20, 3), (60, 0)), 2.2, rgb("9c3a38"), atop=True)
    for x in (-40, -24, 14, 30):
        canvas.dab(x, -3.6, 1.3, 1.3, rgb("ffd67a"))
    canvas.box(-30, -17, 22, 7.5, across(-30, -8, "8a5a4a", "e0aa78"))
    for x in (-26, -19, -13):
        canvas.box(x, -15.4, 3.2, 2.6, rgb("ffe09a"))


def _bow_wave(canvas: Canvas) -> None:
    """Foam along the waterline, highest at the bow."""
    rng = np.random.default_rng(5)
    for _ in range(190):
        along = float(rng.random()) ** 0.75
        x = 66 - 160 * along
        y = 3.6 - 4.5 * float(np.exp(-along * 14)) + float(rng.normal(0, 0.9))
        colour = mix(rgb("fff3dc"), rgb("a9b4cc"), float(rng.random()) * 0.8)
        canvas.dab(x, y, float(rng.uniform(1.2, 5.0)), float(rng.uniform(0.4, 1.1)), colour)
