"""What `doctor` finds wrong on a machine, and what it says to do."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from typer.testing import CliRunner

from streamstyle import device as devices
from streamstyle.apps.cli import app, machine
from streamstyle.apps.cli.machine import CHECKS, Finding
from streamstyle.weights import downloads
from streamstyle.weights.table import WEIGHTS

Patch = pytest.MonkeyPatch


@pytest.fixture
def checks(monkeypatch: Patch) -> Callable[..., None]:
    """Replaces the checks of `doctor`."""

    def replace(**checks: Callable[[], Finding]) -> None:
        monkeypatch.setattr(sys.modules["streamstyle.apps.cli.doctor"], "CHECKS", checks)

    return replace


def test_what_is_to_be_done_stands_below_what_was_found(checks: Callable[..., None]) -> None:
    checks(good=lambda: Finding("fine"), bad=lambda: Finding("broken", "mend it"))
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "good         fine",
        "bad          broken",
        "             -> mend it",
    ]
    assert result.stderr == "there is something to do about bad\n"


def test_where_all_is_well_it_says_so(checks: Callable[..., None]) -> None:
    checks(good=lambda: Finding("fine"))
    assert CliRunner().invoke(app, ["doctor"]).stderr == "nothing is wrong\n"


def test_a_check_that_fails_is_reported_and_the_others_are_made(checks: Callable[..., None]) -> None:
    checks(bad=lambda: Finding(str(1 / 0)), good=lambda: Finding("fine"))
    result = CliRunner().invoke(app, ["doctor"])
    assert "bad          unknown: ZeroDivisionError: division by zero" in result.stdout
    assert "good         fine" in result.stdout


def test_scripts_get_an_event_for_each_check(checks: Callable[..., None]) -> None:
    checks(good=lambda: Finding("fine"), bad=lambda: Finding("broken", "mend it"))
    events = [json.loads(line) for line in CliRunner().invoke(app, ["doctor", "--json"]).stdout.splitlines()]
    assert events == [
        {"event": "check", "topic": "good", "found": "fine", "to_do": ""},
        {"event": "check", "topic": "bad", "found": "broken", "to_do": "mend it"},
        {"event": "done", "to_do": ["bad"]},
    ]


@pytest.fixture
def card(tmp_path: Path, monkeypatch: Patch) -> None:
    """A machine with the driver of an NVIDIA card, which torch cannot use."""
    driver = tmp_path / "version"
    driver.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.57.02\n")
    monkeypatch.setattr(devices, "NVIDIA_DRIVER", driver)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_a_driver_that_is_too_old_is_named(card: None, monkeypatch: Patch) -> None:
    def is_available() -> bool:
        warnings.warn(
            "CUDA initialization: The NVIDIA driver on your system is too old (found version 11040). Please "
            "update your GPU driver (Triggered internally at /pytorch/c10/cuda/CUDAFunctions.cpp:119.)",
            stacklevel=2,
        )
        return False

    monkeypatch.setattr(torch.cuda, "is_available", is_available)
    found = CHECKS["devices"]()
    assert "its driver is too old for CUDA 13.0" in found.text and found.to_do.startswith("update the driver")


@pytest.mark.parametrize(
    ("cuda", "visible", "trouble", "to_do"),
    [
        (None, None, "built for CPUs only", "built for CUDA"),
        ("13.0", "", "CUDA_VISIBLE_DEVICES hides it", "unset CUDA_VISIBLE_DEVICES"),
        ("13.0", None, "its driver gives no device", "docker run --gpus all"),
    ],
)
def test_why_a_card_is_not_used_is_said(
    cuda: str | None, visible: str | None, trouble: str, to_do: str, card: None, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(torch.version, "cuda", cuda)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    found = CHECKS["devices"]()
    assert trouble in found.text and to_do in found.to_do


def test_without_a_card_nothing_is_missed(monkeypatch: Patch, tmp_path: Path) -> None:
    monkeypatch.setattr(devices, "NVIDIA_DRIVER", tmp_path / "absent")
    monkeypatch.setattr(devices.shutil, "which", lambda name: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.why_no_cuda() is None and not CHECKS["devices"]().to_do


def test_packages_and_weights_that_are_missing_are_named(monkeypatch: Patch) -> None:
    present = machine._installed
    monkeypatch.setattr(machine, "_installed", lambda name: None if name == "pillow" else present(name))
    found = CHECKS["packages"]()
    assert "pillow missing" in found.text and found.to_do == "pip install pillow"
    assert not CHECKS["weights"]().to_do
    monkeypatch.setitem(WEIGHTS, "ink", SimpleNamespace(path=Path("/absent/ink.safetensors"), bytes=1))
    found = CHECKS["weights"]()
    assert found.text == "missing or damaged: ink.safetensors" and "--force-reinstall" in found.to_do


def test_opencv_without_windows_counts_as_opencv(monkeypatch: Patch) -> None:
    monkeypatch.setattr(machine, "_installed", lambda name: None if name == "opencv-python" else "1.0")
    found = CHECKS["packages"]()
    assert "opencv-python-headless 1.0" in found.text and not found.to_do


@pytest.mark.parametrize(("instructions", "slow"), [("AVX512", False), ("AVX2", False), ("DEFAULT", True)])
def test_a_processor_without_avx2_is_slow(instructions: str, slow: bool, monkeypatch: Patch) -> None:
    monkeypatch.setattr(machine.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: instructions)
    found = CHECKS["processor"]()
    assert instructions in found.text and bool(found.to_do) == slow


def test_little_memory_and_little_space_are_said(monkeypatch: Patch) -> None:
    monkeypatch.setattr("streamstyle.batch.memory.available_bytes", lambda: int(1e9))
    found = CHECKS["memory"]()
    assert found.text == "1.0 GB are free" and "--max-size" in found.to_do
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda folder: SimpleNamespace(free=2e8))
    assert "TMPDIR" in CHECKS["temporary"]().to_do
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda folder: SimpleNamespace(free=2e10))
    assert not CHECKS["temporary"]().to_do


def test_without_openvino_it_is_recommended_where_it_helps(monkeypatch: Patch) -> None:
    monkeypatch.setattr("streamstyle.inference.installed_runners", lambda: ["torch"])
    monkeypatch.setattr("streamstyle.inference.described", lambda name, device: "torch")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(machine.platform, "machine", lambda: "x86_64")
    assert CHECKS["runner"]().to_do.startswith("pip install openvino")
    monkeypatch.setattr(machine.platform, "machine", lambda: "aarch64")
    assert not CHECKS["runner"]().to_do


def test_a_folder_for_downloads_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr(downloads, "torchvision_cache", lambda: tmp_path / "hub" / "checkpoints")
    assert not CHECKS["downloads"]().to_do
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert CHECKS["downloads"]().to_do.startswith(f"{tmp_path} cannot be written; set TORCH_HOME")


def test_a_folder_that_cannot_keep_the_key_of_the_page_is_named(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr("streamstyle.apps.web.key.state_folder", lambda: tmp_path / "file" / "streamstyle")
    assert CHECKS["state"]() == Finding(f"{tmp_path}/file/streamstyle")
    (tmp_path / "file").touch()
    assert CHECKS["state"]().to_do.startswith(f"{tmp_path}/file cannot be written")


@pytest.mark.skipif(sys.platform != "linux", reason="device nodes are Linux'")
def test_a_camera_that_may_not_be_opened_says_how(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr("streamstyle.sources.camera.list_cameras", lambda: {"0": "Webcam"})
    monkeypatch.setattr(machine, "DEVICES", tmp_path)
    assert CHECKS["cameras"]().to_do == f"a container needs them, too: docker run --device {tmp_path}/video0"
    (tmp_path / "video0").touch()
    assert CHECKS["cameras"]() == Finding("0 (Webcam)")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert f"usermod -aG {(tmp_path / 'video0').group()} $USER" in CHECKS["cameras"]().to_do


def test_a_virtual_camera_needs_its_module(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr(machine, "find_spec", lambda name: object())
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(machine, "LOOPBACK", tmp_path / "absent")
    assert CHECKS["extras"]() == Finding(
        "web, vcam, export, cluster", "--virtual-camera needs a kernel module: sudo modprobe v4l2loopback"
    )
    monkeypatch.setattr(machine, "LOOPBACK", tmp_path)
    assert not CHECKS["extras"]().to_do
    monkeypatch.setattr(machine, "find_spec", lambda name: None)
    assert "(pip install 'streamstyle[web]')" in CHECKS["extras"]().text


def test_ffmpeg_and_encoders_are_named(monkeypatch: Patch) -> None:
    import cv2  # noqa: F401

    assert "with FFmpeg" in CHECKS["ffmpeg"]().text and not CHECKS["encoders"]().to_do
    monkeypatch.setattr("streamstyle.video.codecs.works", lambda name: name != "h264")
    assert "x264" in CHECKS["encoders"]().to_do
