"""Accuracy and cost of optical flow: `python benchmarks/flow.py [--weights RAFT.pth]`.

Accuracy: a sample image is moved by a known flow. Reported is the mean end-point error in pixels, away from
the border. For a square that moves over a background, the confidence mask is evaluated too. The flow of a
pixel is invalid if the pixel is occluded in the other frame or the flow is wrong by more than a pixel.
Precision is the share of invalid pixels among the masked ones, recall that of masked among the invalid ones.
`negated` is the flow of the other direction with its sign changed, as some tools use it.

Cost: milliseconds on one thread for each frame of the sample clip at two sizes: flow both ways with its
confidence masks, blending with the previous and the next result, and the style network. The last lines are
flow with masks as a share of stylizing.

With a CUDA device, `dis` is timed there, too, on frames of 1080 lines that lie on it: flow both ways,
alone and with reduction and checks, in milliseconds a frame. `flow_dis_graphs` is 0 if it was not captured.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import torch

from streamstyle.cuda_graphs import Captured
from streamstyle.device import choose, on_host, upload
from streamstyle.effects.stabilize import Stabilize
from streamstyle.effects.stylize.effect import Style
from streamstyle.frames import Frame, Moment, NextFrame
from streamstyle.optical_flow import FLOWS, FlowEstimation, FlowSequence
from streamstyle.optical_flow.dis_torch import flow_both_ways
from streamstyle.optical_flow.occlusion import color_consistent, flow_consistent, in_bounds
from streamstyle.optical_flow.warping import warped_pixels
from streamstyle.pictures import YCbCr
from streamstyle.pipeline.step import uploaded_planes
from streamstyle.sources import ReadOptions, open_source
from streamstyle.transfers import start_download

SAMPLES = Path(__file__).parents[1] / "samples"
SIZE = 480, 640
INNER = (slice(48, -48), slice(48, -48))
FRAMES = 24


def sample(name: str) -> np.ndarray:
    """A sample image, (480, 640, 3) uint8."""
    pixels = cv2.cvtColor(cv2.imread(str(SAMPLES / f"{name}.png")), cv2.COLOR_BGR2RGB)
    return cv2.resize(pixels, SIZE[::-1], interpolation=cv2.INTER_AREA)


def affine(zoom: float = 1.0, degrees: float = 0.0, x: float = 0.0, y: float = 0.0) -> np.ndarray:
    """Backward flow of an image that is zoomed and rotated about its center, then shifted."""
    height, width = SIZE
    forward = np.eye(3)
    forward[:2] = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, zoom)
    forward[:2, 2] += x, y
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    places = np.stack((columns, rows, np.ones_like(rows)), axis=2) @ np.linalg.inv(forward).T
    return (places[..., :2] - np.stack((columns, rows), axis=2)).astype(np.float32)


MOTIONS = {
    "1 pixel": affine(x=1),
    "8 pixels": affine(x=8, y=-3),
    "30 pixels": affine(x=30),
    "half a pixel": affine(x=0.5, y=0.5),
    "zoom by 3 %": affine(zoom=1.03),
    "turn by 2 degrees": affine(degrees=2),
}


def known_motion(estimators: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]) -> None:
    """Prints end-point errors, and precision and recall of the confidence mask."""
    still = sample("painting")
    print(f"{'end-point error, pixels':28}" + "".join(f"{name:>12}" for name in estimators))
    for motion, true in MOTIONS.items():
        moved = warped_pixels(still, true, "bicubic")
        errors = [off(estimate(moved, still), true)[INNER].mean() for estimate in estimators.values()]
        print(f"{motion:28}" + "".join(f"{error:12.3f}" for error in errors))
    ground, cover, step = sample("painting"), sample("still_life"), 12
    previous, current = ground.copy(), ground.copy()
    previous[160:320, 200:360] = current[160:320, 200 + step : 360 + step] = cover[160:320, 200:360]
    true = np.zeros((*SIZE, 2), np.float32)
    true[160:320, 200 + step : 360 + step, 0] = -step
    hidden = np.zeros(SIZE, bool)
    hidden[160:320, 200 : 200 + step] = True
    edge = np.zeros(SIZE, bool)
    edge[150:330, 190:390] = True
    names = "a square's surroundings", "   negated", "mask precision", "mask recall", "   of what is hidden"
    rows: dict[str, list[float]] = {name: [] for name in names}
    for estimate in estimators.values():
        flow, reverse = estimate(current, previous), estimate(previous, current)
        reliable = in_bounds(flow) & flow_consistent(flow, reverse)
        masked = ~(reliable & color_consistent(current, warped_pixels(previous, flow)))
        wrong = hidden | (off(flow, true) > 1)
        rows["a square's surroundings"].append(off(flow, true)[edge].mean())
        rows["   negated"].append(off(-reverse, true)[edge].mean())
        rows["mask precision"].append(wrong[edge & masked].mean())
        rows["mask recall"].append(masked[edge & wrong].mean())
        rows["   of what is hidden"].append(masked[hidden].mean())
    for name, values in rows.items():
        print(f"{name:28}" + "".join(f"{value:12.3f}" for value in values))


def off(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """End-point error, (H, W)."""
    return np.linalg.norm(found - true, axis=2)


def clip(size: tuple[int, int]) -> list[Frame]:
    """Frames of the sample clip."""
    with open_source(SAMPLES / "harbour.mp4", ReadOptions(size=size)) as source:
        return [item for item in source if isinstance(item, Frame)][:FRAMES]


def timed(call: Callable[[], object]) -> float:
    """Milliseconds for each frame, the better of two calls that process all of them."""
    times = []
    for _ in range(2):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return 1000 * min(times) / FRAMES


def cost(size: tuple[int, int], flows: list[str], weights: Path | None) -> Iterator[tuple[str, float]]:
    """Prints the times at one size; yields each flow's share of the time to stylize."""
    device, frames = choose(), clip(size)
    images = [upload(frame.pixels, device) for frame in frames]
    style = Style(device=device)
    results = [style(image, Moment(0, 0.0)) for image in images]

    class Precomputed:
        def __call__(self, image: torch.Tensor, moment: Moment) -> torch.Tensor:
            return results[moment.index]

    stylize = timed(lambda: [style(image, Moment(0, 0.0)).sum().item() for image in images])
    print(f"\n{size[0]}x{size[1]}, ms a frame: stylizing {stylize:.1f}")
    for name in flows:
        estimation = FlowEstimation(name, weights=weights, device=device)
        motion = timed(lambda: list(estimation(frames)))  # noqa: B023
        moved = list(estimation(frames))

        def blend() -> None:
            stabilize = Stabilize(Precomputed(), 0.7)
            for index, (_, since, following, forward_motion, _) in enumerate(moved):  # noqa: B023
                coming = None
                if following is not None and forward_motion is not None:
                    coming = NextFrame(images[index + 1], Moment(index + 1, 0.0), forward_motion)
                stabilize(images[index], Moment(index, 0.0, motion=since, next=coming)).sum().item()

        print(f"{name:>8}: flow with checks {motion:.1f}, blending {timed(blend):.1f}")
        yield f"flow_share_{name}_{size[0]}x{size[1]}", motion / stylize


