"""Reading flow from files."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from streamstyle.errors import InputError

FLO_MAGIC = 202021.25  # the first number of a Middlebury file: "PIEH" read as a float
LARGEST_SIDE = 65536  # pixels; a larger one is a damaged header
SUFFIXES = (".flo", ".npy")


def read_flow(path: Path) -> Tensor:
    """A flow from a file: Middlebury `.flo`, or `.npy` of shape (H, W, 2) or (2, H, W).

    Returns:
        (2, H, W) float32 in pixels. What the file marks as unknown (beyond 1e9) is NaN.

    Raises:
        InputError: it is missing, damaged, or of another format or shape.
    """
    try:
        if path.suffix.lower() == ".flo":
            flow = read_flo(path)
        elif path.suffix.lower() == ".npy":
            flow = np.load(path, allow_pickle=False)
        else:
            raise ValueError(f"expected a name that ends in {' or '.join(SUFFIXES)}")
        if flow.ndim != 3 or 2 not in (flow.shape[0], flow.shape[2]):
            raise ValueError(f"shape {flow.shape}, expected (height, width, 2) or (2, height, width)")
        if flow.dtype.kind not in "fiu":
            raise ValueError(f"numbers of type {flow.dtype}")
    except (OSError, ValueError, EOFError) as exc:
        raise InputError(f"{path}: no flow that can be read: {exc}") from exc
    if flow.shape[2] == 2:
        flow = flow.transpose(2, 0, 1)
    flow = np.ascontiguousarray(flow, np.float32)
    flow[np.abs(flow) > 1e9] = np.nan
    return torch.from_numpy(flow)


def read_flo(path: Path) -> np.ndarray:
    """(H, W, 2) float32 from a Middlebury file: magic, width, height, then x and y of each pixel.

    Reference: Baker et al. (2011), A database and evaluation methodology for optical flow,
    https://vision.middlebury.edu/flow/code/flow-code/README.txt

    Raises:
        ValueError: it is none.
    """
    data = path.read_bytes()
    if len(data) < 12 or np.frombuffer(data, "<f4", 1)[0] != np.float32(FLO_MAGIC):
        raise ValueError("it does not begin as a .flo file")
    width, height = (int(side) for side in np.frombuffer(data, "<i4", 2, offset=4))
    if not (1 <= width <= LARGEST_SIDE and 1 <= height <= LARGEST_SIDE):
        raise ValueError(f"size {width}x{height}")
    if len(data) != 12 + 8 * width * height:
        raise ValueError(f"{len(data)} bytes, expected {12 + 8 * width * height} for {width}x{height} pixels")
    return np.frombuffer(data, "<f4", offset=12).reshape(height, width, 2)


class FlowFolder:
    """Exact flow that was made elsewhere, as by a renderer: one file for each frame.

    The last number in a file's name is that of the frame whose flow it holds, counted from 0; the first
    frame needs none. A picture of the same name beside it, `.png`, is white where the flow holds.

    Args:
        path: folder with `.flo` or `.npy` files.

    Raises:
        InputError: it holds none, or two with one number.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: dict[int, Path] = {}
        for file in sorted(path.iterdir()):
            numbers = re.findall(r"\d+", file.stem)
            if file.suffix.lower() not in SUFFIXES or not numbers:
                continue
            if (number := int(numbers[-1])) in self.files:
                raise InputError(f"{file}: has the number of {self.files[number].name}")
            self.files[number] = file
        if not self.files:
            raise InputError(f"{path}: holds no flow, files named as 0001.flo or flow_12.npy")

    def at(self, index: int, shape: tuple[int, int], full: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """The flow of a frame and where it is known to hold, at another size.

        Args:
            index: number of the frame.
            shape: height and width that are wanted.
            full: those of the frames as they are read, which are those of the files, too.

        Returns:
            (height, width, 2) float32 in pixels of that size, and (height, width) bool.

        Raises:
            InputError: there is no file of that number, it cannot be read, or is of another size.
        """
        if index not in self.files:
            raise InputError(f"{self.path}: holds no flow of frame {index}")
        file = self.files[index]
        flow = read_flow(file).permute(1, 2, 0).numpy()
        refuse_other_size(file, flow.shape, full)
        known = np.isfinite(flow).all(axis=2)
        if (mask := file.with_suffix(".png")).is_file():
            grey = cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE)
            if grey is None:
                raise InputError(f"{mask}: no mask that can be read")
            refuse_other_size(mask, grey.shape, full)
            known = known & (grey > 127)
        flow = np.nan_to_num(flow)
        if shape == full:
            return flow, known
        scale = np.array([shape[1] / full[1], shape[0] / full[0]], np.float32)
        flow = cv2.resize(flow, shape[::-1], interpolation=cv2.INTER_AREA) * scale
        # A pixel is known where all that fell into it is.
        share = cv2.resize(known.astype(np.float32), shape[::-1], interpolation=cv2.INTER_AREA)
        return flow, share > 0.99


def refuse_other_size(file: Path, shape: tuple[int, ...], full: tuple[int, int]) -> None:
    """Make sure that flow and frames are of one size.

    Raises:
        InputError: they are not.
    """
    if shape[:2] != full:
        raise InputError(f"{file}: {shape[1]}x{shape[0]} pixels, the frames have {full[1]}x{full[0]}")
