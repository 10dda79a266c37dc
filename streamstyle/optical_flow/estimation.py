"""The motion of a video, frame by frame: flow, where it holds, and cuts. A stage of `run`.

Whether there is a cut before a frame shows only in the frame behind it, so the stage is one frame late.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch

from streamstyle.errors import UsageError
from streamstyle.frames import Frame, Item, Motion
from streamstyle.optical_flow.dis import Dis
from streamstyle.optical_flow.files import FlowFolder
from streamstyle.optical_flow.occlusion import feathered, in_bounds, looks_alike, returns
from streamstyle.optical_flow.scene_cuts import AS_BEFORE, Similarity, collapsed, is_cut, similarity
from streamstyle.optical_flow.warping import warped_pixels

Estimator = Callable[[np.ndarray, np.ndarray], np.ndarray]


def raft(weights: Path | None, device: torch.device) -> Estimator:
    """The network, whose module takes a second to import."""
    from streamstyle.optical_flow.raft import Raft

    return Raft(weights, device)


@dataclass(frozen=True, slots=True)
class FlowMethod:
    """A way to estimate optical flow; each has one line in FLOWS.

    Attributes:
        open: makes the estimator, given the file of its weights, if any, and the device. The estimator is
            given the current and the previous frame, (H, W, 3) uint8 RGB, and returns (H, W, 2) float32:
            where each pixel of the current one lay in the previous one.
        size: longer side in pixels to which frames are reduced for it.
    """

    open: Callable[[Path | None, torch.device], Estimator]
    size: int = 400


FLOWS: dict[str, FlowMethod] = {
    "fast": FlowMethod(lambda weights, device: Dis("fast")),
    "medium": FlowMethod(lambda weights, device: Dis("medium"), 512),
    "raft": FlowMethod(raft, 512),
}


class FlowEstimation:
    """Estimates how each frame of a video moved from the one before.

    Args:
        flow: "fast", "medium" or "raft"; or a folder of flow files, see `FlowFolder`.
        size: longer side in pixels to which frames are reduced; by default that of the method.
        weights: file of RAFT's weights.
        device: where RAFT computes, and where motions are put.

    Raises:
        UsageError: there is no such flow.
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
        elif Path(flow).is_dir():
            self.folder, self.estimate = FlowFolder(Path(flow)), Dis("fast")
        else:
            raise UsageError(f"unknown flow {flow}; known: {', '.join(FLOWS)}, or a folder of flow files")
        self.size = size or FLOWS.get(str(flow), FLOWS["fast"]).size

    def __call__(self, items: Iterable[Item], first: int = 0) -> Iterator[FlowItem]:
        """Each item, frames with what is known of their motion.

        Args:
            items: in order.
            first: number of frames that need no motion, since they are done already.
        """
        waiting: deque[Item] = deque()  # the last frame, and what came behind it
        frames, index = FlowSequence(self), 0
        for item in items:
            if isinstance(item, Frame):
                pair, before, after = frames.pair, frames.before, UNKNOWN_PAIR
                # One pair more than is needed: it decides whether the next one is a cut.
                if index >= first - 2:
                    after = frames.add(item.pixels, index=index, continues=not item.reset)
                yield from moved(waiting, pair, before, after, item)
                index += 1
            waiting.append(item)
        yield from moved(waiting, frames.pair, frames.before, UNKNOWN_PAIR, None)

    def reduced(self, pixels: np.ndarray) -> Reduced:
        """The frame, (H, W, 3) uint8 RGB, at the size in which flow is estimated."""
        height, width = pixels.shape[:2]
        scale = min(1.0, self.size / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        if size == (width, height):
            return Reduced(pixels, (height, width))
        return Reduced(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), (height, width))

    def compared(
        self, current: Reduced, previous: Reduced, index: int, *, forward_motion: bool = True
    ) -> FramePair:
        """Flow between two frames, and how similar they are.

        Args:
            current, previous: of the same shape.
            index: number of the current frame.
            onward: also the motion from the previous frame to the current one.
        """
        flow = self.estimate(current.pixels, previous.pixels)
        reverse = self.estimate(previous.pixels, current.pixels)
        confidence = in_bounds(flow) & returns(flow, reverse)
        alike = similarity(current.pixels, previous.pixels, flow, confidence)
        if self.folder is not None:
            # Exact flow is not doubted; what is hidden shows by its looks.
            flow, confidence = self.folder.at(index, current.pixels.shape[:2], current.shape)
            confidence &= in_bounds(flow)
        confidence &= looks_alike(current.pixels, warped_pixels(previous.pixels, flow))
        motion = self.motion(flow, confidence)
        if not forward_motion:
            return FramePair(motion, None, alike)
        confidence = in_bounds(reverse) & returns(reverse, flow)
        confidence &= looks_alike(previous.pixels, warped_pixels(current.pixels, reverse))
        return FramePair(motion, self.motion(reverse, confidence), alike)

    def motion(self, flow: np.ndarray, confidence: np.ndarray) -> Motion:
        """(H, W, 2) and (H, W) bool as tensors on the device."""
        return Motion(
            torch.from_numpy(flow).permute(2, 0, 1).to(self.device),
            torch.from_numpy(feathered(confidence))[None].to(self.device),
        )


