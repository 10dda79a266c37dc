"""Runners of style networks: the same images as by PyTorch, and when they are used."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from typer.testing import CliRunner

from streamstyle import inference
from streamstyle.apps.cli import app
from streamstyle.apps.live.settings import LiveSettings
from streamstyle.apps.live.setup import chosen_effect
from streamstyle.effects import EffectContext, StylizeSettings
from streamstyle.effects.stylize.effect import Style
from streamstyle.errors import Interrupted, UsageError
from streamstyle.frames import Moment
from streamstyle.inference import NETWORK_RUNNERS, CompiledNetworks, described, find_network_runner
from streamstyle.inference.compiled_networks import MOST_KEPT, PATIENCE
from streamstyle.inference.network_runner import Compiled, runtime_errors
from streamstyle.jobs import render as jobs, resume_record
from streamstyle.jobs.render import render, resume
from streamstyle.keyframes import keyframes_of
from streamstyle.networks import Johnson, StyleNet, StyleNetwork
from streamstyle.styles import load_style, save_style
from streamstyle.video.job_folder import MANIFEST
from tests.videos import make_video

CPU, MOMENT = torch.device("cpu"), Moment(index=0, seconds=0.0)
ROOT = Path(__file__).parents[1]


def picture(height: int, width: int) -> Tensor:
    """(3, H, W) of the sample image, in channels-last memory."""
    with Image.open(ROOT / "samples" / "lighthouse.png") as image:
        pixels = np.array(image.convert("RGB").resize((width, height)))
    return torch.from_numpy(pixels).permute(2, 0, 1).float().div(255)


class Recording:
    """A runner whose networks paint everything in one gray; notes what it compiles."""

    packages = ("torch",)

    def __init__(self) -> None:
        self.compiled: list[tuple[int, int, int]] = []
        self.error: Exception | None = None

    def accepts(self, network: StyleNetwork) -> bool:
        return isinstance(network, StyleNet)

    def compile(self, network: StyleNetwork, height: int, width: int, threads: int) -> Compiled:
        self.compiled.append((height, width, threads))
        if self.error is not None:
            raise self.error
        gray = float(network.state_dict()["enter.bias"].sum())  # tells weights apart
        return lambda image: torch.full_like(image, gray)


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recording]:
    runner = Recording()
    monkeypatch.setitem(NETWORK_RUNNERS, "recording", runner)
    return runner


def is_flat(image: Tensor) -> bool:
    """Whether the image comes from a network that `Recording` has compiled."""
    return bool((image == image[0, 0, 0]).all())


@pytest.mark.parametrize("runner", NETWORK_RUNNERS)
@pytest.mark.parametrize("size", [(480, 640), (37, 50)])
@pytest.mark.parametrize("style", ["starry_night", "ink"])
def test_a_runner_paints_what_pytorch_paints(runner: str, size: tuple[int, int], style: str) -> None:
    """The runners add in other orders; a thousandth is a quarter of a step of 8 bits."""
    image = picture(*size)
    expected = Style(style, device="cpu")(image, MOMENT)
    effect = Style(style, device="cpu", runner=runner)
    result = effect(image, MOMENT)
    assert effect.families[0].compiled is not None
    assert not torch.equal(result, expected)  # it was not PyTorch
    torch.testing.assert_close(result, expected, atol=1e-3, rtol=0)
    assert torch.equal(effect(image, MOMENT), result)


def test_openvino_keeps_the_memory_order_and_the_image() -> None:
    network = load_style("ink").network
    image = picture(64, 96)[None]
    before = image.clone()
    run = NETWORK_RUNNERS["openvino"].compile(network, 64, 96, 1)
    first = run(image)
    kept = first.clone()
    assert first.is_contiguous(memory_format=torch.channels_last)
    run(1 - image)
    assert torch.equal(first, kept)
    assert torch.equal(image, before)


def test_a_flat_image_stays_flat_in_openvino() -> None:
    result = Style(device="cpu", runner="openvino")(torch.full((3, 96, 96), 0.4), MOMENT)
    assert result.std(dim=(1, 2)).max() < 1e-3


def test_auto_takes_openvino_where_it_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference.platform, "machine", lambda: "x86_64")
    assert find_network_runner("auto", CPU) is NETWORK_RUNNERS["openvino"]
    assert find_network_runner("torch", CPU) is None
    assert find_network_runner("openvino", torch.device("cuda", 0)) is None
    monkeypatch.setattr(inference.platform, "machine", lambda: "arm64")
    assert find_network_runner("auto", CPU) is None


def test_a_missing_package_is_named_or_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(inference.importlib.util, "find_spec", lambda name: None)
    assert find_network_runner("auto", CPU) is None
    with pytest.raises(UsageError, match="runner openvino: needs openvino: pip install openvino"):
        find_network_runner("openvino", CPU)


def test_an_unknown_runner_is_refused() -> None:
    with pytest.raises(UsageError, match="runner tvm: expected auto, torch, openvino or onnxruntime"):
        find_network_runner("tvm", CPU)


@pytest.mark.parametrize(("kind", "runs"), [("still", False), ("folder", True), ("video", True)])
def test_by_default_a_single_image_is_not_worth_compiling(
    monkeypatch: pytest.MonkeyPatch, kind: str, runs: bool
) -> None:
    monkeypatch.setattr(inference.platform, "machine", lambda: "x86_64")
    settings = StylizeSettings()
    style = settings.networks(EffectContext(kind, settings.keyframes(), CPU, ExitStack()))
    assert (style.families[0].compiled is not None) == runs


def test_only_weights_that_last_are_compiled(recording: Recording) -> None:
    """From 1 s to 2 s the strength changes; 0.25 s before it does, PyTorch takes over."""
    keyframes = keyframes_of("ink", at=["1s=strength:0.5"])
    style, image = Style(keyframes, device="cpu", runner="recording"), picture(32, 48)
    compiled = {
        seconds: is_flat(style(image, Moment(0, seconds))) for seconds in (0.0, 0.7, 0.8, 1.5, 1.99, 2.0, 9.0)
    }
    assert [seconds for seconds, flat in compiled.items() if flat] == [0.0, 0.7]
    assert recording.compiled == [(32, 48, torch.get_num_threads())] * 2


def test_a_frame_depends_on_its_time_alone(recording: Recording) -> None:
    """As a resumed render starts anywhere."""
    keyframes = keyframes_of("ink", at=["1s=strength:0.5", "3s=strength:1"])
    image, times = picture(32, 48), [0.0, 0.9, 1.5, 2.2, 2.9, 3.5, 4.0, 5.0]

    def at(style: Style, seconds: float) -> Tensor:
        return style(image, Moment(0, seconds))

    style = Style(keyframes, device="cpu", runner="recording")
    forwards = [at(style, seconds) for seconds in times]
    backwards = [at(style, seconds) for seconds in reversed(times)]
    alone = [at(Style(keyframes, device="cpu", runner="recording"), seconds) for seconds in times]
    for a, b, c in zip(forwards, reversed(backwards), alone, strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a, c)


def test_a_mixture_of_pictures_needs_each_network_once(recording: Recording) -> None:
    """The networks themselves do not change while one style fades into another."""
    style = Style(keyframes_of("ink", at=["1s=udnie"]), device="cpu", runner="recording")
    for seconds in (0.0, 0.9, 1.2, 1.5, 1.9, 3.0):
        style(picture(32, 48), Moment(0, seconds))
    assert len(recording.compiled) == 2


def test_strips_and_smoothed_statistics_and_other_networks_are_left_to_pytorch(
    recording: Recording, tmp_path: Path
) -> None:
    save_style(tmp_path / "other.safetensors", Johnson(width=4, blocks=1), {})
    image = picture(64, 48)
    Style("ink", device="cpu", runner="recording", rows=64)(image, MOMENT)
    Style("ink", device="cpu", runner="recording", inertia=0.5)(image, MOMENT)
    Style(tmp_path / "other.safetensors", device="cpu", runner="recording")(image, MOMENT)
    assert not recording.compiled


def test_too_little_memory_to_compile_makes_strips(recording: Recording) -> None:
    recording.error = MemoryError()
    style = Style("ink", device="cpu", runner="recording")
    for _ in range(2):
        assert not is_flat(style(picture(400, 40), MOMENT))
    assert style.rows == 200
    assert len(recording.compiled) == 1


@pytest.mark.parametrize("error", [RuntimeError, ImportError])
def test_a_runner_that_fails_is_replaced(
    recording: Recording, caplog: pytest.LogCaptureFixture, error: type[Exception]
) -> None:
    recording.error = error("no such instruction\nat line 3")
    style = Style("ink", device="cpu", runner="recording")
    for _ in range(2):
        assert not is_flat(style(picture(32, 48), MOMENT))
    assert [record.getMessage() for record in caplog.records] == [
        "torch failed, PyTorch runs the style network: no such instruction"
    ]
    assert len(recording.compiled) == 1


def test_the_networks_used_last_are_kept() -> None:
    recording, network = Recording(), load_style("ink").network
    networks = CompiledNetworks(recording)
    for width in [8 * number for number in range(2, MOST_KEPT + 2)]:
        networks.find(network, "ink", 16, width)
        networks.find(network, "ink", 16, 16)
    networks.find(network, "ink", 16, 8 * (MOST_KEPT + 2))
    assert len(recording.compiled) == MOST_KEPT + 1
    networks.find(network, "ink", 16, 16)
    assert len(recording.compiled) == MOST_KEPT + 1
    networks.find(network, "ink", 16, 24)  # the one that made room
    assert len(recording.compiled) == MOST_KEPT + 2


def test_live_nothing_waits_for_the_compilation(recording: Recording) -> None:
    """It starts once the same network was asked for a few times, from the weights of that moment."""
    style, image = Style("ink", device="cpu", runner="recording", live=True), picture(32, 48)
    (family,) = style.families
    gray = float(family.network.state_dict()["enter.bias"].sum())
    seen = [is_flat(style(image, MOMENT)) for _ in range(PATIENCE)]
    assert not any(seen)
    assert family.compiled is not None
    assert family.compiled._pending is not None
    family.compiled._pending[1].result()
    result = style(image, MOMENT)
    assert result.unique().item() == pytest.approx(gray)
    assert len(recording.compiled) == 1


def test_live_a_runner_that_fails_is_replaced(recording: Recording, caplog: pytest.LogCaptureFixture) -> None:
    recording.error = MemoryError()
    networks, network = CompiledNetworks(recording, in_background=True), load_style("ink").network
    for _ in range(PATIENCE):
        assert networks.find(network, "ink", 16, 16) is None
    assert networks._pending is not None
    networks._pending[1].exception()
    assert networks.find(network, "ink", 16, 16) is None
    assert networks._pending is None
    assert "not enough memory" in caplog.text


@pytest.mark.parametrize("text", ["std::bad_alloc", "Failed to allocate 8 bytes", "failed to map segment"])
def test_missing_memory_is_recognized(text: str) -> None:
    with pytest.raises(MemoryError), runtime_errors():
        raise RuntimeError(text)
    with pytest.raises(RuntimeError, match="another"), runtime_errors():
        raise ValueError("another")
    with pytest.raises(Interrupted), runtime_errors():  # Ctrl-C while the network runs
        raise Interrupted("stopped by SIGINT")


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
def test_openvino_without_memory_raises_memory_error() -> None:
    code = """
