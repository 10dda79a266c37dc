"""What every source, sink and effect promises. A class joins by being in its table, and a maker below.

The tables say what there is; the makers say how to get a small one. A class without a maker fails.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from streamstyle.effects import EFFECTS, EffectContext
from streamstyle.errors import UsageError
from streamstyle.frames import Checkpoint, Frame, Moment, OpticalFlow
from streamstyle.sinks import SINKS
from streamstyle.sinks.memory import MemorySink
from streamstyle.sinks.recording import RecordingSink
from streamstyle.sinks.virtual_camera import VirtualCameraSink
from streamstyle.sinks.window import WindowSink
from streamstyle.sources import SOURCES
from streamstyle.sources.camera import CameraSource
from streamstyle.sources.memory import MemorySource
from streamstyle.sources.repeated import RepeatedSource


def noise(count: int = 1, height: int = 10, width: int = 16) -> np.ndarray:
    return np.random.default_rng(4).integers(0, 256, (count, height, width, 3), np.uint8)


def frames(count: int) -> list[Frame]:
    ticks = Fraction(1, 25)
    return [Frame(pixels, i, ticks, 1, reset=i == 0) for i, pixels in enumerate(noise(count))]


def make_still(kind: type, folder: Path) -> Any:
    Image.fromarray(noise()[0]).save(folder / "a.png")
    return kind(folder / "a.png")


def make_repeated(kind: type, folder: Path) -> Any:
    Image.fromarray(noise()[0]).save(folder / "a.png")
    return kind(folder / "a.png", seconds=0.2)


def make_folder(kind: type, folder: Path) -> Any:
    for number, pixels in enumerate(noise(3)):
        Image.fromarray(pixels[: 10 - number]).save(folder / f"{number}.png")
    return kind(folder)


def make_animation(kind: type, folder: Path) -> Any:
    first, *rest = [Image.fromarray(pixels) for pixels in noise(3)]
    first.save(folder / "a.webp", save_all=True, append_images=rest, duration=[20, 60, 20])
    return kind(folder / "a.webp")


def make_memory(kind: type, folder: Path) -> Any:
    return kind(frames(3))


def make_video(kind: type, folder: Path) -> Any:
    writer = cv2.VideoWriter(str(folder / "a.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 25, (32, 24))
    for pixels in noise(3, 24, 32):
        writer.write(pixels)
    writer.release()
    return kind(str(folder / "a.avi"))


class Few:
    """The first frames of a source that never ends."""

    def __init__(self, source: Any) -> None:
        self.source, self.info = source, source.info

    def __enter__(self) -> "Few":
        self.source.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self.source.__exit__(*exc)

    def __iter__(self) -> Iterator[Frame]:
        return islice(iter(self.source), 3)

    @property
    def lost(self) -> int:
        return int(self.source.lost)


def make_window(kind: type, folder: Path) -> tuple[Any, Path | None]:
    """On machines with a display."""
    try:
        return kind(), None
    except UsageError as error:
        pytest.skip(str(error))


def make_virtual_camera(kind: type, folder: Path) -> tuple[Any, Path | None]:
    """On machines that can be one."""
    try:
        return kind(MemorySource(frames(1)).info), None
    except UsageError as error:
        pytest.skip(str(error))


SOURCE_MAKERS: dict[str, Callable[[type, Path], Any]] = {
    "RepeatedSource": make_repeated,
    "StillSource": make_still,
    "FolderSource": make_folder,
    "AnimationSource": make_animation,
    "MemorySource": make_memory,
    "VideoSource": make_video,
    "CameraSource": lambda kind, folder: Few(kind("testsrc", size=(32, 24), fps=200)),
}
# Each gives the sink and the name under which its output is to appear, None where it has no one name.
SINK_MAKERS: dict[str, Callable[[type, Path], tuple[Any, Path | None]]] = {
    "StillSink": lambda kind, folder: (kind(folder / "a.png"), folder / "a.png"),
    "FolderSink": lambda kind, folder: (kind(folder / "pictures"), None),
    "MemorySink": lambda kind, folder: (kind(), None),
    "PipeSink": lambda kind, folder: (kind("-", MemorySource(frames(1)).info), None),
    "VideoSink": lambda kind, folder: (
        kind(folder / "a.mp4", MemorySource(frames(1)).info),
        folder / "a.mp4",
    ),
    "RecordingSink": lambda kind, folder: (
        kind(folder / "a.mp4", MemorySource(frames(1)).info),
        folder / "a.mp4",
    ),
    "WindowSink": make_window,
    "VirtualCameraSink": make_virtual_camera,
}


def make_stylize(kind: type, folder: Path, device: str) -> Any:
    from streamstyle.networks import StyleNet
    from streamstyle.styles import save_style

    path = folder / "random.safetensors"
    if not path.exists():
        save_style(path, StyleNet(), {})
    return kind(style=str(path), stroke_size=2, keep_colors=0.5, steady=0.8, device=device)


def make_dream(kind: type, folder: Path, device: str) -> Any:
    return kind(layer="pattern", octaves=1, steps=2, device=device)


def make_zoom(kind: type, folder: Path, device: str) -> Any:
    look = {"layer": "pattern", "octaves": 1, "steps": 2, "device": device}
    return kind(**look, speed=1.3, rotate=30, pan=(0.2, 0), dreams=20, loop=True, seconds=0.4)


def make_transfer(kind: type, folder: Path, device: str) -> Any:
    Image.fromarray(noise(1, 128, 128)[0]).save(folder / "painting.png")
    return kind(style=str(folder / "painting.png"), scales=1, steps=3, later_steps=2, device=device)


# Small settings; an effect that is not named here is tried with its defaults.
EFFECT_SETTINGS: dict[str, Callable[[type, Path, str], Any]] = {
    "stylize": make_stylize,
    "dream": make_dream,
    "zoom": make_zoom,
    "transfer": make_transfer,
}


def made(makers: dict[str, Any], kind: Any, *context: Any) -> Any:
    """One of that kind, from its maker."""
    if kind.__name__ not in makers:
        pytest.fail(
            f"tests/test_contracts.py has no maker for {kind.__name__}: add one, it joins the contract"
        )
    return makers[kind.__name__](kind, *context)


@pytest.fixture(params=[*SOURCES.values(), MemorySource, RepeatedSource, CameraSource])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    with made(SOURCE_MAKERS, request.param, tmp_path) as opened:
        yield opened


@pytest.fixture(params=[*SINKS.values(), MemorySink, RecordingSink, WindowSink, VirtualCameraSink])
def sink_and_name(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Any, Path | None]:
    sink: tuple[Any, Path | None] = made(SINK_MAKERS, request.param, tmp_path)
    return sink


@pytest.fixture(params=[(name, part) for name in EFFECTS for part in ("build", "compose")], ids="-".join)
def effects(request: pytest.FixtureRequest, tmp_path: Path, device: str) -> Callable[[], Any]:
    """A function that makes equal effects, each as if the program had just started."""
    name, part = request.param
    settings = EFFECT_SETTINGS.get(name, lambda kind, *_: kind(device=device))(
        EFFECTS[name], tmp_path, device
    )

    def make() -> Any:
        context = EffectContext("video", settings.keyframes(), torch.device(device), ExitStack())
        return getattr(settings, part)(context)

    return make


def test_a_class_without_a_maker_fails():
    with pytest.raises(pytest.fail.Exception, match="no maker for Fraction"):
        made(SOURCE_MAKERS, Fraction)


def test_source_gives_upright_rgb_bytes_at_increasing_times(source):
    given = [item for item in source if isinstance(item, Frame)]
    assert given
    for frame in given:
        assert frame.pixels.dtype == np.uint8
        assert frame.pixels.ndim == 3 and frame.pixels.shape[2] == 3
        assert frame.pixels.flags.c_contiguous
        assert frame.time_base == source.info.time_base
        assert frame.alpha is None or frame.alpha.shape == frame.pixels.shape[:2]
    times = [frame.pts for frame in given]
    assert times == sorted(set(times))


def test_source_begins_with_a_reset_and_conceals_nothing_of_an_intact_input(source):
    given = [item for item in source if isinstance(item, Frame)]
    assert given[0].reset
    assert not any(frame.concealed for frame in given)
    assert source.lost == 0


def test_source_info_is_available_early_and_correct(source):
    info = source.info
    first = next(item for item in source if isinstance(item, Frame))
    assert first.pixels.shape == (info.height, info.width, 3)
    assert info.has_alpha == (first.alpha is not None)
    assert info.kind in ("video", "still", "folder")
    assert info.name


def test_sink_closed_twice_is_complete_once(sink_and_name):
    sink, name = sink_and_name
    with sink:
        sink.write(frames(1)[0])
        assert name is None or not name.exists()
    content = name.read_bytes() if name else b"none"
    assert content
    sink.close()
    assert name is None or name.read_bytes() == content


def test_sink_leaves_no_name_after_an_exception(sink_and_name):
    sink, name = sink_and_name
    with pytest.raises(RuntimeError, match="power"), sink:
        sink.write(frames(1)[0])
        raise RuntimeError("power")
    sink.abort()
    sink.close()
    assert name is None or not name.exists()


def test_sink_takes_the_checkpoints_it_asks_for_and_others(sink_and_name):
    sink, _ = sink_and_name
    assert sink.checkpoint_seconds is None or sink.checkpoint_seconds > 0
    with sink:
        sink.write(frames(1)[0])
        sink.write(Checkpoint({"phase": 0.5}))


def image(number: int, height: int, width: int, device: str) -> Any:
    """(3, H, W) float in [0, 1], another for each number."""
    import torch

    pixels = torch.rand(3, height, width, generator=torch.Generator().manual_seed(number))
    return pixels.to(device)


def moment(number: int, size: tuple[int, int], device: str, cut: bool = False) -> Moment:
    """With a backward flow of half a pixel, at a smaller size."""
    import torch

    if cut:
        return Moment(number, number / 25, cut)
    height, width = ((side + 1) // 2 for side in size)
    flow = torch.full((2, height, width), 0.25, device=device)
    confidence = (torch.arange(width, device=device) > 0).float().expand(1, height, width)
    return Moment(number, number / 25, cut, OpticalFlow(flow, confidence))


def play(effect: Any, numbers: range, device: str, size: tuple[int, int] = (24, 32)) -> Any:
    """What the effect makes of the last of these images, after all the others."""
    for number in numbers:
        given = image(number, *size, device)
        result = effect(given, moment(number, size, device, cut=number == numbers.start))
    return result


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 3), (17, 33), (24, 32)])
def test_effect_keeps_size_kind_and_range(effects, device, size):
    import torch

    effect, given = effects(), image(1, *size, device)
    effect(image(0, *size, device), moment(0, size, device, cut=True))
    result = effect(given.clone(), moment(1, size, device))
    assert result.shape == given.shape
    assert result.dtype == given.dtype
    assert result.device.type == device
    assert torch.isfinite(result).all()
    assert result.min() >= 0 and result.max() <= 1


def test_effect_does_not_modify_its_input(effects, device):
    effect, pictures = effects(), [image(number, 24, 32, device) for number in range(2)]
    kept = [given.clone() for given in pictures]
    for number, given in enumerate(pictures):
        effect(given, moment(number, (24, 32), device, cut=number == 0))
    assert all((given == before).all() for given, before in zip(pictures, kept, strict=True))


def test_reset_discards_the_state_of_an_effect(effects, device):
    """After other images and a reset it does what a new one does, bit for bit."""
    used = effects()
    play(used, range(5, 8), device)
    used.reset()
    assert (play(used, range(2), device) == play(effects(), range(2), device)).all()


def test_a_restored_effect_continues_exactly(effects, device):
    whole, before, after = effects(), effects(), effects()
    play(before, range(3), device)
    state = before.state()
    play(before, range(3, 4), device)  # the state is that of its moment, not a window on the effect
    after.restore(state)
    expected = play(whole, range(4), device)
    given = image(3, 24, 32, device)
    assert (after(given, moment(3, (24, 32), device)) == expected).all()
