"""Videos on a device: the same result as on the host, from graphs, and without waiting for the device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from streamstyle.effects import RenderSettings, StylizeSettings
from streamstyle.effects.composite import Composite
from streamstyle.frames import Frame
from streamstyle.jobs.build import open_effect, open_flow
from streamstyle.optical_flow import FlowItem
from streamstyle.pictures import YCbCr
from streamstyle.pipeline import Step, run
from streamstyle.sinks.memory import MemorySink
from streamstyle.sources.options import ReadOptions
from streamstyle.sources.video import VideoSource
from tests.device_fakes import FakeDevice, host_access_forbidden, use_fake_device

HARBOUR = str(Path(__file__).parents[1] / "samples/harbour.mp4")
CPU = torch.device("cpu")
FRAMES = 10  # more than are needed until graphs are captured


@pytest.fixture
def source() -> Iterator[VideoSource]:
    with VideoSource(HARBOUR, ReadOptions(max_size=192, length=FRAMES / 24)) as source:
        yield source


def rendered(source: VideoSource, settings: RenderSettings) -> list[np.ndarray]:
    sink = MemorySink()
    with open_effect(settings, "video") as effect:
        run(source, effect, [sink], motion=open_flow(settings, "video"), device="cpu")
    return [frame.pixels.astype(int) for frame in sink.frames]


def settings(**changed: object) -> StylizeSettings:
    return StylizeSettings(style="ink", runner="torch", device="cpu", **changed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("chosen", "difference"),
    [
        ({"steady": 0}, 1.0),
        ({}, 2.0),
        ({"steady": 0, "stroke_size": 2.0}, 1.0),
        ({"keep_colors": 0.5, "stroke_size": 2.0}, 2.0),
        ({"strength": 0.5}, 2.0),
        ({"style": "0.5*ink+0.5*udnie"}, 2.0),
    ],
)
def test_a_device_gives_the_same_video(
    chosen: dict[str, object], difference: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ReadOptions(max_size=192, length=FRAMES / 24)
    wanted = settings().model_copy(update=chosen)
    with VideoSource(HARBOUR, options) as source:
        expected = rendered(source, wanted)
    fake = use_fake_device(monkeypatch)
    with VideoSource(HARBOUR, options) as source:
        actual = rendered(source, wanted)
    assert len(actual) == len(expected) == FRAMES
    means = [float(np.abs(a - b).mean()) for a, b in zip(actual, expected, strict=True)]
    assert max(means) < difference, means
    assert fake.replays >= 3 * (FRAMES - 6)  # reduced, stylized, repainted


@pytest.mark.parametrize("every", [1, 2])
def test_nothing_in_a_frame_waits_for_the_device(
    every: int, source: VideoSource, fake_device: FakeDevice
) -> None:
    wanted = settings(keep_colors=0.3, flow="dis", every=every)
    motion = open_flow(wanted, "video")
    assert motion is not None
    with open_effect(wanted, "video") as effect:
        assert isinstance(effect, Composite)
        effect.bars = "none"  # they are looked for on the host, see below
        step = Step(effect, CPU)
        items = [item for item in motion(map(step.uploaded, frames_of(source))) if item.motion is not None]
        assert len(items) > 6
        for number, item in enumerate(items):
            if number < 4:  # memory for constants and graphs is being filled
                started(step, item)
                continue
            with host_access_forbidden():
                finish = started(step, item)
            result = finish()
            assert isinstance(result, YCbCr) and isinstance(result.luma, np.ndarray)


def frames_of(source: VideoSource) -> Iterator[Frame]:
    return (item for item in source if isinstance(item, Frame))


def started(step: Step, item: FlowItem) -> Callable[[], object]:
    assert isinstance(item.item, Frame)
    return step.start(
        item.item.picture,
        item.item.seconds,
        motion=item.motion,
        next_frame=item.next_frame,
        forward_motion=item.forward_motion,
        next_motion=item.next_motion,
    )


def test_an_unchanged_frame_is_the_decoded_one(source: VideoSource, fake_device: FakeDevice) -> None:
    with open_effect(settings().model_copy(update={"style": "none"}), "video") as effect:
        step = Step(effect, CPU)
        for frame in frames_of(source):
            on_device = step.uploaded(frame)
            assert on_device.picture is not frame.picture
            assert step(on_device.picture, frame.seconds) is frame.picture


def test_bars_are_looked_for_on_the_host(source: VideoSource, fake_device: FakeDevice) -> None:
    with open_effect(settings(), "video") as effect:
        picture = Step(effect, CPU).uploaded(next(frames_of(source))).picture
        assert isinstance(picture, YCbCr) and isinstance(picture.luma, torch.Tensor)
        assert isinstance(picture.sampled(slice(0, 4), slice(None)), np.ndarray)
