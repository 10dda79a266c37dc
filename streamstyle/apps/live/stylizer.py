"""Stylizes the frames of a camera; the controls may change at any moment, without a stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack

import cv2
import numpy as np

from streamstyle import device as devices
from streamstyle.apps.live.controls import Controls
from streamstyle.apps.live.motion_gate import MotionGate
from streamstyle.apps.live.rate import Rate
from streamstyle.apps.live.transition import Transition
from streamstyle.effects import EffectContext, RenderSettings
from streamstyle.effects.composite import Composite
from streamstyle.effects.stabilize import Stabilize
from streamstyle.errors import UsageError
from streamstyle.keyframes import NONE, read_mixture
from streamstyle.optical_flow import FlowEstimation, FlowSequence
from streamstyle.pipeline.step import Step

__all__ = ["Controls", "Stylizer"]

FLOW_SIZE = 256  # pixels along the longer side at which optical flow is estimated


class Stylizer:
    """Stylizes the frames of one camera or browser by its controls of this moment.

    All styles are loaded beforehand; those of one base are one network whose weights follow the controls.
    Where nothing has moved since the last frame, its result is given again.

    Args:
        effect: what to apply.
        choices: mixtures to switch to, all of them loaded at once.
        controls: at the beginning, with another mixture perhaps; by default the effect's own.
        device: "auto", "cpu", "cuda" or "cuda:N".
        fps: rate to hold by working on smaller images; None: the best quality at whatever rate.

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
        effect: RenderSettings,
        choices: Sequence[str] = (),
        controls: Controls | None = None,
        *,
        device: str = "auto",
        fps: float | None = None,
    ) -> None:
        self.device, self.fps = devices.choose(device), fps
        controls = controls or Controls(style=effect.mixture)
        mixtures = dict.fromkeys([*choices, controls.style])
        self.styles = [mixture for mixture in mixtures if mixture != NONE]
        names = [name for mixture in mixtures for name in read_mixture(mixture)]
        self.transition = Transition(controls.parameters(), names)
        context = EffectContext("video", self.transition, self.device, ExitStack(), live=True)
        self._continues, finest = effect.CONTINUES, effect.live_coarseness(self.device)
        self._stabilize = Stabilize(effect.build(context), controls.steady)
        self._composite = Composite(self._stabilize, self.transition, colors=effect.keep_colors_by)
        self._composite.coarseness = finest
        self._rate = None if fps is None else Rate(fps, finest)
        self._flow = FlowSequence(
            FlowEstimation("fast", size=FLOW_SIZE, device=self.device), forward_motion=False
        )
        self._step = Step(self._composite, self.device)
        self._stillness = MotionGate()
        self._lock = threading.Lock()
        self._wanted = self._seen = controls
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
        may_skip = not self._continues and wanted == self._seen and settled
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
        if steady > 0 or self._continues:
            self._flow.add(pixels)
            motion = self._flow.motion
        else:
            self._flow.forget()
        return self._step(pixels, seconds, cut=motion is None, motion=motion)
