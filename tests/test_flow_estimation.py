"""Flow estimation: known motion is found, and occluded or newly exposed pixels are not trusted."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from streamstyle.errors import InputError, UsageError
from streamstyle.frames import Frame, Packet
from streamstyle.optical_flow import FLOWS, FlowEstimation, FlowSequence, resized_flow, warp
from streamstyle.optical_flow.dis import Dis
from streamstyle.optical_flow.flow_files import FlowFolder
from streamstyle.optical_flow.occlusion import color_consistent, flow_consistent, in_bounds, soft_confidence
from streamstyle.optical_flow.warping import warped_pixels
from tests.motions import HEIGHT, INNER, MOTIONS, WIDTH, end_point_error, moved, pan, texture, video


def square_over_texture(step: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A square that moves to the right over a ground that lies still.

    Returns:
        Both frames, the flow, and where ground is newly exposed.
    """
    ground, cover = texture(1), texture(2)
    frames = []
    for left in (100, 100 + step):
        frame = ground.copy()
        frame[80:160, left : left + 80] = cover[80:160, 100:180]
        frames.append(frame)
    flow = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    flow[80:160, 100 + step : 180 + step, 0] = -step
    exposed = np.zeros((HEIGHT, WIDTH), bool)
    exposed[80:160, 100 : 100 + step] = True
    return frames[0], frames[1], flow, exposed


@pytest.mark.parametrize("name", MOTIONS)
@pytest.mark.parametrize("preset", ["fast", "medium"])
def test_known_motion_is_found(preset, name):
    previous = texture()
    current = moved(previous, MOTIONS[name])
    assert end_point_error(Dis(preset)(current, previous), MOTIONS[name]) < 0.25


