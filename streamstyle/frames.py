"""The vocabulary: Frame, Packet, Checkpoint, StreamInfo, Source, Sink and Effect.

Numpy stands at the edges, torch in the middle; this module knows of torch only as a type.
Whatever a Source yields is an Item. Frames go through the effect; packets pass round it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, Protocol, Self

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Frame:
    """One image of a stream.

    Attributes:
        pixels: (H, W, 3) uint8, RGB, C-contiguous, upright.
        pts: presentation time in units of `time_base`, strictly increasing within a stream.
        time_base: seconds per unit of `pts` and `duration`.
        duration: how long the frame is shown, in units of `time_base`; 0 where unknown.
        alpha: (H, W) uint8, 255 = opaque, or None.
        reset: the frame does not continue the one before it (first frame, gap, another size, another
            image of a folder), so effects forget what they know.
        concealed: the frame repeats its predecessor because the input was damaged here.
        name: file name of the image in a folder, "" otherwise.
    """

    pixels: np.ndarray
    pts: int
    time_base: Fraction
    duration: int = 0
    alpha: np.ndarray | None = None
    reset: bool = False
    concealed: bool = False
    name: str = ""

    @property
    def seconds(self) -> float:
        """Presentation time in seconds."""
        return float(self.pts * self.time_base)


@dataclass(frozen=True, slots=True)
class Packet:
    """A compressed packet of an audio or subtitle track, in demux order.

    Attributes:
        track: key into `StreamInfo.tracks`.
        payload: an `av.Packet`, opaque to everything outside `media/`.
    """

    track: int
    payload: object


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A point from which a render can be resumed exactly: all frames before it are done.

    Attributes:
        state: what `Effect.state` returned after the last of them, tensors as arrays.
    """

    state: Mapping[str, np.ndarray | float | int]


Item = Frame | Packet
SinkItem = Frame | Packet | Checkpoint