import resource
from streamstyle.inference import NETWORK_RUNNERS
from streamstyle.networks import StyleNet
network, runner = StyleNet(), NETWORK_RUNNERS["openvino"]
runner.compile(network, 16, 16, 1)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 300 * 2**20,) * 2)
try:
    runner.compile(network, 2048, 2048, 1)
except MemoryError:
    raise SystemExit(42)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 42, done.stderr


def test_the_description_names_runner_version_and_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(inference.platform, "machine", lambda: "x86_64")
    threads = torch.get_num_threads()
    assert described("torch", CPU).startswith(f"torch {torch.__version__.partition('+')[0]}")
    assert f" on AVX512, oneDNN AVX2, {threads} thread" in described("openvino", CPU)
    assert described("auto", CPU).startswith("openvino 20")


def test_a_resumed_render_says_if_it_is_computed_by_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    make_video(tmp_path / "in.mp4", 3)
    settings = StylizeSettings(style="ink", preset="ultrafast", device="cpu", max_size=32)
    for now in ("openvino 2026.4.1 on AVX512, 2 threads", "torch 2.14.0 on AVX2, 2 threads"):
        with monkeypatch.context() as patch:
            patch.setattr(resume_record, "described", lambda *_: "openvino 2026.4.1 on AVX512, 2 threads")
            patch.setattr(jobs, "finish", lambda *_: (_ for _ in ()).throw(Interrupted("stopped")))
            with pytest.raises(Interrupted):
                render(tmp_path / "in.mp4", tmp_path / "out.mp4", settings, overwrite=True)
        monkeypatch.setattr(resume_record, "described", lambda *_, now=now: now)
        resume(tmp_path / "out.mp4")
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        f"{tmp_path / 'out.mp4'}: was started with openvino 2026.4.1 on AVX512, 2 threads, goes on with "
        "torch 2.14.0 on AVX2, 2 threads: later frames may differ by a rounding"
    ]