def on_device(device: torch.device) -> Iterator[tuple[str, float]]:
    """Yields the milliseconds a frame on a CUDA device, for frames of 1080 lines."""
    with open_source(SAMPLES / "harbour.mp4", ReadOptions()) as source:
        pictures = [item.picture for item in source if isinstance(item, Frame)][:FRAMES]
    planes = [
        uploaded_planes(each.resized(1080, 1920), device) for each in pictures if isinstance(each, YCbCr)
    ]
    sequence = FlowSequence(FlowEstimation("dis", device=device))

    def compare() -> None:
        for picture in planes:
            pair = sequence.add(picture)
        _ = pair.similarity  # waits for the last frame

    grays = 255 * torch.rand(2, 225, 400, device=device)
    search = Captured(lambda grays: {"flow": flow_both_ways(grays)})

    def flows() -> None:
        for _ in range(FRAMES):
            found = search(grays)["flow"]
        start_download(found).array()

    for name, call in (("dis_both_ways", flows), ("dis_with_checks", compare)):
        call()  # captures the graphs
        yield f"flow_{name}_1080p_ms", timed(call)
    if search.refusal:
        print(f"no CUDA graph: {search.refusal}")
    yield "flow_dis_graphs", search.graphs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, help="file of RAFT's weights; RAFT is skipped without it")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    flows = [name for name in FLOWS if name != "raft" or options.weights]
    known_motion({name: FLOWS[name].open(options.weights, choose()) for name in flows})
    shares = [pair for size in ((640, 480), (1280, 720)) for pair in cost(size, flows, options.weights)]
    print()
    for name, share in shares:
        print(f"{name}: {share:.2f}")
    if not on_host(choose()):
        for name, figure in on_device(choose()):
            print(f"{name}: {figure:.2f}")


if __name__ == "__main__":
    main()
