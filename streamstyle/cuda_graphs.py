"""CUDA graphs: a function that is called again and again is recorded once and then launched as a whole.

Launching the many small kernels of a network from Python takes longer than computing them.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence

import torch
from torch import Tensor

from streamstyle import device as devices
from streamstyle.constants import constants_held

_log = logging.getLogger("streamstyle")

MOST_GRAPHS = 16  # for one function; each graph occupies the memory that the function needs
MOST_VARIANTS = 8
WARM_UP = 3  # calls with the same shapes before they are captured

Function = Callable[..., dict[str, Tensor]]
Key = tuple[tuple[tuple[int, ...], tuple[int, ...], torch.dtype], ...]


class Captured:
    """A function of tensors that is called repeatedly with few shapes; on CUDA it runs as a CUDA graph.

    There is one graph for each combination of shapes, memory layouts and dtypes, captured after WARM_UP
    calls. On CPUs, and where capturing fails, the function is called directly.

    Args:
        function: maps tensors on one device to named tensors, and launches the same work whatever their
            values. It asks the device nothing, makes no tensors from values on the host, does not change its
            arguments, and depends on nothing else that changes, except on tensors that are changed in place.
            It may take gradients.
        changes: gives the tensors that the function changes in place, such as the weights that it trains.
            They keep their values while it is captured, for which it is called a few times.

    Attributes:
        refusal: why the function runs without graphs; "" = it does not.
    """

    def __init__(self, function: Function, changes: Callable[[], Iterable[Tensor]] = tuple) -> None:
        self.function, self.changes = function, changes
        self.refusal = ""
        self._calls: dict[Key, int] = {}
        self._graphs: dict[Key, Graph] = {}

    @property
    def graphs(self) -> int:
        """Number of captured graphs."""
        return len(self._graphs)

    def __call__(self, *inputs: Tensor) -> dict[str, Tensor]:
        """The function's result, in memory of its own."""
        if self.refusal or devices.on_host(inputs[0]):
            return self.function(*inputs)
        key = tuple((tuple(each.shape), each.stride(), each.dtype) for each in inputs)
        if key not in self._graphs and not self._capture(key, inputs):
            return self.function(*inputs)
        return self._graphs[key].replay(inputs)

    def _capture(self, key: Key, inputs: Sequence[Tensor]) -> bool:
        """Capture a graph for these inputs if it is time to; whether there is one now."""
        self._calls[key] = self._calls.get(key, 0) + 1
        if self._calls[key] <= WARM_UP or len(self._graphs) == MOST_GRAPHS:
            return False
        kept = [(tensor, tensor.detach().clone()) for tensor in self.changes()]
        try:
            self._graphs[key] = Graph(self.function, inputs)
        except RuntimeError as error:  # out of memory, or operations that cannot be captured
            self._graphs.clear()
            self.refusal = f"{type(error).__name__}: {error}".partition("\n")[0]
            name = getattr(self.function, "__qualname__", repr(self.function))
            _log.warning("%s runs without CUDA graphs, and slower: %s", name, self.refusal)
            return False
        finally:
            with torch.no_grad():
                for tensor, value in kept:
                    tensor.copy_(value)
        return True


class CapturedVariants:
    """Functions that differ in values known on the host; each is captured for itself, see `Captured`.

    The graphs of those used last are kept.
    """

    def __init__(self) -> None:
        self._captured: OrderedDict[Hashable, Captured] = OrderedDict()

    def __call__(self, key: Hashable, function: Function, *inputs: Tensor) -> dict[str, Tensor]:
        """The function's result, in memory of its own.

        Args:
            key: of the values on which the function depends, apart from its inputs.
            function: see `Captured`.
            inputs: on one device.
        """
        if devices.on_host(inputs[0]):
            return function(*inputs)
        if key not in self._captured:
            self._captured[key] = Captured(function)
            if len(self._captured) > MOST_VARIANTS:
                self._captured.popitem(last=False)
        self._captured.move_to_end(key)
        return self._captured[key](*inputs)


class Graph:
    """A CUDA graph with the memory of its inputs and outputs.

    Args:
        function: see `Captured`.
        inputs: examples, whose values do not matter.

    Raises:
        RuntimeError: the function cannot be captured, or does not fit into memory.
    """

    def __init__(self, function: Function, inputs: Sequence[Tensor]) -> None:
        device = inputs[0].device
        with torch.inference_mode(False):  # so that they can be changed both in inference mode and outside
            self.inputs = [each.detach().clone() for each in inputs]
        before = torch.cuda.current_stream(device)
        side_stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self.graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.device(device):
                side_stream.wait_stream(before)
                try:
                    with torch.cuda.stream(side_stream):  # libraries choose their kernels in the first calls
                        for _ in range(WARM_UP):
                            function(*self.inputs)
                finally:
                    before.wait_stream(side_stream)
                # Other threads may copy meanwhile: one of them estimates optical flow.
                with (
                    constants_held() as self.constants,
                    torch.cuda.graph(self.graph, stream=side_stream, capture_error_mode="thread_local"),
                ):
                    self.outputs = function(*self.inputs)
        finally:
            torch.cuda.set_stream(before)  # a failed capture leaves another stream set

    def replay(self, inputs: Sequence[Tensor]) -> dict[str, Tensor]:
        """The function's result for other inputs of the same shapes, on the current stream."""
        for own, given in zip(self.inputs, inputs, strict=True):
            own.copy_(given)
        self.graph.replay()
        return {name: value.clone() for name, value in self.outputs.items()}
