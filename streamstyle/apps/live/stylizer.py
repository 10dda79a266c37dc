"""Paints the frames of a camera as a person wants them at this moment; nothing waits for a change."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack

import cv2
import numpy as np
import torch

from streamstyle import device as devices
from streamstyle.apps.live.controls import Controls
from streamstyle.apps.live.frame_tracking import FrameTracker
from streamstyle.apps.live.motion_gate import MotionGate
from streamstyle.apps.live.rate import Rate
from streamstyle.apps.live.transition import Transition
from streamstyle.effects import EffectContext, RenderSettings
from streamstyle.effects.composite import Composite
from streamstyle.effects.stabilize import Stabilize
from streamstyle.errors import UsageError
from streamstyle.frames import Moment
from streamstyle.keyframes import NONE, read_mixture

__all__ = ["Controls", "Stylizer"]


class Stylizer:
    """Paints the frames of one camera or browser as wanted at this moment.

    All styles are loaded beforehand; those of one base are one network whose weights follow what is wanted.
    Where nothing has moved since the last picture it is given again.

    Args:
        effect: what to apply.
        choices: mixtures to switch to, all of them loaded at once.
        controls: at the beginning, with another mixture perhaps; by default the effect's own.
        device: "auto", "cpu", "cuda" or "cuda:N".
        fps: rate to hold by working on smaller images; None: the best quality at whatever rate.

    Attributes:
        styles: to choose from; everything in them may be mixed.
        device: where it paints.
        fps: rate that is to be held, or None.
        source: the last picture that was given, mirrored where that is wanted.
        skipped: pictures that were given again, since nothing had moved.

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
        controls = controls or Controls(style=getattr(effect, effect.MIXTURE))
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
        self._tracking = FrameTracker(self.device)
        self._stillness = MotionGate()
        self._lock = threading.Lock()
        self._wanted = self._seen = controls
        self._index = 0
        self._settled = False  # the last result shows all of what is wanted
        self._result: np.ndarray | None = None
        self.source: np.ndarray | None = None
        self.skipped = 0

    @property
    def wanted(self) -> Controls:
        """What is wanted now."""
        return self._wanted

    @property
    def coarseness(self) -> float:
        """How many times coarser strokes are than wanted, to hold the rate."""
        return self._composite.coarseness

    def change(self, **values: object) -> Controls:
        """Want something else from the next frame on; from any thread.

        Args:
            values: by the names of `Controls`.

        Raises:
            UsageError: a value is not allowed, or a style is not at hand; nothing changes.
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
        """The picture, painted; from one thread at a time.

        Args:
            pixels: (H, W, 3) uint8 RGB, of any size. It is not changed.
            seconds: when it was taken, later than the one before.

        Returns:
            (H, W, 3) uint8 RGB, not to be changed: it may be given again.

        Raises:
            OutOfMemoryError: the picture is too large for the device.
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
        self._result = self._painted(pixels, seconds)
        self._stillness.keep()
        if self._rate is not None:
            self._rate.spent(time.perf_counter() - begin)
            self._composite.coarseness = self._rate.coarseness
        return self._result

    def forget(self) -> None:
        """What comes next does not continue what was painted last."""
        self._tracking.forget()
        self._stillness.forget()
        self._result = None

    def _painted(self, pixels: np.ndarray, seconds: float) -> np.ndarray:
        steady = self._seen.steady
        self._stabilize.steady = steady
        needs_motion = steady > 0 or self._continues
        motion = None
        if needs_motion:
            motion = self._tracking(pixels)
        else:
            self._tracking.forget()
        if motion is None:
            self._composite.reset()
        moment = Moment(self._index, seconds, motion is None, motion)
        self._index += 1
        with torch.inference_mode():
            image = devices.upload(pixels, self.device)
            result = self._composite(image, moment)
            return pixels if result is image else devices.download(result)
