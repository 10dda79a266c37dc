"""Optical flow of a video, frame by frame, with confidence masks and scene cuts. A stage of `run`.

Deciding whether a cut precedes a frame needs the next frame, so the stage lags by one frame. On a device it
lags by another one: what the decision needs comes down while the device works on that.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from streamstyle import device as devices
from streamstyle.device import out_of_memory
from streamstyle.errors import UsageError, did_you_mean
from streamstyle.frames import Frame, Item, OpticalFlow
from streamstyle.optical_flow.comparison_torch import DeviceComparison, arrays_both_ways
from streamstyle.optical_flow.dis import Dis
from streamstyle.optical_flow.dis_torch import flow_both_ways, flow_to_previous
from streamstyle.optical_flow.flow_files import FlowFolder
from streamstyle.optical_flow.occlusion import color_consistent, flow_consistent, in_bounds, soft_confidence
from streamstyle.optical_flow.scene_cuts import UNCHANGED, Similarity, is_break, is_cut, similarity
from streamstyle.optical_flow.warping import warped_pixels
from streamstyle.pictures import YCbCr
from streamstyle.planes_opencv import resized
from streamstyle.transfers import Download

Estimator = Callable[[np.ndarray, np.ndarray], np.ndarray]


def raft(weights: Path | None, device: torch.device) -> Estimator:
    """The RAFT network; its module is imported late because that takes a second."""
    from streamstyle.optical_flow.raft import Raft

    return Raft(weights, device)


@dataclass(frozen=True, slots=True)
class FlowMethod:
    """A way to estimate optical flow; each has one line in FLOWS.

    Attributes:
        open: makes the estimator, given the file of its weights, if any, and the device. The estimator
            takes the current and the previous frame, (H, W, 3) uint8 RGB, and returns the backward flow,
            (H, W, 2) float32 in pixels.
        size: longer side in pixels to which frames are reduced for the estimator.
        parallel: two threads may call the estimator at once.
        both_ways: the same in both directions and on any device: (2, H, W) gray levels of two frames to
            (2, 2, H, W) flow, from the first into the second one and back; see `Captured` for what it may
            do. With it, frames are compared on the device; without, on the host.
    """

    open: Callable[[Path | None, torch.device], Estimator]
    size: int = 400
    parallel: bool = False
    both_ways: Callable[[Tensor], Tensor] | None = None


FLOWS: dict[str, FlowMethod] = {
    "fast": FlowMethod(lambda weights, device: Dis("fast"), parallel=True),
    "medium": FlowMethod(lambda weights, device: Dis("medium"), 512, parallel=True),
    "dis": FlowMethod(lambda weights, device: flow_to_previous, both_ways=flow_both_ways),
    "raft": FlowMethod(raft, 512),
}
DEFAULTS = {"cpu": "fast", "cuda": "dis"}  # by type of device; what "auto" stands for


def default_flow(device: torch.device) -> str:
    """The name in FLOWS of the method that suits the device."""
    return DEFAULTS.get(device.type, DEFAULTS["cpu"])


class FlowEstimation:
    """Estimates the optical flow from each frame of a video to the previous one.

    Args:
        flow: a name from FLOWS; "auto", see `default_flow`; or a folder of flow files, see `FlowFolder`.
        size: longer side in pixels to which frames are reduced; by default that of the method.
        weights: file of RAFT's weights.
        device: where RAFT runs, where `FlowMethod.both_ways` compares frames, and where the flow is stored.

    Raises:
        UsageError: the flow method is unknown.
        InputError: the folder or the weights cannot be read.
    """

    def __init__(
        self,
        flow: str | Path = "fast",
        *,
        size: int | None = None,
        weights: Path | None = None,
        device: torch.device | None = None,
    ) -> None:
        self.device = device or torch.device("cpu")
        self.folder: FlowFolder | None = None
        name = default_flow(self.device) if str(flow) == "auto" else str(flow)
        if name in FLOWS:
            method = FLOWS[name]
            self.estimate = method.open(weights, self.device)
        elif os.path.isdir(name):
            method = FLOWS["fast"]
            self.folder, self.estimate = FlowFolder(Path(name)), Dis("fast")
        else:
            hint = did_you_mean(name, ["auto", *FLOWS])
            known = ", ".join(["auto", *FLOWS])
            raise UsageError(f"unknown flow {name}{hint}; known: {known}, or a folder of flow files")
        self._method = method
        self._second: ThreadPoolExecutor | None = None
        self._on_device: DeviceComparison | None = None
        if method.both_ways is not None and not devices.on_host(self.device):
            self._on_device = DeviceComparison(method.both_ways, self.device)
        self.size = size or method.size

    def __call__(self, items: Iterable[Item], first: int = 0) -> Iterator[FlowItem]:
        """Yields each item; frames come with their optical flow.

        Args:
            items: in order.
            first: number of leading frames that need no flow because they are already processed.
        """
        if not self._method.parallel:
            yield from self._estimated(items, first)
            return
        with ThreadPoolExecutor(1, "forward flow") as self._second:
            try:
                yield from self._estimated(items, first)
            finally:
                self._second = None

    def _estimated(self, items: Iterable[Item], first: int) -> Iterator[FlowItem]:
        buffered: list[Item] = []  # the last frame, and the packets after it
        undecided: deque[Iterator[FlowItem]] = deque()
        lag = 0 if self._on_device is None else 1
        frames, index = FlowSequence(self), 0
        for item in items:
            if isinstance(item, Frame):
                pair, before, after = frames.pair, frames.before, UNKNOWN_PAIR
                # One extra pair, which helps to decide whether the next one is a cut.
                if index >= first - 2:
                    after = frames.add(item.picture, index=index, continues=not item.reset)
                undecided.append(flow_items(buffered, pair, before, after, item))
                buffered = []
                while len(undecided) > lag:
                    yield from undecided.popleft()
                index += 1
            buffered.append(item)
        undecided.append(flow_items(buffered, frames.pair, frames.before, UNKNOWN_PAIR, None))
        for decided in undecided:
            yield from decided

    def reduced(self, picture: np.ndarray | YCbCr) -> Reduced:
        """The picture of a frame at the size in which flow is estimated."""
        height, width = picture.size if isinstance(picture, YCbCr) else picture.shape[:2]
        shape, smaller = (height, width), reduced_size(height, width, self.size)
        if self._on_device is not None and isinstance(picture, YCbCr) and not picture.on_host:
            return Reduced(self._on_device.reduced(picture, *smaller), shape)
        if isinstance(picture, YCbCr):
            picture = picture.host or picture
            pixels = (picture if smaller == shape else picture.resized(*smaller)).rgb
        else:
            pixels = resized(picture, *smaller)
        return Reduced(pixels if self._on_device is None else self._on_device.uploaded(pixels), shape)

    def compare(
        self, current: Reduced, previous: Reduced, index: int, *, forward_motion: bool = True
    ) -> FramePair:
        """The flow between two frames, and their similarity.

        Args:
            current, previous: of the same shape.
            index: number of the current frame.
            forward_motion: also return the flow from the previous frame to the current one.
        """
        if self._on_device is not None:
            return FramePair(*self._on_device(current.pixels, previous.pixels))
        flow, reverse = self._both_ways(current.pixels, previous.pixels)
        confidence = in_bounds(flow) & flow_consistent(flow, reverse)
        similar = similarity(current.pixels, previous.pixels, flow, confidence)
        if self.folder is not None:
            # Exact flow needs no consistency check; the color check finds what is occluded.
            flow, confidence = self.folder.at(index, current.pixels.shape[:2], current.shape)
            confidence &= in_bounds(flow)
        confidence &= color_consistent(current.pixels, warped_pixels(previous.pixels, flow))
        motion = self.motion(flow, confidence)
        if not forward_motion:
            return FramePair(motion, None, similar)
        confidence = in_bounds(reverse) & flow_consistent(reverse, flow)
        confidence &= color_consistent(previous.pixels, warped_pixels(current.pixels, reverse))
        return FramePair(motion, self.motion(reverse, confidence), similar)

    def _both_ways(self, current: np.ndarray, previous: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Backward and forward flow, at once while a whole video is read."""
        if self._method.both_ways is not None:
            return arrays_both_ways(self._method.both_ways, current, previous)
        if self._second is None:
            return self.estimate(current, previous), self.estimate(previous, current)
        forward = self._second.submit(self.estimate, previous, current)
        return self.estimate(current, previous), forward.result()

    def motion(self, flow: np.ndarray, confidence: np.ndarray) -> OpticalFlow:
        """Flow, (H, W, 2), and confidence mask, (H, W) bool, as tensors on the device."""
        return OpticalFlow(
            torch.from_numpy(flow).permute(2, 0, 1).to(self.device),
            torch.from_numpy(soft_confidence(confidence))[None].to(self.device),
        )


