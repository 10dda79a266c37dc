"""Scene cuts are found; pans, flashes, fades and dissolves are not taken for cuts."""

import cv2
import numpy as np
import pytest

from streamstyle.frames import Frame
from streamstyle.optical_flow import FlowEstimation
from streamstyle.optical_flow.scene_cuts import UNCHANGED, Similarity, is_cut
from tests.motions import affine, moved, pan, texture, video

LENGTH = 12


def cuts_of(pictures: list[np.ndarray]) -> list[int]:
    """Numbers of the frames before which there is a cut."""
    items = FlowEstimation()(video(pictures))
    motions = [motion for item, motion, *_ in items if isinstance(item, Frame)]
    return [index for index, motion in enumerate(motions) if motion is None and index > 0]


def shot(seed: int, step: float = 1.5, length: int = LENGTH) -> list[np.ndarray]:
    """A camera that pans over a texture; each shot has a brightness of its own."""
    ground = np.clip(texture(seed).astype(int) + 30 * (seed % 3) - 30, 0, 255).astype(np.uint8)
    return [moved(ground, affine(x=step * index, y=0.3 * index)) for index in range(length)]


def test_cuts_are_found_at_their_frames():
    assert cuts_of([*shot(0), *shot(1), *shot(2)]) == [LENGTH, 2 * LENGTH]


def test_a_cut_between_shots_of_the_same_light_is_found():
    assert cuts_of([*pan(6), *pan(6, seed=5)]) == [6]


def test_a_cut_in_one_half_of_a_split_screen_is_found():
    still = texture(7)[:, :160]
    pictures = [*shot(0), *shot(2)]
    assert cuts_of([np.concatenate((picture[:, :160], still), axis=1) for picture in pictures]) == [LENGTH]


@pytest.mark.parametrize("step", [5, 15, 40])
def test_a_pan_is_none_however_fast(step):
    wide = texture(3, 240, 1200)
    pictures = [wide[:, min(index * step, 880) :][:, :320] for index in range(LENGTH)]
    assert cuts_of([np.ascontiguousarray(picture) for picture in pictures]) == []


@pytest.mark.parametrize("frames", [1, 2])
@pytest.mark.parametrize("gain", [1.6, 2.5, 100])
def test_a_flash_is_none(gain, frames):
    pictures = shot(0)
    for index in range(5, 5 + frames):
        pictures[index] = np.clip(pictures[index].astype(float) * gain, 0, 255).astype(np.uint8)
    assert cuts_of(pictures) == []


def test_fades_and_dissolves_are_none():
    fading = [
        (picture * min(1, abs(index - 6) / 5)).astype(np.uint8) for index, picture in enumerate(shot(0))
    ]
    assert cuts_of(fading) == []
    one, other = shot(0, length=24), shot(2, length=24)
    shares = np.clip((np.arange(24) - 6) / 12, 0, 1)
    mixed = [cv2.addWeighted(a, 1 - s, b, s, 0) for a, b, s in zip(one, other, shares, strict=True)]
    assert cuts_of(mixed) == []


def test_a_light_that_goes_on_for_good_is_none():
    pictures = shot(1)
    lit = [np.clip(picture.astype(float) * 1.4 + 10, 0, 255).astype(np.uint8) for picture in pictures[6:]]
    assert cuts_of([*pictures[:6], *lit]) == []


def test_a_cut_stands_alone():
    sure = Similarity(0.05, 0.5)
    assert is_cut(sure, UNCHANGED, UNCHANGED)
    assert not is_cut(sure, UNCHANGED, Similarity(0.08, 0.1)), "continuity stays low: a shaky camera"
    assert is_cut(Similarity(0.05, 0.02), UNCHANGED, UNCHANGED), "in the same light"
    assert not is_cut(Similarity(0.3, 0.5), UNCHANGED, Similarity(0.9, 0.4)), (
        "the histogram changes twice: a flash"
    )
    assert not is_cut(Similarity(0.3, 0.02), UNCHANGED, UNCHANGED), "the same light: something came near"
