"""Every file that decides a result is hashed: in the provenance of outputs, and for resuming."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from streamstyle.effects import DreamSettings, RenderSettings, StylizeSettings, TransferSettings, ZoomSettings
from streamstyle.errors import UsageError
from streamstyle.jobs.provenance import file_hashes
from streamstyle.jobs.render import resume
from streamstyle.weights import WEIGHTS
from streamstyle.weights.downloads import URLS
from tests.test_extending import stop_at
from tests.videos import make_video


def touch(path: Path, content: str = "1") -> str:
    path.write_text(content)
    return str(path)


def settings_with_files(folder: Path) -> dict[str, tuple[RenderSettings, Path]]:
    """Settings that name a file or folder, and the file."""
    flow = folder / "flow"
    flow.mkdir()
    np.save(flow / "1.npy", np.zeros((2, 2, 2), np.float32))
    style = dict.fromkeys(("style",), touch(folder / "a.safetensors"))
    return {
        "style": (StylizeSettings(**style), folder / "a.safetensors"),
        "keyframe": (
            StylizeSettings(at=(f"1s={touch(folder / 'b.safetensors')}",)),
            folder / "b.safetensors",
        ),
        "mask": (StylizeSettings(mask=touch(folder / "mask.png")), folder / "mask.png"),
        "flow": (StylizeSettings(flow=str(flow)), flow / "1.npy"),
        "weights": (StylizeSettings(flow="raft", flow_weights=touch(folder / "r.pth")), folder / "r.pth"),
        "direction": (DreamSettings(layer=f"part:{touch(folder / 'd.npy')}"), folder / "d.npy"),
        "guide": (DreamSettings(guide=touch(folder / "g.png")), folder / "g.png"),
        "own guide": (DreamSettings(layer=f"part~{touch(folder / 'o.png')}"), folder / "o.png"),
        "towards": (DreamSettings(towards=touch(folder / "t.png")), folder / "t.png"),
        "features": (DreamSettings(features=touch(folder / "f.pth")), folder / "f.pth"),
        "sound": (ZoomSettings(sound=touch(folder / "s.wav")), folder / "s.wav"),
        "painting": (TransferSettings(style=touch(folder / "p.jpg")), folder / "p.jpg"),
        "style mask": (
            TransferSettings(style="p.jpg", style_mask=(f"p.jpg={touch(folder / 'm.png')}",)),
            folder / "m.png",
        ),
    }


def test_what_settings_name_is_hashed(tmp_path: Path) -> None:
    for name, (settings, file) in settings_with_files(tmp_path).items():
        before = file_hashes(settings)
        content = file.read_bytes()
        file.write_bytes(content + b"2")
        assert file_hashes(settings) != before, name
        file.write_bytes(content)
        assert file_hashes(settings) == before, name


def test_bundled_and_downloaded_networks_are_hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    assert file_hashes(DreamSettings())["features"] == WEIGHTS["features"].sha256
    for name, settings in (
        ("vgg16", DreamSettings(features="vgg16")),
        ("raft", StylizeSettings(flow="raft")),
    ):
        assert name not in file_hashes(settings)
        file = tmp_path / "checkpoints" / URLS[name].rpartition("/")[2]
        file.write_text("1")
        first = file_hashes(settings)[name]
        file.write_text("2")
        assert file_hashes(settings)[name] != first


def test_a_changed_mask_is_refused_on_resume(tmp_path: Path) -> None:
    mask = tmp_path / "mask.png"
    Image.fromarray(np.full((8, 8), 255, np.uint8)).save(mask)
    video = make_video(tmp_path / "in.mp4", 130)
    settings = StylizeSettings(style="none", preset="ultrafast", device="cpu", mask=str(mask))
    stop_at(tmp_path / "out.mp4", video, settings, 120)
    kept = mask.read_bytes()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(mask)
    with pytest.raises(UsageError, match=r"mask\.png: has changed since"):
        resume(tmp_path / "out.mp4")
    mask.write_bytes(kept)
    assert resume(tmp_path / "out.mp4").frames_out == 130
