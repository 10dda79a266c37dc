"""Compares a whole stylized video with its source, in constant memory."""

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
from streamstyle.frames import Effect, Frame, Moment, OpticalFlow, Source
from streamstyle.losses import STATISTICS, luma, style_loss, style_of
from streamstyle.optical_flow import FlowEstimation, resized_flow, resized_map, warp
from streamstyle.weights import load_features

MIN_CONFIDENCE = 0.95  # of flow that is used for measuring
STYLE_EVERY = 10  # the style of every tenth frame is compared
DRIFT_PARTS = 10  # drift is measured between the first and the last tenth of the video
WORST_FRAMES = 4  # kept for the sheet, those with the largest errors
CPU = torch.device("cpu")


@dataclass(frozen=True)
class FrameMeasures:
    """Measures of one frame; nan after a cut, where there is no previous frame.

    Attributes:
        frame, seconds: number, from 0, and time of the source's frame.
        cut: there is a cut before it.
        reliable: share of the pixels whose flow is reliable.
        warp_error: of the result, mean square; see `metrics.change_along_flow`.
        source_warp_error: that of the source itself.
        flicker: mean absolute difference where the source is static.
        sharpness: lasting fine structure; see `metrics.sharpness`.
        luma, red, green, blue: mean of the result minus that of the source.
        style_loss: distance of the frame's style from that of the same frame stylized by itself, 0 = the
            same, about 1 = unrelated; nan for frames at which it is not measured.
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
class WorstFrame:
    """A frame with a large error, for the sheet.

    Attributes:
        frame: its number.
        source, result: (H, W, 3) uint8.
        motion: flow to the previous frame, at the size of the result.
        error: (H, W), squared warp error, mean of the channels.
    """

    frame: int
    source: np.ndarray
    result: np.ndarray
    motion: OpticalFlow
    error: np.ndarray


@dataclass(frozen=True)
class Evaluation:
    """The measures of a video.

    Attributes:
        frames: measures of each frame.
        missing: number of frames that only one of the two videos has.
        worst: the frames with the largest errors, in order.
    """

    frames: list[FrameMeasures]
    missing: int = 0
    worst: list[WorstFrame] = field(default_factory=list)

    @property
    def cuts(self) -> list[int]:
        """Numbers of the frames that follow a cut, without the first frame."""
        return [measured.frame for measured in self.frames if measured.cut and measured.frame > 0]

    @property
    def summary(self) -> dict[str, float]:
        """Means over the video, and drift.

        `drift` is how much the luma of the last tenth differs from that of the first, beyond the source.
        `color_drift` is the largest such difference of a color channel, relative to luma.
        """
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
        """Mean over all frames with a value; nan if there is none."""
        values = np.array([getattr(measured, name) for measured in self.frames], float)
        known = values[np.isfinite(values)]
        return float(known.mean()) if known.size else math.nan

    def drift(self, name: str) -> float:
        """Mean over the last tenth minus that over the first."""
        values = np.array([getattr(measured, name) for measured in self.frames], float)
        count = max(len(values) // DRIFT_PARTS, 1)
        return float(values[-count:].mean() - values[:count].mean())


MEANS = ("warp_error", "source_warp_error", "flicker", "sharpness", "reliable", "style_loss")


def evaluate_frames(
    source: Source,
    result: Source,
    motion: FlowEstimation,
    *,
    frame_by_frame: Effect | None = None,
    on_frame: Callable[[FrameMeasures], None] | None = None,
) -> Evaluation:
    """Measures a stylized video, frame by frame.

    Args:
        source: the video that was stylized.
        result: the stylized video, of the same number of frames; the source is scaled to its size.
        motion: estimates the optical flow of the source.
        frame_by_frame: the effect without temporal state, to compare styles with.
        on_frame: called after each frame.

    Raises:
        InputError: the videos have no frame in common, or a video cannot be read.
    """
    frames, missing = [], 0
    worst: list[tuple[float, int, WorstFrame]] = []
    comparison = FrameComparison(frame_by_frame)
    sources = ((item, flow) for item, flow, *_ in motion(source) if isinstance(item, Frame))
    results = (item for item in result if isinstance(item, Frame))
    for pair, stylized in zip_longest(sources, results):
        if pair is None or stylized is None:
            missing += 1
            continue
        measured, candidate = comparison.measure(pair[0], pair[1], stylized)
        frames.append(measured)
        if candidate is not None:
            entry = (measured.warp_error, measured.frame, candidate)
            (heapq.heappush if len(worst) < WORST_FRAMES else heapq.heappushpop)(worst, entry)
        if on_frame is not None:
            on_frame(measured)
    if not frames:
        raise InputError(f"{result.info.name}: has no frame to compare with {source.info.name}")
    chosen = sorted((entry[2] for entry in worst), key=lambda worst_frame: worst_frame.frame)
    return Evaluation(frames, missing, chosen)


class FlowMeasures(NamedTuple):
    """Measures that need optical flow; see `FrameMeasures`."""

    reliable: float = math.nan
    warp_error: float = math.nan
    source_warp_error: float = math.nan
    flicker: float = math.nan
    sharpness: float = math.nan


class FrameComparison:
    """Compares the frames of two videos in order; keeps the last pair.

    Args:
        frame_by_frame: see `evaluate_frames`.
    """

    def __init__(self, frame_by_frame: Effect | None) -> None:
        self.frame_by_frame = frame_by_frame
        self.features = None if frame_by_frame is None else load_features()
        self.last: tuple[Tensor, Tensor] | None = None
        self.count = 0

    def measure(
        self, frame: Frame, motion: OpticalFlow | None, stylized: Frame
    ) -> tuple[FrameMeasures, WorstFrame | None]:
        """The measures, and a candidate for the worst frames, if there is a previous frame."""
        result = upload(stylized.pixels, CPU)[None]
        source = upload(frame.pixels, CPU)[None]
        size = result.shape[2], result.shape[3]
        if tuple(source.shape[2:]) != size:
            source = F.interpolate(source, size, mode="bicubic", antialias=True).clamp_(0, 1)
        flow_measures, candidate = FlowMeasures(), None
        if motion is not None and self.last is not None and self.last[1].shape == result.shape:
            flow_measures, candidate = self.measure_flow(source, result, motion, stylized)
        brighter = (luma(result).mean() - luma(source).mean()).item()
        colors: list[float] = (result - source).mean(dim=(0, 2, 3)).tolist()
        measured = FrameMeasures(
            frame=self.count,
            seconds=frame.seconds,
            cut=motion is None,
            **flow_measures._asdict(),
            luma=brighter,
            red=colors[0],
            green=colors[1],
            blue=colors[2],
            style_loss=self.style(frame, result),
        )
        self.last, self.count = (source, result), self.count + 1
        return measured, candidate

    def measure_flow(
        self, source: Tensor, result: Tensor, motion: OpticalFlow, stylized: Frame
    ) -> tuple[FlowMeasures, WorstFrame]:
        """The measures that need optical flow, and a candidate for the worst frames."""
        assert self.last is not None
        last_source, last_result = self.last
        height, width = result.shape[2:]
        flow = resized_flow(motion.flow, height, width)[None]
        reliable = (resized_map(motion.confidence, height, width)[None] > MIN_CONFIDENCE).float()
        static = static_pixels(last_source, source, flow, reliable)
        values = FlowMeasures(
            reliable.mean().item(),
            change_along_flow(last_result, result, flow, reliable),
            change_along_flow(last_source, source, flow, reliable),
            flicker(last_result, result, static),
            sharpness(last_result, result, flow, reliable),
        )
        error = (result - warp(last_result, flow)).square().mean(dim=1) * reliable[0]
        pixels = (255 * source[0]).round().byte().permute(1, 2, 0).numpy()
        resized = OpticalFlow(flow[0], reliable[0])
        return values, WorstFrame(self.count, pixels, stylized.pixels, resized, error[0].numpy())

    def style(self, frame: Frame, result: Tensor) -> float:
        """Distance from the style of the frame stylized by itself."""
        if self.frame_by_frame is None or self.features is None or self.count % STYLE_EVERY:
            return math.nan
        self.frame_by_frame.reset()
        with torch.inference_mode():
            moment = Moment(self.count, frame.seconds)
            expected = self.frame_by_frame(upload(frame.pixels, CPU), moment)[None]
            if expected.shape != result.shape:
                expected = F.interpolate(expected, result.shape[2:], mode="bicubic", antialias=True)
            statistic = STATISTICS["covariance"]
            layers = self.features.style_layers
            target = {
                name: style_of(value, statistic, standardised=True)
                for name, value in self.features(expected, layers).items()
            }
            return style_loss(self.features(result, layers), target, statistic).item()


def columns() -> list[str]:
    """Names of the measures of a frame."""
    return [entry.name for entry in fields(FrameMeasures)]


def rows(evaluation: Evaluation) -> Iterator[list[object]]:
    """The measures of each frame in the order of `columns`."""
    for measured in evaluation.frames:
        yield [getattr(measured, name) for name in columns()]
