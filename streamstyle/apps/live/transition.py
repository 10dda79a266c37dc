"""Transitions between effect parameters that change live."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from streamstyle.keyframes import NONE, STROKE_SIZES, Parameters

FADE = 0.5  # seconds of a transition: smooth, but not perceived as a wait
# Stroke sizes per octave during a transition. Few, as the first frame of each size is slow.
STEPS = 16


class Transition:
    """Effect parameters that move smoothly to a target; has `at` and `styles` like `Keyframes`.

    Args:
        parameters: at the beginning.
        styles: all styles that targets may use.
        fade: duration of a transition in seconds.

    Attributes:
        parameters: the target.
    """

    def __init__(self, parameters: Parameters, styles: Sequence[str], fade: float = FADE) -> None:
        self.parameters = parameters
        self._styles = [name for name in dict.fromkeys(styles) if name != NONE]
        self._start, self._start_seconds, self._fade = parameters, -math.inf, fade

    def set_target(self, parameters: Parameters, seconds: float) -> None:
        """Start a transition to other parameters at a time, from the values reached by then."""
        if parameters != self.parameters:
            self._start, self._start_seconds, self.parameters = self.at(seconds), seconds, parameters

    def is_running(self, seconds: float) -> bool:
        """Whether a transition is still running at a time."""
        return seconds < self._start_seconds + self._fade

    def at(self, seconds: float) -> Parameters:
        """The parameters at a time, which must not be before the last `set_target`."""
        if not self.is_running(seconds):
            return self.parameters
        done = max(seconds - self._start_seconds, 0.0) / self._fade
        parameters = self._start.towards(self.parameters, (1 - math.cos(math.pi * done)) / 2)
        return replace(parameters, stroke_size=quantized(parameters.stroke_size))

    def add(self, style: str) -> None:
        """Lets targets use another style from now on."""
        self._styles.append(style)

    def remove(self, style: str) -> None:
        """Lets no target use a style any more."""
        self._styles.remove(style)

    def styles(self) -> list[str]:
        """Names of all styles that may occur, except "none"."""
        return list(self._styles)


def quantized(size: float) -> float:
    """The nearest stroke size of those used during transitions."""
    least, most = STROKE_SIZES
    return min(max(2 ** (round(STEPS * math.log2(size)) / STEPS), least), most)
