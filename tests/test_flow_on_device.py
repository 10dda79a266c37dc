"""Flow of videos whose frames lie on a device: as on the host, in graphs, and without waiting for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from streamstyle.cuda_graphs import WARM_UP
from streamstyle.frames import ColorTags, Frame
from streamstyle.optical_flow import FLOWS, FlowEstimation, FlowItem, FlowSequence, comparison_torch
from streamstyle.optical_flow.dis_torch import flow_both_ways
from streamstyle.optical_flow.estimation import DEFAULTS, default_flow
from streamstyle.pictures import YCbCr, each
from streamstyle.pipeline.step import uploaded_planes
from streamstyle.sources.options import ReadOptions
from streamstyle.sources.video import VideoSource
from streamstyle.transfers import Download
from tests.device_fakes import FakeDevice, host_access_forbidden
from tests.motions import TICK, pan, texture

HARBOUR = str(Path(__file__).parents[1] / "samples/harbour.mp4")
CPU = torch.device("cpu")
FRAMES = 8
TAGS = ColorTags(1, 1, 1)
SIZES = (96, 128), (192, 256)


@pytest.fixture(scope="module")
def harbour() -> list[Frame]:
    with VideoSource(HARBOUR, ReadOptions(max_size=256, length=FRAMES / 24)) as source:
        return [item for item in source if isinstance(item, Frame)]


def on_device(frame: Frame) -> Frame:
    assert isinstance(frame.picture, YCbCr)
    picture = uploaded_planes(frame.picture, CPU)
    return Frame(picture, frame.pts, frame.time_base, frame.duration, reset=frame.reset)


def planes(pixels: np.ndarray, subsampling: int = 2) -> YCbCr:
    """A picture whose planes are the channels; its colors do not matter."""
    y, cb, cr = (np.ascontiguousarray(pixels[..., channel]) for channel in range(3))
    return YCbCr((y, cb[::subsampling, ::subsampling], cr[::subsampling, ::subsampling]), TAGS)


def videos(pictures: list[np.ndarray]) -> Iterator[Frame]:
    for index, pixels in enumerate(pictures):
        yield on_device(Frame(planes(pixels), index, TICK, 1, reset=index == 0))


def estimated(frames: Iterator[Frame] | list[Frame], first: int = 0, size: int = 160) -> list[FlowItem]:
    return list(FlowEstimation("dis", size=size, device=CPU)(frames, first))


def test_a_video_on_the_device_moves_as_on_the_host(harbour, monkeypatch, request):
    expected = estimated(harbour)
    fake: FakeDevice = request.getfixturevalue("fake_device")
    actual = estimated([on_device(frame) for frame in harbour])
    assert [item.item.pts for item in actual] == [item.item.pts for item in expected]
    assert expected[0].motion is actual[0].motion is None and expected[-1].next_frame is None
    for ours, theirs in zip(actual[1:], expected[1:], strict=True):
        assert (ours.next_frame is None) == (theirs.next_frame is None)
        for one, other in (
            (ours.motion, theirs.motion),
            (ours.forward_motion, theirs.forward_motion),
            (ours.next_motion, theirs.next_motion),
        ):
            assert (one is None) == (other is None)
            if one is not None:
                # Gray levels differ by one at some pixels; that moves a patch with little texture.
                assert (one.flow - other.flow).abs().median() < 0.01
                assert ((one.flow - other.flow).abs() > 0.25).float().mean() < 0.02
                assert (one.confidence - other.confidence).abs().mean() < 0.02
    assert len(fake.graphs) == 2, "one reduces, one compares"
    assert fake.replays == FRAMES - WARM_UP + FRAMES - 1 - WARM_UP


@pytest.mark.parametrize("subsampling", [1, 2])
@pytest.mark.parametrize("size", [(240, 320), (241, 319)])
@pytest.mark.parametrize("longer", [100, 250, 400])
def test_pictures_are_reduced_as_on_the_host(size, subsampling, longer, request):
    picture = planes(texture(0, 300, 420)[: size[0], : size[1]], subsampling)
    expected = FlowEstimation("dis", size=longer).reduced(picture)
    request.getfixturevalue("fake_device")
    actual = FlowEstimation("dis", size=longer).reduced(YCbCr(each(torch.from_numpy, picture.planes), TAGS))
    assert actual.shape == expected.shape == size and isinstance(actual.pixels, torch.Tensor)
    assert actual.pixels.dtype == torch.uint8 and actual.pixels.shape == expected.pixels.shape
    difference = np.abs(actual.pixels.numpy().astype(int) - expected.pixels)
    # Where a chroma value is rounded to the other side, blue changes by two.
    assert difference.max() <= 3 and difference.mean() < 0.2


def test_frames_in_main_memory_are_compared_on_the_device_too(fake_device: FakeDevice):
    pictures = [Frame(pixels, index, TICK, 1, reset=index == 0) for index, pixels in enumerate(pan(6, 4.0))]
    motions = [item.motion for item in estimated(pictures, size=320)]
    assert motions[0] is None and fake_device.replays == 6 - 1 - WARM_UP
    for motion in motions[1:]:
        assert motion is not None
        wanted = torch.tensor((-4.0, 0.0))[:, None, None]
        assert (motion.flow - wanted)[:, 24:-24, 24:-24].abs().mean() < 0.1
        assert motion.confidence[:, 24:-24, 24:-24].mean() > 0.9


def test_cuts_are_found_on_the_device(fake_device: FakeDevice):
    items = estimated(videos([*pan(6), *pan(5, seed=5), *pan(5, seed=1)]), size=320)
    assert [index for index, item in enumerate(items) if item.motion is None] == [0, 6, 11]
    assert [index for index, item in enumerate(items) if item.next_frame is None] == [5, 10, 15]


def test_frames_that_are_done_are_not_looked_at_and_the_rest_is_the_same(fake_device: FakeDevice):
    pictures = [*pan(4), *pan(4, seed=5)]
    whole = estimated(videos(pictures))
    for first in range(1, 8):
        for one, other in zip(whole[first:], estimated(videos(pictures), first)[first:], strict=True):
            assert (one.motion is None) == (other.motion is None)
            if one.motion is not None and other.motion is not None:
                assert torch.equal(one.motion.flow, other.motion.flow)
                assert torch.equal(one.motion.confidence, other.motion.confidence)


def test_comparing_frames_waits_for_nothing(harbour, fake_device: FakeDevice):
    sequence = FlowSequence(FlowEstimation("dis", size=160, device=CPU))
    for index, frame in enumerate(harbour):
        picture = on_device(frame).picture
        if index <= WARM_UP:  # until constants and graphs are there
            sequence.add(picture)
            continue
        with host_access_forbidden():
            pair = sequence.add(picture)
        assert pair.motion is not None and 0.5 < pair.similarity.continuity <= 1


def test_a_decision_is_made_while_the_device_works_on_the_next_frame(harbour, monkeypatch, fake_device):
    started, asked = [], []

    class Noted(Download):
        def array(self) -> np.ndarray:
            asked.append((started.index(self), len(started) - 1))
            return super().array()

    def start(tensor: torch.Tensor) -> Download:
        started.append(Noted(tensor))
        return started[-1]

    monkeypatch.setattr(comparison_torch, "start_download", start)
    taken = [len(started) for _ in FlowEstimation("dis", size=160, device=CPU)(map(on_device, harbour))]
    assert len(started) == FRAMES - 1 and {pair for pair, _ in asked} == set(range(FRAMES - 1))
    last = FRAMES - 2
    assert all(pair < newest for pair, newest in asked if newest < last)
    assert taken == [2, *range(3, FRAMES), FRAMES - 1, FRAMES - 1]


def test_opencv_looks_at_frames_of_a_device_in_main_memory(harbour, request):
    expected = [item.motion for item in FlowEstimation("fast", device=CPU)(harbour)]
    request.getfixturevalue("fake_device")
    actual = [item.motion for item in FlowEstimation("fast", device=CPU)(map(on_device, harbour))]
    for one, other in zip(actual[1:], expected[1:], strict=True):
        assert torch.equal(one.flow, other.flow) and torch.equal(one.confidence, other.confidence)


def test_auto_is_the_method_that_suits_the_device():
    assert default_flow(CPU) == "fast" and default_flow(torch.device("cuda:1")) == "dis"
    assert default_flow(torch.device("meta")) == "fast"
    assert set(DEFAULTS.values()) <= set(FLOWS)
    pictures = [Frame(pixels, index, TICK, 1, reset=index == 0) for index, pixels in enumerate(pan(3))]
    for one, other in zip(FlowEstimation("auto")(pictures), FlowEstimation("fast")(pictures), strict=True):
        assert one.motion is other.motion is None or torch.equal(one.motion.flow, other.motion.flow)


def test_pictures_of_several_sizes_are_reduced_to_one(fake_device: FakeDevice) -> None:
    comparison = comparison_torch.DeviceComparison(flow_both_ways, CPU)
    small, large = (uploaded_planes(planes(texture(1, height, width)), CPU) for height, width in SIZES)
    assert comparison.reduced(small, *SIZES[0]).shape == (*SIZES[0], 3)
    assert comparison.reduced(large, *SIZES[0]).shape == (*SIZES[0], 3)
