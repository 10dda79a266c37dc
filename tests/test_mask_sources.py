"""Masks from images, videos and folders."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from streamstyle.errors import InputError
from streamstyle.sources.masks import Mask


def still(path: Path, values: np.ndarray) -> Path:
    Image.fromarray(values).save(path)
    return path


def half(height: int = 8, width: int = 8) -> np.ndarray:
    values = np.zeros((height, width), np.uint8)
    values[:, width // 2 :] = 255
    return values


def test_an_image_masks_the_whole_video_by_its_brightness(tmp_path: Path):
    with Mask(still(tmp_path / "a.png", half())) as mask:
        first = mask(0.0)
        assert np.array_equal(first, half())
        assert mask(1000.0) is first
    with Mask(tmp_path / "a.png", invert=True) as mask:
        assert np.array_equal(mask(0.0), 255 - half())


def test_alpha_is_the_mask_if_there_is_transparency(tmp_path: Path):
    cut_out = np.dstack([np.full((8, 8, 3), 40, np.uint8), half()])
    with Mask(still(tmp_path / "cut.png", cut_out)) as mask:
        assert np.array_equal(mask(0.0), half())
    cut_out[..., 3] = 255
    with Mask(still(tmp_path / "opaque.png", cut_out)) as mask:
        assert (mask(0.0) == 40).all()


def test_a_mask_video_follows_its_times_and_repeats_its_last_frame(tmp_path: Path):
    path = tmp_path / "mask.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"FFV1"), 10, (32, 32))
    for level in (0, 100, 200):
        writer.write(np.full((32, 32, 3), level, np.uint8))
    writer.release()
    with Mask(path) as mask:
        shown = [int(mask(seconds).mean().round()) for seconds in (0.0, 0.05, 0.1, 0.19, 0.2, 5.0)]
    assert shown == pytest.approx([0, 0, 100, 100, 200, 200], abs=2)
    with Mask(path, start=0.1) as mask:
        assert mask(0.0).mean() == pytest.approx(100, abs=2)
    with pytest.raises(InputError, match="has no frame from 9 s on"), Mask(path, start=9):
        pass


def test_a_folder_gives_one_mask_per_frame(tmp_path: Path):
    for number in range(3):
        still(tmp_path / f"{number}.png", np.full((4, 4), 80 * number, np.uint8))
    with Mask(tmp_path, fps=5) as mask:
        assert [mask(seconds).mean() for seconds in (0.0, 0.2, 0.5)] == [0, 80, 160]


def test_a_mask_that_cannot_be_read_is_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"absent\.png: no such file"), Mask(tmp_path / "absent.png"):
        pass
