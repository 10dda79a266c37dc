"""Endless zooms: per second, not per frame; no border; loops that close; resumed exactly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from typer.testing import CliRunner

from streamstyle.apps.cli import app
from streamstyle.effects.composite import Composite
from streamstyle.effects.dream.ascent import Ascent
from streamstyle.effects.dream.effect import Dream
from streamstyle.effects.identity import Identity
from streamstyle.effects.zoom.effect import Zoom, ZoomPath, edge_mask, mirrored, transformed
from streamstyle.frames import Moment
from streamstyle.keyframes import keyframes_of
from tests.videos import make_video, sound_of, times_of

HEIGHT, WIDTH = 64, 96


def picture() -> Tensor:
    """(3, H, W), smooth, with nothing darker than 0.3."""
    coarse = torch.rand(1, 3, 8, 12, generator=torch.Generator().manual_seed(0))
    return (0.3 + 0.6 * torch.nn.functional.interpolate(coarse, (HEIGHT, WIDTH), mode="bicubic")[0]).clamp(
        0.3, 1
    )


def zoom(speed: float = 1.3, rotate: float = 0.0, at: Sequence[str] = (), **path: object) -> Zoom:
    ascent = Ascent(octaves=1, steps=1, size=0.01, carry=0)
    keyframes = keyframes_of("none", speed=speed, rotate=rotate, at=at)
    return Zoom(Dream("pattern", ascent, device="cpu"), keyframes, ZoomPath(**path))


def video(effect: Zoom, seconds: float, rate: float) -> list[Tensor]:
    return [effect(picture(), Moment(index, index / rate)) for index in range(round(seconds * rate) + 1)]


def test_the_same_video_at_24_and_60_frames_a_second_only_smoother():
    """A peer's zoom per frame makes its video run backwards at 60."""
    slow, fast = (video(zoom(speed=2, rotate=20, dreams=4), 1.0, rate) for rate in (24, 60))
    for index in range(0, 25, 2):
        torch.testing.assert_close(slow[index], fast[round(index * 60 / 24)], atol=1e-5, rtol=0)
    steps = [max((b - a).abs().mean() for a, b in pairwise(frames)) for frames in (slow, fast)]
    assert steps[1] < steps[0]


def test_speed_and_angle_change_on_the_way_and_nothing_jumps():
    """From twofold a second to standing still, within a second: then it lies 2 ** 1.5 further in."""
    changing = zoom(speed=2, at=["1s+1s=speed:1,rotate:90"])
    scale, angle, _ = changing.motion(0.0, 2.0)
    assert scale == pytest.approx(2**1.5, rel=1e-3)
    assert angle == pytest.approx(math.pi / 4, rel=1e-3)
    assert changing.motion(3.0, 4.0)[:2] == pytest.approx((1.0, math.pi / 2))
    halves = changing.motion(0.0, 1.3), changing.motion(1.3, 2.0)
    assert halves[0][0] * halves[1][0] == pytest.approx(scale, rel=1e-3)


def test_a_zoom_that_changes_its_speed_is_the_same_at_every_rate():
    at = ["0.2s+0.5s=speed:1.05,rotate:-40"]
    slow, fast = (video(zoom(speed=2, at=at, dreams=4), 1.0, rate) for rate in (24, 60))
    for index in range(0, 25, 2):
        torch.testing.assert_close(slow[index], fast[round(index * 60 / 24)], atol=2e-3, rtol=0)


def test_a_zoom_begins_from_rest_and_reaches_its_speed():
    eased = zoom(speed=2, rotate=30, ease=1.0, pan=(0.2, 0.0))
    first, second = eased.motion(0.0, 0.1), eased.motion(0.1, 0.2)
    assert 0 < math.log(first[0]) < math.log(second[0]) < 0.1 * math.log(2)
    scale, angle, shift = eased.motion(0.0, 1.0)  # as far as half a second at full speed
    assert (scale, angle, shift[0]) == pytest.approx((2**0.5, math.radians(15), 0.1))
    assert eased.motion(1.0, 2.0)[0] == pytest.approx(2)
    changing = zoom(speed=2, ease=1.0, at=["0.5s=speed:4"])
    halves = changing.motion(0.0, 0.7), changing.motion(0.7, 1.5)
    assert halves[0][0] * halves[1][0] == pytest.approx(changing.motion(0.0, 1.5)[0], rel=0.02)


