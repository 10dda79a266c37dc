"""The motion of a film, frame by frame: flow, where it holds, and cuts. A stage of `run`.

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
from streamstyle.optical_flow.scene_cuts import AS_BEFORE, Similarity, collapsed, is_cut, likeness
from streamstyle.optical_flow.warping import warped_pixels

Estimator = Callable[[np.ndarray, np.ndarray], np.ndarray]


def raft(weights: Path | None, device: torch.device) -> Estimator:
    """The network, whose module takes a second to import."""
    from streamstyle.optical_flow.raft import Raft

    return Raft(weights, device)


FLOWS: dict[str, Callable[[Path | None, torch.device], Estimator]] = {
    "fast": lambda weights, device: Dis("fast"),
    "medium": lambda weights, device: Dis("medium"),
    "raft": raft,
}
SIZES = {"fast": 400, "medium": 512, "raft": 512}  # pixels along the longer side


class FlowEstimation:
    """Estimates how each frame of a film moved from the one before.

    Args:
        flow: "fast", "medium" or "raft"; or a folder of flow files, see `FlowFolder`.
        size: longer side in pixels to which frames are reduced; by default that of SIZES.
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
            self.estimate = FLOWS[str(flow)](weights, self.device)
        elif Path(flow).is_dir():
            self.folder, self.estimate = FlowFolder(Path(flow)), Dis("fast")
        else:
            raise UsageError(f"unknown flow {flow}; known: {', '.join(FLOWS)}, or a folder of flow files")
        self.size = size or SIZES.get(str(flow), SIZES["fast"])

    def __call__(self, items: Iterable[Item], first: int = 0) -> Iterator[FlowItem]:
        """Each item, frames with what is known of their motion.

        Args:
            items: in order.
            first: number of frames that need no motion, since they are done already.
        """
        waiting: deque[Item] = deque()  # the last frame, and what came behind it
        previous: Reduced | None = None
        pair, before, index = NO_PAIR, AS_BEFORE, 0
        for item in items:
            if isinstance(item, Frame):
                # One pair more than is needed: it decides whether the next one is a cut.
                current = self.reduced(item) if index >= first - 2 else None
                after = NO_PAIR
                if current and previous and not item.reset and current.pixels.shape == previous.pixels.shape:
                    after = self.compared(current, previous, index)
                yield from moved(waiting, pair, before, after, item)
                before, pair = pair.likeness, after
                previous, index = current, index + 1
            waiting.append(item)
        yield from moved(waiting, pair, before, NO_PAIR, None)

    def reduced(self, frame: Frame) -> Reduced:
        """The frame at the size in which flow is estimated."""
        height, width = frame.pixels.shape[:2]
        scale = min(1.0, self.size / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        if size == (width, height):
            return Reduced(frame.pixels, (height, width))
        pixels = cv2.resize(frame.pixels, size, interpolation=cv2.INTER_AREA)
        return Reduced(pixels, (height, width))

    def compared(self, current: Reduced, previous: Reduced, index: int) -> Pair:
        """Flow between two frames, both ways, and what follows from it."""
        flow = self.estimate(current.pixels, previous.pixels)
        reverse = self.estimate(previous.pixels, current.pixels)
        reliable = in_bounds(flow) & returns(flow, reverse)
        alike = likeness(current.pixels, previous.pixels, flow, reliable)
        if self.folder is not None:
            # Exact flow is not doubted; what is hidden shows by its looks.
            flow, reliable = self.folder.at(index, current.pixels.shape[:2], current.shape)
            reliable &= in_bounds(flow)
        reliable &= looks_alike(current.pixels, warped_pixels(previous.pixels, flow))
        onward = in_bounds(reverse) & returns(reverse, flow)
        onward &= looks_alike(previous.pixels, warped_pixels(current.pixels, reverse))
        return Pair(self.motion(flow, reliable), self.motion(reverse, onward), alike)

    def motion(self, flow: np.ndarray, reliable: np.ndarray) -> Motion:
        """(H, W, 2) and (H, W) bool as tensors on the device."""
        return Motion(
            torch.from_numpy(flow).permute(2, 0, 1).to(self.device),
            torch.from_numpy(feathered(reliable))[None].to(self.device),
        )


@dataclass(frozen=True, slots=True)
class Reduced:
    """A frame at the size in which flow is estimated, and the shape that it had."""

    pixels: np.ndarray
    shape: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Pair:
    """What is known of a frame and the one before it: the motion back, the motion onward, the likeness."""

    motion: Motion | None = None
    onward: Motion | None = None
    likeness: Similarity = AS_BEFORE


NO_PAIR = Pair()


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
    following: Frame | None = None
    onward: Motion | None = None


def moved(
    waiting: deque[Item], pair: Pair, before: Similarity, after: Pair, following: Frame | None
) -> Iterator[FlowItem]:
    """What has waited until the frame behind it was known; nothing waits then."""
    while waiting:
        item = waiting.popleft()
        if not isinstance(item, Frame):
            yield FlowItem(item)
            continue
        motion = None if is_cut(pair.likeness, before, after.likeness) else pair.motion
        if after.onward is None or collapsed(after.likeness, pair.likeness):
            yield FlowItem(item, motion)
        else:
            yield FlowItem(item, motion, following, after.onward)
