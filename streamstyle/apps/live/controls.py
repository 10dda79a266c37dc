"""Live controls: what a person can change while a camera or clip is stylized."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from streamstyle.errors import UsageError
from streamstyle.keyframes import RANGES, Parameters, read_mixture
from streamstyle.styles import DEFAULT_STYLE

LIMITS = {name: RANGES[name] for name in ("strength", "keep_colors", "stroke_size")} | {"steady": (0.0, 1.0)}
SWITCHES = ("mirror", "bypass")


@dataclass(frozen=True, slots=True)
class Controls:
    """The settings of the live controls.

    Attributes:
        style: a mixture, as `keyframes.read_mixture` reads it; "none" is the source itself.
        strength: 0 = the source, 1 = the full style.
        keep_colors: 1 = the source's colors, 0 = the style painting's.
        stroke_size: relative size of the strokes, 0.25 to 4.
        steady: temporal consistency; 0 = each frame by itself, 1 = the strongest.
        mirror: flip the source horizontally.
        bypass: show the source unchanged.

    Raises:
        UsageError: a value is out of range, of the wrong type, or cannot be parsed.
    """

    style: str = DEFAULT_STYLE
    strength: float = 1.0
    keep_colors: float = 0.0
    stroke_size: float = 1.0
    steady: float = 0.0
    mirror: bool = False
    bypass: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.style, str):
            raise UsageError(f"style is {self.style!r}, expected a name or a mixture")
        read_mixture(self.style)
        for name, (least, most) in LIMITS.items():
            value, shown = getattr(self, name), name.replace("_", "-")
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise UsageError(f"{shown} is {value!r}, expected a number from {least:g} to {most:g}")
            if not least <= value <= most:
                raise UsageError(f"{shown} is {value:g}, expected {least:g} to {most:g}")
        for name in SWITCHES:
            if not isinstance(value := getattr(self, name), bool):
                raise UsageError(f"{name} is {value!r}, expected true or false")

    def updated(self, **values: object) -> Controls:
        """A copy with other values.

        Raises:
            UsageError: there is no such control, or a value is not allowed.
        """
        names = [field.name for field in fields(self)]
        for name in values:
            if name not in names:
                raise UsageError(f"unknown control {name!r}; known: {', '.join(names)}")
        return replace(self, **values)  # type: ignore[arg-type]

    @property
    def mixture(self) -> dict[str, float]:
        """Share of each style."""
        return read_mixture(self.style)

    def parameters(self) -> Parameters:
        """The effect parameters among the controls."""
        return Parameters(self.mixture, self.strength, self.keep_colors, self.stroke_size)