@dataclass(frozen=True, slots=True)
class ColorTags:
    """How Y'CbCr samples are to be read; codes of ITU-T H.273.

    Attributes:
        matrix: 1 = BT.709, 5 and 6 = BT.601.
        primaries: 1 = BT.709, 5 = BT.470BG, 6 = SMPTE 170M.
        transfer: 1 = BT.709, 6 = SMPTE 170M, 13 = sRGB.
        full_range: samples use 0..255 instead of 16..235.
    """

    matrix: int
    primaries: int
    transfer: int
    full_range: bool = False


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What is known about a source before its first frame.

    Attributes:
        name: path or URL as the user gave it, for messages.
        kind: "video", "still" or "folder".
        width, height: of the upright, scaled frames, in pixels.
        time_base: seconds per pts unit.
        rate: nominal frames per second, or None where there is none.
        frames: estimated number of frames, or None.
        sample_aspect: width of a sample divided by its height.
        color: how the source's samples were coded, so that the output can be coded alike.
        has_alpha: frames carry an alpha plane.
        tracks: opaque input tracks (audio, subtitles …) by key.
        container: opaque chapters and tags of the input, for a sink that can keep them.
        start: seconds that were taken off every presentation time of every track.
        length: seconds of the part that is read, or None.
        replayable: opening the source again gives the same frames (no pipe, no live stream).
        bytes: size of the input file, or None.
        provenance: how the output is made, a line of JSON that sinks keep among its tags; "" for none.
    """

    name: str
    kind: str
    width: int
    height: int
    time_base: Fraction
    rate: Fraction | None = None
    frames: int | None = None
    sample_aspect: Fraction = Fraction(1)
    color: ColorTags | None = None
    has_alpha: bool = False
    tracks: Mapping[int, object] = field(default_factory=dict)
    container: object = None
    start: Fraction = Fraction(0)
    length: float | None = None
    replayable: bool = True
    bytes: int | None = None
    provenance: str = ""


class Source(Protocol):
    """Gives frames and, in demux order, packets of the other tracks. A context manager.

    Attributes:
        info: known from the start.
        lost: frames that are known to be missing from the input and could not be concealed, so far.

    Raises:
        InputError: on opening or iterating, when nothing can be read.
    """

    lost: int

    @property
    def info(self) -> StreamInfo: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...
    def __iter__(self) -> Iterator[Item]: ...


class Sink(Protocol):
    """Takes frames, packets and checkpoints. A context manager; sinks inherit that from here.

    On a clean exit the output is complete under its own name; after an exception it is absent there.
    `close` finishes the output and may be called twice; `abort` gives it up, keeping what can be resumed.

    Attributes:
        SEGMENTED: the output is rendered in segments, so that an interrupted render can be resumed.
        LIVE: it takes the frames of a camera, for `live --record`.
        checkpoint_seconds: seconds of video between the checkpoints it asks for, or None for none.

    Raises:
        OutputError: from `write` and from `close`, when the output cannot be written.
    """

    SEGMENTED: ClassVar[bool] = False
    LIVE: ClassVar[bool] = False
    checkpoint_seconds: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def write(self, item: SinkItem) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Motion:
    """How a frame moved from the one before it, at any size of its own.

    Attributes:
        flow: (2, h, w) float, backward, in pixels of that size; see `streamstyle.optical_flow`.
        reliable: (1, h, w) float in [0, 1], how far the flow can be trusted.
    """

    flow: Tensor
    confidence: Tensor


@dataclass(frozen=True, slots=True)
class Moment:
    """Where in the stream an effect is called.

    Attributes:
        index: number of the frame, from 0, counting also the frames before a resume.
        seconds: presentation time.
        cut: the frame does not continue the one before it.
        motion: how it moved since then; None where that is not known, as across a cut.
        next: the frame behind it; None where it is not known, or does not continue this one.
    """

    index: int
    seconds: float
    cut: bool = False
    motion: Motion | None = None
    next: Next | None = None


@dataclass(frozen=True, slots=True)
class Next:
    """A look ahead.

    Attributes:
        image: (3, H, W), the next frame, as the effect will be given it.
        moment: that of it, as far as it is known already.
        motion: how this frame will move to the next one: on the grid of this one, pointing to the next.
    """

    image: Tensor
    moment: Moment
    motion: Motion


class Effect(Protocol):
    """Turns one image into another.

    `image` and result: (3, H, W) float, RGB, in [0, 1], on the effect's device; same size both.
    `reset` forgets all earlier frames. `state` and `restore` carry what is remembered over a resume.
    """

    def __call__(self, image: Tensor, moment: Moment) -> Tensor: ...
    def reset(self) -> None: ...
    def state(self) -> dict[str, Tensor | float | int]: ...
    def restore(self, state: Mapping[str, Tensor | float | int]) -> None: ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a render is.

    Attributes:
        frames: frames written so far, counting those of an earlier, resumed run.
        total: expected number of frames, or None.
        concealed: frames among them that repeat their predecessor.
        seconds: wall time since the start of this run.
        fps: frames per second of this run.
        stage_ms: mean milliseconds per frame in each stage: read, effect, write.
    """

    frames: int
    total: int | None
    concealed: int
    seconds: float
    fps: float
    stage_ms: Mapping[str, float]

    @property
    def eta_seconds(self) -> float | None:
        """Expected seconds to the end, or None where the total is unknown."""
        if self.total is None or self.fps <= 0:
            return None
        return max(self.total - self.frames, 0) / self.fps


@dataclass(frozen=True, slots=True)
class OptimizationStep:
    """How far the optimization of a frame is.

    Attributes:
        frame: its number.
        size: (width, height) at which it is optimized.
        step: evaluations so far, at all sizes, from 1.
        steps: about how many this frame takes.
        losses: weighted, by name.
        image: (3, h, w), as it is now.
    """

    frame: int
    size: tuple[int, int]
    step: int
    steps: int
    losses: Mapping[str, float]
    image: Tensor
