"""`streamstyle export`: ONNX models that other programs can run."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from click.testing import Result
from typer.testing import CliRunner

from streamstyle.apps.cli import app
from streamstyle.effects.stylize.effect import Style
from streamstyle.errors import OutputError, StreamstyleError, UsageError
from streamstyle.frames import Moment
from streamstyle.jobs import export as jobs
from streamstyle.jobs.export import export
from streamstyle.keyframes import keyframes_of
from streamstyle.networks import Johnson
from streamstyle.styles import save_style


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def run(model: Path, image: torch.Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {"image": image[None].numpy()})
    return np.asarray(result[0])


def stylized(style: Style, image: torch.Tensor) -> np.ndarray:
    return np.asarray(style(image, Moment(0, 0.0)))


def test_a_style_runs_elsewhere_at_any_size(tmp_path: Path) -> None:
    path = tmp_path / "ink.onnx"
    result = call("export", "ink", path)
    assert result.exit_code == 0, result.output
    assert f"{path}: differs by at most " in result.stderr
    model = onnx.load(path)
    onnx.checker.check_model(model)
    assert model.opset_import[0].version >= 17
    known = {entry.key: entry.value for entry in model.metadata_props}
    assert (known["style"], known["painting"], known["architecture"]) == ("ink", "Ink", "style_net")
    for size in ((64, 96), (24, 16)):
        image = torch.rand(3, *size)
        assert np.abs(run(path, image) - stylized(Style("ink", device="cpu"), image)).max() < 1 / 255
    again = call("export", "ink", path)
    assert again.exit_code == 2
    assert again.stderr == f"error: {path}: exists; -y overwrites it\n"


def test_a_mixture_at_part_strength_becomes_one_model(tmp_path: Path) -> None:
    path, mixture = tmp_path / "both.onnx", "0.25*ink+0.75*udnie"
    difference = export(mixture, path, strength=0.5, size=(48, 32))
    assert difference is not None
    assert difference < 1 / 255
    image = torch.rand(3, 32, 48)
    style = Style(keyframes_of(mixture, strength=0.5), mix_by="weights", device="cpu")
    assert np.abs(run(path, image) - stylized(style, image)).max() < 1 / 255
    known = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert (known["strength"], known["ink.painting"]) == ("0.5", "Ink")


def test_a_network_by_johnson_is_exported(tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_style(tmp_path / "other.safetensors", Johnson(width=4, blocks=1), {})
    export(str(tmp_path / "other.safetensors"), tmp_path / "other.onnx")
    assert run(tmp_path / "other.onnx", torch.rand(3, 32, 44)).shape == (3, 32, 44)


@pytest.mark.parametrize(
    ("style", "output", "options", "message"),
    [
        ("ink", "ink.txt", {}, r"expected a name that ends in \.onnx"),
        ("ink", "x.onnx", {"size": (65, 48)}, "--size 65x48: expected multiples of 8, at least 16"),
        ("ink", "x.onnx", {"size": (8, 48)}, "at least 16"),
        ("ink", "x.onnx", {"strength": 0.0}, "ink at strength 0: the source has no network"),
        ("ink+none", "x.onnx", {}, "the source has no network"),
        ("inc", "x.onnx", {}, "did you mean ink"),
    ],
)
def test_what_cannot_be_exported_is_refused(
    tmp_path: Path, style: str, output: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        export(style, tmp_path / output, **options)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_styles_without_a_common_base_are_refused(tmp_path: Path) -> None:
    save_style(tmp_path / "other.safetensors", Johnson(width=4, blocks=1), {})
    with pytest.raises(UsageError, match="only styles trained from the same base"):
        export(f"ink+{tmp_path / 'other.safetensors'}", tmp_path / "x.onnx")


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"needs onnx, onnxscript: pip install 'streamstyle\[export\]'"):
        export("ink", tmp_path / "x.onnx")


def test_a_folder_that_is_missing_is_named_before_the_export(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist"):
        export("ink", tmp_path / "absent" / "x.onnx")


def test_a_model_that_computes_something_else_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "exported", lambda *_: onnx.ModelProto())
    monkeypatch.setattr(jobs, "difference_to", lambda *_: 0.1)
    with pytest.raises(StreamstyleError, match=r"not written, as ONNX Runtime differs by 0\.1000"):
        export("ink", tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(jobs, "difference_to", lambda *_: None)
    result = call("export", "ink", tmp_path / "x.onnx")
    assert "not checked, as onnxruntime is not installed" in result.stderr
