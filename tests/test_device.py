"""Choosing a device, and carrying images there and back."""

import os

import cv2
import numpy as np
import pytest
import torch

from streamstyle import device as devices
from streamstyle.errors import OutOfMemoryError, UsageError

needs_cuda = pytest.mark.skipif(
    not torch.cuda.is_available() and os.environ.get("FAIL_WITHOUT_CUDA") != "1", reason="needs CUDA"
)
CPU = torch.device("cpu")
ALL_BYTES = np.arange(256 * 3, dtype=np.uint8).reshape(16, 16, 3)


def test_the_cpu_is_always_there():
    assert devices.choose("cpu") == CPU


def test_auto_takes_what_is_there():
    assert devices.choose("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["cuda:99", "gpu", "", "cuda:", "cuda:-1", "CPU "])
def test_an_unknown_device_is_refused_with_those_that_are_there(name):
    with pytest.raises(UsageError, match=r"available: auto, cpu"):
        devices.choose(name)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_every_byte_survives_the_round_trip(dtype):
    np.testing.assert_array_equal(devices.download(devices.upload(ALL_BYTES, CPU, dtype)), ALL_BYTES)


def test_upload_gives_channels_first_in_0_to_1_on_channels_last_memory():
    pixels = np.zeros((2, 5, 3), np.uint8)
    pixels[1, 4] = 255, 51, 0
    image = devices.upload(pixels, CPU)
    assert image.shape == (3, 2, 5)
    assert image[:, 1, 4].tolist() == pytest.approx([1.0, 0.2, 0.0])
    assert image.stride() == (1, 15, 3)


def test_upload_shares_no_memory_with_the_frame():
    pixels = np.full((2, 2, 3), 255, np.uint8)
    image = devices.upload(pixels, CPU)
    pixels[:] = 0
    assert image.min() == 1


def test_upload_takes_read_only_and_mirrored_pixels():
    pixels = np.broadcast_to(np.arange(4, dtype=np.uint8)[None, ::-1, None], (2, 4, 3))
    assert (devices.upload(pixels, CPU)[0, 0] * 255).round().tolist() == [3, 2, 1, 0]


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4), (3, 4, 4)])
def test_upload_names_an_unexpected_shape(shape):
    with pytest.raises(ValueError, match=r"expected \(H, W, 3\) uint8"):
        devices.upload(np.zeros(shape, np.uint8), CPU)


def test_download_rounds_to_the_nearest_and_clamps():
    values = torch.tensor([-3.0, 0.49 / 255, 0.51 / 255, 254.6 / 255, 1.7, float("inf"), float("-inf")])
    pixels = devices.download(values.expand(3, 1, -1))
    assert pixels[0, :, 0].tolist() == [0, 0, 1, 255, 255, 255, 0]


def test_nan_becomes_black():
    assert devices.download(torch.full((3, 2, 2), float("nan"))).max() == 0


def test_download_leaves_the_image_as_it_was_and_gives_contiguous_memory():
    image = torch.full((3, 4, 6), 2.0)
    pixels = devices.download(image)
    assert image.min() == image.max() == 2
    assert pixels.flags["C_CONTIGUOUS"]
    assert pixels.shape == (4, 6, 3)


def test_download_names_an_unexpected_shape():
    with pytest.raises(ValueError, match=r"\(1, 4, 4\), expected \(3, H, W\)"):
        devices.download(torch.zeros(1, 4, 4))


@pytest.mark.parametrize(
    "raised",
    [
        MemoryError(),
        torch.cuda.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        cv2.error("OpenCV(5.0.0) alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 9 bytes"),
    ],
)
def test_every_way_of_running_out_of_memory_becomes_one_error(raised):
    with pytest.raises(OutOfMemoryError, match=r"640x480 .*--max-size"), devices.out_of_memory(640, 480):
        raise raised


def test_a_real_allocation_failure_is_recognised():
    with pytest.raises(OutOfMemoryError), devices.out_of_memory(1, 1):
        torch.empty(1 << 60, dtype=torch.uint8)


def test_other_runtime_errors_pass_unchanged():
    with pytest.raises(RuntimeError, match="shapes"), devices.out_of_memory(1, 1):
        raise RuntimeError("shapes do not match")


@pytest.mark.cuda
@needs_cuda
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_every_byte_survives_the_round_trip_over_the_bus(dtype):
    image = devices.upload(ALL_BYTES, devices.choose("cuda"), dtype)
    assert image.is_cuda
    np.testing.assert_array_equal(devices.download(image), ALL_BYTES)
