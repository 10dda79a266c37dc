"""The vocabulary: Frame, Packet, Checkpoint, StreamInfo, Source, Sink and Effect.

A source yields items: frames, which go through the effect, and packets, which bypass it. Sources and sinks
use NumPy arrays, effects use torch tensors; this module imports both for type checking only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, Protocol, Self

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from streamstyle.pictures import YCbCr


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a stream.

    Attributes:
        picture: upright; (H, W, 3) uint8 RGB, C-contiguous, or the planes of a video.
        pts: presentation time in units of `time_base`, strictly increasing within a stream.
        time_base: seconds per unit of `pts` and `duration`.
        duration: how long the frame is shown, in units of `time_base`; 0 where unknown.
        alpha: (H, W) uint8, 255 = opaque, or None.
        reset: the frame does not continue the previous one (first frame, gap, change of size, next image
            of a folder), so effects discard their state.
        concealed: the frame repeats the previous one, because the input is damaged here.
        name: file name of the image in a folder, "" otherwise.
    """

    picture: np.ndarray | YCbCr
    pts: int
    time_base: Fraction
    duration: int = 0
    alpha: np.ndarray | None = None
    reset: bool = False
    concealed: bool = False
    name: str = ""

    @property
    def pixels(self) -> np.ndarray:
        """The picture as (H, W, 3) uint8 RGB; planes are converted at the first call."""
        return self.picture.rgb if hasattr(self.picture, "rgb") else self.picture

    @property
    def seconds(self) -> float:
        """Presentation time in seconds."""
        return float(self.pts * self.time_base)


@dataclass(frozen=True, slots=True)
class Packet:
    """A compressed packet of an audio or subtitle track, in demux order.

    Attributes:
        track: key into `StreamInfo.tracks`.
        payload: an `av.Packet`, opaque to everything outside `streamstyle.video`.
    """

    track: int
    payload: object


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A point from which a render can be resumed exactly: all frames before it have been written.

    Attributes:
        state: what `Effect.state` returned after the last of these frames, with tensors as arrays.
    """

    state: Mapping[str, np.ndarray | float | int]


Item = Frame | Packet
SinkItem = Frame | Packet | Checkpoint


@dataclass(frozen=True, slots=True)
class ColorTags:
    """How Y'CbCr samples are coded; code points of ITU-T H.273.

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
        name: path or URL as the user entered it, for messages.
        kind: "video", "still" or "folder".
        width, height: of the upright, scaled frames, in pixels.
        time_base: seconds per pts unit.
        rate: nominal frames per second, or None if the source has none.
        frames: estimated number of frames, or None if unknown.
        sample_aspect: width of a sample divided by its height.
        color: how the source's samples are coded, so that the output can be coded alike; None if unknown.
        has_alpha: frames carry an alpha plane.
        tracks: the input's audio and subtitle tracks by key; opaque outside `streamstyle.video`.
        container: the input container with its chapters and tags, for sinks that can keep them; opaque too.
        start: seconds subtracted from every presentation time of every track.
        length: seconds of the part that is read, or None if unknown.
        replayable: opening the source again gives the same frames (not a pipe or live stream).
        bytes: size of the input file, or None if it is not a file.
        plays: how many times viewers play an animated image; 0 = without end, also for videos.
        provenance: how the output is made, as one line of JSON that sinks store in its tags; "" for none.
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
    plays: int = 0
    provenance: str = ""


class Source(Protocol):
    """Yields frames and, in demux order, packets of the other tracks. A context manager.

    Attributes:
        info: available before iteration.
        lost: number of frames so far that are missing from the input and could not be concealed.

    Raises:
        InputError: on opening or iterating, if nothing can be read.
    """

    lost: int

    @property
    def info(self) -> StreamInfo: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...
    def __iter__(self) -> Iterator[Item]: ...


class Sink(Protocol):
    """Writes frames, packets and checkpoints. A context manager; sinks inherit that from here.

    After a normal exit the complete output exists under its name; after an exception nothing has that name.
    `close` finishes the output and may be called twice. `abort` stops writing and keeps what can be resumed.

    Attributes:
        SEGMENTED: the output is rendered in segments, so that an interrupted render can be resumed.
        LIVE: the sink can write a live stream, for `live --record`.
        checkpoint_seconds: seconds of video between the checkpoints that the sink needs, or None for none.

    Raises:
        OutputError: from `write` and `close`, if the output cannot be written.
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
class OpticalFlow:
    """Backward optical flow, from a frame to the previous one, with a confidence map.

    `NextFrame.motion` is forward flow instead. The flow's size (h, w) may differ from that of the frame.

    Attributes:
        flow: (2, h, w) float, (x, y) displacements in pixels at (h, w); see `streamstyle.optical_flow`.
        confidence: (1, h, w) float in [0, 1]; 0 where the flow is unreliable, for example at occlusions.
        mean_confidence: gives its mean without waiting for the device, where that is known.
    """

    flow: Tensor
    confidence: Tensor
    mean_confidence: Callable[[], float] | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """The position in the stream of the frame that an effect processes.

    Attributes:
        index: number of the frame, from 0; frames rendered before a resume count too.
        seconds: presentation time.
        cut: the frame does not continue the previous one, as after a scene cut.
        motion: optical flow from this frame to the previous one; None if unknown, as across a cut.
        next: the next frame; None if it is unknown or does not continue this one.
    """

    index: int
    seconds: float
    cut: bool = False
    motion: OpticalFlow | None = None
    next: NextFrame | None = None


@dataclass(frozen=True, slots=True)
class NextFrame:
    """The next frame, for effects that look ahead.

    Attributes:
        image: (3, H, W) float, RGB, in [0, 1]: the next frame as the effect will receive it.
        moment: of the next frame, without what is not known yet (its `next`, and whether it is a cut).
        motion: forward optical flow, from this frame to the next one, on the pixel grid of this frame.
    """

    image: Tensor
    moment: Moment
    motion: OpticalFlow


class Effect(Protocol):
    """Processes one image after another: stylizes it, dreams on it, zooms into it.

    Input and result are (3, H, W) float, RGB, in [0, 1], on the effect's device, and of the same size.
    `reset` discards what the effect keeps of earlier frames; `state` returns it, so that a resumed render
    can `restore` it.
    """

    def __call__(self, image: Tensor, moment: Moment) -> Tensor: ...
    def reset(self) -> None: ...
    def state(self) -> dict[str, Tensor | float | int]: ...
    def restore(self, state: Mapping[str, Tensor | float | int]) -> None: ...


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a render.

    Attributes:
        frames: frames processed so far, including those of the interrupted run that is resumed.
        total: expected number of frames, or None if unknown.
        concealed: how many of them repeat the previous frame, because the input is damaged.
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
        """Estimated seconds until the end, or None if unknown."""
        if self.total is None or self.fps <= 0:
            return None
        return max(self.total - self.frames, 0) / self.fps


@dataclass(frozen=True, slots=True)
class OptimizationStep:
    """Progress of the optimization of one frame.

    Attributes:
        frame: number of the frame, from 0.
        size: (width, height) in pixels of the current scale.
        step: number of this evaluation, from 1, counted over all scales.
        steps: estimated number of evaluations for this frame.
        losses: weighted losses by name.
        image: (3, h, w) float, RGB, in [0, 1]: the current image.
    """

    frame: int
    size: tuple[int, int]
    step: int
    steps: int
    losses: Mapping[str, float]
    image: Tensor
