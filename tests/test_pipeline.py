"""Frames go through in order, nothing is lost, errors arrive."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from fractions import Fraction

import numpy as np
import pytest
import torch

from streamstyle.effects.identity import Identity
from streamstyle.errors import InputError
from streamstyle.frames import Checkpoint, Frame, Item, Moment, Packet, Progress, SinkItem
from streamstyle.optical_flow import FlowEstimation
from streamstyle.pipeline import Buffer, Reader, Step, Writer, run
from streamstyle.sinks.memory import MemorySink
from streamstyle.sources.memory import MemorySource
from tests.motions import pan, video


def frames(count: int, **more: object) -> list[Item]:
    return [
        Frame(np.full((2, 2, 3), n, np.uint8), n, Fraction(1, 10), 1, reset=n == 0, **more)
        for n in range(count)
    ]


class Count(Identity):
    """An effect that remembers how many frames it has seen since its reset."""

    def __init__(self) -> None:
        self.seen = torch.zeros(1)
        self.moments: list[Moment] = []

    def __call__(self, image: torch.Tensor, moment: Moment) -> torch.Tensor:
        self.seen = self.seen + 1
        self.moments.append(moment)
        return torch.full_like(image, float(self.seen) / 255)

    def reset(self) -> None:
        self.seen = torch.zeros(1)

    def state(self) -> dict[str, torch.Tensor | float | int]:
        return {"seen": self.seen}

    def restore(self, state: Mapping[str, torch.Tensor | float | int]) -> None:
        self.seen = torch.as_tensor(state["seen"])


def values(sink: MemorySink) -> list[int]:
    return [int(frame.pixels[0, 0, 0]) for frame in sink.frames]


def test_frames_and_packets_keep_their_order() -> None:
    items = frames(40)
    items.insert(7, Packet(1, "sound"))
    items.insert(20, Packet(2, "text"))
    sink = MemorySink()
    result = run(MemorySource(items), Identity(), [sink], device="cpu")
    assert values(sink) == list(range(40))
    assert sink.items.index(sink.packets[0]) == 7 and sink.items.index(sink.packets[1]) == 20
    assert (result.frames_in, result.frames_out) == (40, 40)
    assert sink.closed and not sink.aborted


def test_pixels_pass_unchanged() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    sink = MemorySink()
    run(MemorySource([Frame(pixels, 0, Fraction(1))]), Identity(), [sink], device="cpu")
    assert np.array_equal(sink.frames[0].pixels, pixels)


def checkpoints(sink: MemorySink, done: int = 0) -> dict[int, Checkpoint]:
    """The checkpoints by the number of frames before them."""
    found = {}
    for item in sink.items:
        if isinstance(item, Checkpoint):
            found[done] = item
        done += isinstance(item, Frame)
    return found


def test_a_resumed_run_gives_the_same_frames() -> None:
    whole = MemorySink(checkpoint_seconds=0.5)
    run(MemorySource(frames(23)), Count(), [whole], device="cpu")
    assert list(checkpoints(whole)) == [5, 10, 15, 20]
    for done, point in checkpoints(whole).items():
        rest = MemorySink(checkpoint_seconds=0.5)
        result = run(
            MemorySource(frames(23)), Count(), [rest], device="cpu", resume_at=done, state=point.state
        )
        assert values(rest) == values(whole)[done:]
        assert list(checkpoints(rest, done)) == [place for place in checkpoints(whole) if place > done]
        assert result.frames_out == 23


def test_a_run_can_stop_at_a_checkpoint() -> None:
    """It ends with the checkpoint from which the next run goes on."""
    whole, part = MemorySink(checkpoint_seconds=0.5), MemorySink(checkpoint_seconds=0.5)
    run(MemorySource(frames(23)), Count(), [whole], device="cpu")
    state = checkpoints(whole)[5].state
    run(MemorySource(frames(23)), Count(), [part], device="cpu", resume_at=5, stop_at=15, state=state)
    assert values(part) == values(whole)[5:15]
    assert checkpoints(part, 5) == {done: checkpoints(whole)[done] for done in (10, 15)}


def test_a_reset_reaches_the_effect_and_the_moment() -> None:
    items = frames(6)
    items[4] = Frame(np.zeros((2, 2, 3), np.uint8), 4, Fraction(1, 10), 1, reset=True)
    sink, effect = MemorySink(), Count()
    run(MemorySource(items), effect, [sink], device="cpu")
    assert values(sink) == [1, 2, 3, 4, 1, 2]
    assert [moment.cut for moment in effect.moments] == [True, False, False, False, True, False]


def test_optical_flow_reaches_the_effect_and_cuts_reset_it() -> None:
    pictures = [*pan(4), *pan(4, seed=5)]
    sink, effect = MemorySink(), Count()
    run(MemorySource(list(video(pictures))), effect, [sink], motion=FlowEstimation(), device="cpu")
    assert [moment.cut for moment in effect.moments] == [index in (0, 4) for index in range(8)]
    assert [moment.motion is None for moment in effect.moments] == [index in (0, 4) for index in range(8)]
    assert [frame.pixels[0, 0, 0] for frame in sink.frames] == [1, 2, 3, 4] * 2
    assert [type(item) for item in sink.items] == [Frame, Packet] * 8


def test_the_next_frame_is_uploaded_once() -> None:
    images: list[torch.Tensor] = []
    ahead: list[torch.Tensor | None] = []

    class Watch(Identity):
        def __call__(self, image: torch.Tensor, moment: Moment) -> torch.Tensor:
            images.append(image)
            ahead.append(moment.next.image if moment.next else None)
            return image

    run(MemorySource(list(video(pan(4)))), Watch(), [MemorySink()], motion=FlowEstimation(), device="cpu")
    assert all(one is other for one, other in zip(images[1:], ahead, strict=False)) and ahead[-1] is None


def test_an_unchanged_image_is_not_converted() -> None:
    pixels, step = pan(1)[0], Step(Identity(), torch.device("cpu"))
    assert step(pixels, 0.0) is pixels and step.index == 1


def test_a_run_resumed_with_motion_gives_the_same_moments() -> None:
    pictures = [*pan(4), *pan(4, seed=5)]
    for done in range(1, 8):
        effect = Count()
        run(
            MemorySource(list(video(pictures))),
            effect,
            [MemorySink()],
            motion=FlowEstimation(),
            device="cpu",
            resume_at=done,
        )
        assert [moment.index for moment in effect.moments] == list(range(done, 8))
        assert [moment.cut for moment in effect.moments] == [index == 4 for index in range(done, 8)]


def test_an_error_of_the_flow_reaches_the_caller_and_ends_all_threads(tmp_path) -> None:
    np.save(tmp_path / "2.npy", np.zeros((240, 320, 2), np.float32))
    sink, before = MemorySink(), threading.active_count()
    with pytest.raises(InputError, match="contains no flow of frame 1"):
        source = MemorySource(list(video(pan(4))))
        run(source, Count(), [sink], motion=FlowEstimation(tmp_path), device="cpu")
    assert sink.aborted
    assert threading.active_count() == before


class FailingSource(MemorySource):
    def __iter__(self) -> Iterator[Item]:
        yield from self._items[:3]
        raise OSError("the camera is gone")


class FailingEffect(Identity):
    def __call__(self, image: torch.Tensor, moment: Moment) -> torch.Tensor:
        if moment.index == 3:
            raise OSError("the network is gone")
        return image


class FailingSink(MemorySink):
    def write(self, item: object) -> None:
        if len(self.frames) == 3:
            raise OSError("the disk is gone")
        super().write(item)  # type: ignore[arg-type]


@pytest.mark.parametrize("place", ["camera", "network", "disk"])
def test_an_error_in_any_thread_reaches_the_caller_and_aborts_all_sinks(place: str) -> None:
    source = (FailingSource if place == "camera" else MemorySource)(frames(200))
    effect = FailingEffect() if place == "network" else Identity()
    sinks = [MemorySink(), FailingSink() if place == "disk" else MemorySink()]
    before = threading.active_count()
    with pytest.raises(OSError, match=f"the {place} is gone"):
        run(source, effect, sinks, device="cpu")
    assert [sink.aborted for sink in sinks] == [True, True]
    assert threading.active_count() == before


def test_a_blocked_read_does_not_delay_the_end_after_an_error() -> None:
    gate = threading.Event()

    class Silent(MemorySource):
        def __iter__(self) -> Iterator[Item]:
            yield from self._items
            gate.wait(60)

    begin = time.monotonic()
    for motion in (None, FlowEstimation()):
        sink = MemorySink()
        with pytest.raises(OSError, match="the network is gone"):
            run(Silent(frames(6)), FailingEffect(), [sink], motion=motion, device="cpu")
        assert sink.aborted and time.monotonic() - begin < 20
    gate.set()


def test_frames_that_the_sinks_did_not_write_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    take = Writer.put

    def lossy(writer: Writer, item: SinkItem) -> None:
        if not (isinstance(item, Frame) and item.pts == 7):
            take(writer, item)

    monkeypatch.setattr(Writer, "put", lossy)
    result = run(MemorySource(frames(10)), Identity(), [MemorySink()], device="cpu")
    assert (result.frames_in, result.frames_out) == (10, 9)


def test_reading_ahead_is_bounded() -> None:
    taken = 0

    def numbers() -> Iterator[int]:
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield number

    items: Buffer[int] = Buffer(4)
    reader = Reader(numbers(), items.put, items.end)
    for expected in range(50):
        assert items.take() == expected
        assert taken <= expected + 1 + 4 + 1  # given out, waiting, and one in the reader's hand
    items.stop()
    assert reader.join(5)


def test_progress_ends_with_all_frames() -> None:
    seen: list[Progress] = []
    run(MemorySource(frames(5)), Identity(), [MemorySink()], device="cpu", on_progress=seen.append)
    assert seen[-1].frames == seen[-1].total == 5
    assert set(seen[-1].stage_ms) == {"read", "effect", "write"}
    assert seen[-1].eta_seconds == 0


def test_concealed_frames_are_counted() -> None:
    result = run(MemorySource(frames(5, concealed=True)), Identity(), [MemorySink()], device="cpu")
    assert result.concealed == 5
