"""Stills, folders and animations as sources of frames."""

import logging
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from streamstyle.errors import InputError
from streamstyle.images import is_animation, read_image
from streamstyle.sources.images import AnimationSource, FolderSource, StillSource

COLORS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]
SHOWN_MS = [40, 100, 250, 30]


def animation(path: Path, shown_ms: list[int] = SHOWN_MS, alpha: int = 255) -> None:
    mode = "RGB" if alpha == 255 else "RGBA"
    fill = [color if alpha == 255 else (*color, alpha) for color in COLORS]
    first, *rest = [Image.new(mode, (16, 10), color) for color in fill]
    first.save(path, save_all=True, append_images=rest, duration=shown_ms, lossless=True)


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, channels), np.uint8)


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "streamstyle"]


def test_the_images_of_a_folder_can_be_frames_of_a_video(tmp_path):
    for number, size in enumerate([(8, 6), (8, 6), (8, 6), (4, 6), (4, 6)]):
        Image.new("RGB", size).save(tmp_path / f"{number}.png")
    assert [frame.reset for frame in FolderSource(tmp_path)] == [True] * 5
    video = FolderSource(tmp_path, as_video=True)
    assert [frame.reset for frame in video] == [True, False, False, True, False]


def test_info_describes_the_still(tmp_path):
    Image.fromarray(noise(5, 7, 4)).save(tmp_path / "a.png")
    source = StillSource(tmp_path / "a.png")
    info = source.info
    assert (info.kind, info.width, info.height, info.frames, info.has_alpha) == ("still", 7, 5, 1, True)
    assert info.bytes == (tmp_path / "a.png").stat().st_size
    assert source.lost == 0


def test_the_previews_in_a_camera_jpeg_cause_no_warning(tmp_path, caplog):
    view, preview = Image.fromarray(noise(16, 16)), Image.fromarray(noise(8, 8))
    view.save(tmp_path / "a.mpo", save_all=True, append_images=[preview])
    (tmp_path / "a.mpo").rename(tmp_path / "a.jpg")
    (frame,) = StillSource(tmp_path / "a.jpg")
    assert frame.pixels.shape == (16, 16, 3)
    assert not messages(caplog)
    assert not is_animation(tmp_path / "a.jpg")


def test_folder_is_read_in_natural_order_with_names_and_own_sizes(tmp_path):
    for width, name in [(3, "img10.png"), (2, "IMG2.png"), (1, "img1.png"), (4, "img10b.png")]:
        Image.fromarray(noise(4, width)).save(tmp_path / name)
    with FolderSource(tmp_path, rate=Fraction(30000, 1001)) as source:
        frames = list(source)
    assert [frame.name for frame in frames] == ["img1.png", "IMG2.png", "img10.png", "img10b.png"]
    assert [frame.pixels.shape[1] for frame in frames] == [1, 2, 3, 4]
    assert all(frame.reset for frame in frames)
    assert [frame.pts for frame in frames] == [0, 1, 2, 3]
    assert frames[1].seconds == pytest.approx(1001 / 30000)
    info = source.info
    assert (info.kind, info.frames, info.width, info.rate) == ("folder", 4, 1, Fraction(30000, 1001))


def test_folder_warns_with_the_number_of_skipped_files(tmp_path, caplog):
    Image.fromarray(noise(4, 4)).save(tmp_path / "a.png")
    for name in ["notes.txt", "list.csv", ".hidden"]:
        (tmp_path / name).write_text("words")
    (tmp_path / "more.png").mkdir()
    assert len(list(FolderSource(tmp_path))) == 1
    assert len(messages(caplog)) == 1 and "skipped 2 files that are not images" in messages(caplog)[0]


def test_folder_skips_and_counts_damaged_images_and_keeps_the_timing(tmp_path, caplog):
    for name in ["1.png", "2.png", "3.png", "4.png"]:
        Image.fromarray(noise(4, 4)).save(tmp_path / name)
    for name in ["1.png", "3.png"]:
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:50])
    source = FolderSource(tmp_path)
    assert [(frame.name, frame.pts) for frame in source] == [("2.png", 1), ("4.png", 3)]
    assert [frame.name for frame in source] == ["2.png", "4.png"]
    assert source.lost == 2
    said = messages(caplog)
    assert len(said) == 2 and "1.png" in said[0] and "3.png" in said[1]


def test_folder_warns_once_of_many_16_bit_images(tmp_path, caplog):
    for number in range(3):
        data = cv2.imencode(".png", np.zeros((4, 4), np.uint16))[1].tobytes()
        (tmp_path / f"{number}.png").write_bytes(data)
    assert len(list(FolderSource(tmp_path))) == 3
    assert len(messages(caplog)) == 1


