"""Temporal consistency: flicker is reduced, motion is followed, and nothing lingers, drifts or blurs."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from streamstyle.effects.identity import Identity
from streamstyle.effects.stabilize import Stabilize
from streamstyle.effects.stylize.effect import Style
from streamstyle.frames import Moment, NextFrame, OpticalFlow
from streamstyle.networks.style_net import InstanceNorm
from streamstyle.optical_flow import warp

HEIGHT, WIDTH = 48, 64


def picture(seed: int = 0) -> Tensor:
    """(3, H, W), smooth."""
    coarse = torch.rand(1, 3, HEIGHT // 8, WIDTH // 8, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, (HEIGHT, WIDTH), mode="bicubic")[0].clamp(0, 1)


def motion(x: float = 0.0, y: float = 0.0, confidence: float | Tensor = 1.0, scale: int = 1) -> OpticalFlow:
    size = HEIGHT // scale, WIDTH // scale
    flow = torch.tensor([x, y], dtype=torch.float32)[:, None, None].expand(2, *size).contiguous() / scale
    mask = confidence if isinstance(confidence, Tensor) else torch.full((1, *size), float(confidence))
    return OpticalFlow(flow, mask)


class Flickering(Identity):
    """Adds other noise to each frame, as strokes that jump do."""

    def __init__(self, amount: float = 0.1) -> None:
        self.noise = torch.Generator().manual_seed(0)
        self.amount = amount

    def __call__(self, image: Tensor, moment: Moment) -> Tensor:
        return (image + self.amount * torch.randn(image.shape, generator=self.noise)).clamp(0, 1)


def run(effect: Stabilize, images: list[Tensor], motions: list[OpticalFlow | None]) -> list[Tensor]:
    return [
        effect(image, Moment(index, index / 25, motion=motion))
        for index, (image, motion) in enumerate(zip(images, motions, strict=True))
    ]


def changes(results: list[Tensor]) -> float:
    """Mean change from frame to frame, without the first ones."""
    return torch.stack([(b - a).square().mean() for a, b in pairwise(results[5:])]).mean().item()


@pytest.mark.parametrize(("steady", "most"), [(0.3, 0.7), (0.7, 0.3), (1.0, 0.15)])
def test_flicker_is_calmed_as_far_as_asked_for(steady, most):
    images, motions = [picture()] * 30, [None, *[motion()] * 29]
    raw = run(Stabilize(Flickering(0.05), 0.0), images, motions)
    calm = run(Stabilize(Flickering(0.05), steady), images, motions)
    assert changes(calm) < most * changes(raw)


def test_steadiness_0_and_images_without_motion_are_the_effect_itself():
    images = [picture(seed) for seed in range(4)]
    alone = [Flickering()(image, Moment(0, 0.0)) for image in images[:1]]
    assert torch.equal(run(Stabilize(Flickering(), 0.0), images[:1], [motion()])[0], alone[0])
    noisy = Flickering()
    expected = [noisy(image, Moment(0, 0.0)) for image in images]
    for one, other in zip(run(Stabilize(Flickering(), 1.0), images, [None] * 4), expected, strict=True):
        assert torch.equal(one, other)


def test_an_effect_that_does_nothing_gives_the_image_itself():
    effect, image = Stabilize(Identity(), 1.0), picture()
    effect(picture(1), Moment(0, 0.0))
    assert effect(image, Moment(1, 0.04, motion=motion())) is image


@pytest.mark.parametrize("scale", [1, 4])
def test_strokes_go_along_with_what_moves(scale):
    """The last result is moved before it is blended in, by flow of any size; two peers do not."""
    strokes = picture(3)

    class Once(Identity):
        def __call__(self, image: Tensor, moment: Moment) -> Tensor:
            return image + 0.05 * strokes if moment.index == 0 else image + 0.0

    before = picture()
    after = warp(before[None], motion(-4, 2).flow[None])[0]
    _, result = run(Stabilize(Once(), 1.0), [before, after], [None, motion(-4, 2, scale=scale)])
    left = (result - after)[:, 8:-8, 8:-8]
    moved = warp(0.05 * strokes[None], motion(-4, 2).flow[None])[0][:, 8:-8, 8:-8]
    assert (left - 0.9 * moved).abs().mean() < 0.2 * moved.abs().mean()


def test_where_the_flow_does_not_hold_the_new_result_stands_alone():
    """The mask weighs the image; a peer multiplies the flow by it, which sends doubtful pixels astray."""
    mask = torch.ones(1, HEIGHT, WIDTH)
    mask[..., : WIDTH // 2] = 0
    first, second = picture(1), picture(1) * 0.95
    _, result = run(Stabilize(Flickering(0.0), 1.0), [first, second], [None, motion(3, 0, confidence=mask)])
    assert torch.equal(result[..., : WIDTH // 2 - 1], second[..., : WIDTH // 2 - 1])
    assert not torch.equal(result[..., WIDTH // 2 + 1 :], second[..., WIDTH // 2 + 1 :])


def test_a_broad_change_is_followed_at_once():
    """A light that goes on must not shine up slowly."""
    dark, light = 0.5 * picture(), 0.5 * picture() + 0.4
    results = run(Stabilize(Flickering(0.0), 1.0), [dark, light, light], [None, motion(), motion()])
    assert (results[1] - light).abs().mean() < 0.02
    assert (results[2] - light).abs().mean() < 0.01


def test_a_video_that_goes_on_and_on_neither_drifts_nor_blurs():
    """A peer's dreams run away on a still image; a warp that is repeated blurs it."""
    effect = Stabilize(Flickering(0.05), 1.0)
    still = motion(0.02, -0.03)
    sharp = picture() + 0.1 * (torch.arange(WIDTH) % 2)
    early, late = [], []
    for index in range(400):
        result = effect(sharp, Moment(index, index / 25, motion=still if index else None))
        if 50 <= index < 100:
            early.append(result)
        if index >= 350:
            late.append(result)
    one, other = torch.stack(early).mean(0), torch.stack(late).mean(0)
    assert abs((one.mean() - other.mean()).item()) < 0.001
    stripes = [(mean[..., 1:] - mean[..., :-1]).abs().mean().item() for mean in (one, other)]
    assert stripes[1] == pytest.approx(stripes[0], rel=0.02)
    assert stripes[1] > 0.9 * (sharp[..., 1:] - sharp[..., :-1]).abs().mean().item()


