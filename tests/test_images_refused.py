"""Images that are refused: bombs, damage, unsupported formats; and which files count as images."""

import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, features

from streamstyle.errors import InputError
from streamstyle.image_recognition import is_image
from streamstyle.images import is_animation, read_image
from streamstyle.sources.images import StillSource


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, channels), np.uint8)


def png(width: int, height: int, data: bytes, bits: int = 8, kind: int = 2) -> bytes:
    """A PNG file of any claim; kind 0 = gray, 2 = RGB."""
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", data), (b"IEND", b"")]
    bodies = [struct.pack(">I", len(b)) + n + b + struct.pack(">I", zlib.crc32(n + b)) for n, b in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(bodies)


def test_a_bomb_is_refused_by_its_header(tmp_path):
    """48 KB that unfold to 400 million pixels. They hold no data here, so only the header can tell."""
    (tmp_path / "bomb.png").write_bytes(png(20000, 20000, b"", bits=1, kind=0))
    with pytest.raises(InputError, match=r"bomb\.png: 20000 × 20000 pixels, the limit is 268,435,456"):
        StillSource(tmp_path / "bomb.png")


@pytest.mark.parametrize(("side", "allowed"), [(8192, True), (16384, True), (16385, False)])
def test_the_limit_is_above_8k_and_above_pillows_own(tmp_path, side, allowed):
    """An image within the limit goes on to fail for its missing pixels instead."""
    (tmp_path / "a.png").write_bytes(png(side, side, zlib.compress(b""), bits=1, kind=0))
    with pytest.raises(InputError, match="damaged" if allowed else "the limit is"):
        StillSource(tmp_path / "a.png")


def test_pillows_own_limit_is_as_before(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 12345)
    Image.fromarray(noise(4, 4)).save(tmp_path / "a.png")
    read_image(tmp_path / "a.png")
    with pytest.raises(InputError):
        read_image(tmp_path / "missing.png")
    assert Image.MAX_IMAGE_PIXELS == 12345


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.png: no such file"):
        StillSource(tmp_path / "none.png")
    with pytest.raises(InputError, match="is not a file"):
        StillSource(tmp_path)


def test_a_device_is_not_opened():
    assert not is_image(Path(os.devnull))
    with pytest.raises(InputError, match="is not a file"):
        StillSource(Path(os.devnull))


@pytest.mark.parametrize("brand", [b"heic", b"mif1"])
def test_unsupported_formats_are_named(tmp_path, brand):
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0" + brand + bytes(40))
    assert is_image(tmp_path / "a.heic")
    with pytest.raises(InputError, match=r"a\.heic: format not supported: HEIF"):
        StillSource(tmp_path / "a.heic")


def test_jpeg_xl_is_named(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"\xff\x0a" + bytes(40))
    with pytest.raises(InputError, match="format not supported: JPEG XL"):
        StillSource(tmp_path / "a.jpg")


@pytest.mark.parametrize("there", [True, False])
def test_avif_is_read_where_pillow_can(tmp_path, monkeypatch, there):
    if there and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    path = tmp_path / "a.avif"
    path.write_bytes(b"\0\0\0\x1cftypavif\0\0\0\0avifmif1" + bytes(40))
    if there:
        Image.fromarray(np.full((16, 16, 3), 90, np.uint8)).save(path)
        assert np.abs(read_image(path).pixels.astype(int) - 90).max() <= 3
    else:
        monkeypatch.setattr(features, "check", lambda feature: False)
        with pytest.raises(InputError, match="format not supported: AVIF"):
            StillSource(path)


def test_camera_raw_is_not_read_as_its_thumbnail(tmp_path):
    Image.fromarray(noise(4, 4)).save(tmp_path / "a.tif")
    (tmp_path / "a.tif").rename(tmp_path / "a.nef")
    with pytest.raises(InputError, match="format not supported: camera raw"):
        StillSource(tmp_path / "a.nef")


FORMATS = [".jpg", ".png", ".webp", ".tif", ".bmp", ".gif", ".ppm", "deep.png"]


def saved(folder: Path, suffix: str) -> Path:
    path = folder / f"a{suffix}"
    if suffix == "deep.png":
        path.write_bytes(cv2.imencode(".png", noise(12, 9).astype(np.uint16) * 257)[1].tobytes())
    else:
        Image.fromarray(noise(12, 9)).save(path)
    return path


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_truncated_image_is_an_error_and_no_library_writes_to_stderr(tmp_path, suffix, capfd):
    path = saved(tmp_path, suffix)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(InputError, match=f"a{suffix}: damaged".replace(".", r"\.")):
        StillSource(path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("suffix", FORMATS)
def test_any_damage_is_an_input_error_of_one_line(tmp_path, suffix):
    """60 mutations of each format, with a fixed seed: read, or refused in one line."""
    path = saved(tmp_path, suffix)
    data = path.read_bytes()
    rng = np.random.default_rng(3)
    refused = 0
    for _ in range(60):
        changed = bytearray(data)
        for place in rng.integers(0, min(len(data), 400), 4):
            changed[place] = rng.integers(256)
        path.write_bytes(changed[: rng.integers(1, len(data) + 1)])
        try:
            StillSource(path)
        except InputError as exc:
            assert "\n" not in str(exc) and str(path) in str(exc)
            refused += 1
    assert refused > 10


def test_images_are_recognized_by_content_before_suffix(tmp_path):
    Image.fromarray(noise(4, 4)).save(tmp_path / "image.png")
    (tmp_path / "image.png").rename(tmp_path / "image.mp4")
    (tmp_path / "video.avif").write_bytes(b"\0\0\0\x18ftypavis\0\0\0\0avis" + bytes(40))
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("BM, or not BM, that is the question")
    assert is_image(tmp_path / "image.mp4")
    assert not is_image(tmp_path / "video.avif")
    assert is_image(tmp_path / "empty.jpg")
    assert not is_image(tmp_path / "notes.txt")
    assert not is_image(tmp_path / "missing.jpg")
    assert not is_image(tmp_path)
    assert read_image(tmp_path / "image.mp4").pixels.shape == (4, 4, 3)
    with pytest.raises(InputError, match=r"empty\.jpg: damaged at its start"):
        StillSource(tmp_path / "empty.jpg")


def test_only_images_of_several_frames_are_animations(tmp_path):
    shades = [Image.new("L", (4, 4), shade) for shade in (0, 200)]
    for name in ["moving.webp", "moving.png", "moving.gif"]:
        shades[0].save(tmp_path / name, save_all=True, append_images=shades[1:])
    Image.fromarray(noise(4, 4)).save(tmp_path / "still.gif")
    Image.fromarray(noise(4, 4)).save(tmp_path / "still.webp")
    pages = [Image.fromarray(noise(4, 4)) for _ in range(2)]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    moving = {path.name for path in tmp_path.iterdir() if is_animation(path)}
    assert moving == {"moving.webp", "moving.png", "moving.gif"}
    assert not is_animation(tmp_path / "missing.gif")
