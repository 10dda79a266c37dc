"""Stylizes live frames; the controls may change at any time without interrupting the stream."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import cv2
import numpy as np

from streamstyle import device as devices
from streamstyle.apps.live.controls import Controls
from streamstyle.apps.live.motion_gate import MotionGate
from streamstyle.apps.live.rate import Quality, RateControl
from streamstyle.apps.live.transition import Transition
from streamstyle.effects import EffectContext, RenderSettings
from streamstyle.effects.composite import Composite
from streamstyle.effects.propagate import Propagate
from streamstyle.effects.stabilize import Stabilize
from streamstyle.errors import UsageError
from streamstyle.keyframes import NONE, read_mixture
from streamstyle.optical_flow import FlowEstimation, FlowSequence
from streamstyle.pipeline.step import Step

if TYPE_CHECKING:
    from streamstyle.arbitrary_styles import LoadedStyle

__all__ = ["Controls", "Stylizer"]

FLOW_SIZE = 256  # pixels along the longer side at which optical flow is estimated


class Stylizer:
    """Stylizes the frames of one camera or browser with its current controls.

    All styles are loaded in advance; styles trained from the same base share one network, whose weights are
    interpolated. If nothing has moved since the last frame, its result is returned again.

    Args:
        effect: the settings of the effect to apply.
        choices: mixtures to switch between.
        controls: at the beginning, possibly with a mixture that is not among `choices`; by default the
            effect's own mixture.
        device: "auto", "cpu", "cuda" or "cuda:N".
        fps: frame rate to hold by lowering the quality, see `RateControl`; None: the best quality at whatever
            rate.

    Attributes:
        styles: the mixtures to choose from; all their styles may also be mixed.
        transition: of the effect's parameters.
        device: where it computes.
        source: the last input frame, mirrored if the controls say so.
        skipped: number of results that were returned again, as nothing had moved.

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
        self.device, self._fps = devices.choose(device), fps
        controls = controls or Controls(style=effect.mixture)
        mixtures = dict.fromkeys([*choices, controls.style])
        self.styles = [mixture for mixture in mixtures if mixture != NONE]
        names = [name for mixture in mixtures for name in read_mixture(mixture)]
        self.transition = Transition(controls.parameters(), names)
        context = EffectContext("video", self.transition, self.device, ExitStack(), live=True)
        self._is_recurrent, finest = effect.CONTINUES, effect.live_coarseness(self.device)
        built = effect.build(context)
        self._style_list = effect.style_list(built)
        self._leaving: set[str] = set()  # styles to remove once no transition shows them
        self._propagate = None if self._is_recurrent else Propagate(built, self.transition)
        self._stabilize = Stabilize(self._propagate or built, controls.steady)
        self._composite = Composite(
            self._stabilize, self.transition, colors=effect.keep_colors_by, bars=effect.bars("video")
        )
        self._best = Quality(finest)
        self._propagates = self._propagate is not None
        self._rate_control = None if fps is None else RateControl(fps, finest, propagates=self._propagates)
        self._flow = FlowSequence(
            FlowEstimation("fast", size=FLOW_SIZE, device=self.device), forward_motion=False
        )
        self._step = Step(self._composite, self.device)
        self._motion_gate = MotionGate()
        self._lock = threading.Lock()
        self._controls = self._last_controls = controls
        self._is_settled = False  # the last result shows the controls, no transition is running
        self._is_measurable = False  # the last result took as long as usual
        self._result: np.ndarray | None = None
        self.source: np.ndarray | None = None
        self.skipped = 0

    @property
    def controls(self) -> Controls:
        """The current controls."""
        return self._controls

    @property
    def quality(self) -> Quality:
        """The quality of the next frame, which may be lowered to save time."""
        return self._best if self._rate_control is None else self._rate_control.quality

    @property
    def target(self) -> float | None:
        """The frame rate to hold; None: the best quality at whatever rate."""
        return None if self._rate_control is None else self._rate_control.fps

    @property
    def lowered(self) -> str:
        """What is lowered to hold the frame rate, in words; "" if nothing is."""
        return "" if self._rate_control is None else self._rate_control.lowered

    def aim(self, fps: float) -> None:
        """Adapt the target to the rate of a camera, which may be slower; 0 for a still image."""
        if self._fps is None or fps < 0:
            return
        if fps == 0:
            self._rate_control = None
        elif self._rate_control is None:
            self._rate_control = RateControl(
                min(self._fps, fps), self._best.coarseness, propagates=self._propagates
            )
        else:
            self._rate_control.aim(min(self._fps, fps))

    def took(self, seconds: float) -> None:
        """Record how long the last frame took, with all that was done for it; may change the quality."""
        if self._rate_control is not None and self._is_measurable:
            self._rate_control.add(seconds)
        self._is_measurable = False

    def change(self, **values: object) -> Controls:
        """Change the controls from the next frame on; may be called from any thread.

        Args:
            values: fields of `Controls`.

        Raises:
            UsageError: a value is not allowed, or a style is not loaded; then nothing changes.
        """
        with self._lock:
            controls = self._controls.updated(**values)
            loaded = [name for name in self.transition.styles() if name not in self._leaving] + [NONE]
            for name in controls.mixture:
                if name not in loaded:
                    raise UsageError(f"unknown style {name!r}; known: {', '.join(loaded)}")
            self._controls = controls
        return controls

    def add_style(self, name: str, loaded: LoadedStyle | None = None) -> None:
        """Load another style while frames are stylized; may be called from any thread, and takes its time.

        Args:
            name: of a bundled style, a weights file or an image; or any name if `loaded` is given.
            loaded: the style itself.

        Raises:
            UsageError: there is no such style, or the effect has none.
            InputError: the file cannot be read, or is neither a style nor a painting.
        """
        with self._lock:
            self._leaving.discard(name)
            if name in self.transition.styles():
                return
        if self._style_list is None:
            raise UsageError(f"{name}: the effect takes no styles")
        self._style_list.add(name, loaded)
        self.transition.add(name)
        self.styles.append(name)

    def remove_style(self, name: str) -> None:
        """Remove a style that was added, as soon as no transition shows it; may be called from any thread.

        Raises:
            UsageError: the controls have it.
        """
        with self._lock:
            if name in self._controls.mixture:
                raise UsageError(f"{name}: is in use")
            self._leaving.add(name)

    def __call__(self, pixels: np.ndarray, seconds: float) -> np.ndarray:
        """Stylize a frame; from one thread at a time.

        Args:
            pixels: (H, W, 3) uint8 RGB, of any size. It is not modified.
            seconds: capture time, later than that of the frame before.

        Returns:
            (H, W, 3) uint8 RGB, read-only: it may be returned again.

        Raises:
            OutOfMemoryError: the frame is too large for the device.
        """
        controls, self._is_measurable = self._controls, False
        if controls.mirror:
            pixels = cv2.flip(pixels, 1)
        self.source = pixels
        self.transition.set_target(controls.parameters(), seconds)
        if self._leaving and not self.transition.is_running(seconds):
            self._remove_leaving(controls)
        if controls.bypass:
            self.reset()
            return pixels
        if controls.mirror != self._last_controls.mirror or (
            self._result is not None and self._result.shape != pixels.shape
        ):
            self.reset()
        self._limit_strokes(controls.stroke_size / self._last_controls.stroke_size)
        settled, self._is_settled = self._is_settled, not self.transition.is_running(seconds)
        may_skip = not self._is_recurrent and controls == self._last_controls and settled
        self._last_controls = controls
        if self._motion_gate(pixels) and may_skip and self._result is not None:
            self.skipped += 1
            return self._result
        self._result = self._stylize(pixels, seconds)
        self._motion_gate.keep()
        self._is_measurable = self._is_settled  # all frames of a transition are painted
        return self._result

    def reset(self) -> None:
        """Start anew: the next frame does not continue the last one."""
        self._flow.reset()
        self._motion_gate.reset()
        self._result = None

    def _remove_leaving(self, controls: Controls) -> None:
        """Remove the styles that were to leave, except those that these controls have again."""
        with self._lock:
            for name in self._leaving & set(self.transition.styles()) - set(controls.mixture):
                assert self._style_list is not None
                self._style_list.remove(name)
                self.transition.remove(name)
                self.styles.remove(name)
                self._leaving.discard(name)

    def _limit_strokes(self, factor: float) -> None:
        """After strokes were changed by hand: if they are to be finer, the rate must not make up for it."""
        if self._rate_control is not None and factor != 1:
            self._rate_control.limit(self.quality.coarseness if factor < 1 else math.inf)

    def _stylize(self, pixels: np.ndarray, seconds: float) -> np.ndarray:
        steady, quality = self._last_controls.steady, self.quality
        self._composite.coarseness = quality.coarseness
        self._stabilize.steady, self._stabilize.every = steady, quality.every
        if self._propagate is not None:
            self._propagate.every = quality.every
        motion = None
        if steady > 0 or quality.every > 1 or self._is_recurrent:
            self._flow.add(pixels)
            motion = self._flow.motion
        else:
            self._flow.reset()
        result = self._step(pixels, seconds, cut=motion is None, motion=motion)
        assert isinstance(result, np.ndarray)
        return result
