"""A whole video against its source, in constant memory."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from itertools import zip_longest
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from streamstyle.device import upload
from streamstyle.errors import InputError
from streamstyle.evaluation.metrics import change_along_flow, flicker, sharpness, static_pixels
from streamstyle.frames import Effect, Frame, Moment, Motion, Source
from streamstyle.losses import STATISTICS, luma, style_loss, style_of
from streamstyle.optical_flow import FlowEstimation, resized_flow, resized_map, warp
from streamstyle.weights import load_features

HOLDS = 0.95  # how far a flow must be trusted to be measured by
STYLE_EVERY = 10  # frames from one whose style is compared to the next
ENDS = 10  # a tenth of the video at either end tells how it drifted
SHOWN = 4  # frames that are kept to be looked at, those with the largest errors
CPU = torch.device("cpu")


@dataclass(frozen=True)
class FrameMeasures:
    """What was measured of one frame; nan across a cut, where there is no frame before it.

    Attributes:
        frame, seconds: number, from 0, and time of the source's frame.
        cut: there is a cut before it.
        reliable: share of the pixels where the flow holds.
        warp_error: of the result, mean square along the motion; see `measures.change_along_flow`.
        source_warp_error: that of the source itself, which the result is not to blame for.
        flicker: mean absolute difference where the source is static.
        sharpness: lasting fine structure; see `measures.sharpness`.
        luma, red, green, blue: mean of the result minus that of the source.
        style_loss: distance of the frame's style from that of the frame stylized by itself, 0 = the same,
            about 1 = unrelated; nan for frames at which that was not asked for.
    """

    frame: int
    seconds: float
    cut: bool
    reliable: float
    warp_error: float
    source_warp_error: float
    flicker: float
    sharpness: float
    luma: float
    red: float
    green: float
    blue: float
    style_loss: float


@dataclass(frozen=True)
class Shown:
    """A frame to look at.

    Attributes:
        frame: its number.
        source, result: (H, W, 3) uint8.
        motion: since the frame before, at the size of the result.
        error: (H, W), square of what changed along the motion, mean of the channels.
    """

    frame: int
    source: np.ndarray
    result: np.ndarray
    motion: Motion
    error: np.ndarray


@dataclass(frozen=True)
class Evaluation:
    """What is known of a video.

    Attributes:
        frames: measures of each frame.
        missing: frames that only one of the two videos has.
        shown: those with the largest errors, in order.
    """

    frames: list[FrameMeasures]
    missing: int = 0
    shown: list[Shown] = field(default_factory=list)

    @property
    def cuts(self) -> list[int]:
        """Numbers of the frames before which there is a cut, without the first."""
        return [measured.frame for measured in self.frames if measured.cut and measured.frame > 0]

    @property
    def summary(self) -> dict[str, float]:
        """Means over the video; `drift` and `color_drift`: how far the last tenth is from the first in luma
        and, at most, in a color, beyond what the source does."""
        means = {name: self.mean(name) for name in MEANS}
        means["excess_warp_error"] = means["warp_error"] - means["source_warp_error"]
        drifts = {name: self.drift(name) for name in ("luma", "red", "green", "blue")}
        colors = [abs(drifts[name] - drifts["luma"]) for name in ("red", "green", "blue")]
        return {
            **means,
            "drift": drifts["luma"],
            "color_drift": max(colors),
            "frames": len(self.frames),
            "missing_frames": self.missing,
        }

    def mean(self, name: str) -> float:
        """Of all frames of which it is known; nan where there is none."""
        values = np.array([getattr(measured, name) for measured in self.frames], float)
        known = values[np.isfinite(values)]
        return float(known.mean()) if known.size else math.nan

    def drift(self, name: str) -> float:
        """Mean over the last tenth minus that over the first."""
        values = np.array([getattr(measured, name) for measured in self.frames], float)
        count = max(len(values) // ENDS, 1)
        return float(values[-count:].mean() - values[:count].mean())


MEANS = ("warp_error", "source_warp_error", "flicker", "sharpness", "reliable", "style_loss")


def evaluate_frames(
    source: Source,
    result: Source,
    motion: FlowEstimation,
    *,
    alone: Effect | None = None,
    on_frame: Callable[[FrameMeasures], None] | None = None,
) -> Evaluation:
    """Measures a stylized video, frame by frame.

    Args:
        source: what was stylized.
        result: what came of it, of the same number of frames; the source is scaled to its size.
        motion: of the source.
        alone: the effect by itself, without memory, to compare styles with.
        on_frame: called after each frame.

    Raises:
        InputError: the videos have no frame in common, or a video cannot be read.
    """
    frames, missing = [], 0
    worst: list[tuple[float, int, Shown]] = []
    measuring = Measuring(alone)
    moved = ((item, found) for item, found, *_ in motion(source) if isinstance(item, Frame))
    results = (item for item in result if isinstance(item, Frame))
    for pair, stylized in zip_longest(moved, results):
        if pair is None or stylized is None:
            missing += 1
            continue
        measured, shown = measuring.measured(pair[0], pair[1], stylized)
        frames.append(measured)
        if shown is not None:
            entry = (measured.warp_error, measured.frame, shown)
            (heapq.heappush if len(worst) < SHOWN else heapq.heappushpop)(worst, entry)
        if on_frame is not None:
            on_frame(measured)
    if not frames:
        raise InputError(f"{result.info.name}: has no frame to compare with {source.info.name}")
    chosen = sorted((entry[2] for entry in worst), key=lambda shown: shown.frame)
    return Evaluation(frames, missing, chosen)


class Along(NamedTuple):
    """What is measured along the motion; see `FrameMeasures`."""

    reliable: float = math.nan
    warp_error: float = math.nan
    source_warp_error: float = math.nan
    flicker: float = math.nan
    sharpness: float = math.nan


class Measuring:
    """Measures one frame after the other; remembers the last one.

    Args:
        alone: see `evaluate`.
    """

    def __init__(self, alone: Effect | None) -> None:
        self.alone = alone
        self.features = None if alone is None else load_features()
        self.last: tuple[Tensor, Tensor] | None = None
        self.count = 0

    def measured(
        self, frame: Frame, motion: Motion | None, stylized: Frame
    ) -> tuple[FrameMeasures, Shown | None]:
        """The measures, and the frame as it is shown, where it has one before it."""
        result = upload(stylized.pixels, CPU)[None]
        source = upload(frame.pixels, CPU)[None]
        size = result.shape[2], result.shape[3]
        if tuple(source.shape[2:]) != size:
            source = F.interpolate(source, size, mode="bicubic", antialias=True).clamp_(0, 1)
        along, shown = Along(), None
        if motion is not None and self.last is not None and self.last[1].shape == result.shape:
            along, shown = self.along(source, result, motion, stylized)
        brighter = (luma(result).mean() - luma(source).mean()).item()
        colors: list[float] = (result - source).mean(dim=(0, 2, 3)).tolist()
        measured = FrameMeasures(
            frame=self.count,
            seconds=frame.seconds,
            cut=motion is None,
            **along._asdict(),
            luma=brighter,
            red=colors[0],
            green=colors[1],
            blue=colors[2],
            style_loss=self.style(frame, result),
        )
        self.last, self.count = (source, result), self.count + 1
        return measured, shown

    def along(self, source: Tensor, result: Tensor, motion: Motion, stylized: Frame) -> tuple[Along, Shown]:
        """What is measured along the motion."""
        assert self.last is not None
        before, last = self.last
        height, width = result.shape[2:]
        flow = resized_flow(motion.flow, height, width)[None]
        reliable = (resized_map(motion.confidence, height, width)[None] > HOLDS).float()
        static = static_pixels(before, source, flow, reliable)
        values = Along(
            reliable.mean().item(),
            change_along_flow(last, result, flow, reliable),
            change_along_flow(before, source, flow, reliable),
            flicker(last, result, static),
            sharpness(last, result, flow, reliable),
        )
        error = (result - warp(last, flow)).square().mean(dim=1) * reliable[0]
        pixels = (255 * source[0]).round().byte().permute(1, 2, 0).numpy()
        kept = Motion(flow[0], reliable[0])
        return values, Shown(self.count, pixels, stylized.pixels, kept, error[0].numpy())

    def style(self, frame: Frame, result: Tensor) -> float:
        """Distance from the style of the frame stylized by itself."""
        if self.alone is None or self.features is None or self.count % STYLE_EVERY:
            return math.nan
        self.alone.reset()
        with torch.inference_mode():
            wanted = self.alone(upload(frame.pixels, CPU), Moment(self.count, frame.seconds))[None]
            if wanted.shape != result.shape:
                wanted = F.interpolate(wanted, result.shape[2:], mode="bicubic", antialias=True)
            statistic = STATISTICS["covariance"]
            layers = self.features.style_layers
            target = {
                name: style_of(value, statistic, standardised=True)
                for name, value in self.features(wanted, layers).items()
            }
            return style_loss(self.features(result, layers), target, statistic).item()


def columns() -> list[str]:
    """Names of what is measured of a frame."""
    return [entry.name for entry in fields(FrameMeasures)]


def rows(evaluation: Evaluation) -> Iterator[list[object]]:
    """The measures of each frame in the order of `columns`."""
    for measured in evaluation.frames:
        yield [getattr(measured, name) for name in columns()]
