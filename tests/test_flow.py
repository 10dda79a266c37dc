"""Optical flow: known motion is undone, files are read, odd ones are named."""

import numpy as np
import pytest
import torch

from streamstyle.errors import InputError
from streamstyle.optical_flow import FLO_MAGIC, inside, read_flow, warp


def picture(height: int = 24, width: int = 32) -> torch.Tensor:
    """(1, 3, H, W), smooth, so that it can be sampled between pixels."""
    coarse = torch.rand(1, 3, height // 8, width // 8, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")


def constant(x: float, y: float, height: int = 24, width: int = 32) -> torch.Tensor:
    return torch.tensor([x, y]).view(1, 2, 1, 1).expand(1, 2, height, width)


@pytest.mark.parametrize("mode", ["bicubic", "bilinear"])
def test_no_motion_changes_nothing(mode):
    torch.testing.assert_close(warp(picture(), constant(0, 0), mode), picture(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("mode", ["bicubic", "bilinear"])
def test_the_flow_points_to_where_a_pixel_came_from(mode):
    """Everything moved by 3 to the right and 2 down: flow (-3, -2) on the grid of the later frame."""
    before = picture()
    after = before.roll((2, 3), (2, 3))
    warped = warp(before, constant(-3, -2), mode)
    torch.testing.assert_close(warped[..., 2:, 3:], after[..., 2:, 3:], atol=1e-5, rtol=0)


def test_half_a_pixel_is_interpolated():
    ramp = torch.arange(32.0).expand(1, 1, 24, 32)
    warped = warp(ramp, constant(0.5, 0), "bilinear")
    torch.testing.assert_close(warped[..., :-1], ramp[..., :-1] + 0.5)


def test_beyond_the_border_the_nearest_pixel_is_taken():
    ramp = torch.arange(32.0).expand(1, 1, 24, 32)
    assert (warp(ramp, constant(100, 0), "bilinear") == 31).all()


def test_inside_knows_the_border_and_a_margin():
    assert inside(constant(0, 0)).all()
    moved = inside(constant(3, 0))
    assert moved[..., :-3].all() and not moved[..., -3:].any()
    with_margin = inside(constant(0, 0), margin=2)
    assert with_margin.sum() == (24 - 4) * (32 - 4)


def test_warping_is_differentiable():
    image = picture().requires_grad_(True)
    warp(image, constant(0.3, -0.2)).sum().backward()
    assert image.grad is not None and image.grad.sum() == pytest.approx(image.numel(), rel=1e-4)


def write_flo(path, flow: np.ndarray, magic: float = FLO_MAGIC) -> None:
    size = np.array([flow.shape[1], flow.shape[0]], "<i4")
    path.write_bytes(np.array([magic], "<f4").tobytes() + size.tobytes() + flow.astype("<f4").tobytes())


def test_flo_files_are_read(tmp_path):
    flow = np.random.default_rng(0).normal(size=(5, 7, 2)).astype(np.float32)
    write_flo(tmp_path / "a.flo", flow)
    read = read_flow(tmp_path / "a.flo")
    assert read.shape == (2, 5, 7)
    np.testing.assert_array_equal(read.numpy(), flow.transpose(2, 0, 1))


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1)])
def test_npy_files_are_read_with_the_channels_first_or_last(tmp_path, axes):
    flow = np.random.default_rng(0).normal(size=(5, 7, 2))
    np.save(tmp_path / "a.npy", flow.transpose(axes))
    np.testing.assert_allclose(read_flow(tmp_path / "a.npy").numpy(), flow.transpose(2, 0, 1), rtol=1e-6)


def test_what_a_file_marks_as_unknown_is_nan(tmp_path):
    flow = np.zeros((4, 4, 2), np.float32)
    flow[1, 2] = 1e10
    write_flo(tmp_path / "a.flo", flow)
    read = read_flow(tmp_path / "a.flo")
    assert read[:, 1, 2].isnan().all() and read.isnan().sum() == 2


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.flo", b"", "does not begin like a .flo file"),
        ("a.flo", b"PIEH" + (4).to_bytes(4, "little") * 2 + b"short", "17 bytes, expected 140 for 4x4"),
        ("a.flo", b"PIEH" + b"\xff" * 8, "size -1x-1"),
        ("a.npy", b"no array", "not a readable .npy file"),
        ("a.npy", b"", "not a readable .npy file"),
        ("a.npy", b"PK\x03\x04 an archive", "not a readable .npy file"),
        ("a.txt", b"1 2", "expected a name that ends in .flo or .npy"),
    ],
)
def test_what_is_no_flow_is_named(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=message):
        read_flow(tmp_path / name)


def test_odd_arrays_and_missing_files_are_named(tmp_path):
    np.save(tmp_path / "flat.npy", np.zeros((4, 4)))
    with pytest.raises(InputError, match=r"shape \(4, 4\), expected \(height, width, 2\)"):
        read_flow(tmp_path / "flat.npy")
    np.save(tmp_path / "text.npy", np.full((4, 4, 2), "x"))
    with pytest.raises(InputError, match="numbers of type"):
        read_flow(tmp_path / "text.npy")
    with pytest.raises(InputError, match=r"absent\.flo: not a readable flow file"):
        read_flow(tmp_path / "absent.flo")
