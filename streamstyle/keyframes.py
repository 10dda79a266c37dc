"""What is asked for at each time of a video: the look, and how it changes.

A mixture is written `0.6*starry_night+0.4*great_wave`; a change `4s=great_wave`, `8s=strength:0.5`, or with
its own fade and several things at once `4s+2s=none,stroke_size:2`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from streamstyle.errors import UsageError

NONE = "none"  # the style of the source itself
STROKE_SIZES = 0.25, 4.0
FADE = 1.0  # seconds

Mixture = Mapping[str, float]


@dataclass(frozen=True)
class Parameters:
    """What is asked for at one time.

    Attributes:
        style: shares of styles, which add up to 1; "none" is the source itself.
        strength: 0 = the source, 1 = the full style.
        keep_colors: 1 = the source's colors, 0 = the painting's.
        stroke_size: width of the strokes; 1 = as the network was trained.
        speed: of zooms, how many times larger things become in a second.
        rotate: of zooms, degrees by which things turn in a second, clockwise.
    """

    style: Mixture
    strength: float = 1.0
    keep_colors: float = 0.0
    stroke_size: float = 1.0
    speed: float = 1.0
    rotate: float = 0.0

    def __post_init__(self) -> None:
        for name, (least, most) in RANGES.items():
            if not least <= (value := getattr(self, name)) <= most:
                raise UsageError(f"{name.replace('_', '-')} is {value:g}, expected {least:g} to {most:g}")

    def towards(self, other: Parameters, share: float) -> Parameters:
        """The look on the way to another one: 0 = this, 1 = the other.

        Sizes change by equal ratios in equal times, all else by equal differences.
        """
        if share in (0, 1):
            return other if share else self
        names = [*self.style, *(name for name in other.style if name not in self.style)]
        style = {
            name: (1 - share) * self.style.get(name, 0.0) + share * other.style.get(name, 0.0)
            for name in names
        }
        return Parameters(
            style,
            self.strength + share * (other.strength - self.strength),
            self.keep_colors + share * (other.keep_colors - self.keep_colors),
            self.stroke_size * (other.stroke_size / self.stroke_size) ** share,
            self.speed * (other.speed / self.speed) ** share,
            self.rotate + share * (other.rotate - self.rotate),
        )


RANGES = {
    "strength": (0.0, 1.0),
    "keep_colors": (0.0, 1.0),
    "stroke_size": STROKE_SIZES,
    "speed": (1.0, 100.0),
    "rotate": (-3600.0, 3600.0),
}


@dataclass(frozen=True)
class Keyframe:
    """From `seconds` on, within `fade` seconds, these values of the look become others."""

    seconds: float
    fade: float
    values: Mapping[str, float | Mixture]


class ParametersOverTime(Protocol):
    """The look at every time, and all styles that may occur: what effects need of a keyframes."""

    def at(self, seconds: float) -> Parameters: ...
    def styles(self) -> list[str]: ...


@dataclass(frozen=True)
class Keyframes:
    """The look at every time.

    Attributes:
        start: the look from the beginning.
        changes: in order of time.
    """

    start: Parameters
    changes: tuple[Keyframe, ...] = field(default=())

    def at(self, seconds: float) -> Parameters:
        """The look at a time. It depends on nothing else, so that any frame can be made by itself."""
        parameters = self.start
        for change in self.changes:
            if seconds < change.seconds:
                break
            wanted = replace(parameters, **change.values)  # type: ignore[arg-type]
            done = 1.0 if change.fade == 0 else min((seconds - change.seconds) / change.fade, 1.0)
            parameters = parameters.towards(wanted, (1 - math.cos(math.pi * done)) / 2)
        return parameters

    def styles(self) -> list[str]:
        """Names of all styles that occur, "none" left out."""
        mixtures = [self.start.style, *(change.values.get("style", {}) for change in self.changes)]
        names = [name for mixture in mixtures if isinstance(mixture, Mapping) for name in mixture]
        return list(dict.fromkeys(name for name in names if name != NONE))


def keyframes_of(
    style: str | Path,
    *,
    strength: float = 1.0,
    keep_colors: float = 0.0,
    stroke_size: float = 1.0,
    speed: float = 1.0,
    rotate: float = 0.0,
    at: Sequence[str] = (),
    fade: float = FADE,
) -> Keyframes:
    """A keyframes from what a user writes.

    Args:
        style: a mixture.
        strength, keep_colors, stroke_size, speed, rotate: see `Parameters`.
        at: changes, in any order.
        fade: seconds that a change takes which says nothing of it.

    Raises:
        UsageError: something cannot be understood or is out of range; the message quotes it.
    """
    start = Parameters(read_mixture(str(style)), strength, keep_colors, stroke_size, speed, rotate)
    changes = sorted((read_keyframe(text, fade) for text in at), key=lambda change: change.seconds)
    keyframes = Keyframes(start, tuple(changes))
    for change in changes:  # looks check their values
        keyframes.at(change.seconds + change.fade)
    return keyframes


def read_mixture(text: str) -> dict[str, float]:
    """Shares of styles from `0.6*starry_night+0.4*great_wave`; they are made to add up to 1.

    A name alone has the weight 1. A name of a file may contain + and *.

    Raises:
        UsageError: a weight is no number above 0, or a name is missing.
    """
    if is_file(text):
        return {text: 1.0}
    weights: dict[str, float] = {}
    for term in text.split("+"):
        weight, star, name = term.rpartition("*")
        name = name.strip()
        try:
            value = float(weight) if star else 1.0
        except ValueError:
            value = math.nan
        if not name or not 0 < value < math.inf:
            raise UsageError(
                f"style {text!r}: expected a name, or WEIGHT*NAME+WEIGHT*NAME with weights above 0"
            )
        weights[name] = weights.get(name, 0.0) + value
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def read_keyframe(text: str, fade: float = FADE) -> Keyframe:
    """A change from `TIME[+FADE]=VALUE[,VALUE …]`, where a value is a mixture or NAME:NUMBER.

    Raises:
        UsageError: it cannot be understood.
    """
    when, equals, what = text.partition("=")
    begin, plus, own = when.partition("+")
    if not equals or not what:
        raise UsageError(f"at {text!r}: expected TIME=STYLE or TIME=NAME:NUMBER, as 4s=great_wave")
    try:
        start, own_fade = read_seconds(begin), read_seconds(own) if plus else fade
    except ValueError as error:
        raise UsageError(f"at {text!r}: {when} is no time, {error}") from error
    return Keyframe(start, own_fade, dict(read_values(what, text)))


def read_values(what: str, text: str) -> Iterator[tuple[str, float | Mixture]]:
    """Names and values of the parts of a change, which are separated by commas."""
    for part in what.split(","):
        name, colon, number = part.partition(":")
        name = name.strip().replace("-", "_")
        if not colon or name not in RANGES:
            yield "style", read_mixture(part.strip())
            continue
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        least, most = RANGES[name]
        if not least <= value <= most:
            raise UsageError(f"at {text!r}: {name} is {number.strip()!r}, expected {least:g} to {most:g}")
        yield name, value


def read_seconds(text: str) -> float:
    """Seconds from `12.5`, `12.5s`, `1:30` or `01:02:03.5`.

    Raises:
        ValueError: the text is none of these.
    """
    parts = text.strip().removesuffix("s").split(":")
    if not 1 <= len(parts) <= 3 or not all(re.fullmatch(r"\d{1,7}(\.\d*)?|\.\d+", part) for part in parts):
        raise ValueError("expected seconds or HH:MM:SS")
    total = 0.0
    for part in parts:
        total = total * 60 + float(part)
    return total


def is_file(name: str) -> bool:
    """Whether there is such a file; what cannot be the name of one, or be looked at, is none."""
    try:
        return Path(name).is_file()
    except (OSError, ValueError):
        return False


def is_path(name: str) -> bool:
    """Whether a file or folder has that name."""
    try:
        return Path(name).exists()
    except (OSError, ValueError):
        return False


def with_absolute_files(text: str) -> str:
    """A mixture or change in which every name of a file that exists is absolute."""
    if is_file(text):
        return str(Path(text).absolute())
    return re.sub(r"[^*+,=]+", lambda part: absolute_file(part[0]), text)


def absolute_file(name: str) -> str:
    """The absolute name of a file, any other name as it is; LAYER:FILE and LAYER~FILE have one, too."""
    if is_file(name.strip()):
        return str(Path(name.strip()).absolute())
    begin, mark, file = re.match(r"([^:~]*)([:~]?)(.*)", name, re.DOTALL).groups()  # type: ignore[union-attr]
    return begin + mark + absolute_file(file) if mark else name
