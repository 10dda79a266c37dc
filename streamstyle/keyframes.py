"""Effect parameters, and the keyframes that change them over time.

A mixture is written `0.6*starry_night+0.4*great_wave`. A keyframe is written `4s=great_wave`,
`8s=strength:0.5`, or, with a transition time of its own and several values, `4s+2s=none,stroke_size:2`.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from streamstyle.errors import UsageError, did_you_mean

NONE = "none"  # the style that leaves the source unchanged
STROKE_SIZES = 0.25, 4.0
SEPARATORS = "*+,=~:"  # of mixtures and keyframes, and of objectives with files
FIRST_MARK = 0xE000  # of Unicode's characters for private use
FADE = 1.0  # seconds that a transition takes by default

Mixture = Mapping[str, float]


class MarkedText:
    """A text in which the names of existing files are marked, so that separators in them do not count.

    Args:
        text: a mixture, a keyframe, or PAINTING=MASK.

    Attributes:
        text: with a character that stands for each name that has separators in it.
    """

    def __init__(self, text: str) -> None:
        self._names: dict[str, str] = {}
        edges = [at for at, character in enumerate(text) if character in SEPARATORS]
        starts, ends = {0, *(at + 1 for at in edges)}, [len(text), *reversed(edges)]
        marked, at = "", 0
        while at < len(text):
            end = at + 1
            if at in starts and (end := self._end_of_file(text, at, ends)) > at:
                mark = chr(FIRST_MARK + len(self._names))
                self._names[mark] = text[at:end]
                marked += mark
            else:
                end = at + 1
                marked += text[at]
            at = end
        self.text = marked

    @staticmethod
    def _end_of_file(text: str, start: int, ends: Sequence[int]) -> int:
        """Where the longest name of a file with separators in it ends, or `start` if there is none."""
        for end in ends:
            name = text[start:end].strip()
            if any(separator in name for separator in SEPARATORS) and os.path.isfile(name):
                return end
        return start

    def split(self, separator: str) -> list[str]:
        """The parts of the marked text; `restored` gives each as it was."""
        return self.text.split(separator)

    def restored(self, part: str) -> str:
        """A part of the marked text as it was."""
        return "".join(self._names.get(character, character) for character in part)


@dataclass(frozen=True)
class Parameters:
    """The parameters of an effect at one time.

    Attributes:
        style: share of each style, adding up to 1; "none" is the unchanged source.
        strength: 0 = the source, 1 = the full style.
        keep_colors: 1 = the source's colors, 0 = the style image's.
        stroke_size: width of the strokes; 1 = as the network was trained.
        speed: for zooms, the magnification per second.
        rotate: for zooms, the clockwise rotation in degrees per second.

    Raises:
        UsageError: a value is outside its range in RANGES.
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

    def without_none(self) -> tuple[Mixture, float]:
        """The shares of all styles but "none", and the strength times their sum."""
        shares = {name: share for name, share in self.style.items() if name != NONE}
        return shares, self.strength * sum(shares.values())

    def towards(self, other: Parameters, share: float) -> Parameters:
        """Interpolates between these parameters (`share` 0) and others (`share` 1).

        Stroke size and speed are interpolated geometrically, everything else linearly.
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
    """From `seconds` on, the parameters in `values` change to these values within `fade` seconds."""

    seconds: float
    fade: float
    values: Mapping[str, float | Mixture]


class ParametersOverTime(Protocol):
    """What effects need: the parameters at any time, and the names of all styles that may occur."""

    def at(self, seconds: float) -> Parameters: ...
    def styles(self) -> list[str]: ...


@dataclass(frozen=True)
class Keyframes:
    """The effect parameters at any time of a video.

    Attributes:
        start: the parameters before the first keyframe.
        changes: the keyframes, sorted by time.
    """

    start: Parameters
    changes: tuple[Keyframe, ...] = field(default=())

    def at(self, seconds: float) -> Parameters:
        """The parameters at a time. They depend on the time alone, so any frame can be rendered by itself."""
        parameters = self.start
        for keyframe in self.changes:
            if seconds < keyframe.seconds:
                break
            target = replace(parameters, **keyframe.values)  # type: ignore[arg-type]
            progress = 1.0 if keyframe.fade == 0 else min((seconds - keyframe.seconds) / keyframe.fade, 1.0)
            parameters = parameters.towards(target, (1 - math.cos(math.pi * progress)) / 2)
        return parameters

    def styles(self) -> list[str]:
        """Names of all styles that occur, without "none"."""
        mixtures = [self.start.style, *(keyframe.values.get("style", {}) for keyframe in self.changes)]
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
    """Parses keyframes from text.

    Args:
        style: the mixture before the first keyframe.
        strength, keep_colors, stroke_size, speed, rotate: see `Parameters`.
        at: keyframes as text, in any order; see `read_keyframe`.
        fade: seconds of the transition for keyframes that do not give their own.

    Raises:
        UsageError: a text cannot be parsed, or a value is out of range; the message quotes it.
    """
    start = Parameters(read_mixture(str(style)), strength, keep_colors, stroke_size, speed, rotate)
    changes = sorted((read_keyframe(text, fade) for text in at), key=lambda keyframe: keyframe.seconds)
    keyframes = Keyframes(start, tuple(changes))
    for keyframe in changes:  # `Parameters` checks the ranges
        keyframes.at(keyframe.seconds + keyframe.fade)
    return keyframes


def read_mixture(text: str) -> dict[str, float]:
    """Shares of styles from `0.6*starry_night+0.4*great_wave`, normalized to add up to 1.

    A name without a weight has the weight 1. The name of an existing file may contain these characters.

    Raises:
        UsageError: a weight is not a number above 0, or a name is missing.
    """
    weights: dict[str, float] = {}
    marked = MarkedText(text)
    for term in marked.split("+"):
        weight, star, rest = term.partition("*")
        name = marked.restored(rest if star else term).strip()
        try:
            value = float(weight) if star else 1.0
        except ValueError:
            value = math.nan
        if not name or not 0 < value < math.inf:
            raise UsageError(f"{text!r}: expected a name, or WEIGHT*NAME+WEIGHT*NAME with weights above 0")
        weights[name] = weights.get(name, 0.0) + value
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def read_keyframe(text: str, fade: float = FADE) -> Keyframe:
    """A keyframe from `TIME[+FADE]=VALUE[,VALUE …]`, where a value is a mixture or NAME:NUMBER.

    Raises:
        UsageError: the text cannot be parsed.
    """
    marked = MarkedText(text)
    times, equals, values = marked.text.partition("=")
    start, plus, own_fade = times.partition("+")
    if not equals or not values:
        raise UsageError(f"--at {text}: expected TIME=STYLE or TIME=NAME:NUMBER, such as 4s=great_wave")
    try:
        seconds, fade = read_seconds(start), read_seconds(own_fade) if plus else fade
    except ValueError as error:
        raise UsageError(f"--at {text}: {times} is not a time, {error}") from error
    parts = [marked.restored(part) for part in values.split(",")]
    return Keyframe(seconds, fade, dict(read_values(parts, text)))


def read_values(parts: Sequence[str], text: str) -> Iterator[tuple[str, float | Mixture]]:
    """Names and values of the parts of a keyframe; `text` is the whole, for messages."""
    for part in parts:
        name, colon, number = part.partition(":")
        name = name.strip().replace("-", "_")
        if not colon or name not in RANGES:
            if colon and (hint := did_you_mean(name, RANGES)) and not os.path.isfile(part.strip()):
                raise UsageError(
                    f"--at {text}: unknown parameter {name}{hint}; known are {', '.join(RANGES)}"
                )
            yield "style", read_mixture(part.strip())
            continue
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        least, most = RANGES[name]
        if not least <= value <= most:
            raise UsageError(f"--at {text}: {name} is {number.strip()!r}, expected {least:g} to {most:g}")
        yield name, value


def read_seconds(text: str) -> float:
    """Seconds from `12.5`, `12.5s`, `1:30` or `01:02:03.5`.

    Raises:
        ValueError: the text has another form.
    """
    parts = text.strip().removesuffix("s").split(":")
    if not 1 <= len(parts) <= 3 or not all(re.fullmatch(r"\d{1,7}(\.\d*)?|\.\d+", part) for part in parts):
        raise ValueError("expected seconds or HH:MM:SS")
    total = 0.0
    for part in parts:
        total = total * 60 + float(part)
    return total


def with_absolute_files(text: str) -> str:
    """A mixture or keyframe with the names of existing files made absolute."""
    marked = MarkedText(text)
    return re.sub(r"[^*+,=]+", lambda part: absolute_file(marked.restored(part[0])), marked.text)


def absolute_file(name: str) -> str:
    """The absolute path of an existing file, also in LAYER:FILE and LAYER~FILE; other names unchanged."""
    if os.path.isfile(name.strip()):
        return str(Path(name.strip()).absolute())
    prefix, separator, file = layer_and_file(name)
    return prefix + separator + absolute_file(file) if separator else name


def layer_and_file(name: str) -> tuple[str, str, str]:
    """The layer, separator and rest of LAYER:REST or LAYER~GUIDE; the last two are "" for a layer alone."""
    match = re.match(r"([^:~]*)([:~]?)(.*)", name, re.DOTALL)
    assert match is not None
    return match[1], match[2], match[3]