@dataclass(frozen=True, slots=True)
class Reduced:
    """A frame at the size in which flow is estimated, and the shape that it had."""

    pixels: np.ndarray
    shape: tuple[int, int]


@dataclass(frozen=True, slots=True)
class FramePair:
    """What is known of a frame and the one before it: the motion back, the motion onward, the likeness."""

    motion: Motion | None = None
    forward_motion: Motion | None = None
    similarity: Similarity = AS_BEFORE


UNKNOWN_PAIR = FramePair()


class FlowSequence:
    """Frames that are given one after the other, each compared with the one before it.

    With a look ahead the motion of a frame is known once the next frame is given, and cuts for sure;
    `FlowEstimation` works so. Without one, as for a camera, `motion` gives it at once.

    Args:
        estimation: compares two frames.
        onward: also the motion to the next frame is estimated.

    Attributes:
        pair: the last two frames; UNKNOWN_PAIR where the last one does not continue.
        before: how similar the two frames before it were.
    """

    def __init__(self, estimation: FlowEstimation, *, forward_motion: bool = True) -> None:
        self._estimation, self._onward = estimation, forward_motion
        self.forget()

    def forget(self) -> None:
        """The next frame does not continue."""
        self._last: Reduced | None = None
        self.pair, self.before = UNKNOWN_PAIR, AS_BEFORE

    def add(self, pixels: np.ndarray, *, index: int = 0, continues: bool = True) -> FramePair:
        """Give the next frame.

        Args:
            pixels: (H, W, 3) uint8 RGB; a frame of another size does not continue.
            index: its number; only a folder of flow files asks for it.
            continues: it may continue the one before it.
        """
        current, last = self._estimation.reduced(pixels), self._last
        pair = UNKNOWN_PAIR
        if last is not None and continues and current.shape == last.shape:
            pair = self._estimation.compared(current, last, index, forward_motion=self._onward)
        self._last, self.before, self.pair = current, self.pair.similarity, pair
        return pair

    @property
    def motion(self) -> Motion | None:
        """How the last frame moved, without a look ahead; None where it does not continue.

        Only the next frame tells a cut from a flash. Here the next frame is taken to be similar, so a flash
        may pass for a cut: one frame is not stabilized then.
        """
        return continued(self.pair, self.before, AS_BEFORE)


def continued(pair: FramePair, before: Similarity, after: Similarity) -> Motion | None:
    """The motion between two frames, None across a cut, given how similar the frames around them are."""
    return None if is_cut(pair.similarity, before, after) else pair.motion


class FlowItem(NamedTuple):
    """An item and its motion.

    Attributes:
        item: a frame or packet; packets have no motion.
        motion: of the frame since the one before; None where that does not continue, as across a cut.
        following: the frame behind it, where that seems to continue it, and ...
        onward: ... how this frame moves to it.
    """

    item: Item
    motion: Motion | None = None
    next_frame: Frame | None = None
    forward_motion: Motion | None = None


def moved(
    waiting: deque[Item], pair: FramePair, before: Similarity, after: FramePair, next_frame: Frame | None
) -> Iterator[FlowItem]:
    """What has waited until the frame behind it was known; nothing waits then."""
    while waiting:
        item = waiting.popleft()
        if not isinstance(item, Frame):
            yield FlowItem(item)
            continue
        motion = continued(pair, before, after.similarity)
        if after.forward_motion is None or collapsed(after.similarity, pair.similarity):
            yield FlowItem(item, motion)
        else:
            yield FlowItem(item, motion, next_frame, after.forward_motion)
