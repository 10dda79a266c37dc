"""Optical flow read from files."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from streamstyle.arrays import read_array
from streamstyle.errors import InputError, OutOfMemoryError
from streamstyle.images import mask_values, read_image

FLO_MAGIC = 202021.25  # the first number of a Middlebury file: "PIEH" read as a float
LARGEST_SIDE = 65536  # pixels; a larger one is a damaged header
SUFFIXES = (".flo", ".npy")


def read_flow(path: Path) -> Tensor:
    """Read the flow of a file: Middlebury `.flo`, or `.npy` of shape (H, W, 2) or (2, H, W).

    Returns:
        (2, H, W) float32 in pixels. Values that the file marks as unknown (beyond 1e9) become NaN.

    Raises:
        InputError: the file is missing, damaged, or of another format or shape.
        OutOfMemoryError: the flow does not fit into main memory.
    """
    try:
        if path.suffix.lower() == ".flo":
            flow = read_flo(path)
        elif path.suffix.lower() == ".npy":
            flow = read_array(path)
        else:
            raise ValueError(f"expected a name that ends in {' or '.join(SUFFIXES)}")
        if flow.ndim != 3 or 2 not in (flow.shape[0], flow.shape[2]):
            raise ValueError(f"shape {flow.shape}, expected (height, width, 2) or (2, height, width)")
        if flow.dtype.kind not in "fiu":
            raise ValueError(f"numbers of type {flow.dtype}")
    except MemoryError as exc:
        raise OutOfMemoryError(f"{path}: does not fit into main memory") from exc
    except (OSError, ValueError) as exc:
        text = getattr(exc, "strerror", None) or " ".join(str(exc).split())
        raise InputError(f"{path}: not a readable flow file: {text}") from exc
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
        ValueError: the file is not in this format.
        OSError: the file cannot be read.
    """
    data = path.read_bytes()
    if len(data) < 12 or np.frombuffer(data, "<f4", 1)[0] != np.float32(FLO_MAGIC):
        raise ValueError("it does not begin like a .flo file")
    width, height = (int(side) for side in np.frombuffer(data, "<i4", 2, offset=4))
    if not (1 <= width <= LARGEST_SIDE and 1 <= height <= LARGEST_SIDE):
        raise ValueError(f"size {width}x{height}")
    if len(data) != 12 + 8 * width * height:
        raise ValueError(f"{len(data)} bytes, expected {12 + 8 * width * height} for {width}x{height} pixels")
    return np.frombuffer(data, "<f4", offset=12).reshape(height, width, 2)


class FlowFolder:
    """A folder of exact flow, for example from a 3D renderer: one file for each frame.

    The last number in a file name is the number of the frame, counted from 0; the first frame needs no
    file. A `.png` mask of the same name is white where the flow is valid.

    Args:
        path: folder with `.flo` or `.npy` files.

    Raises:
        InputError: the folder cannot be read, contains no flow, or has two files of the same number.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: dict[int, Path] = {}
        try:
            found = sorted(path.iterdir())
        except OSError as exc:
            raise InputError(f"{path}: {exc.strerror}") from exc
        for file in found:
            numbers = re.findall(r"\d+", file.stem)
            if file.suffix.lower() not in SUFFIXES or not numbers:
                continue
            if (number := int(numbers[-1])) in self.files:
                raise InputError(f"{file}: has the same number as {self.files[number].name}")
            self.files[number] = file
        if not self.files:
            raise InputError(f"{path}: contains no flow; expected files such as 0001.flo or flow_12.npy")

    def at(self, index: int, shape: tuple[int, int], full: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """The flow of a frame and its validity mask, scaled to a size.

        Args:
            index: number of the frame.
            shape: (height, width) of the result.
            full: (height, width) of the frames as they are read, and of the files.

        Returns:
            Flow, (*shape, 2) float32 in pixels of the result, and mask, (*shape) bool, True where valid.

        Raises:
            InputError: the file for the frame is missing, cannot be read, or has another size.
        """
        if index not in self.files:
            raise InputError(f"{self.path}: contains no flow of frame {index}")
        file = self.files[index]
        flow = read_flow(file).permute(1, 2, 0).numpy()
        refuse_other_size(file, flow.shape, full)
        known = np.isfinite(flow).all(axis=2)
        if (mask := file.with_suffix(".png")).is_file():
            image = read_image(mask)
            refuse_other_size(mask, image.pixels.shape, full)
            known = known & (mask_values(image.pixels, image.alpha) > 127)
        flow = np.nan_to_num(flow)
        if shape == full:
            return flow, known
        scale = np.array([shape[1] / full[1], shape[0] / full[0]], np.float32)
        flow = cv2.resize(flow, shape[::-1], interpolation=cv2.INTER_AREA) * scale
        # Valid where all averaged pixels are.
        share = cv2.resize(known.astype(np.float32), shape[::-1], interpolation=cv2.INTER_AREA)
        return flow, share > 0.99


def refuse_other_size(file: Path, shape: tuple[int, ...], full: tuple[int, int]) -> None:
    """Check that a file has the size of the frames.

    Raises:
        InputError: it has another size.
    """
    if shape[:2] != full:
        raise InputError(f"{file}: {shape[1]}x{shape[0]} pixels, the frames have {full[1]}x{full[0]}")
