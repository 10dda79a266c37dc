"""Style networks as ONNX models; needs the packages onnx and onnxscript."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from streamstyle.networks import StyleNetwork

OPSET = 18
INPUT, OUTPUT = "image", "stylized"


def exported(network: StyleNetwork, size: tuple[int, int] | None = None) -> Any:
    """The network as an ONNX model, (1, 3, H, W) float32 RGB in [0, 1] in and out.

    Args:
        network: on the CPU.
        size: height and width of the images; None: they may be any multiples of the network's `multiple`.

    Returns:
        An `onnx.ModelProto`, whose initializers have the names of the network's parameters.
    """
    multiple = network.multiple
    least = -(-network.minimum // multiple)
    height, width = size or ((least + 1) * multiple, (least + 2) * multiple)
    dynamic = None
    if size is None:
        rows, columns = (torch.export.Dim(name, min=least) for name in ("rows", "columns"))
        dynamic = ({2: multiple * rows, 3: multiple * columns},)
    with _quiet():
        program = torch.onnx.export(
            network.eval(),
            (torch.zeros(1, 3, height, width),),
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=dynamic,
        )
    assert program is not None
    return program.model_proto


def with_weights(model: Any, network: StyleNetwork) -> Any:
    """A copy of an exported model with the weights of another network of its architecture."""
    from onnx import numpy_helper

    result = copy.deepcopy(model)
    weights = network.state_dict()
    for initializer in result.graph.initializer:
        if initializer.name in weights:
            array = weights[initializer.name].detach().contiguous().numpy()
            initializer.CopyFrom(numpy_helper.from_array(array, initializer.name))
    return result


@contextmanager
def _quiet() -> Iterator[None]:
    """A context without the exporter's messages about itself."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
