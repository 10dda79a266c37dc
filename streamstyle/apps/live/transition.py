"""A keyframes whose looks are asked for while it plays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from streamstyle.keyframes import NONE, STROKE_SIZES, Parameters

FADE = 0.5  # seconds from one look to the next: seen as a change, not as a wait


STEPS = 16  # sizes of strokes to the double, on the way to another: each is slow the first time


class Transition:
    """Glides from look to look, as they are asked for; `at` and `styles` are those of a `Keyframes`.

    Args:
        look: from the beginning.
        styles: all that may ever be asked for.
        fade: seconds that a change takes.
    """

    def __init__(self, parameters: Parameters, styles: Sequence[str], fade: float = FADE) -> None:
        self.parameters = parameters  # where it goes to
        self._styles = [name for name in dict.fromkeys(styles) if name != NONE]
        self._before, self._begin, self._fade = parameters, -math.inf, fade

    def turn(self, parameters: Parameters, seconds: float) -> None:
        """From that time on go to another look, from wherever it has come to by then."""
        if parameters != self.parameters:
            self._before, self._begin, self.parameters = self.at(seconds), seconds, parameters

    def runs(self, seconds: float) -> bool:
        """Whether the look still changes at that time."""
        return seconds < self._begin + self._fade

    def at(self, seconds: float) -> Parameters:
        """The look at a time that is not before the last turn."""
        if not self.runs(seconds):
            return self.parameters
        done = max(seconds - self._begin, 0.0) / self._fade
        parameters = self._before.towards(self.parameters, (1 - math.cos(math.pi * done)) / 2)
        return replace(parameters, stroke_size=stepped(parameters.stroke_size))

    def styles(self) -> list[str]:
        """Names of all styles that may occur, "none" left out."""
        return list(self._styles)


def stepped(size: float) -> float:
    """The nearest of the sizes that are used on the way."""
    least, most = STROKE_SIZES
    return min(max(2 ** (round(STEPS * math.log2(size)) / STEPS), least), most)
