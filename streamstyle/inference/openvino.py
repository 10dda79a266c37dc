"""Our style network in OpenVINO.

The graph is built here, operation by operation. That takes 4 ms, converting a traced network 0.4 s, and the
converted graph was a quarter slower. It differs from `StyleNet.forward` where that saves time and gives the
same result up to rounding: the first layers' biases subtract 0.5 from the image; normalization is one
operation, which computes the variance from differences to the mean, so nothing is subtracted before it; and
images keep the memory order (H, W, 3) inside and outside.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from streamstyle.inference.network_runner import Compiled, runtime_errors
from streamstyle.networks import StyleNet, StyleNetwork
from streamstyle.networks.style_net import Block, InstanceNorm, Shuffle

Node = Any  # of OpenVINO's graph
TO_CHANNELS_FIRST, TO_CHANNELS_LAST = (0, 3, 1, 2), (0, 2, 3, 1)


def _openvino() -> Any:
    """The package, without what reports each import of it to a server on the internet."""
    # It does so from a process that it forks; where it finds no such module, it does without.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


class OpenVino:
    """Compiles our style network with OpenVINO."""

    packages = ("openvino",)

    def accepts(self, network: StyleNetwork) -> bool:
        """Whether it is ours."""
        return isinstance(network, StyleNet)

    def compile(self, network: StyleNetwork, height: int, width: int, threads: int) -> Compiled:
        """See `NetworkRunner.compile`."""
        openvino = _openvino()
        assert isinstance(network, StyleNet)
        settings = {
            "INFERENCE_PRECISION_HINT": "f32",  # by default bfloat16 where there is some: visibly inexact
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_CPU_PINNING": False,  # the cores are shared with decoder and encoder
        }
        with runtime_errors(), torch.inference_mode():
            model = Graph(network).build(height, width)
            request = _runtime().compile_model(model, "CPU", settings).create_infer_request()

        def run(image: Tensor) -> Tensor:
            pixels = image.permute(TO_CHANNELS_LAST).contiguous()
            result = torch.empty_like(pixels)
            # Both are used in place: nothing is copied.
            request.set_input_tensor(openvino.Tensor(pixels.numpy(), shared_memory=True))
            request.set_output_tensor(openvino.Tensor(result.numpy(), shared_memory=True))
            with runtime_errors():
                request.infer()
            return result.permute(TO_CHANNELS_FIRST)

        return run


class Graph:
    """Builds the graph of a network, whose weights become constants.

    Args:
        network: to build; its methods here have the names of its layers and do the same.
    """

    def __init__(self, network: StyleNet) -> None:
        from openvino import opset13

        self.network, self.operations = network, opset13

    def build(self, height: int, width: int) -> Any:
        """The model for images of one size, (1, H, W, 3) in and out."""
        from openvino import Model

        network, new = self.network, self.operations
        image = new.parameter([1, height, width, 3], np.float32)
        quarter = self.convolution(self.padded_image(image, 2), network.enter, self.centering(network.enter))
        quarter = self.block(quarter, network.fine)
        eighth = new.relu(self.convolution(quarter, network.down))
        for block in network.coarse:
            assert isinstance(block, Block)
            eighth = self.block(eighth, block)
        raised = self.enlarged(self.convolution(eighth, network.up), height // 4, width // 4)
        quarter = self.block(new.add(raised, quarter), network.merge)
        half = self.shuffle(self.padded(quarter, 2), network.to_half)
        edges = self.convolution(self.padded_image(image, 6), network.edges, self.centering(network.edges))
        full = self.shuffle(new.relu(new.add(half, edges)), network.to_full)
        excess = (full.get_output_shape(0)[3] - width) // 2  # pixels on each side
        result = new.transpose(new.sigmoid(self.cropped(full, excess)), self.constant(TO_CHANNELS_LAST))
        return Model([result], [image], "style_net")

    def convolution(
        self, x: Node, layer: nn.Conv2d, bias: Tensor | None = None, order: Tensor | None = None
    ) -> Node:
        """The convolution, without padding.

        Args:
            x: (1, C, H, W).
            layer: the layer.
            bias: replaces the layer's own.
            order: of the resulting channels, as indices.
        """
        new, weight = self.operations, layer.weight
        stride, none = list(layer.stride), [0, 0]
        bias = layer.bias if bias is None else bias
        if order is not None:
            weight, bias = weight[order], None if bias is None else bias[order]
        if layer.groups > 1:
            grouped = weight.view(layer.groups, -1, *weight.shape[1:])
            result = new.group_convolution(x, self.constant(grouped), stride, none, none, [1, 1])
        else:
            result = new.convolution(x, self.constant(weight), stride, none, none, [1, 1])
        return result if bias is None else new.add(result, self.per_channel(bias))

    def block(self, x: Node, block: Block) -> Node:
        """Depthwise convolution, normalization, two 1x1 convolutions and the skip connection."""
        y = self.normalized(self.convolution(self.padded(x, 2), block.space), block.norm)
        y = self.convolution(self.operations.relu(self.convolution(y, block.widen)), block.narrow)
        return self.operations.add(y, x)

    def normalized(self, x: Node, norm: InstanceNorm) -> Node:
        """Instance normalization, then the learned scale and bias."""
        new = self.operations
        y = new.mvn(x, self.constant((2, 3)), True, norm.epsilon, "inside_sqrt")
        return new.add(new.multiply(y, self.per_channel(norm.weight)), self.per_channel(norm.bias))

    def shuffle(self, x: Node, shuffle: Shuffle) -> Node:
        """Convolution, pixel shuffle and blur.

        The four phases of a pixel are the outer index of the convolution's channels here, not the inner one:
        so the shuffle moves whole pairs of pixels, which takes half the time of OpenVINO's own.
        """
        new, channels = self.operations, len(shuffle.blur)
        order = torch.arange(4 * channels).view(channels, 4).T.flatten()
        y = self.convolution(x, shuffle.conv, order=order)
        y = new.transpose(y, self.constant(TO_CHANNELS_LAST))
        _, height, width, _ = y.get_output_shape(0)
        y = new.reshape(y, self.constant((1, height, width, 2, 2 * channels)), False)
        y = new.transpose(y, self.constant((0, 1, 3, 2, 4)))
        y = new.reshape(y, self.constant((1, 2 * height, 2 * width, channels)), False)
        y = new.transpose(y, self.constant(TO_CHANNELS_FIRST))
        blur = self.constant(shuffle.blur[:, None])
        return new.group_convolution(y, blur, [1, 1], [0, 0], [0, 0], [1, 1])

    def padded(self, x: Node, margin: int) -> Node:
        """(1, C, H, W), padded by repeating its border."""
        margins = self.constant((0, 0, margin, margin))
        return self.operations.pad(x, margins, margins, "edge")

    def padded_image(self, image: Node, margin: int) -> Node:
        """(1, 3, H + 2 margin, W + 2 margin) from (1, H, W, 3), whose memory order is kept."""
        margins = self.constant((0, margin, margin, 0))
        padded = self.operations.pad(image, margins, margins, "edge")
        return self.operations.transpose(padded, self.constant(TO_CHANNELS_FIRST))

    def cropped(self, x: Node, excess: int) -> Node:
        """(1, C, H, W) without a margin."""
        begin, end, step, axes = (excess,) * 2, (-excess,) * 2, (1, 1), (2, 3)
        return self.operations.slice(x, *(self.constant(part) for part in (begin, end, step, axes)))

    def enlarged(self, x: Node, height: int, width: int) -> Node:
        """Bilinear interpolation to a size."""
        return self.operations.interpolate(
            x,
            self.constant((height, width)),
            "linear_onnx",
            "sizes",
            coordinate_transformation_mode="half_pixel",
            axes=self.constant((2, 3)),
        )

    def centering(self, layer: nn.Conv2d) -> Tensor:
        """The bias with which the layer takes an image for the image minus 0.5."""
        assert layer.bias is not None
        return layer.bias - 0.5 * layer.weight.sum(dim=(1, 2, 3))

    def per_channel(self, values: Tensor) -> Node:
        """(C) as a constant (1, C, 1, 1)."""
        return self.constant(values.view(1, -1, 1, 1))

    def constant(self, values: Tensor | Sequence[int]) -> Node:
        """A copy of a tensor, or integers, as a constant."""
        if isinstance(values, Tensor):
            return self.operations.constant(values.detach().contiguous().numpy())
        return self.operations.constant(np.array(values, np.int64))


@cache
def _runtime() -> Any:
    """OpenVINO itself; loading its CPU plugin takes a moment."""
    openvino = _openvino()
    return openvino.Core()
