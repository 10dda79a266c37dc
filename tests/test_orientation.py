"""Images come out upright."""

from pathlib import Path

import numpy as np
import pytest

from streamstyle.video.orientation import _SYMMETRIES, turn
from tests.videos import make_video, pictures_of


def corners(index: int) -> np.ndarray:
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[:16, :16] = 255, 0, 0
    pixels[:16, -16:] = 0, 255, 0
    pixels[-16:, :16] = 0, 0, 255
    return pixels


def named(pixels: np.ndarray) -> str:
    """The colors of the corners from top left, clockwise."""
    names = []
    for y, x in ((4, 4), (4, -5), (-5, -5), (-5, 4)):
        strongest = pixels[y, x].argmax()
        names.append("rgb"[strongest] if pixels[y, x].max() > 90 else ".")
    return "".join(names)


@pytest.mark.parametrize(("rotation", "expected"), [(0, "rg.b"), (90, "g.br"), (180, ".brg"), (-90, "brg.")])
def test_rotation_is_applied_to_the_pixels(rotation: int, expected: str, tmp_path: Path) -> None:
    video = make_video(tmp_path / "video.mp4", 3, draw=corners, rotation=rotation)
    pixels = pictures_of(video)[0]
    assert named(pixels) == expected
    assert pixels.shape[:2] == ((64, 48) if rotation in (90, -90) else (48, 64))


def test_each_symmetry_moves_points_as_the_display_matrix_says() -> None:
    """A source point (x, y) is shown at (a x + c y, b x + d y), moved into the image."""
    height, width = 3, 5
    source = np.arange(height * width, dtype=np.uint8).reshape(height, width, 1)
    for (a, b, c, d), orientation in _SYMMETRIES.items():
        shown = turn(source, orientation)
        xs, ys = np.meshgrid(np.arange(width), np.arange(height))
        across, down = a * xs + c * ys, b * xs + d * ys
        across, down = across - across.min(), down - down.min()
        assert np.array_equal(shown[down, across], source), (a, b, c, d)
        assert shown.flags.c_contiguous


def test_real_phone_videos_are_upright(media: Path) -> None:
    """The same scene by its mean row: sky above, however the phone was held."""
    for name, size in (("rot_portrait.MOV", (568, 320)), ("rot_ax_rotate_and_reflect.mp4", (1080, 720))):
        pixels = pictures_of(media / "clips" / "edge" / name)[0]
        assert pixels.shape[:2] == size
