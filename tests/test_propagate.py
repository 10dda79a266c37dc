"""Painting fewer frames: in between, the result follows the flow, and frames it cannot make are painted."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from streamstyle.effects import StylizeSettings
from streamstyle.effects.identity import Identity
from streamstyle.effects.propagate import UNRELIABLE, Propagate, filled
from streamstyle.effects.stabilize import Stabilize
from streamstyle.errors import UsageError
from streamstyle.frames import Frame, Moment, NextFrame, OpticalFlow
from streamstyle.keyframes import keyframes_of
from streamstyle.optical_flow import FlowEstimation, warp
from streamstyle.pipeline import run
from streamstyle.sinks.memory import MemorySink
from streamstyle.sources.memory import MemorySource
from tests.motions import TICK, pan

HEIGHT, WIDTH = 48, 64
STYLE = keyframes_of("a")


def picture(seed: int = 0) -> Tensor:
    """(3, H, W), smooth."""
    coarse = torch.rand(1, 3, HEIGHT // 8, WIDTH // 8, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, (HEIGHT, WIDTH), mode="bicubic")[0].clamp(0, 1)


def motion(x: float = 0.0, y: float = 0.0, confidence: float = 1.0) -> OpticalFlow:
    flow = torch.tensor([x, y], dtype=torch.float32)[:, None, None].expand(2, HEIGHT, WIDTH).contiguous()
    return OpticalFlow(flow, torch.full((1, HEIGHT, WIDTH), confidence))


class Painter(Identity):
    """Paints other noise onto each frame, and remembers which frames those were."""

    def __init__(self, amount: float = 0.1) -> None:
        self.painted: list[int] = []
        self.amount = amount

    def __call__(self, image: Tensor, moment: Moment) -> Tensor:
        self.painted.append(moment.index)
        noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(moment.index))
        return (0.8 * image + self.amount * noise).clamp(0, 1)


def played(
    effect: Propagate | Stabilize,
    motions: list[OpticalFlow | None],
    first: int = 0,
    end: int | None = None,
    ahead: bool = False,
) -> list[Tensor]:
    """The results for equal frames with that flow; with `ahead`, each knows the next one."""
    results = []
    for n, flow in list(enumerate(motions))[first:end]:
        following = None
        if ahead and n + 1 < len(motions) and (backward := motions[n + 1]) is not None:
            forward = OpticalFlow(-backward.flow, backward.confidence)
            following = NextFrame(picture(), Moment(n + 1, (n + 1) / 25, motion=backward), forward)
        results.append(effect(picture(), Moment(n, n / 25, motion=flow, next=following)))
    return results


@pytest.mark.parametrize("every", [1, 2, 3])
def test_every_nth_frame_is_painted(every):
    painter = Painter()
    results = played(Propagate(painter, STYLE, every), [None, *[motion()] * 11])
    assert painter.painted == list(range(0, 12, every))
    for number, result in enumerate(results):
        assert torch.equal(result, results[number // every * every]), "nothing moves in between"


def test_in_between_the_result_goes_along_with_what_moves():
    still = Propagate(Painter(), STYLE, 2)
    first, second = played(still, [None, motion(-4, 2)])
    assert torch.allclose(second, warp(first[None], motion(-4, 2).flow[None])[0].clamp(0, 1), atol=1e-5)


def test_in_between_is_halfway_between_both_neighbors_if_the_next_one_is_known():
    painter = Painter()
    results = played(Propagate(painter, STYLE, 2), [None, *[motion()] * 4], ahead=True)
    assert painter.painted == [0, 2, 4], "each only once"
    for number in (1, 3):
        mean = (results[number - 1] + results[number + 1]) / 2
        assert torch.allclose(results[number], mean, atol=1e-5)


def test_where_only_one_neighbor_is_seen_it_prevails():
    flow = torch.zeros(2, HEIGHT, WIDTH)
    left = (torch.arange(WIDTH) < WIDTH // 2).float().expand(1, HEIGHT, WIDTH)
    effect = Propagate(Painter(), STYLE, 2)
    first = effect(picture(), Moment(0, 0.0))
    following = NextFrame(picture(), Moment(2, 0.08), OpticalFlow(flow, 1 - 0.1 * left))
    sure = OpticalFlow(flow, torch.ones(1, HEIGHT, WIDTH) - 0.2 * (1 - left))
    second = effect(picture(), Moment(1, 0.04, motion=sure, next=following))
    third = effect(picture(), Moment(2, 0.08, motion=motion()))
    to_first, to_third = (second - first).abs().mean(dim=(0, 1)), (second - third).abs().mean(dim=(0, 1))
    assert (to_first[:16] < to_third[:16]).all() and (to_third[-16:] < to_first[-16:]).all()


def test_flow_that_is_not_reliable_is_that_of_the_surroundings():
    """Torn flow would tear the strokes."""
    moving = motion(3, -1)
    moving.flow[:, 20:24, 30:34] = 40 * torch.randn(2, 4, 4, generator=torch.Generator().manual_seed(0))
    moving.confidence[:, 16:28, 26:38] = 0
    assert (filled(moving).flow - motion(3, -1).flow).abs().max() < 0.5


def test_a_frame_is_painted_where_the_flow_does_not_hold():
    for share, painted in ((0.9 * UNRELIABLE, [0, 2]), (1.1 * UNRELIABLE, [0, 1, 2])):
        painter = Painter()
        played(Propagate(painter, STYLE, 2), [None, motion(confidence=1 - share), motion()])
        assert painter.painted == painted


def test_a_frame_is_painted_after_a_cut_and_after_a_gap():
    painter = Painter()
    effect = Propagate(painter, STYLE, 4)
    played(effect, [None, motion(), None, motion()])
    assert painter.painted == [0, 2]
    effect.reset()
    effect(picture(), Moment(5, 0.2, motion=motion()))
    effect(picture(), Moment(7, 0.3, motion=motion()))
    assert painter.painted == [0, 2, 5, 7]


def test_a_frame_of_another_size_is_painted():
    painter = Painter()
    effect = Propagate(painter, STYLE, 4)
    effect(picture(), Moment(0, 0.0))
    assert effect(picture()[:, :32], Moment(1, 0.04, motion=motion())).shape == (3, 32, WIDTH)
    assert painter.painted == [0, 1]


def test_all_frames_are_painted_while_a_keyframe_takes_effect():
    painter = Painter()
    changing = keyframes_of("a", at=("0.1s=strength:0",), fade=0.1)
    played(Propagate(painter, changing, 4), [None, *[motion()] * 8])
    assert painter.painted == [0, 3, 4, 5, 8]


def test_an_unchanged_source_stays_unchanged():
    effect = Propagate(Identity(), STYLE, 3)
    for number in range(4):
        image = picture(number)
        assert effect(image, Moment(number, number / 25, motion=motion())) is image


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("at", [1, 2, 3, 4, 5])
def test_a_resumed_video_is_the_same(at, ahead):
    def effect() -> Stabilize:
        return Stabilize(Propagate(Painter(), STYLE, 3), 0.7, 3)

    motions: list[OpticalFlow | None] = [None, *[motion(1.5, -0.5)] * 8]
    whole = played(effect(), motions, ahead=ahead)
    half, resumed = effect(), effect()
    played(half, motions, ahead=ahead, end=at)
    resumed.restore(half.state())
    for one, other in zip(played(resumed, motions, at, ahead=ahead), whole[at:], strict=True):
        assert torch.equal(one, other)


def flicker(every: int, steady: float) -> tuple[float, list[int]]:
    """Mean change from frame to frame where nothing moves, and the frames that were painted."""
    painter = Painter(0.05)
    effect = Stabilize(Propagate(painter, STYLE, every), steady, every)
    results = played(effect, [None, *[motion()] * 47], ahead=True)
    steps = torch.stack([(b - a).abs().mean() for a, b in pairwise(results[5:])])
    return float(steps.mean()), painter.painted


def test_a_stabilized_video_flickers_less_the_fewer_frames_are_painted():
    all_painted, every_second, every_third = (flicker(every, 0.7) for every in (1, 2, 3))
    assert every_third[0] < every_second[0] < 0.8 * all_painted[0]
    assert every_second[1] == list(range(0, 48, 2)), "the next frame is painted only if it is its turn"


def test_without_flow_fewer_frames_cannot_be_painted():
    with pytest.raises(UsageError, match="every 2: needs optical flow, and flow is none"):
        StylizeSettings(every=2, flow="none")


@pytest.mark.parametrize(
    ("values", "kind", "needed"),
    [
        ({"steady": 0.0}, "video", False),
        ({"steady": 0.0, "every": 2}, "video", True),
        ({"every": 2}, "folder", False),
        ({"every": 2, "steady": 0.5}, "folder", True),
        ({"every": 2}, "still", False),
        ({"every": 2, "style": "none"}, "video", False),
    ],
)
def test_flow_is_estimated_where_it_is_needed(values, kind, needed):
    assert StylizeSettings(**values).needs_flow(kind) == needed


@pytest.mark.parametrize("end", [3, 4])
def test_a_run_that_is_resumed_gives_the_same_frames(end):
    """With flow of the frames themselves, and the next one in sight."""

    def frames(first: int, stop: int | None, state: Mapping[str, Any] | None) -> MemorySink:
        effect = Stabilize(Propagate(painter, STYLE, 2), 0.7, 2)
        sink, flow = MemorySink(), FlowEstimation("fast")
        source = MemorySource([Frame(pixels, n, TICK) for n, pixels in enumerate(pan(8))])
        run(source, effect, [sink], motion=flow, device="cpu", resume_at=first, stop_at=stop, state=state)
        return sink

    painter = Painter()
    whole = frames(0, None, None)
    assert painter.painted == [0, 2, 4, 6], "each once"
    half = frames(0, end, None)
    rest = frames(end, None, half.checkpoints[0].state)
    for one, other in zip([*half.frames, *rest.frames], whole.frames, strict=True):
        assert (one.pixels == other.pixels).all()