def motion_of(previous: np.ndarray, current: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The flow and its confidence mask."""
    dis = Dis("medium")
    flow, reverse = dis(current, previous), dis(previous, current)
    holds = in_bounds(flow) & flow_consistent(flow, reverse)
    return flow, holds & color_consistent(current, warped_pixels(previous, flow))


def test_what_is_newly_exposed_is_not_trusted_and_the_rest_is():
    previous, current, _, exposed = square_over_texture()
    _, holds = motion_of(previous, current)
    assert (~holds)[exposed].mean() > 0.8
    assert holds[~exposed].mean() > 0.9
    assert (soft_confidence(holds)[exposed] > 0.1).mean() < 0.2


def test_a_negated_forward_flow_loses_at_the_edge_of_the_square():
    """Five known tools negate the flow from the previous frame, which lies where the square was."""
    previous, current, true, _ = square_over_texture(step=10)
    dis = Dis("medium")
    backward, negated = dis(current, previous), -dis(previous, current)
    edge = (slice(70, 170), slice(165, 200))  # the square's leading edge, and what it goes to cover
    warped = [warped_pixels(previous, flow).astype(int) for flow in (backward, negated)]
    off = [np.abs(picture - current)[edge].mean() for picture in warped]
    assert off[0] < 0.7 * off[1]
    wrong = [np.linalg.norm(flow - true, axis=2)[edge].mean() for flow in (backward, negated)]
    assert wrong[0] < 0.7 * wrong[1]


def test_the_way_back_is_read_where_the_flow_arrives():
    """Adding both flows at one place, as a peer does, doubts all that moves over other motion."""
    flow = np.zeros((40, 80, 2), np.float32)
    reverse = np.zeros_like(flow)
    flow[:, 40:60, 0] = -20  # what lies at 40..59 came from 20..39
    reverse[:, 20:40, 0] = 20
    assert flow_consistent(flow, reverse)[:, 41:59].all()


def test_a_still_picture_is_trusted_everywhere():
    """A peer divides motion by its largest, and so turns the noise of a still image into motion."""
    picture = texture()
    noisy = np.clip(picture + np.random.default_rng(3).normal(0, 2, picture.shape), 0, 255).astype(np.uint8)
    flow, holds = motion_of(picture, noisy)
    assert holds[INNER].mean() > 0.99 and np.abs(flow[INNER]).mean() < 0.1


def test_flow_at_another_size_is_longer_too():
    """Two peers forget to double it, or halve it."""
    flow = torch.full((2, 30, 40), 1.5)
    assert resized_flow(flow, 90, 80)[0].eq(3).all() and resized_flow(flow, 90, 80)[1].eq(4.5).all()


def test_pictures_too_small_to_search_in_lie_still():
    assert not Dis()(texture()[:9, :9], texture(1)[:9, :9]).any()


def test_items_keep_their_order_and_all_but_the_first_frame_have_motion():
    items = list(FlowEstimation()(video(pan(5))))
    assert [item for item, *_ in items if isinstance(item, Packet)] == [
        Packet(1, index) for index in range(5)
    ]
    assert [item.pts for item, *_ in items if isinstance(item, Frame)] == list(range(5))
    assert [type(item) for item, *_ in items] == [Frame, Packet] * 5
    motions = [motion for item, motion, *_ in items if isinstance(item, Frame)]
    assert motions[0] is None and all(motion is not None for motion in motions[1:])
    assert all(motion is None for item, motion, *_ in items if isinstance(item, Packet))


def test_the_motion_lines_the_last_frame_up_with_the_current_one():
    previous, current = pan(2, step=5)
    *_, moved_frame, _ = FlowEstimation("medium")(video([previous, current]))
    motion = moved_frame.motion
    before, now = (torch.from_numpy(p).permute(2, 0, 1)[None].float() / 255 for p in (previous, current))
    off = (warp(before, motion.flow[None]) - now).abs()
    assert off[..., 24:-24, 24:-24].mean() < 0.25 * (before - now).abs()[..., 24:-24, 24:-24].mean()
    assert motion.confidence.min() >= 0 and motion.confidence.max() <= 1


def test_frames_that_are_done_are_not_looked_at_and_the_rest_is_the_same():
    pictures = [*pan(4), *pan(4, seed=5)]
    whole = [motion for _, motion, *_ in FlowEstimation()(video(pictures))]
    for first in range(1, 8):
        late = [motion for _, motion, *_ in FlowEstimation()(video(pictures), first)]
        for one, other in zip(whole[2 * first :], late[2 * first :], strict=True):
            assert (one is None) == (other is None)
            if one is not None:
                assert torch.equal(one.flow, other.flow) and torch.equal(one.confidence, other.confidence)


def test_the_next_frame_is_known_and_how_this_one_moves_to_it():
    pictures = [*pan(3, step=5), *pan(2, step=5, seed=5)]
    frames = [moved for moved in FlowEstimation("medium")(video(pictures)) if isinstance(moved.item, Frame)]
    follows = [None if moved.next_frame is None else moved.next_frame.pts for moved in frames]
    assert follows == [1, 2, None, 4, None], "a cut is no continuation, and the last frame has none"
    now, coming = (torch.from_numpy(p).permute(2, 0, 1)[None].float() / 255 for p in pictures[:2])
    assert frames[0].forward_motion is not None
    off = (warp(coming, frames[0].forward_motion.flow[None]) - now).abs()
    assert off[..., 24:-24, 24:-24].mean() < 0.25 * (coming - now).abs()[..., 24:-24, 24:-24].mean()


def test_across_another_size_there_is_no_motion():
    pictures = [texture(), texture(), texture(0, 120, 320), texture(0, 120, 320)]
    motions = [motion for item, motion, *_ in FlowEstimation()(video(pictures)) if isinstance(item, Frame)]
    assert [motion is None for motion in motions] == [True, False, True, False]


def test_exact_flow_comes_from_a_folder(tmp_path):
    pictures = pan(3, step=4)
    for index in (1, 2):
        np.save(tmp_path / f"flow_{index:04}.npy", np.broadcast_to(np.float32([-4, 0]), (HEIGHT, WIDTH, 2)))
    left = np.where(np.arange(WIDTH) < 160, 255, 0)[None].repeat(HEIGHT, 0)
    cv2.imwrite(str(tmp_path / "flow_0002.png"), left)
    whole = FlowEstimation(tmp_path)(video(pictures))
    motions = [motion for item, motion, *_ in whole if isinstance(item, Frame)]
    assert motions[1] is not None and motions[2] is not None
    assert (motions[1].flow[0] == -4).all() and (motions[1].flow[1] == 0).all()
    assert not motions[2].confidence[..., 160:].any() and motions[2].confidence[..., 40:150].min() > 0.9
    half = FlowEstimation(tmp_path, size=WIDTH // 2)(video(pictures))
    motions = [motion for item, motion, *_ in half if isinstance(item, Frame)]
    assert motions[1] is not None and motions[1].flow.shape == (2, HEIGHT // 2, WIDTH // 2)
    assert (motions[1].flow[0] == -2).all()


def folder_with_mask(folder: Path, mask: np.ndarray) -> FlowFolder:
    """Flow of one frame, zero, and a mask for it."""
    np.save(folder / "1.npy", np.zeros((*mask.shape[:2], 2), np.float32))
    cv2.imwrite(str(folder / "1.png"), mask)
    return FlowFolder(folder)


def test_the_mask_of_a_flow_may_have_16_bits_or_be_transparent(tmp_path):
    left = np.arange(8)[None].repeat(6, 0) < 4
    cut_out = np.zeros((6, 8, 4), np.uint8)
    cut_out[..., 3] = 255 * left
    for mask in (255 * left.astype(np.uint8), 65535 * left.astype(np.uint16), cut_out):
        _, known = folder_with_mask(tmp_path, mask).at(1, (6, 8), (6, 8))
        assert np.array_equal(known, left)


def test_a_mask_that_cannot_be_read_is_named(tmp_path, capfd):
    folder = folder_with_mask(tmp_path, np.zeros((6, 8), np.uint8))
    (tmp_path / "1.png").write_bytes((tmp_path / "1.png").read_bytes()[:40])
    with pytest.raises(InputError, match=r"1\.png: damaged image"):
        folder.at(1, (6, 8), (6, 8))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("names", "shape", "message"),
    [
        ([], None, "contains no flow"),
        (["a1.npy", "b1.npy"], (HEIGHT, WIDTH, 2), "has the same number as"),
        (["2.npy"], (HEIGHT, WIDTH, 2), "no flow of frame 1"),
        (["1.npy"], (20, 30, 2), "30x20 pixels, the frames have 320x240"),
    ],
)
def test_a_folder_that_does_not_fit_is_named(tmp_path, names, shape, message):
    for name in names:
        np.save(tmp_path / name, np.zeros(shape, np.float32))
    with pytest.raises(InputError, match=message):
        list(FlowEstimation(tmp_path)(video(pan(2))))


def test_motion_is_known_at_once_where_there_is_no_look_ahead():
    frames, flow = pan(4), FlowSequence(FlowEstimation("fast", size=256), forward_motion=False)
    flow.add(frames[0])
    assert flow.motion is None
    flow.add(frames[1])
    assert flow.motion is not None
    inner = flow.motion.flow[:, 20:-20, 30:-30]
    scale = 256 / WIDTH
    assert inner[0].median() == pytest.approx(-2 * scale, abs=0.2)
    assert inner[1].median() == pytest.approx(0, abs=0.2)
    flow.add(texture(5))
    assert flow.motion is None, "a cut"
    flow.add(frames[2][:48])
    assert flow.motion is None, "another size does not continue"
    flow.reset()
    flow.add(frames[2][:48])
    assert flow.motion is None


def test_with_and_without_a_look_ahead_motion_is_the_same():
    frames, flow = pan(4), FlowSequence(FlowEstimation(), forward_motion=False)
    ahead = [found.motion for found in FlowEstimation()(video(frames)) if isinstance(found.item, Frame)]
    for index, frame in enumerate(frames):
        flow.add(frame)
        expected, motion = ahead[index], flow.motion
        assert (expected is None) == (motion is None) == (index == 0)
        if expected is not None and motion is not None:
            assert torch.equal(expected.flow, motion.flow)
            assert torch.equal(expected.confidence, motion.confidence)


def test_an_unknown_flow_is_named_with_the_known_ones():
    with pytest.raises(UsageError, match="unknown flow slow; known: auto, fast, medium, dis, raft"):
        FlowEstimation("slow")
    assert set(FLOWS) == {"fast", "medium", "dis", "raft"}