def test_the_real_record_names_the_runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_video(tmp_path / "in.mp4", 3)
    settings = StylizeSettings(style="ink", runner="torch", preset="ultrafast", device="cpu", max_size=32)
    monkeypatch.setattr(jobs, "finish", lambda *_: (_ for _ in ()).throw(Interrupted("stopped")))
    with pytest.raises(Interrupted):
        render(tmp_path / "in.mp4", tmp_path / "out.mp4", settings)
    first, _, _ = (tmp_path / "out.mp4.part" / MANIFEST).read_text().partition("\n")
    assert json.loads(first)["computed_by"].startswith("torch 2.")


def test_one_line_in_the_table_makes_a_runner_an_option(recording: Recording, tmp_path: Path) -> None:
    arguments = ["stylize", str(ROOT / "samples" / "lighthouse.png"), str(tmp_path / "out.png")]
    result = CliRunner().invoke(app, [*arguments, "--max-size", "64", "--runner", "recording", "-q"])
    assert result.exit_code == 0, result.output
    assert len(recording.compiled) == 1


def test_an_unknown_runner_is_refused_on_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMSTYLE_RUNNER", "openvin")
    for command in (["stylize", "in.mp4", "out.mp4"], ["live", "--no-window"]):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 2
        assert "--runner openvin: expected auto, torch, openvino or onnxruntime (did" in result.stderr


def test_live_sessions_take_the_runner() -> None:
    assert getattr(chosen_effect(LiveSettings(runner="torch")), "runner") == "torch"  # noqa: B009
    assert not hasattr(chosen_effect(LiveSettings(runner="torch", effect="dream")), "runner")


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is forked there")
def test_openvino_reports_its_use_to_nobody() -> None:
    """Its package for that sends a message from a process that it forks, at each import."""
    pytest.importorskip("openvino")
    code = (
        "import sys\n"
        "sys.addaudithook(lambda name, _: print(name) if name in ('os.fork', 'socket.connect') else None)\n"
        "from streamstyle.inference.openvino import _runtime\n"
        "_runtime()\n"
        "import openvino.tools.ovc, time\n"
        "time.sleep(0.5)\n"
        "print('openvino_telemetry.main' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