class Counting(Flickering):
    """Counts how often each frame is stylized."""

    def __init__(self) -> None:
        super().__init__(0.05)
        self.stylized: list[int] = []

    def __call__(self, image: Tensor, moment: Moment) -> Tensor:
        self.stylized.append(moment.index)
        return super().__call__(image, moment)


def run_ahead(effect: Stabilize, images: list[Tensor], first: int = 0) -> list[Tensor]:
    """Frames that lie still, each with the next one in sight."""
    results = []
    for index in range(first, len(images)):
        coming = None
        if index + 1 < len(images):
            coming = NextFrame(images[index + 1], Moment(index + 1, 0.0), motion())
        here = motion() if index else None
        results.append(effect(images[index], Moment(index, 0.0, motion=here, next=coming)))
    return results


def test_the_next_frame_has_a_say_and_is_stylized_once():
    images = [picture() + 0.0 for _ in range(30)]
    effect = Counting()
    ahead = run_ahead(Stabilize(effect, 0.7), images)
    assert effect.stylized == list(range(30))
    behind = run(Stabilize(Flickering(0.05), 0.7), images, [None, *[motion()] * 29])
    assert changes(ahead) < 0.7 * changes(behind)


def test_the_next_result_is_kept_over_a_resume():
    images = [picture(seed) for seed in range(8)]
    whole = run_ahead(Stabilize(Flickering(0.0), 0.7), images)
    for done in range(1, 8):
        before, after = (Stabilize(Flickering(0.0), 0.7) for _ in range(2))
        for index in range(done):
            coming = NextFrame(images[index + 1], Moment(index + 1, 0.0), motion())
            before(images[index], Moment(index, 0.0, motion=motion() if index else None, next=coming))
        after.restore(before.state())
        for one, other in zip(run_ahead(after, images, done), whole[done:], strict=True):
            assert torch.equal(one, other)


