"""One line in a table is enough: an effect, source, sink, camera, style network, flow or runner made here is
at once usable from the command line, and in `resume`, `rerun`, previews and live sessions."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from typer.testing import CliRunner, Result

from streamstyle.apps.cli import program
from streamstyle.effects import EFFECTS, EffectContext, RenderSettings, StylizeSettings
from streamstyle.errors import OutputError
from streamstyle.frames import Effect, Frame, Moment, Sink, SinkItem, StreamInfo
from streamstyle.jobs.provenance import settings_of_output
from streamstyle.jobs.render import render, resume
from streamstyle.jobs.runners import RUNNERS, render_here
from streamstyle.jobs.spans import Span, VideoJob
from streamstyle.networks import STYLE_NETWORKS, StyleNetwork
from streamstyle.optical_flow import FLOWS
from streamstyle.optical_flow.estimation import FlowMethod
from streamstyle.options import option
from streamstyle.sinks import SINKS, WriteOptions
from streamstyle.sources import SOURCES, ReadOptions
from streamstyle.sources.camera import CAMERAS
from streamstyle.styles import save_style
from tests.videos import make_video, pictures_of

QUICK = ["--preset", "ultrafast", "--device", "cpu", "-q"]
LIVE = ["live", "--no-window", "--seconds", "1", "--device", "cpu"]


def call(*arguments: object) -> Result:
    return CliRunner().invoke(program(), [str(argument) for argument in arguments])


# --- an effect ----------------------------------------------------------------------------------------------


class Invert:
    """Inverts colors; the amount grows with each frame, so that resuming has something to carry."""

    def __init__(self, amount: float) -> None:
        self.amount, self.frames = amount, 0

    def __call__(self, image: Tensor, moment: Moment) -> Tensor:
        self.frames += 1
        return torch.lerp(image, 1 - image, min(self.amount * self.frames / 100, 1.0))

    def reset(self) -> None:
        self.frames = 0

    def state(self) -> dict[str, Tensor | float | int]:
        return {"frames": self.frames}

    def restore(self, state: Mapping[str, Tensor | float | int]) -> None:
        self.frames = int(state["frames"])


class InvertSettings(RenderSettings):
    SUMMARY: ClassVar[str] = "Invert the colors of a video or image."

    amount: float = option(1.0, "How much to invert.", "Inversion", ge=0, le=1)
    table: str | None = option(None, "A file that decides nothing here.", "Inversion", file=True)

    def needs_flow(self, kind: str) -> bool:
        return False

    def build(self, context: EffectContext) -> Effect:
        return Invert(self.amount)


@pytest.fixture
def invert(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EFFECTS, "invert", InvertSettings)  # the one line


@pytest.mark.usefixtures("invert")
def test_an_effect_is_a_command_with_its_options(tmp_path: Path) -> None:
    video = make_video(tmp_path / "in.mp4", 4)
    told = CliRunner().invoke(program(), ["invert", "--help"], env={"COLUMNS": "120"}).stdout
    assert "Invert the colors" in told and "--amount" in told and "(0 to 1) [default: 1]" in told
    done = call("invert", video, tmp_path / "out.mp4", "--amount", "0.5", *QUICK)
    assert done.exit_code == 0, done.stderr
    refused = call("invert", video, tmp_path / "b.mp4", "--amount", "2", *QUICK)
    assert refused.exit_code == 2 and "--amount 2: expected 0 to 1" in refused.stderr
    (tmp_path / "half.toml").write_text("amount = 0.5\n")
    preset = call("invert", video, tmp_path / "preset.mp4", "--config", tmp_path / "half.toml", *QUICK)
    assert preset.exit_code == 0, preset.stderr
    for a, b in zip(pictures_of(tmp_path / "out.mp4"), pictures_of(tmp_path / "preset.mp4"), strict=True):
        assert (a == b).all()


@pytest.mark.usefixtures("invert")
def test_an_effect_can_be_rerun_previewed_and_shown_live(tmp_path: Path) -> None:
    Image.fromarray(np.full((24, 32, 3), 200, np.uint8)).save(tmp_path / "in.png")
    assert call("invert", tmp_path / "in.png", tmp_path / "a.png", "--amount", "0.5", "-q").exit_code == 0
    assert settings_of_output(tmp_path / "a.png") == InvertSettings(amount=0.5)
    assert call("rerun", tmp_path / "a.png", tmp_path / "in.png", tmp_path / "b.png", "-q").exit_code == 0
    assert (np.array(Image.open(tmp_path / "a.png")) == np.array(Image.open(tmp_path / "b.png"))).all()
    video = make_video(tmp_path / "in.mp4", 12)
    sheet = call("invert", video, tmp_path / "sheet.png", "--preview", "3", *QUICK)
    assert sheet.exit_code == 0 and (tmp_path / "sheet.png").exists(), sheet.stderr
    live = [*LIVE, "--camera", "testsrc", "--size", "64x48"]
    shown = call(*live, "--effect", "invert", "--record", tmp_path / "live.mp4")
    assert shown.exit_code == 0, shown.stderr
    assert len(pictures_of(tmp_path / "live.mp4")) > 1


@pytest.mark.usefixtures("invert")
def test_an_interrupted_render_of_an_effect_resumes_to_the_bit(tmp_path: Path) -> None:
    video = make_video(tmp_path / "in.mp4", 250)
    (tmp_path / "table").write_text("1")
    settings = InvertSettings(preset="ultrafast", device="cpu", table=str(tmp_path / "table"))
    render(video, tmp_path / "whole.mp4", settings)
    stop_at(tmp_path / "broken.mp4", video, settings, 230)
    (tmp_path / "table").write_text("2")
    refused = call("resume", tmp_path / "broken.mp4")
    assert refused.exit_code == 2 and "table: has changed" in refused.stderr, "files that decide are hashed"
    (tmp_path / "table").write_text("1")
    assert call("resume", tmp_path / "broken.mp4", "-q").exit_code == 0
    for a, b in zip(pictures_of(tmp_path / "whole.mp4"), pictures_of(tmp_path / "broken.mp4"), strict=True):
        assert (a == b).all()


def stop_at(output: Path, source: Path, settings: RenderSettings, frame: int) -> None:
    """Begin a render and lose it at a frame."""

    class Stop(Exception):
        pass

    def stop(progress: Any) -> None:
        if progress.frames >= frame:
            raise Stop

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stop):
        patch.setattr("streamstyle.pipeline._REPORT_SECONDS", 0.0)
        render(source, output, settings, on_progress=stop)


# --- a source, a camera, a sink -----------------------------------------------------------------------------


class Gray:
    """`gray:N`: N gray frames of 32x24."""

    def __init__(self, count: int) -> None:
        self.lost, self.count = 0, count
        self.info = StreamInfo(
            f"gray:{count}", "video", 32, 24, Fraction(1, 25), Fraction(25), frames=count, replayable=True
        )

    @classmethod
    def accepts(cls, name: str) -> bool:
        return name.startswith("gray:")

    @classmethod
    def open(cls, name: str, options: ReadOptions) -> Self:
        return cls(int(name.partition(":")[2]))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def __iter__(self) -> Iterator[Frame]:
        for number in range(self.count):
            yield Frame(np.full((24, 32, 3), number, np.uint8), number, Fraction(1, 25), 1, reset=number == 0)


def test_a_source_is_read_by_every_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SOURCES, "gray", Gray)  # the one line
    done = call("stylize", "gray:150", tmp_path / "a.mp4", "--style", "none", *QUICK)
    assert done.exit_code == 0 and len(pictures_of(tmp_path / "a.mp4")) == 150, done.stderr
    sheet = call("stylize", "gray:5", tmp_path / "a.png", "--style", "none", "--preview", "2", *QUICK)
    assert sheet.exit_code == 0, sheet.stderr
    assert call("rerun", tmp_path / "a.mp4", "gray:3", tmp_path / "b.mp4", "-q").exit_code == 0
    settings = StylizeSettings(style="none", preset="ultrafast", device="cpu")
    stop_at(tmp_path / "c.mp4", Path("gray:150"), settings, 140)
    assert resume(tmp_path / "c.mp4").frames_out == 150
    live = [*LIVE, "--camera", "gray:9", "--style", "none"]
    shown = call(*live, "--record", tmp_path / "live.mp4")
    assert shown.exit_code == 0 and len(pictures_of(tmp_path / "live.mp4")) > 0, shown.stderr


def test_a_camera_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Dark:
        width, height, rate, freezes, waits = 32, 24, Fraction(100), False, True

        def __init__(self, name: str, size: tuple[int, int] | None, fps: float | None) -> None:
            self.left = 20

        @classmethod
        def accepts(cls, name: str) -> bool:
            return name == "dark"

        def __iter__(self) -> Iterator[np.ndarray]:
            while True:
                time.sleep(float(1 / self.rate))  # a camera that spins would keep others from the lock
                yield np.random.default_rng(0).integers(0, 9, (24, 32, 3), np.uint8)

        def close(self) -> None:
            pass

    monkeypatch.setitem(CAMERAS, "dark", Dark)  # the one line
    live = [*LIVE, "--camera", "dark", "--style", "none"]
    shown = call(*live, "--record", tmp_path / "live.mkv")
    assert shown.exit_code == 0 and len(pictures_of(tmp_path / "live.mkv")) > 0, shown.stderr


class Brightness(Sink):
    """`NAME.bright`: the mean of each frame, as JSON."""

    LIVE: ClassVar[bool] = True

    def __init__(self, path: Path, overwrite: bool) -> None:
        if path.exists() and not overwrite:
            raise OutputError(f"{path}: exists")
        self.path, self.means = path, list[float]()

    @classmethod
    def accepts(cls, name: str) -> bool:
        return name.endswith(".bright")

    @classmethod
    def open(cls, name: str, info: StreamInfo, options: WriteOptions) -> Self:
        return cls(Path(name), options.overwrite)

    def write(self, item: SinkItem) -> None:
        if isinstance(item, Frame):
            self.means.append(float(item.pixels.mean()))

    def close(self) -> None:
        self.path.write_text(json.dumps(self.means))

    def abort(self) -> None:
        pass


def test_a_sink_is_written_by_every_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SINKS, "brightness", Brightness)  # the one line
    video = make_video(tmp_path / "in.mp4", 5)
    done = call("stylize", video, tmp_path / "a.bright", "--style", "none", *QUICK)
    assert done.exit_code == 0, done.stderr
    assert len(json.loads((tmp_path / "a.bright").read_text())) == 5
    assert call("stylize", video, tmp_path / "a.bright", "--style", "none", *QUICK).exit_code == 4
    live = [*LIVE, "--camera", "testsrc", "--size", "64x48", "--style", "none"]
    shown = call(*live, "--record", tmp_path / "live.bright")
    assert shown.exit_code == 0 and json.loads((tmp_path / "live.bright").read_text()), shown.stderr


# --- a style network, a flow, a runner ----------------------------------------------------------------------


class Tint(StyleNetwork):
    """Adds a color."""

    SIZES: ClassVar[tuple[str, ...]] = ("strength",)

    def __init__(self, strength: int = 1) -> None:
        super().__init__()
        self.strength = strength
        self.color = nn.Parameter(torch.tensor([0.2, 0.0, 0.0]))

    def forward(self, image: Tensor) -> Tensor:
        result: Tensor = (image + self.strength * self.color[None, :, None, None]).clamp(0, 1)
        return result


def test_a_style_network_is_a_style_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STYLE_NETWORKS, "tint", Tint)  # the one line
    style = tmp_path / "red.safetensors"
    save_style(style, Tint(2), {})
    Image.fromarray(np.full((24, 32, 3), 100, np.uint8)).save(tmp_path / "in.png")
    done = call("stylize", tmp_path / "in.png", tmp_path / "a.png", "--style", style, "--device", "cpu", "-q")
    assert done.exit_code == 0, done.stderr
    red, green, _ = np.array(Image.open(tmp_path / "a.png"))[0, 0]
    assert abs(int(red) - 202) <= 1 and abs(int(green) - 100) <= 1
    assert call("rerun", tmp_path / "a.png", tmp_path / "in.png", tmp_path / "b.png", "-q").exit_code == 0
    video = make_video(tmp_path / "in.mp4", 150)
    settings = StylizeSettings(style=str(style), preset="ultrafast", device="cpu", steady=0.5)
    stop_at(tmp_path / "c.mp4", video, settings, 140)
    assert resume(tmp_path / "c.mp4").frames_out == 150
    sheet = call("stylize", video, tmp_path / "s.png", "--style", style, "--preview", "2", *QUICK)
    assert sheet.exit_code == 0, sheet.stderr
    live = [*LIVE, "--camera", "testsrc", "--size", "64x48"]
    shown = call(*live, "--style", style, "--record", tmp_path / "live.mp4")
    assert shown.exit_code == 0, shown.stderr


def test_a_flow_is_a_name_for_every_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def still(current: np.ndarray, previous: np.ndarray) -> np.ndarray:
        asked.append(current.shape)
        return np.zeros((*current.shape[:2], 2), np.float32)

    monkeypatch.setitem(FLOWS, "still", FlowMethod(lambda weights, device: still, size=48))  # the one line
    video = make_video(tmp_path / "in.mp4", 6)
    done = call("stylize", video, tmp_path / "a.mp4", "--style", "ink", "--flow", "still", *QUICK)
    assert done.exit_code == 0, done.stderr
    assert asked and max(asked[0]) <= 48
    assert call("rerun", tmp_path / "a.mp4", video, tmp_path / "b.mp4", "-q").exit_code == 0
    measured = call("evaluate", video, tmp_path / "a.mp4", "--flow", "still", "--json")
    assert json.loads(measured.stdout)["summary"]["frames"] == 6


def test_a_runner_renders_the_spans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Span] = []

    def noted(job: VideoJob, spans: Sequence[Span], on_progress: Any = None) -> Any:
        seen.extend(spans)
        return render_here(job, spans, on_progress)

    monkeypatch.setitem(RUNNERS, "noted", noted)  # the one line
    video = make_video(tmp_path / "in.mp4", 150)
    settings = StylizeSettings(style="none", preset="ultrafast", device="cpu")
    assert render(video, tmp_path / "a.mp4", settings, runner="noted").frames_out == 150
    stop_at(tmp_path / "b.mp4", video, settings, 140)
    resume(tmp_path / "b.mp4", runner="noted")
    assert [span.first for span in seen] == [0, 100] and all(span.end is None for span in seen)
