"""Our style network in ONNX Runtime."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from streamstyle.inference.network_runner import Compiled, runtime_errors
from streamstyle.inference.onnx_export import INPUT, exported, with_weights
from streamstyle.networks import StyleNet, StyleNetwork

FATAL = 4  # severity of the messages that the runtime may print; all others are raised as errors, too


class OnnxRuntime:
    """Compiles our style network with ONNX Runtime.

    The export takes seconds, so it is done once for each architecture; then only weights are replaced.
    """

    packages = ("onnxruntime", "onnx", "onnxscript")

    def __init__(self) -> None:
        self._models: dict[tuple[int, ...], Any] = {}  # by the network's sizes

    def accepts(self, network: StyleNetwork) -> bool:
        """Whether it is ours."""
        return isinstance(network, StyleNet)

    def compile(self, network: StyleNetwork, height: int, width: int, threads: int) -> Compiled:
        """See `NetworkRunner.compile`."""
        session = self.session(network, threads)

        def run(image: Tensor) -> Tensor:
            with runtime_errors():
                (result,) = session.run(None, {INPUT: image.contiguous().numpy()})
            return torch.from_numpy(result)

        return run

    def session(self, network: StyleNetwork, threads: int) -> Any:
        """An `onnxruntime.InferenceSession` for images of any size."""
        import onnxruntime

        sizes = tuple(getattr(network, size) for size in network.SIZES)
        if sizes not in self._models:
            self._models[sizes] = exported(network)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = FATAL
        # Threads that spin while waiting take the cores from decoder and encoder.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        with runtime_errors():
            model = with_weights(self._models[sizes], network).SerializeToString()
            return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
