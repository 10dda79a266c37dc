"""Speed of our style network relative to Johnson's on this CPU: `python benchmarks/style_cpu.py`.

Both run in one process, in eager PyTorch and single precision, one frame at a time, taking turns, so that
other load on the machine affects both; medians are compared. Other runtimes for our network are rows of the
same table if their packages are installed. Speed does not depend on the weights, so none are loaded. Waiting
threads sleep, as in the program `streamstyle`. If they spin instead (OMP_WAIT_POLICY=ACTIVE), a busy neighbor
slows many small layers tenfold and few large ones twofold.
The last line is `ratio_640x480: N`, from the row that `streamstyle` uses by default.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the program does

import torch
from torch import Tensor, nn

from streamstyle.networks import Johnson, StyleNet

Runner = Callable[[Tensor], object]
REFERENCE, DEFAULT = "johnson eager", "style_net channels-last"


def eager(network: nn.Module, channels_last: bool) -> Runner:
    """The network as it is."""
    if channels_last:
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return lambda image: network(image.contiguous(memory_format=torch.channels_last))
    return network


def openvino(network: nn.Module, image: Tensor) -> Runner:
    """The network in OpenVINO, in single precision; its default, bfloat16, is visibly inexact."""
    import openvino as ov

    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    model = ov.Core().compile_model(ov.convert_model(network, example_input=image), "CPU", settings)
    return lambda picture: model([picture.numpy()])


def onnx_runtime(network: nn.Module, image: Tensor) -> Runner:
    """The network in ONNX Runtime; the export also needs the packages onnx and onnxscript."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        torch.onnx.export(network, (image,), path, dynamo=True, verbose=False)
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda picture: session.run(None, {name: picture.numpy()})


def runners(image: Tensor, backends: bool) -> dict[str, Runner]:
    """All rows of the table; those that need other packages or long preparation only with `backends`."""
    rows = {
        REFERENCE: eager(Johnson().eval(), False),
        "style_net eager": eager(StyleNet().eval(), False),
        DEFAULT: eager(StyleNet().eval(), True),
    }
    if not backends:
        return rows
    rows["style_net torch.compile"] = torch.compile(eager(StyleNet().eval(), True))
    if importlib.util.find_spec("openvino"):
        rows["style_net openvino f32"] = openvino(StyleNet().eval(), image)
    if all(importlib.util.find_spec(name) for name in ("onnxruntime", "onnx", "onnxscript")):
        rows["style_net onnxruntime"] = onnx_runtime(StyleNet().eval(), image)
    return rows


def measure(rows: dict[str, Runner], image: Tensor, rounds: int) -> dict[str, float]:
    """Median milliseconds of each row; rows take turns frame by frame, after two warm-up frames."""
    times: dict[str, list[float]] = {name: [] for name in rows}
    for index in range(rounds + 2):
        for name, run in rows.items():
            start = time.perf_counter()
            run(image)
            if index >= 2:
                times[name].append(time.perf_counter() - start)
    return {name: 1000 * statistics.median(values) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="640x480", help="WIDTHxHEIGHT, multiples of 8")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--backends", action="store_true", help="also torch.compile, OpenVINO, ONNX Runtime")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    width, height = (int(side) for side in options.size.split("x"))
    image = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        milliseconds = measure(runners(image, options.backends), image, options.rounds)
    reference = milliseconds[REFERENCE]
    print(f"torch {torch.__version__}, {options.threads} threads, {options.size}, {options.rounds} rounds")
    print(f"{'':28}{'ms':>9}{'fps':>9}{'ratio':>9}")
    for name, value in milliseconds.items():
        print(f"{name:28}{value:9.1f}{1000 / value:9.1f}{reference / value:9.1f}")
    print(f"ratio_{options.size}: {reference / milliseconds[DEFAULT]:.1f}")


if __name__ == "__main__":
    main()
