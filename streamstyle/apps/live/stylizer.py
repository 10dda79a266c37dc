"""Stylizes the frames of a camera; the controls may change at any moment, without a stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from streamstyle import device as devices
from streamstyle.apps.live.controls import Controls
from streamstyle.apps.live.motion_gate import MotionGate
from streamstyle.apps.live.rate import Rate
from streamstyle.apps.live.transition import Transition
from streamstyle.effects.composite import Composite
from streamstyle.effects.dream import SMALLEST_SIDE, Ascent, Dream
from streamstyle.effects.stabilize import Stabilize
from streamstyle.effects.style import Style
from streamstyle.errors import UsageError
from streamstyle.frames import Effect
from streamstyle.jobs.build import ascent_of, dream_of
from streamstyle.keyframes import NONE, read_mixture
from streamstyle.optical_flow import FlowEstimation, FlowSequence
from streamstyle.pipeline.step import Step
from streamstyle.settings import DreamSettings

__all__ = ["Controls", "Stylizer"]

FLOW_SIZE = 256  # pixels along the longer side at which optical flow is estimated
DREAM_STEPS = 2  # of the first frame, at each octave; the dream grows from frame to frame
DREAM_COARSENESS = 2.0  # of dreams on the CPU, where each step costs as much as many frames of a style


class Stylizer:
    """Stylizes the frames of one camera or browser by its controls of this moment.

    All styles are loaded beforehand; those of one base are one network whose weights follow the controls.
    Where nothing has moved since the last frame, its result is given again.

    Args:
        styles: names, files or mixtures: all that can be chosen.
        wanted: the controls at the beginning; their styles are loaded as well.
        device: "auto", "cpu", "cuda" or "cuda:N".
        fps: rate to hold by working on smaller images; None: the best quality at whatever rate.
        dream: dream instead of stylizing; its layers take the place of styles.

    Attributes:
        styles: to choose from; everything in them may be mixed.
        device: where it computes.
        fps: rate to hold, or None.
        source: the last frame that was given, mirrored where that is wanted.
        skipped: results that were given again, since nothing had moved.

    Raises:
        UsageError: there is no such style or device.
        InputError: weights cannot be read.
    """

    def __init__(
        self,
        styles: Sequence[str],
        wanted: Controls | None = None,
        *,
        device: str = "auto",
        fps: float | None = None,
        dream: DreamSettings | None = None,
    ) -> None:
        wanted = wanted or Controls()
        self.device, self.fps = devices.choose(device), fps
        if dream is not None:
            styles, wanted = [], wanted.but(style=dream.layer)
        choices = dict.fromkeys([*styles, wanted.style])
        self.styles = [choice for choice in choices if choice != NONE]
        self.transition = Transition(
            wanted.parameters(), [name for choice in choices for name in read_mixture(choice)]
        )
        self._dream: Dream | None = None
        finest = 1.0
        if dream is None:
            effect: Effect = Style(self.transition, mix_by="weights", device=self.device)
        else:
            effect = self._dream = dream_of(dream, self.transition, live_ascent(dream), self.device)
            finest = DREAM_COARSENESS if self.device.type == "cpu" else 1.0
            self._octaves = self._dream.ascent.octaves
        self._stabilize = Stabilize(effect, wanted.steady)
        self._composite = Composite(self._stabilize, self.transition)
        self._composite.coarseness = finest
        self._rate = None if fps is None else Rate(fps, finest)
        self._flow = FlowSequence(FlowEstimation("fast", size=FLOW_SIZE, device=self.device), onward=False)
        self._step = Step(self._composite, self.device)
        self._stillness = MotionGate()
        self._lock = threading.Lock()
        self._wanted = self._seen = wanted
        self._settled = False  # the last result shows the controls as they are, no transition runs
        self._result: np.ndarray | None = None
        self.source: np.ndarray | None = None
        self.skipped = 0

    @property
    def wanted(self) -> Controls:
        """The controls as they are set now."""
        return self._wanted

    @property
    def coarseness(self) -> float:
        """How many times coarser strokes are than set, to hold the rate."""
        return self._composite.coarseness

    def change(self, **values: object) -> Controls:
        """Change the controls from the next frame on; from any thread.

        Args:
            values: by the names of `Controls`.

        Raises:
            UsageError: a value is not allowed, or a style is not loaded; nothing changes.
        """
        with self._lock:
            wanted = self._wanted.but(**values)
            loaded = [*self.transition.styles(), NONE]
            for name in wanted.mixture:
                if name not in loaded:
                    raise UsageError(f"unknown style {name!r}; known: {', '.join(loaded)}")
            self._wanted = wanted
        return wanted

    def __call__(self, pixels: np.ndarray, seconds: float) -> np.ndarray:
        """The stylized frame; from one thread at a time.

        Args:
            pixels: (H, W, 3) uint8 RGB, of any size. It is not changed.
            seconds: when it was taken, later than the one before.

        Returns:
            (H, W, 3) uint8 RGB, not to be changed: it may be given again.

        Raises:
            OutOfMemoryError: the frame is too large for the device.
        """
        begin, wanted = time.perf_counter(), self._wanted
        if wanted.mirror:
            pixels = cv2.flip(pixels, 1)
        self.source = pixels
        self.transition.turn(wanted.parameters(), seconds)
        if wanted.bypass:
            self.forget()
            return pixels
        if wanted.mirror != self._seen.mirror or (
            self._result is not None and self._result.shape != pixels.shape
        ):
            self.forget()
        settled, self._settled = self._settled, not self.transition.runs(seconds)
        may_skip = self._dream is None and wanted == self._seen and settled
        self._seen = wanted
        if self._stillness(pixels) and may_skip and self._result is not None:
            self.skipped += 1
            return self._result
        self._result = self._stylized(pixels, seconds)
        self._stillness.keep()
        if self._rate is not None:
            self._rate.spent(time.perf_counter() - begin)
            self._composite.coarseness = self._rate.coarseness
        return self._result

    def forget(self) -> None:
        """The next frame does not continue the last one."""
        self._flow.forget()
        self._stillness.forget()
        self._result = None

    def _stylized(self, pixels: np.ndarray, seconds: float) -> np.ndarray:
        steady = self._seen.steady
        self._stabilize.steady = steady
        motion = None
        if steady > 0 or self._dream is not None:
            self._flow.add(pixels)
            motion = self._flow.motion
        else:
            self._flow.forget()
        if self._dream is not None:
            octaves = fitting_octaves(pixels, self._octaves, self._dream.ascent, self.coarseness)
            self._dream.ascent = replace(self._dream.ascent, octaves=octaves)
        return self._step(pixels, seconds, cut=motion is None, motion=motion)


def live_ascent(settings: DreamSettings) -> Ascent:
    """A few steps for each frame; the dream reaches its strength over several of them."""
    steps = min(settings.steps, DREAM_STEPS)
    later = min(settings.later_steps or 1, steps)
    return replace(ascent_of(settings), steps=steps, later_steps=later, limit=settings.steps / steps)


def fitting_octaves(pixels: np.ndarray, octaves: int, ascent: Ascent, coarseness: float) -> int:
    """As many octaves as the picture has room for, at least one."""
    side = min(pixels.shape[:2]) / coarseness
    while octaves > 1 and side / ascent.octave_scale ** (octaves - 1) < SMALLEST_SIDE + 1:
        octaves -= 1
    return octaves
