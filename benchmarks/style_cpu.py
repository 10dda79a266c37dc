"""Speed of our style network relative to Johnson's on this CPU: `python benchmarks/style_cpu.py`.

Johnson's in eager PyTorch, ours as `streamstyle` runs it by default; both in single precision and in one
process, one frame at a time. They take turns in blocks of frames, so that other load on the machine affects
both; medians are compared. The first frame of each block is not counted, as the other's threads still wait
busily for work then: with turns after each frame OpenVINO took twice the time.
Other ways to run our network are further rows (`--all`). Speed does not depend on the weights, so none are
loaded. PyTorch's waiting threads sleep, as in the program `streamstyle`. If they spin instead
(OMP_WAIT_POLICY=ACTIVE), a busy neighbor slows many small layers tenfold and few large ones twofold.
Another instruction set is tried with ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2.
The last line is `ratio_640x480: N`, from the row that `streamstyle` uses by default.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the program does

import torch
from torch import Tensor, nn

from streamstyle.inference import NETWORK_RUNNERS, described, find_network_runner
from streamstyle.networks import Johnson, StyleNet

Row = Callable[[Tensor], object]
REFERENCE, DEFAULT = "johnson eager", "style_net default"
CPU = torch.device("cpu")
BLOCK = 10  # frames in succession that are counted


def eager(network: nn.Module, channels_last: bool) -> Row:
    """The network as it is."""
    if channels_last:
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return lambda image: network(image.contiguous(memory_format=torch.channels_last))
    return lambda image: network(image.contiguous())


def compiled(name: str, image: Tensor) -> Row:
    """Our network by a runner."""
    runner, (height, width) = find_network_runner(name, CPU), image.shape[2:]
    if runner is None:
        return eager(StyleNet().eval(), True)
    return runner.compile(StyleNet().eval(), height, width, torch.get_num_threads())


def table(image: Tensor, everything: bool) -> dict[str, Row]:
    """The rows of the table by name."""
    rows = {
        REFERENCE: eager(Johnson().eval(), False),
        "style_net torch": compiled("torch", image),
        DEFAULT: compiled("auto", image),
    }
    if everything:
        rows["style_net not channels-last"] = eager(StyleNet().eval(), False)
        rows["style_net torch.compile"] = torch.compile(eager(StyleNet().eval(), True))
        rows |= {f"style_net {name}": compiled(name, image) for name in NETWORK_RUNNERS}
    return rows


def measure(rows: dict[str, Row], image: Tensor, rounds: int) -> dict[str, float]:
    """Median milliseconds of each row, over that many blocks."""
    times: dict[str, list[float]] = {name: [] for name in rows}
    for number in range(rounds + 1):  # the first one is a warm-up
        for name, run in rows.items():
            for frame in range(BLOCK + 1 if number else 2):
                start = time.perf_counter()
                run(image)
                if number and frame:
                    times[name].append(time.perf_counter() - start)
    return {name: 1000 * statistics.median(values) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="640x480", help="WIDTHxHEIGHT, multiples of 8")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--all", action="store_true", help="also eager, torch.compile and every runner")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    width, height = (int(side) for side in options.size.split("x"))
    image = torch.rand(1, height, width, 3, generator=torch.Generator().manual_seed(0)).permute(0, 3, 1, 2)
    with torch.inference_mode():
        milliseconds = measure(table(image, options.all), image, options.rounds)
    reference = milliseconds[REFERENCE]
    print(f"default: {described('auto', CPU)}; {options.size}, {options.rounds} blocks of {BLOCK} frames")
    print(f"{'':28}{'ms':>9}{'fps':>9}{'ratio':>9}")
    for name, value in milliseconds.items():
        print(f"{name:28}{value:9.1f}{1000 / value:9.1f}{reference / value:9.1f}")
    print(f"ratio_{options.size}: {reference / milliseconds[DEFAULT]:.1f}")


if __name__ == "__main__":
    main()
