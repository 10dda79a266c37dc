"""Dreams: objectives grow, the source's detail stays, runs are reproducible, videos keep their strength."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from streamstyle.effects.dream.ascent import Ascent
from streamstyle.effects.dream.effect import Dream, low_band, smoothed
from streamstyle.errors import UsageError
from streamstyle.frames import Moment, OpticalFlow
from streamstyle.keyframes import keyframes_of
from streamstyle.optical_flow import warp
from streamstyle.weights import load_features

QUICK = Ascent(octaves=2, steps=4)
HEIGHT, WIDTH = 64, 96


def picture(seed: int = 0, height: int = HEIGHT, width: int = WIDTH) -> Tensor:
    """(3, H, W), smooth, between 0.2 and 0.8."""
    coarse = torch.rand(1, 3, height // 8, width // 8, generator=torch.Generator().manual_seed(seed))
    fine = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")[0]
    return (0.2 + 0.6 * fine).clamp(0.2, 0.8)


def still(confidence: float = 1.0, x: float = 0.0) -> OpticalFlow:
    flow = torch.zeros(2, HEIGHT, WIDTH)
    flow[0] = x
    return OpticalFlow(flow, torch.full((1, HEIGHT, WIDTH), confidence))


def video(effect: Dream, images: list[Tensor], motion: OpticalFlow | None = None) -> list[Tensor]:
    return [
        effect(image, Moment(index, index / 25, motion=motion if index else None))
        for index, image in enumerate(images)
    ]


def seen(image: Tensor, layer: str) -> float:
    with torch.no_grad():
        return load_features("distilled")(image[None], [layer])[layer].square().mean().item()


@pytest.mark.parametrize("layer", ["texture", "part", "thing"])
def test_a_dream_sees_more_of_what_it_looks_for(layer, device):
    image = picture().to(device)
    result = Dream(layer, replace(QUICK, steps=2 * QUICK.steps), device=device)(image, Moment(0, 0.0))
    assert seen(result.cpu(), layer) > 1.1 * seen(image.cpu(), layer)


def test_what_is_avoided_is_seen_less():
    image = picture()
    result = Dream("-texture", QUICK, device="cpu")(image, Moment(0, 0.0))
    assert seen(result, "texture") < seen(image, "texture")


def test_works_in_inference_mode_and_leaves_its_input_alone():
    image = picture()
    expected = Dream("part", QUICK, device="cpu")(image, Moment(0, 0.0))
    with torch.inference_mode():
        given = picture()
        result = Dream("part", QUICK, device="cpu")(given, Moment(0, 0.0))
        assert torch.equal(given, image) and torch.equal(result, expected)


def test_a_seed_repeats_exactly_and_another_differs():
    def dreamt(seed: int) -> Tensor:
        return Dream("part", Ascent(octaves=2, steps=4, seed=seed), device="cpu")(picture(), Moment(0, 0.0))

    assert torch.equal(dreamt(1), dreamt(1))
    assert (dreamt(1) - dreamt(2)).abs().mean() > 1e-3


def test_the_sources_own_detail_is_never_lost():
    """Octaves carry detail alone; a peer reduces the image itself to a sixth, and never gets it back."""
    fine = picture() + 0.1 * ((torch.arange(WIDTH) % 2) * 2 - 1)
    hardly = Ascent(octaves=2, steps=1, size=1e-4)
    result = Dream("part", hardly, device="cpu")(fine, Moment(0, 0.0))
    assert (result - fine).abs().max() < 0.01


def test_strength_0_is_the_source_and_half_of_it_half_of_the_dream():
    image = picture()
    assert Dream(keyframes_of("part", strength=0), QUICK, device="cpu")(image, Moment(0, 0.0)) is image
    full = Dream("part", QUICK, device="cpu")(image, Moment(0, 0.0))
    half = Dream(keyframes_of("part", strength=0.5), QUICK, device="cpu")(image, Moment(0, 0.0))
    torch.testing.assert_close(half - image, 0.5 * (full - image), atol=1e-5, rtol=0)


def test_keyframes_change_what_is_dreamed_of():
    effect = Dream(keyframes_of("texture", at=["1+0=thing"]), QUICK, device="cpu")
    early, late = (effect(picture(), Moment(0, seconds)) for seconds in (0.5, 1.5))
    assert torch.equal(early, Dream("texture", QUICK, device="cpu")(picture(), Moment(0, 0.0)))
    assert not torch.equal(late, early) and seen(late, "thing") > seen(early, "thing")


def test_a_guide_draws_its_features_in():
    image, guide = picture(), picture(5)
    free, guided = (
        Dream("pattern", QUICK, guides=given, device="cpu")(image, Moment(0, 0.0))
        for given in ({}, {"pattern": guide})
    )
    assert (free - guided).abs().mean() > 0.005


def test_each_objective_may_have_a_guide_of_its_own():
    guides = {"pattern~a.png": picture(5), "pattern~b.png": picture(6)}
    changing = keyframes_of("pattern~a.png", at=["1+0=pattern~b.png"])
    effect = Dream(changing, QUICK, guides=guides, device="cpu")
    for seconds, guide in ((0.0, picture(5)), (2.0, picture(6))):
        expected = Dream("pattern", QUICK, guides={"pattern": guide}, device="cpu")(picture(), Moment(0, 0.0))
        effect.reset()
        assert torch.equal(effect(picture(), Moment(0, seconds)), expected)
    with pytest.raises(UsageError, match="the guide image is missing"):
        Dream("pattern~c.png", QUICK, device="cpu")


@pytest.mark.parametrize("size", [(1, 1), (48, 40)])
def test_a_dream_moves_towards_a_color_or_an_image(size):
    """Farther with more weight; a target of another size is fitted."""
    target = torch.tensor([0.9, 0.2, 0.1])[:, None, None].expand(3, *size)
    distances = []
    for weight in (0.0, 0.1, 0.5):
        ascent = Ascent(octaves=1, steps=4, towards=weight)
        result = Dream("pattern", ascent, target=target, device="cpu")(picture(), Moment(0, 0.0))
        distances.append((result - target.mean(dim=(1, 2), keepdim=True)).abs().mean().item())
    assert distances[2] < 0.8 * distances[1] < 0.8 * distances[0]


def test_staying_near_and_being_smooth_hold_back():
    def change(**held: float) -> Tensor:
        ascent = Ascent(octaves=2, steps=8, **held)
        return Dream("texture", ascent, device="cpu")(picture(), Moment(0, 0.0)) - picture()

    free, near, smooth = change(), change(near=1.0), change(variation=0.1)
    assert near.square().mean() < 0.8 * free.square().mean()
    rough = [(d[..., 1:] - d[..., :-1]).square().mean() for d in (free, smooth)]
    assert rough[1] < 0.8 * rough[0]


@pytest.mark.parametrize("layer", ["part", "thing", "0.5*thing+0.5*texture"])
def test_tiles_have_no_seam(layer):
    image = picture(0, 256, 320)
    whole, tiled = (
        Dream(layer, Ascent(octaves=1, steps=3, tile=tile), device="cpu")(image, Moment(0, 0.0))
        for tile in (None, 64)
    )
    assert (whole - image).abs().mean() > 0.01
    assert torch.equal(whole, tiled)


def test_the_gradient_keeps_its_sum_over_scales():
    gradient = torch.randn(1, 3, 16, 24)
    assert smoothed(gradient).sum() == pytest.approx(3 * gradient.sum().item(), rel=1e-3)


def test_a_still_video_neither_runs_away_nor_fades():
    """A peer carries everything and adds a full dose in each frame: its dreams double in strength."""
    images = [picture() for _ in range(40)]
    results = video(Dream("part", Ascent(octaves=2, steps=8), device="cpu"), images, still())
    changes = [result - images[0] for result in results]
    strength = [change.square().mean().sqrt().item() for change in changes]
    assert 0.6 * strength[0] < strength[20] < 1.5 * strength[0]
    assert strength[39] == pytest.approx(strength[25], rel=0.1)
    assert abs(changes[39].mean() - changes[20].mean()) < 0.01


def test_a_carried_dream_flickers_less_and_takes_fewer_passes():
    images = [(picture() + 0.02 * torch.randn(3, HEIGHT, WIDTH)).clamp(0, 1) for _ in range(12)]
    alone, carried = (Dream("part", Ascent(octaves=2, carry=carry), device="cpu") for carry in (0, 0.9))
    jumps = [
        torch.stack([(b - a).square().mean() for a, b in pairwise(video(effect, images, still())[3:])]).mean()
        for effect in (alone, carried)
    ]
    assert jumps[1] < 0.5 * jumps[0]
    assert carried.passes < 0.3 * alone.passes


def test_the_dream_goes_along_with_what_moves():
    first = picture(0, HEIGHT, WIDTH)
    second = warp(first[None], still(x=-6.0).flow[None])[0]
    effect = Dream("part", QUICK, device="cpu")
    before, after = video(effect, [first, second], still(x=-6.0))
    moved = warp((before - first)[None], still(x=-6.0).flow[None])[0]
    inner = (slice(None), slice(8, -8), slice(16, -16))
    along = torch.nn.functional.cosine_similarity(
        (after - second)[inner].flatten(), moved[inner].flatten(), dim=0
    )
    assert along > 0.7


def test_where_the_flow_does_not_hold_the_dream_starts_anew_and_faster():
    effect = Dream("part", QUICK, device="cpu")
    image = picture()
    effect(image, Moment(0, 0.0))
    again = effect(image, Moment(1, 0.04, motion=still(confidence=0.0)))
    first = Dream("part", QUICK, device="cpu")(image, Moment(0, 0.0))
    assert 0.1 < ((again - image).square().mean() / (first - image).square().mean()).sqrt() < 1


def test_reset_forgets_and_a_resumed_video_is_the_same():
    images = [picture(seed) for seed in (0, 0, 0, 0)]
    whole = video(Dream("part", QUICK, device="cpu"), images, still())
    before, after = (Dream("part", QUICK, device="cpu") for _ in range(2))
    video(before, images[:2], still())
    after.restore(before.state())
    for index in (2, 3):
        assert torch.equal(after(images[index], Moment(index, 0.0, motion=still())), whole[index])
    before.reset()
    assert torch.equal(before(images[0], Moment(9, 0.0, motion=still())), whole[0])


def test_an_image_too_small_for_its_octaves_says_how_many_there_may_be():
    with pytest.raises(UsageError, match=r"--octaves 4: 96x64 pixels allow 3 at a scale of 1\.4"):
        Dream("part", device="cpu")(picture(), Moment(0, 0.0))
    with pytest.raises(UsageError, match="--octaves 2: 31x31 pixels allow 1"):
        Dream("part", Ascent(octaves=2), device="cpu")(torch.rand(3, 31, 31), Moment(0, 0.0))
    Dream("part", Ascent(octaves=3, steps=1), device="cpu")(picture(), Moment(0, 0.0))


def test_the_low_band_is_that_of_the_whole_image():
    """Against means over squares of half the height at full size."""
    image = picture(3)[None]
    image = torch.nn.functional.interpolate(image, (180, 240), mode="bicubic")
    exact = torch.nn.functional.avg_pool2d(image, 91, 1, 45, count_include_pad=False)
    off, spread = (low_band(image) - exact).std(), exact.std()
    assert off < 0.1 * spread


@pytest.mark.parametrize("held", [{"near": 10.0}, {"variation": 10.0}, {"towards": 10.0}])
def test_what_holds_back_never_throws_past_its_aim(held):
    """At the largest weights that are allowed, with as few steps as zooms have."""
    target = torch.full((3, 1, 1), 0.5) if "towards" in held else None
    ascent = Ascent(octaves=1, steps=2, **held)
    result = Dream("texture", ascent, target=target, device="cpu")(picture(), Moment(0, 0.0))
    assert (result - picture()).square().mean().sqrt() < 0.3
    rough = [(image[..., 1:] - image[..., :-1]).square().mean() for image in (result, picture())]
    assert rough[0] < 4 * rough[1]