def reduced_size(height: int, width: int, longer: int) -> tuple[int, int]:
    """Height and width with at most `longer` pixels on the longer side."""
    scale = min(1.0, longer / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


@dataclass(frozen=True, slots=True)
class Reduced:
    """A frame at the size at which flow is estimated, and its original (height, width).

    Its pixels are (h, w, 3) uint8 RGB: an array, or a tensor where frames are compared on a device.
    """

    pixels: Any
    shape: tuple[int, int]


@dataclass(frozen=True, slots=True)
class FramePair:
    """Two consecutive frames: backward flow, forward flow, and similarity.

    Attributes:
        motion: from the current frame to the previous one.
        forward_motion: from the previous frame to the current one.
        compared: the similarity of both frames, or its numbers on their way from a device.
    """

    motion: OpticalFlow | None = None
    forward_motion: OpticalFlow | None = None
    compared: Similarity | Download = UNCHANGED

    @property
    def similarity(self) -> Similarity:
        """The similarity of both frames; waits until it has come from the device."""
        if isinstance(self.compared, Similarity):
            return self.compared
        continuity, histogram_change, *_ = self.compared.array().tolist()
        return Similarity(continuity, histogram_change)


UNKNOWN_PAIR = FramePair()


class FlowSequence:
    """A sequence of frames, each compared with the previous one.

    With lookahead, as in `FlowEstimation`, the flow of a frame is known once the next frame is added, and
    cuts are certain. Without it, as for a camera, `motion` gives the flow at once.

    Args:
        estimation: compares two frames.
        forward_motion: also estimate the flow to the next frame.

    Attributes:
        pair: the last two frames; UNKNOWN_PAIR where the last one does not continue the sequence.
        before: the pair before `pair`.
    """

    def __init__(self, estimation: FlowEstimation, *, forward_motion: bool = True) -> None:
        self._estimation, self._forward_motion = estimation, forward_motion
        self.reset()

    def reset(self) -> None:
        """Start a new sequence with the next frame."""
        self._last: Reduced | None = None
        self.pair = self.before = UNKNOWN_PAIR

    def add(self, picture: np.ndarray | YCbCr, *, index: int = 0, continues: bool = True) -> FramePair:
        """Add the next frame, and compare it with the last one.

        Args:
            picture: of the frame; one of another size starts a new sequence.
            index: its number, which only a folder of flow files needs.
            continues: the frame may continue the previous one.
        """
        height, width = picture.size if isinstance(picture, YCbCr) else picture.shape[:2]
        with out_of_memory(width, height):
            current, last = self._estimation.reduced(picture), self._last
            pair = UNKNOWN_PAIR
            if last is not None and continues and current.shape == last.shape:
                pair = self._estimation.compare(current, last, index, forward_motion=self._forward_motion)
        self._last, self.before, self.pair = current, self.pair, pair
        return pair

    @property
    def motion(self) -> OpticalFlow | None:
        """The flow of the last frame, without lookahead; None where it does not continue the sequence.

        Only the next frame distinguishes a cut from a flash. Here the next frame is assumed to be similar,
        so a flash may be taken for a cut; one frame is not stabilized then.
        """
        return motion_unless_cut(self.pair, self.before, UNKNOWN_PAIR)


def motion_unless_cut(pair: FramePair, before: FramePair, after: FramePair) -> OpticalFlow | None:
    """The flow between two frames, or None across a cut, given the neighboring pairs."""
    return None if is_cut(pair.similarity, before.similarity, after.similarity) else pair.motion


class FlowItem(NamedTuple):
    """An item and its optical flow.

    Attributes:
        item: a frame or packet; packets have no flow.
        motion: flow from this frame to the previous one; None where it does not continue, as after a cut.
        next_frame: the next frame, where it seems to continue this one.
        forward_motion: flow from this frame to the next one.
        next_motion: flow from the next frame to this one.
    """

    item: Item
    motion: OpticalFlow | None = None
    next_frame: Frame | None = None
    forward_motion: OpticalFlow | None = None
    next_motion: OpticalFlow | None = None


def flow_items(
    items: Iterable[Item], pair: FramePair, before: FramePair, after: FramePair, next_frame: Frame | None
) -> Iterator[FlowItem]:
    """Yields a frame and the packets after it, once the next frame is known; decides at the first of them."""
    for item in items:
        if not isinstance(item, Frame):
            yield FlowItem(item)
            continue
        motion = motion_unless_cut(pair, before, after)
        if after.forward_motion is None or is_break(after.similarity, pair.similarity):
            yield FlowItem(item, motion)
        else:
            yield FlowItem(item, motion, next_frame, after.forward_motion, after.motion)
