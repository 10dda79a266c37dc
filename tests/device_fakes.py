"""A device on the CPU: tensors take the way of a device, and what a device would have to wait for raises.

`host_access_forbidden` sees what Python calls and, below it, the operations that torch itself calls, also in
backward passes. `RecordedGraph` stands in for a CUDA graph: it records the operations once and repeats these,
not the Python code, in the same memory. What a fake cannot tell: whether a kernel can be captured at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from streamstyle import cuda_graphs, device as devices


class HostAccess(AssertionError):
    """Something was asked of the device, or made on the host."""


READ = {  # Python functions that copy to the host, and operations that do inside torch
    *(
        "item",
        "tolist",
        "numpy",
        "cpu",
        "nonzero",
        "argwhere",
        "masked_select",
        "equal",
        "allclose",
        "unique",
    ),
    *("__bool__", "__int__", "__float__", "__index__", "__contains__", "__array__"),
    *("_local_scalar_dense", "is_nonzero", "_unique2", "unique_dim", "pin_memory"),
}
FROM_HOST = {"tensor", "new_tensor", "as_tensor", "from_numpy", "asarray", "frombuffer"}
FACTORIES = {  # make tensors on the host unless they are given a device
    *(
        "arange",
        "empty",
        "eye",
        "full",
        "linspace",
        "logspace",
        "ones",
        "rand",
        "randint",
        "randn",
        "randperm",
    ),
    *("zeros", "hann_window", "scalar_tensor"),
}


class _Calls(TorchFunctionMode):
    """Forbids what Python calls."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in READ or (name == "where" and len(args) + len(kwargs) == 1):
            raise HostAccess(f"{name} waits for the device")
        if name in FROM_HOST:
            raise HostAccess(f"{name} copies from the host")
        if name in FACTORIES and kwargs.get("device") is None:
            raise HostAccess(f"{name} without a device makes a tensor on the host")
        if name in ("__getitem__", "__setitem__", "index_put_", "index_put") and _masks(args[1]):
            raise HostAccess("indexing by a mask waits for the device")
        if name in ("__getitem__", "__setitem__") and _host_data(args[1]):
            raise HostAccess("indexing by a list copies from the host")
        return func(*args, **kwargs)


class _Operations(TorchDispatchMode):
    """Forbids what torch calls by itself, also in backward passes; tells `record` of all other operations."""

    def __init__(self, record: Callable[[Any, Any, Any, Any], None] | None = None) -> None:
        super().__init__()
        self.record = record

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        if name in READ:
            raise HostAccess(f"{name} waits for the device")
        if name == "lift_fresh" and args[0].ndim:  # a number alone is given to a kernel by its value
            raise HostAccess("data is copied from the host")
        if name == "repeat_interleave" and kwargs.get("output_size") is None:
            raise HostAccess("repeat_interleave without its output_size waits for the device")
        if name in ("index", "index_put", "index_put_", "_unsafe_index") and _masks(tuple(args[1])):
            raise HostAccess("indexing by a mask waits for the device")
        result = func(*args, **kwargs)
        if self.record is not None:
            self.record(func, args, kwargs, result)
        return result


def _masks(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(part, Tensor) and part.dtype in (torch.bool, torch.uint8) for part in parts)


def _host_data(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(part, list) or type(part).__module__ == "numpy" for part in parts)


@contextmanager
def host_access_forbidden() -> Iterator[None]:
    """A context in which all that waits for a device or copies to or from it raises HostAccess."""
    with _Calls(), _Operations():
        yield


class RecordedGraph:
    """As `cuda_graphs.Graph`: operations on the CPU, recorded once and repeated in the same memory."""

    def __init__(self, function: cuda_graphs.Function, inputs: Sequence[Tensor]) -> None:
        with torch.inference_mode(False):
            self.inputs = [each.detach().clone() for each in inputs]
        self.operations: list[tuple[Any, Any, Any, Any]] = []
        self.replays = 0
        with _Calls(), _Operations(lambda *operation: self.operations.append(operation)):
            self.outputs = function(*self.inputs)

    def replay(self, inputs: Sequence[Tensor]) -> dict[str, Tensor]:
        with host_access_forbidden():
            for own, given in zip(self.inputs, inputs, strict=True):
                own.copy_(given)
        self.replays += 1
        with torch.inference_mode():  # allows changes in place of whatever autograd has kept
            for func, args, kwargs, recorded in self.operations:
                again = func(*args, **kwargs)
                for old, new in zip(tree_leaves(recorded), tree_leaves(again), strict=True):
                    if isinstance(old, Tensor) and not _same_memory(old, new):
                        old.copy_(new)
        return {name: value.detach().clone() for name, value in self.outputs.items()}


def _same_memory(first: Tensor, second: Tensor) -> bool:
    return first.untyped_storage().data_ptr() == second.untyped_storage().data_ptr()


@dataclass
class FakeDevice:
    """What the fake has seen.

    Attributes:
        graphs: those that were captured, in their order.
    """

    graphs: list[RecordedGraph] = field(default_factory=list)

    @property
    def replays(self) -> int:
        """Of all graphs together."""
        return sum(graph.replays for graph in self.graphs)


def use_fake_device(monkeypatch: pytest.MonkeyPatch) -> FakeDevice:
    """See the fixture `fake_device`."""
    fake = FakeDevice()

    def graph(function: cuda_graphs.Function, inputs: Sequence[Tensor]) -> RecordedGraph:
        fake.graphs.append(RecordedGraph(function, inputs))
        return fake.graphs[-1]

    monkeypatch.setattr(devices, "on_host", lambda where: False)
    monkeypatch.setattr(cuda_graphs, "Graph", graph)
    return fake