def test_a_next_frame_that_is_left_alone_stays_so_over_a_resume():
    """Keyframes may end in the unchanged source; the next frame's result must not be blended afterwards."""
    stylized, plain = picture(1), picture(2)

    class Ending(Identity):
        def __call__(self, image: Tensor, moment: Moment) -> Tensor:
            return image + 0.0 if moment.index == 0 else image

    before, after = Stabilize(Ending(), 1.0), Stabilize(Ending(), 1.0)
    result = before(stylized, Moment(0, 0.0, next=NextFrame(plain, Moment(1, 0.04), motion())))
    assert torch.equal(result, stylized)
    after.restore(before.state())
    for effect in (before, after):
        assert effect(plain, Moment(1, 0.04, motion=motion())) is plain


def test_what_was_seen_ahead_is_forgotten_at_a_cut():
    effect = Counting()
    held = Stabilize(effect, 0.7)
    held(picture(), Moment(0, 0.0, next=NextFrame(picture(1), Moment(1, 0.04), motion())))
    held.reset()
    held(picture(1), Moment(1, 0.04))
    assert effect.stylized == [0, 1, 1]


def test_reset_forgets_and_state_goes_on_exactly():
    images = [picture(seed) for seed in range(6)]
    motions = [None, *[motion(1, 0)] * 5]
    whole = Stabilize(Flickering(0.0), 0.8)
    results = run(whole, images, motions)
    half = Stabilize(Flickering(0.0), 0.8)
    run(half, images[:3], motions[:3])
    resumed = Stabilize(Flickering(0.0), 0.8)
    resumed.restore(half.state())
    for index in range(3, 6):
        assert torch.equal(resumed(images[index], Moment(index, 0.0, motion=motions[index])), results[index])
    whole.reset()
    assert torch.equal(whole(images[0], Moment(9, 0.0, motion=motion())), images[0])
    assert "last" not in Stabilize(Flickering(), 1.0).state()


def test_strokes_of_another_size_take_over():
    """Keyframes may change the working size."""
    effect = Stabilize(Flickering(0.0), 1.0)
    effect(picture(), Moment(0, 0.0))
    assert effect(picture()[:, ::2, ::2], Moment(1, 0.04, motion=motion())).shape == (3, 24, 32)


def test_statistics_follow_slowly():
    norm = InstanceNorm(2)
    norm.inertia = 0.75
    first, second = torch.randn(1, 2, 30, 30), 3 + 2 * torch.randn(1, 2, 30, 30)
    taken = [torch.tensor([[[1.0, -2.0]]]), torch.tensor([[[0.5, 4.0]]])]  # differs from image to image
    found = [
        norm.smoothed(norm.moments(x - offset.transpose(1, 2)[..., None]), offset)
        for x, offset in zip((first, second), taken, strict=True)
    ]
    means = [x.mean(dim=(2, 3)) for x in (first, second)]
    variances = [x.var(dim=(2, 3), correction=0) for x in (first, second)]
    mean, square = found[1][:, 0], found[1][:, 1]
    torch.testing.assert_close(mean + taken[1][:, 0], 0.75 * means[0] + 0.25 * means[1], atol=1e-4, rtol=0)
    torch.testing.assert_close(
        square - mean.square(), 0.75 * variances[0] + 0.25 * variances[1], atol=1e-3, rtol=0
    )


def test_statistics_are_those_of_the_image_until_there_is_another_and_after_a_reset():
    image, other = larger(2), larger(3) * 0.5
    plain = Style("great_wave", device="cpu")(image, Moment(0, 0.0))
    style = Style("great_wave", inertia=0.7, device="cpu")
    torch.testing.assert_close(style(image, Moment(0, 0.0)), plain, atol=1e-4, rtol=0)
    style(other, Moment(1, 0.04))
    assert (style(image, Moment(2, 0.08)) - plain).abs().max() > 0.01
    style.reset()
    torch.testing.assert_close(style(image, Moment(3, 0.12)), plain, atol=1e-4, rtol=0)


def test_statistics_are_carried_over_a_resume():
    style, resumed = (Style("great_wave", inertia=0.7, device="cpu") for _ in range(2))
    style(larger(2), Moment(0, 0.0))
    resumed.restore(style.state())
    assert torch.equal(style(larger(3), Moment(1, 0.04)), resumed(larger(3), Moment(1, 0.04)))
    assert len(style.state()) > 5


def larger(seed: int) -> Tensor:
    return torch.nn.functional.interpolate(picture(seed)[None], (96, 128), mode="bilinear")[0]
