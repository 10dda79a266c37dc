"""Devices: choosing one, transferring images to it and back, and memory errors.

With `cuda_graphs` and `transfers` the only module that uses torch.cuda. Images are transferred as bytes and
converted to floats on the device. They keep the memory order (H, W, 3), which torch calls channels-last.
"""

from __future__ import annotations

import os
import re
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from streamstyle.cores import usable_cores
from streamstyle.errors import OutOfMemoryError, UsageError, did_you_mean

NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")  # on Linux, where a driver is loaded


def choose(name: str = "auto") -> torch.device:
    """The device of that name; "auto" is the first CUDA device, or the CPU if there is none.

    Args:
        name: "auto", "cpu", "cuda" or "cuda:N"; "cuda:all" is the first one for what runs on one device.

    Raises:
        UsageError: there is no such device; the message lists the available ones.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    present = ["cpu", *(f"cuda:{index}" for index in range(count))]
    if name == "auto":
        return torch.device("cuda", 0) if count else torch.device("cpu")
    normalized = "cuda:0" if name in ("cuda", "cuda:all") else re.sub(r"^cuda:0+(?=\d)", "cuda:", name)
    if normalized not in present:
        hint = did_you_mean(name, ["auto", *present])
        raise UsageError(f"device {name}: not available here{hint}; available: auto, {', '.join(present)}")
    return torch.device(normalized)


def why_no_cuda() -> tuple[str, str] | None:
    """Why torch cannot use the NVIDIA card of this machine.

    Returns:
        (what is wrong, what to do); None if the card can be used, or none is seen here.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if torch.cuda.is_available():
            return None
    if not (NVIDIA_DRIVER.exists() or shutil.which("nvidia-smi")):
        return None
    if torch.version.cuda is None:
        return "this torch is built for CPUs only", "install one that is built for CUDA, see pytorch.org"
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return "CUDA_VISIBLE_DEVICES hides it", "unset CUDA_VISIBLE_DEVICES"
    said = " ".join(str(warning.message) for warning in caught).partition("(Triggered")[0].strip()
    if "too old" in said:
        wanted = f"its driver is too old for CUDA {torch.version.cuda}, which this torch is built for"
        return wanted, "update the driver, or install a torch built for an older CUDA, see pytorch.org"
    reason = said.partition(". ")[0] or "its driver gives no device"
    return reason, "see whether `nvidia-smi` works; containers need `docker run --gpus all`"


def all_of(name: str) -> list[torch.device]:
    """All devices that a name means: for "cuda:all" each CUDA device, else the one of `choose`.

    Raises:
        UsageError: as `choose`.
    """
    first = choose(name)
    if name != "cuda:all":
        return [first]
    return [torch.device("cuda", index) for index in range(torch.cuda.device_count())]


def visible_cards(name: str) -> list[str]:
    """The CUDA devices that a name stands for where each gets a process, as in CUDA_VISIBLE_DEVICES.

    Args:
        name: as for `choose`; "auto", "cuda" and "cuda:all" are every device.

    Returns:
        An entry for each device; none for the CPU.

    Raises:
        UsageError: as `choose`.
    """
    device = choose(name)
    if device.type != "cuda":
        return []
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    cards = hidden.split(",") if hidden else [str(card) for card in range(torch.cuda.device_count())]
    return cards if name in ("auto", "cuda", "cuda:all") else [cards[device.index]]


def on_host(where: Tensor | torch.device) -> bool:
    """Whether a tensor lies, or a device has its memory, where OpenCV and numpy can read it: on the CPU.

    Every choice between OpenCV and torch asks this through the module (`devices.on_host`).
    """
    device = where.device if isinstance(where, Tensor) else where
    return device.type == "cpu"


