"""Optical flow of a video, frame by frame, with confidence masks and scene cuts. A stage of `run`.

Deciding whether a cut precedes a frame needs the next frame, so the stage lags by one frame.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from streamstyle.device import out_of_memory
from streamstyle.errors import UsageError, did_you_mean
from streamstyle.frames import Frame, Item, OpticalFlow
from streamstyle.optical_flow.dis import Dis
from streamstyle.optical_flow.flow_files import FlowFolder
from streamstyle.optical_flow.occlusion import color_consistent, flow_consistent, in_bounds, soft_confidence
from streamstyle.optical_flow.scene_cuts import UNCHANGED, Similarity, is_break, is_cut, similarity
from streamstyle.optical_flow.warping import warped_pixels
from streamstyle.pictures import YCbCr
from streamstyle.planes_opencv import resized

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
    """

    open: Callable[[Path | None, torch.device], Estimator]
    size: int = 400
    parallel: bool = False


FLOWS: dict[str, FlowMethod] = {
    "fast": FlowMethod(lambda weights, device: Dis("fast"), parallel=True),
    "medium": FlowMethod(lambda weights, device: Dis("medium"), 512, parallel=True),
    "raft": FlowMethod(raft, 512),
}


class FlowEstimation:
    """Estimates the optical flow from each frame of a video to the previous one.

    Args:
        flow: "fast", "medium" or "raft"; or a folder of flow files, see `FlowFolder`.
        size: longer side in pixels to which frames are reduced; by default that of the method.
        weights: file of RAFT's weights.
        device: where RAFT runs, and where the flow is stored.

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
        if str(flow) in FLOWS:
            self.estimate = FLOWS[str(flow)].open(weights, self.device)
        elif os.path.isdir(flow):
            self.folder, self.estimate = FlowFolder(Path(flow)), Dis("fast")
        else:
            hint = did_you_mean(str(flow), FLOWS)
            raise UsageError(
                f"unknown flow {flow}{hint}; known: {', '.join(FLOWS)}, or a folder of flow files"
            )
        self._is_parallel = FLOWS.get(str(flow), FLOWS["fast"]).parallel
        self._second: ThreadPoolExecutor | None = None
        self.size = size or FLOWS.get(str(flow), FLOWS["fast"]).size

    def __call__(self, items: Iterable[Item], first: int = 0) -> Iterator[FlowItem]:
        """Yields each item; frames come with their optical flow.

        Args:
            items: in order.
            first: number of leading frames that need no flow because they are already processed.
        """
        if not self._is_parallel:
            yield from self._estimated(items, first)
            return
        with ThreadPoolExecutor(1, "forward flow") as self._second:
            try:
                yield from self._estimated(items, first)
            finally:
                self._second = None

    def _estimated(self, items: Iterable[Item], first: int) -> Iterator[FlowItem]:
        buffered: deque[Item] = deque()  # the last frame, and the packets after it
        frames, index = FlowSequence(self), 0
        for item in items:
            if isinstance(item, Frame):
                pair, before, after = frames.pair, frames.before, UNKNOWN_PAIR
                # One extra pair, which helps to decide whether the next one is a cut.
                if index >= first - 2:
                    after = frames.add(item.picture, index=index, continues=not item.reset)
                yield from flow_items(buffered, pair, before, after, item)
                index += 1
            buffered.append(item)
        yield from flow_items(buffered, frames.pair, frames.before, UNKNOWN_PAIR, None)

    def reduced(self, picture: np.ndarray | YCbCr) -> Reduced:
        """The picture of a frame at the size in which flow is estimated."""
        if isinstance(picture, YCbCr):
            picture = picture.host or picture
            smaller = reduced_size(*picture.size, self.size)
            small = picture if smaller == picture.size else picture.resized(*smaller)
            return Reduced(small.rgb, picture.size)
        shape = picture.shape[0], picture.shape[1]
        return Reduced(resized(picture, *reduced_size(*shape, self.size)), shape)

    def compare(
        self, current: Reduced, previous: Reduced, index: int, *, forward_motion: bool = True
    ) -> FramePair:
        """The flow between two frames, and their similarity.

        Args:
            current, previous: of the same shape.
            index: number of the current frame.
            forward_motion: also return the flow from the previous frame to the current one.
        """
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
    """A frame at the size at which flow is estimated, and its original (height, width)."""

    pixels: np.ndarray
    shape: tuple[int, int]


@dataclass(frozen=True, slots=True)
class FramePair:
    """Two consecutive frames: backward flow, forward flow, and similarity.

    Attributes:
        motion: from the current frame to the previous one.
        forward_motion: from the previous frame to the current one.
        similarity: of both frames.
    """

    motion: OpticalFlow | None = None
    forward_motion: OpticalFlow | None = None
    similarity: Similarity = UNCHANGED


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
        before: similarity of the pair before `pair`.
    """

    def __init__(self, estimation: FlowEstimation, *, forward_motion: bool = True) -> None:
        self._estimation, self._forward_motion = estimation, forward_motion
        self.reset()

    def reset(self) -> None:
        """Start a new sequence with the next frame."""
        self._last: Reduced | None = None
        self.pair, self.before = UNKNOWN_PAIR, UNCHANGED

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
        self._last, self.before, self.pair = current, self.pair.similarity, pair
        return pair

    @property
    def motion(self) -> OpticalFlow | None:
        """The flow of the last frame, without lookahead; None where it does not continue the sequence.

        Only the next frame distinguishes a cut from a flash. Here the next frame is assumed to be similar,
        so a flash may be taken for a cut; one frame is not stabilized then.
        """
        return motion_unless_cut(self.pair, self.before, UNCHANGED)


def motion_unless_cut(pair: FramePair, before: Similarity, after: Similarity) -> OpticalFlow | None:
    """The flow between two frames, or None across a cut, given the similarity of the neighboring pairs."""
    return None if is_cut(pair.similarity, before, after) else pair.motion


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
    buffered: deque[Item], pair: FramePair, before: Similarity, after: FramePair, next_frame: Frame | None
) -> Iterator[FlowItem]:
    """Yields the buffered items once the next frame is known, and empties the buffer."""
    while buffered:
        item = buffered.popleft()
        if not isinstance(item, Frame):
            yield FlowItem(item)
            continue
        motion = motion_unless_cut(pair, before, after.similarity)
        if after.forward_motion is None or is_break(after.similarity, pair.similarity):
            yield FlowItem(item, motion)
        else:
            yield FlowItem(item, motion, next_frame, after.forward_motion, after.motion)