def test_the_first_frame_is_the_image_and_things_become_larger():
    frames = video(zoom(speed=2, dreams=0.5), 1.0, 10)
    assert torch.equal(frames[0], picture())
    middle = picture()[:, HEIGHT // 4 : 3 * HEIGHT // 4, WIDTH // 4 : 3 * WIDTH // 4]
    twice = torch.nn.functional.interpolate(middle[None], (HEIGHT, WIDTH), mode="bicubic")[0]
    assert (frames[10] - twice)[:, 4:-4, 4:-4].abs().mean() < 0.02


@pytest.mark.parametrize("travel", [{"rotate": 90.0}, {"pan": (0.8, -0.6)}, {"speed": 1.0, "rotate": 45.0}])
def test_there_is_no_border_at_any_angle(travel):
    effect = zoom(dreams=0.1, **travel)
    for frame in video(effect, 2.0, 5):
        assert frame.min() > 0.15


def test_a_loop_ends_where_it_began_and_gets_there_smoothly():
    frames = video(zoom(speed=2, loop=3.0, dreams=4), 3.0, 25)
    assert torch.equal(frames[-1], frames[0])
    steps = [(b - a).abs().mean().item() for a, b in pairwise(frames)]
    # The last frame shown is the one before the first is shown again.
    assert steps[-1] <= max(steps[:-1])
    assert max(steps) < 4 * float(np.median(steps))


def test_places_beyond_the_border_are_mirrored():
    places = torch.tensor([-2.0, -0.5, 0.0, 9.0, 10.0, 18.5, 20.0])
    assert mirrored(places, 10).tolist() == [2.0, 0.5, 0.0, 9.0, 8.0, 0.5, 2.0]


def test_a_turn_is_clockwise_and_a_whole_one_changes_nothing():
    image = picture()
    torch.testing.assert_close(transformed(image, 1.0, 2 * np.pi, (0, 0)), image, atol=1e-4, rtol=0)
    square = torch.zeros(1, 33, 33)
    square[0, 2:6, 14:19] = 1  # above the middle
    turned = transformed(square, 1.0, np.pi / 2, (0, 0))
    assert turned[0, 14:19, 27:31].mean() > 0.9  # to the right of it
    assert edge_mask(image, 0.0).eq(1).all() and edge_mask(image, 0.2)[0, 0, 0] < 0.1


def test_a_resumed_zoom_goes_on_exactly():
    """Also from a file, which keeps values, but not their order in memory."""
    image = picture().permute(1, 2, 0).contiguous().permute(2, 0, 1)  # as it is uploaded
    whole, before, after = (zoom(speed=2, dreams=5) for _ in range(3))
    expected = [whole(image, Moment(index, index / 10)) for index in range(11)]
    for index in range(6):
        before(image, Moment(index, index / 10))
    kept = {
        name: value.contiguous() if isinstance(value, Tensor) else value
        for name, value in before.state().items()
    }
    after.restore(kept)
    for index in range(6, 11):
        assert torch.equal(after(image, Moment(index, index / 10)), expected[index])


def test_the_state_of_the_dream_is_part_of_a_zooms_state():
    """As the size at which it is computed, once memory ran short."""
    first, second = (Zoom(Composite(Identity(), keyframes_of("a")), keyframes_of("a")) for _ in range(2))
    first.dream.reduced = 2
    first(picture(), Moment(0, 0.0))
    second.restore(first.state())
    assert second.dream.reduced == 2 and second.state().keys() == first.state().keys()


def test_a_loop_may_last_for_hours():
    assert torch.equal(zoom(speed=2, loop=36000)(picture(), Moment(0, 0.0)), picture())


def test_the_command_makes_a_video_of_an_image(tmp_path: Path) -> None:
    Image.fromarray((255 * picture().permute(1, 2, 0).numpy()).astype(np.uint8)).save(tmp_path / "a.png")
    common = ["zoom", str(tmp_path / "a.png"), str(tmp_path / "z.mp4"), "--device", "cpu", "-q"]
    small = ["--octaves", "1", "--seconds", "1", "--fps", "12", "--preset", "ultrafast"]
    done = CliRunner().invoke(app, [*common, *small, "--loop", "--pan", "0.1,-0.1", "--at", "0.5=part"])
    assert done.exit_code == 0, done.stderr
    assert len(times_of(tmp_path / "z.mp4")) == 12
    for options, message in {
        ("--pan", "2"): "--pan 2: expected X,Y",
        ("--speed", "0.5"): "--speed 0.5: expected 1 to 100",
        ("--octaves", "9"): "--octaves 9: 96x64 pixels allow",
    }.items():
        refused = CliRunner().invoke(app, [*common, *small, "-y", *options])
        assert refused.exit_code == 2 and message in refused.stderr, refused.stderr


def test_a_zoom_has_the_sound_of_a_file_as_long_as_it_lasts(tmp_path):
    Image.fromarray((picture().permute(1, 2, 0).numpy() * 255).astype(np.uint8)).save(tmp_path / "a.png")
    make_video(tmp_path / "tone.mp4", 50, audio=[("aac", 0.0)])
    command = ["zoom", str(tmp_path / "a.png"), str(tmp_path / "out.mp4"), "--seconds", "1", "--fps", "10"]
    command += ["--octaves", "1", "--steps", "1", "--dreams", "2"]
    told = CliRunner().invoke(app, [*command, "--audio", str(tmp_path / "tone.mp4")])
    assert told.exit_code == 0, told.output
    kept, begin = sound_of(tmp_path / "out.mp4")
    given, began = sound_of(tmp_path / "tone.mp4")
    assert begin == began and given.startswith(kept) and 0.45 < len(kept) / len(given) < 0.6
    assert len(times_of(tmp_path / "out.mp4")) == 10
    missing = CliRunner().invoke(app, [*command, "-y", "--audio", str(tmp_path / "a.png")])
    assert missing.exit_code == 3 and "has no audio track" in missing.output


def test_what_does_not_change_in_a_zoom_or_a_style_is_refused(tmp_path):
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "a.png")
    told = CliRunner().invoke(
        app, ["stylize", str(tmp_path / "a.png"), str(tmp_path / "b.png"), "--at", "1s=speed:2"]
    )
    assert told.exit_code == 2 and "speed" in told.output and "known are strength" in told.output