def upload(pixels: np.ndarray, device: torch.device, dtype: torch.dtype = torch.float32) -> Tensor:
    """An image as floats on the device.

    Args:
        pixels: (H, W, 3) uint8.
        device: the target.
        dtype: of the result; `half(device)` is the fastest on that device.

    Returns:
        (3, H, W) in [0, 1], a view of (H, W, 3) memory, which is not shared with `pixels`.

    Raises:
        ValueError: `pixels` has another shape or dtype.
        OutOfMemoryError: the image does not fit into memory.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise ValueError(f"unexpected image: {pixels.shape} {pixels.dtype}, expected (H, W, 3) uint8")
    with out_of_memory(pixels.shape[1], pixels.shape[0]):
        data = torch.from_numpy(np.require(pixels, requirements=["C", "W"]))
        if device.type == "cuda":
            data = data.pin_memory().to(device, non_blocking=True)
        return data.to(dtype).mul_(1 / 255).permute(2, 0, 1)


def download(image: Tensor) -> np.ndarray:
    """An image as bytes in main memory; the exact inverse of `upload`.

    Args:
        image: (3, H, W) float in [0, 1]; not modified. Values outside are clamped, NaN becomes black.

    Returns:
        (H, W, 3) uint8, C-contiguous, rounded to the nearest.

    Raises:
        ValueError: `image` has another shape.
        OutOfMemoryError: the image does not fit into memory.
    """
    result: np.ndarray = in_bytes(image).cpu().numpy()
    return result


def in_bytes(image: Tensor) -> Tensor:
    """What `download` returns, still on the device."""
    if image.ndim != 3 or image.shape[0] != 3:
        raise ValueError(f"unexpected image: {tuple(image.shape)}, expected (3, H, W)")
    with out_of_memory(image.shape[2], image.shape[1]), torch.inference_mode():
        pixels = image.detach().permute(1, 2, 0).contiguous()
        # Half precision has 11 significant bits, too few for exact rounding to 8 bits after the product.
        scaled = pixels.float() * 255
        scaled = torch.nan_to_num_(scaled, nan=0.0).add_(0.5).clamp_(0, 255.5)
        return scaled.to(torch.uint8)


def half(device: torch.device) -> torch.dtype:
    """The fastest precision for networks on the device: float16 on CUDA, float32 on CPUs."""
    return torch.float16 if device.type == "cuda" else torch.float32


def low_precision(device: torch.device, *, narrow: bool = False) -> torch.autocast:
    """A context in which networks compute in 16 bits, where that is faster; not for networks in training.

    If the processor or GPU has no bfloat16 instructions, emulation would be slow, so float32 is kept.

    Args:
        device: where they compute.
        narrow: no value comes near the limit of float16, 65504: then CUDA uses it instead of bfloat16, which
            has three bits less.
    """
    if device.type == "cuda" and narrow:
        return torch.autocast(device.type, torch.float16)
    if device.type == "cuda":
        supported = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # The oldest supported torch lacks this function.
        has: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
        supported = bool(has.get("avx512_bf16") or has.get("amx_bf16") or has.get("sve_bf16"))
    return torch.autocast(device.type, torch.bfloat16, enabled=supported)


@contextmanager
def deterministic() -> Iterator[None]:
    """A context in which convolutions and their gradients on CUDA give the same bits each time.

    Without it cuDNN may choose kernels that add in the order in which their blocks happen to end.
    """
    before = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = True
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic = before


@contextmanager
def out_of_memory(width: int, height: int) -> Iterator[None]:
    """Translates out-of-memory errors of torch, OpenCV and Python into ours.

    Args:
        width, height: of the image that is processed, for the message.

    Raises:
        OutOfMemoryError: in place of theirs.
    """
    message = f"{width}x{height} pixels do not fit into memory; use --max-size to make the image smaller"
    try:
        yield
    except (torch.cuda.OutOfMemoryError, MemoryError) as exc:
        raise OutOfMemoryError(message) from exc
    except Exception as exc:
        # Torch's allocator for CPUs raises a bare RuntimeError, and OpenCV an error of its own.
        texts = "can't allocate memory", "not enough memory", "Insufficient memory"
        if any(text in str(exc) for text in texts):
            raise OutOfMemoryError(message) from exc
        raise


def name_of(device: torch.device) -> str:
    """The device's name for display: "cpu (2 threads)", "cuda:0 (NVIDIA H100)"."""
    if device.type == "cuda":
        return f"cuda:{device.index or 0} ({torch.cuda.get_device_name(device)})"
    threads = torch.get_num_threads()
    return f"cpu ({threads} thread{'s' if threads > 1 else ''})"


@contextmanager
def shared_cores(device: torch.device, reserved: int = 1) -> Iterator[None]:
    """A context in which torch and OpenCV leave cores to the threads that run in parallel to the network.

    Reading, optical flow, the effect and writing each have a thread of their own; then OpenCV's pool, whose
    threads wait actively, would only compete with them. So OpenCV has one thread in each of ours.

    On two cores this reduced a 640x360 video from 43.0 to 38.7 ms a frame (benchmarks/pipeline.py).
    Torch never uses more threads than before, so that OMP_NUM_THREADS and `torch.set_num_threads` still
    apply. The numbers of threads are restored at the end.

    Args:
        device: where the network runs.
        reserved: number of cores to leave, 1 for decoder and encoder; 0 for a single image.
    """
    import cv2  # here, as `doctor` has to work without it

    before, opencv_before = torch.get_num_threads(), cv2.getNumThreads()
    if device.type == "cpu":
        torch.set_num_threads(min(before, max(1, usable_cores() - reserved)))
    if reserved:
        cv2.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        cv2.setNumThreads(opencv_before)
