"""Runs style networks on CPUs faster than PyTorch does, by a runtime that compiles them for one image size.

A new runtime is one file and one line in NETWORK_RUNNERS. What a runner does not accept, and everything on
CUDA, is run by PyTorch.
"""

from __future__ import annotations

import importlib.util
import os
import platform
from importlib import metadata

import torch

from streamstyle.device import name_of
from streamstyle.errors import UsageError
from streamstyle.inference.compiled_networks import CompiledNetworks
from streamstyle.inference.network_runner import NetworkRunner
from streamstyle.inference.onnxruntime import OnnxRuntime
from streamstyle.inference.openvino import OpenVino

__all__ = [
    "NETWORK_RUNNERS",
    "CompiledNetworks",
    "NetworkRunner",
    "described",
    "find_network_runner",
    "installed_runners",
]

NETWORK_RUNNERS: dict[str, NetworkRunner] = {"openvino": OpenVino(), "onnxruntime": OnnxRuntime()}


def find_network_runner(name: str, device: torch.device) -> NetworkRunner | None:
    """The runner of that name; None stands for PyTorch.

    Args:
        name: "torch", a name from NETWORK_RUNNERS, or "auto": OpenVINO on x86-64, where it was measured, if
            it is installed, else PyTorch.
        device: where the networks run; on CUDA always by PyTorch.

    Raises:
        UsageError: there is no such runner, or a package that it needs is missing.
    """
    if name not in ("auto", "torch", *NETWORK_RUNNERS):
        raise UsageError(f"runner {name}: expected auto, torch, {' or '.join(NETWORK_RUNNERS)}")
    if name == "auto":
        measured = platform.machine() in ("x86_64", "AMD64")
        name = "openvino" if measured and not _missing(NETWORK_RUNNERS["openvino"]) else "torch"
    if name == "torch":
        return None
    runner = NETWORK_RUNNERS[name]
    if missing := _missing(runner):
        raise UsageError(f"runner {name}: needs {', '.join(missing)}: pip install {' '.join(missing)}")
    return runner if device.type == "cpu" else None


def described(name: str, device: torch.device) -> str:
    """What computes the networks: results of different ones differ by rounding.

    Args:
        name, device: see `find_network_runner`.

    Returns:
        Runner and version, instruction set and threads: "openvino 2026.4.1 on AVX512, 2 threads".
    """
    runner = find_network_runner(name, device)
    package = _with_version("torch" if runner is None else runner.packages[0])
    if device.type != "cpu":
        return f"{package} on {name_of(device)}"
    parts = [str(torch.backends.cpu.get_cpu_capability())]
    if limit := os.environ.get("ONEDNN_MAX_CPU_ISA"):  # of the kernels in OpenVINO, and of some in PyTorch
        parts.append(f"oneDNN {limit}")
    threads = torch.get_num_threads()
    parts.append(f"{threads} thread{'s' if threads > 1 else ''}")
    return f"{package} on {', '.join(parts)}"


def installed_runners() -> list[str]:
    """Names of the runners that can be chosen here."""
    return ["torch", *(name for name, runner in NETWORK_RUNNERS.items() if not _missing(runner))]


def _missing(runner: NetworkRunner) -> list[str]:
    """Packages that the runner needs and that are not installed."""
    return [package for package in runner.packages if importlib.util.find_spec(package) is None]


def _with_version(package: str) -> str:
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:  # installed under another name, such as onnxruntime-gpu
        return package