def test_folder_takes_the_first_frame_of_an_animation_and_says_so(tmp_path, caplog):
    animation(tmp_path / "a.gif")
    (frame,) = FolderSource(tmp_path)
    assert (frame.pixels == COLORS[0]).all()
    assert "only the first is read" in messages(caplog)[0]


def test_folders_without_readable_images_are_refused(tmp_path):
    with pytest.raises(InputError, match="no image in this folder"):
        FolderSource(tmp_path)
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(InputError, match=r"no readable image in this folder \(1 damaged\)"):
        FolderSource(tmp_path)
    with pytest.raises(InputError, match="No such file"):
        FolderSource(tmp_path / "missing")


@pytest.mark.parametrize("suffix", [".webp", ".png", ".gif"])
def test_animation_gives_complete_frames_at_their_times(tmp_path, suffix):
    animation(tmp_path / f"a{suffix}")
    source = AnimationSource(tmp_path / f"a{suffix}")
    for _ in range(2):  # as often as it is asked
        frames = list(source)
        assert [tuple(frame.pixels[5, 8]) for frame in frames] == COLORS
        assert [frame.pts for frame in frames] == [0, 40, 140, 390]
        assert [frame.duration for frame in frames] == SHOWN_MS
        assert [frame.reset for frame in frames] == [True, False, False, False]
        assert frames[2].seconds == 0.14
    info = source.info
    assert (info.kind, info.width, info.height, info.frames, info.rate) == ("video", 16, 10, 4, 25)


@pytest.mark.parametrize("suffix", [".webp", ".png"])
def test_animation_keeps_alpha(tmp_path, suffix):
    animation(tmp_path / f"a{suffix}", alpha=100)
    source = AnimationSource(tmp_path / f"a{suffix}")
    assert source.info.has_alpha
    assert all((frame.alpha == 100).all() for frame in source)


def test_times_below_a_millisecond_do_not_add_up_to_a_drift(tmp_path):
    frames = [Image.new("L", (4, 4), shade) for shade in range(0, 240, 4)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:], duration=100 / 3)
    times = [frame.pts for frame in AnimationSource(tmp_path / "a.png")]
    assert times == [round(number * 100 / 3) for number in range(60)]


def test_frames_of_no_duration_are_shown_as_long_as_browsers_show_them(tmp_path):
    animation(tmp_path / "a.webp", shown_ms=[0, 10, 11, 20])
    assert [frame.duration for frame in AnimationSource(tmp_path / "a.webp")] == [100, 100, 11, 20]


def test_the_still_of_a_png_that_is_not_part_of_its_animation_is_left_out(tmp_path):
    first, *rest = [Image.new("RGB", (4, 4), color) for color in COLORS]
    first.save(tmp_path / "a.png", save_all=True, append_images=rest, duration=50, default_image=True)
    source = AnimationSource(tmp_path / "a.png")
    assert [tuple(frame.pixels[0, 0]) for frame in source] == COLORS[1:]
    assert source.info.frames == 3
    assert tuple(read_image(tmp_path / "a.png").pixels[0, 0]) == COLORS[0]


def test_animation_is_scaled(tmp_path):
    animation(tmp_path / "a.webp")
    assert {frame.pixels.shape for frame in AnimationSource(tmp_path / "a.webp", max_size=8)} == {(5, 8, 3)}


def test_a_still_is_an_animation_of_one_frame(tmp_path):
    Image.fromarray(noise(4, 4)).save(tmp_path / "a.webp", lossless=True)
    (frame,) = AnimationSource(tmp_path / "a.webp")
    assert np.array_equal(frame.pixels, noise(4, 4))


def test_animation_ends_at_the_damage_and_counts_what_is_lost(tmp_path, caplog):
    rng = np.random.default_rng(0)
    first, *rest = [Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)) for _ in range(5)]
    first.save(tmp_path / "a.png", save_all=True, append_images=rest, duration=50)
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[: len(data) * 7 // 10])
    source = AnimationSource(tmp_path / "a.png")
    frames = list(source)
    assert len(frames) == 3
    assert source.lost == 2
    assert "2 frames lost" in messages(caplog)[-1]
    with caplog.at_level(logging.ERROR):
        assert len(list(source)) == 3


def test_animation_without_a_first_frame_is_refused(tmp_path):
    (tmp_path / "a.gif").write_bytes(b"GIF89a\4\0\4\0\0\0\0;")
    with pytest.raises(InputError, match=r"a\.gif: damaged"):
        AnimationSource(tmp_path / "a.gif")
