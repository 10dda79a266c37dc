"""Where networks run: choosing a device, and carrying images to it and back.

The only module that names torch.cuda. Images cross the bus as bytes and become floats on the other
side; on the CPU they keep the memory order of the pixels, (H, W, 3), which torch calls channels-last.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from streamstyle.cores import usable_cores
from streamstyle.errors import OutOfMemoryError, UsageError

_log = logging.getLogger("streamstyle")

MOST_GRAPHS = 16  # of one function; each keeps the memory that the function needs
WARM_UP = 3  # calls of a shape before it is captured


def choose(name: str = "auto") -> torch.device:
    """The device of that name; "auto" is the first CUDA device, or else the CPU.

    Args:
        name: "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        UsageError: no such device here; the message lists those that are.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    present = ["cpu", *(f"cuda:{index}" for index in range(count))]
    if name == "auto":
        return torch.device("cuda", 0) if count else torch.device("cpu")
    wanted = "cuda:0" if name == "cuda" else re.sub(r"^cuda:0+(?=\d)", "cuda:", name)
    if wanted not in present:
        raise UsageError(f"no device {name!r} here; there is: auto, {', '.join(present)}")
    return torch.device(wanted)


def upload(pixels: np.ndarray, device: torch.device, dtype: torch.dtype = torch.float32) -> Tensor:
    """An image as floats on the device.

    Args:
        pixels: (H, W, 3) uint8.
        device: where to.
        dtype: of the result; `half(device)` is the fastest there.

    Returns:
        (3, H, W) in [0, 1], a view of (H, W, 3) memory. It shares nothing with `pixels`.

    Raises:
        ValueError: `pixels` has another shape or type.
        OutOfMemoryError: it does not fit.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise ValueError(f"unexpected image: {pixels.shape} {pixels.dtype}, expected (H, W, 3) uint8")
    with out_of_memory(pixels.shape[1], pixels.shape[0]):
        data = torch.from_numpy(np.require(pixels, requirements=["C", "W"]))
        if device.type == "cuda":
            data = data.pin_memory().to(device, non_blocking=True)
        return data.to(dtype).mul_(1 / 255).permute(2, 0, 1)


def download(image: Tensor) -> np.ndarray:
    """An image as bytes in main memory; the opposite of `upload`, exact for what came from there.

    Args:
        image: (3, H, W) float in [0, 1]; values outside are clamped, NaN becomes black. Unchanged.

    Returns:
        (H, W, 3) uint8, C-contiguous, rounded to the nearest.

    Raises:
        ValueError: `image` has another shape.
        OutOfMemoryError: it does not fit.
    """
    if image.ndim != 3 or image.shape[0] != 3:
        raise ValueError(f"unexpected image: {tuple(image.shape)}, expected (3, H, W)")
    with out_of_memory(image.shape[2], image.shape[1]), torch.inference_mode():
        pixels = image.detach().permute(1, 2, 0).contiguous()
        # Half precision has 11 bits, too few to round 8 of them rightly after the product.
        scaled = pixels.float() * 255
        scaled = torch.nan_to_num_(scaled, nan=0.0).add_(0.5).clamp_(0, 255.5)
        result: np.ndarray = scaled.to(torch.uint8).cpu().numpy()
        return result


def half(device: torch.device) -> torch.dtype:
    """The precision that is fastest for networks on the device: float16 on CUDA, float32 on CPUs."""
    return torch.float16 if device.type == "cuda" else torch.float32


def low_precision(device: torch.device) -> torch.autocast:
    """A context in which networks that are only looked through compute in bfloat16, where that is faster.

    Where the processor or GPU has no instructions for it, it would be emulated and slow: single stays.
    """
    if device.type == "cuda":
        able = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # The function is younger than the oldest torch we run on.
        can: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
        able = bool(can.get("avx512_bf16") or can.get("amx_bf16") or can.get("sve_bf16"))
    return torch.autocast(device.type, torch.bfloat16, enabled=able)


class Captured:
    """A function of an image that is called again and again in few shapes; on CUDA as a graph.

    Launching the many small kernels of a gradient from Python takes longer than computing them; a graph
    launches them all at once. On CPUs the function is called as it is.

    Args:
        function: from a tensor to tensors by name; the same work whatever the values. It may take gradients.
    """

    def __init__(self, function: Callable[[Tensor], dict[str, Tensor]]) -> None:
        self.function = function
        self._refused = False
        self._calls: dict[tuple[int, ...], int] = {}
        self._graphs: dict[tuple[int, ...], tuple[torch.cuda.CUDAGraph, Tensor, dict[str, Tensor]]] = {}

    def __call__(self, image: Tensor) -> dict[str, Tensor]:
        """What the function gives."""
        shape = tuple(image.shape)
        if image.device.type != "cuda" or self._refused or not self._has_graph(shape, image):
            return self.function(image)
        graph, given, found = self._graphs[shape]
        given.copy_(image)
        graph.replay()
        return {name: value.clone() for name, value in found.items()}

    def _has_graph(self, shape: tuple[int, ...], image: Tensor) -> bool:
        """Whether there is a graph for the shape; it is made when that has come often enough."""
        if shape in self._graphs:
            return True
        self._calls[shape] = self._calls.get(shape, 0) + 1
        if self._calls[shape] <= WARM_UP or len(self._graphs) == MOST_GRAPHS:
            return False
        before = torch.cuda.current_stream(image.device)
        try:
            self._graphs[shape] = self._capture(image)
        except RuntimeError as error:  # no memory for it, or steps that no graph can hold
            self._refused = True
            self._graphs.clear()
            _log.info("computed step by step: %s", str(error).partition("\n")[0])
            return False
        finally:
            torch.cuda.set_stream(before)  # which a failed capture leaves behind
        return True

    def _capture(self, image: Tensor) -> tuple[torch.cuda.CUDAGraph, Tensor, dict[str, Tensor]]:
        """The graph, the tensor that it reads and those that it writes."""
        given = image.detach().clone()
        with torch.cuda.device(image.device):
            beside = torch.cuda.Stream(image.device)  # type: ignore[no-untyped-call]
            beside.wait_stream(torch.cuda.current_stream(image.device))
            with torch.cuda.stream(beside):  # libraries choose their kernels in the first calls there
                for _ in range(WARM_UP):
                    self.function(given)
            torch.cuda.current_stream(image.device).wait_stream(beside)
            graph = torch.cuda.CUDAGraph()
            # Other threads may go on copying meanwhile: motion is estimated in one of them.
            with torch.cuda.graph(graph, stream=beside, capture_error_mode="thread_local"):
                found = self.function(given)
        return graph, given, found


@contextmanager
def out_of_memory(width: int, height: int) -> Iterator[None]:
    """Turns torch's way of saying that memory does not suffice into ours.

    Args:
        width, height: of the image at hand, for the message.

    Raises:
        OutOfMemoryError: in place of torch's and Python's own.
    """
    advice = f"{width}x{height} pixels do not fit into memory; use --max-size to make the image smaller"
    try:
        yield
    except (torch.cuda.OutOfMemoryError, MemoryError) as exc:
        raise OutOfMemoryError(advice) from exc
    except RuntimeError as exc:
        # The CPU allocator raises a bare RuntimeError: "DefaultCPUAllocator: can't allocate memory".
        if "can't allocate memory" in str(exc) or "not enough memory" in str(exc):
            raise OutOfMemoryError(advice) from exc
        raise


def name_of(device: torch.device) -> str:
    """What a person calls the device: "cpu (2 threads)", "cuda:0 (NVIDIA H100)"."""
    if device.type == "cuda":
        return f"cuda:{device.index or 0} ({torch.cuda.get_device_name(device)})"
    threads = torch.get_num_threads()
    return f"cpu ({threads} thread{'s' if threads > 1 else ''})"


@contextmanager
def shared_cores(device: torch.device, beside: int = 1) -> Iterator[None]:
    """A context in which torch leaves cores to the threads that work beside the network.

    On two cores a video of 640x360 then took 38.7 ms a frame instead of 43.0 (benchmarks/pipeline.py).
    Torch never uses more threads than before, so that OMP_NUM_THREADS and `torch.set_num_threads` still
    count; afterwards it uses as many as before. Nothing changes on CUDA.

    Args:
        device: where the network runs.
        beside: cores to leave, 1 for decoder and encoder.
    """
    before = torch.get_num_threads()
    threads = min(before, max(1, usable_cores() - beside))
    if device.type != "cpu" or threads == before:
        yield
        return
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
