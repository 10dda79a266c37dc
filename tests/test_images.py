"""Images as pixels: upright, in sRGB, at 8 bits, scaled. Truths: constructed pixels, exact turns."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from streamstyle.errors import InputError
from streamstyle.frames import Frame
from streamstyle.images import fitted_size, mask_values, on_white, read_image
from streamstyle.sources.images import StillSource

ORIENTATION = 274  # the EXIF tag
CORNERS = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 0]]], np.uint8)


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, channels), np.uint8)


def only(path: Path, **options: object) -> Frame:
    (frame,) = StillSource(path, **options)
    return frame


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "streamstyle"]


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".ppm"])
def test_lossless_formats_give_the_pixels_that_were_saved(tmp_path, suffix):
    pixels = noise(5, 7)
    Image.fromarray(pixels).save(tmp_path / f"bild ü{suffix}")
    frame = only(tmp_path / f"bild ü{suffix}")
    assert np.array_equal(frame.pixels, pixels)
    assert frame.alpha is None
    assert frame.reset and frame.pts == 0 and frame.name == ""
    assert frame.pixels.flags.c_contiguous and frame.pixels.flags.writeable


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_lossy_formats_give_nearly_the_pixels_that_were_saved(tmp_path, suffix):
    pixels = np.broadcast_to(np.uint8([200, 80, 40]), (16, 16, 3))
    Image.fromarray(np.ascontiguousarray(pixels)).save(tmp_path / f"a{suffix}", quality=95)
    assert np.abs(only(tmp_path / f"a{suffix}").pixels.astype(int) - pixels).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_exif_orientation_is_applied(tmp_path, orientation, suffix):
    """The stored image is the upright one under the inverse of what the tag asks for (EXIF 2.32, 4.6.4)."""
    upright = np.kron(CORNERS, np.ones((16, 24, 1), np.uint8))
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = tmp_path / f"a{suffix}"
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif, quality=95, subsampling=0)
    pixels = only(path).pixels
    assert pixels.shape == upright.shape
    assert np.abs(pixels.astype(int) - upright).max() <= 8  # JPEG at quality 95


def test_a_damaged_exif_block_does_no_harm(tmp_path, recwarn):
    pixels = noise(8, 8)
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=b"Exif\0\0II*\0\xff\xff\xff\x7fnonsense")
    assert np.array_equal(only(tmp_path / "a.png").pixels, pixels)
    assert not recwarn.list


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_alpha_is_kept_beside_the_colors(tmp_path, suffix):
    rgba = noise(6, 5, 4)
    Image.fromarray(rgba).save(tmp_path / f"a{suffix}")
    frame = only(tmp_path / f"a{suffix}")
    assert np.array_equal(frame.pixels, rgba[..., :3])
    assert np.array_equal(frame.alpha, rgba[..., 3])


def test_grey_becomes_rgb(tmp_path):
    grey = noise(6, 5, 1)[..., 0]
    Image.fromarray(grey).save(tmp_path / "a.png")
    assert np.array_equal(only(tmp_path / "a.png").pixels, np.dstack([grey] * 3))


def test_grey_with_alpha_becomes_rgb_with_alpha(tmp_path):
    both = noise(6, 5, 2)
    Image.fromarray(both, "LA").save(tmp_path / "a.png")
    frame = only(tmp_path / "a.png")
    assert np.array_equal(frame.pixels, np.dstack([both[..., 0]] * 3))
    assert np.array_equal(frame.alpha, both[..., 1])


def test_palette_becomes_rgb_and_its_transparent_entry_alpha(tmp_path):
    image = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8), "P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    image.save(tmp_path / "opaque.png")
    image.save(tmp_path / "holes.png", transparency=1)
    opaque, holes = only(tmp_path / "opaque.png"), only(tmp_path / "holes.png")
    assert opaque.pixels.tolist() == [[[10, 20, 30], [40, 50, 60]], [[70, 80, 90], [40, 50, 60]]]
    assert opaque.alpha is None
    assert holes.alpha.tolist() == [[255, 0], [255, 0]]


def test_black_and_white_becomes_rgb(tmp_path):
    Image.fromarray(np.array([[0, 255, 0]], np.uint8)).convert("1").save(tmp_path / "a.png")
    assert only(tmp_path / "a.png").pixels[0, :, 0].tolist() == [0, 255, 0]


def test_cmyk_becomes_rgb(tmp_path):
    ink = np.zeros((8, 8, 4), np.uint8)
    ink[..., 1:3] = 255  # magenta and yellow: red
    Image.fromarray(ink, "CMYK").save(tmp_path / "a.tif")
    assert (only(tmp_path / "a.tif").pixels == [255, 0, 0]).all()


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def profile_with_red_and_blue_exchanged() -> bytes:
    return srgb_profile().replace(b"rXYZ", b"____").replace(b"bXYZ", b"rXYZ").replace(b"____", b"bXYZ")


def test_another_profile_is_converted_to_srgb(tmp_path):
    pixels = noise(6, 5)
    profile = profile_with_red_and_blue_exchanged()
    Image.fromarray(pixels).save(tmp_path / "a.png", icc_profile=profile)
    assert np.abs(only(tmp_path / "a.png").pixels.astype(int) - pixels[..., ::-1]).max() <= 1  # rounding


def test_conversion_keeps_alpha(tmp_path):
    rgba = noise(6, 5, 4)
    Image.fromarray(rgba).save(tmp_path / "a.png", icc_profile=profile_with_red_and_blue_exchanged())
    frame = only(tmp_path / "a.png")
    assert np.array_equal(frame.alpha, rgba[..., 3])
    assert np.abs(frame.pixels.astype(int) - rgba[..., 2::-1]).max() <= 1


def test_an_srgb_profile_changes_nothing(tmp_path):
    pixels = noise(16, 16)
    Image.fromarray(pixels).save(tmp_path / "a.png", icc_profile=srgb_profile())
    assert np.array_equal(only(tmp_path / "a.png").pixels, pixels)


@pytest.mark.parametrize("profile", [b"nonsense", srgb_profile()], ids=["damaged", "RGB, for a gray image"])
def test_an_invalid_profile_is_ignored_with_a_warning(tmp_path, caplog, profile):
    grey = noise(6, 5, 1)[..., 0]
    Image.fromarray(grey).save(tmp_path / "a.png", icc_profile=profile)
    assert np.array_equal(only(tmp_path / "a.png").pixels[..., 0], grey)
    assert len(messages(caplog)) == 1 and "color profile" in messages(caplog)[0]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bit_png_is_rounded_to_8_bits_with_one_warning(tmp_path, caplog, channels):
    deep = np.random.default_rng(2).integers(0, 65536, (9, 7, channels), np.uint16)
    stored = deep[..., [2, 1, 0, 3][:channels]] if channels > 1 else deep
    (tmp_path / "tief é.png").write_bytes(cv2.imencode(".png", stored)[1].tobytes())
    frame = only(tmp_path / "tief é.png")
    expected = np.round(deep / 257).astype(np.uint8)
    assert np.array_equal(frame.pixels, np.broadcast_to(expected[..., :3], (9, 7, 3)))
    if channels == 4:
        assert np.array_equal(frame.alpha, expected[..., 3])
    assert len(messages(caplog)) == 1 and "more than 8 bits" in messages(caplog)[0]


def test_16_bit_png_has_its_profile_and_orientation_applied(tmp_path):
    red = np.zeros((4, 6, 3), np.uint16)
    red[..., 2] = 65535  # OpenCV's order
    body = cv2.imencode(".png", red)[1].tobytes()
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    profile = b"p\0\0" + zlib.compress(profile_with_red_and_blue_exchanged())
    extra = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in [(b"iCCP", profile), (b"eXIf", exif.tobytes()[6:])]
    )
    (tmp_path / "a.png").write_bytes(body[:33] + extra + body[33:])  # 33 bytes: signature and IHDR
    frame = only(tmp_path / "a.png")
    assert frame.pixels.shape == (6, 4, 3)
    assert (frame.pixels == [0, 0, 255]).all()


def test_16_bit_tiff_is_reduced_with_one_warning(tmp_path, caplog):
    deep = np.random.default_rng(2).integers(0, 65536, (9, 7), np.uint16)
    Image.fromarray(deep).save(tmp_path / "a.tif")
    assert np.array_equal(only(tmp_path / "a.tif").pixels[..., 0], np.round(deep / 257))
    assert len(messages(caplog)) == 1 and "more than 8 bits" in messages(caplog)[0]


def test_32_bits_per_channel_are_refused_by_name(tmp_path):
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=r"a\.tif: format not supported: 32 bits"):
        StillSource(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"size": (10, 5)}, (10, 5)),
        ({"size": (80, 90)}, (80, 90)),
        ({"max_size": 20}, (20, 15)),
        ({"max_size": 40}, (40, 30)),
        ({"max_size": 4000}, (40, 30)),
        ({"max_size": 1}, (1, 1)),
    ],
)
def test_size_is_exact_and_max_size_bounds_the_longest_side(tmp_path, options, expected):
    Image.fromarray(noise(30, 40)).save(tmp_path / "a.png")
    source = StillSource(tmp_path / "a.png", **options)
    (frame,) = source
    assert frame.pixels.shape[1::-1] == expected
    assert (source.info.width, source.info.height) == expected


def test_scaling_down_averages_fine_detail(tmp_path):
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    Image.fromarray(board).save(tmp_path / "a.png")
    middle = only(tmp_path / "a.png", max_size=16).pixels[2:-2, 2:-2].astype(int)
    assert np.abs(middle - 127.5).max() <= 2  # the filter's ripple, and rounding


def test_scaling_does_not_bleed_transparent_colors(tmp_path):
    """Transparent pixels are green; where anything is seen after scaling, it is still only red."""
    rgba = np.zeros((32, 32, 4), np.uint8)
    rgba[..., 1] = 255
    rgba[8:24, 8:24] = [255, 0, 0, 255]
    Image.fromarray(rgba).save(tmp_path / "a.png")
    frame = only(tmp_path / "a.png", size=(12, 12))
    seen = frame.alpha > 8  # below, the division by alpha rounds coarsely
    assert 0 < seen.sum() < 144
    assert (frame.pixels[seen] >= [230, 0, 0]).all() and (frame.pixels[seen, 1] <= 25).all()


@pytest.mark.parametrize("options", [{"size": (4, 4), "max_size": 4}, {"size": (0, 4)}, {"max_size": -1}])
def test_impossible_sizes_are_a_callers_mistake(tmp_path, options):
    with pytest.raises(ValueError, match="size"):
        StillSource(tmp_path / "a.png", **options)


@pytest.mark.parametrize(
    ("source", "options", "expected"),
    [
        ((1280, 720), {"size": (33, 77), "even": True}, (33, 77)),
        ((1279, 719), {"max_size": 1279, "even": True}, (1279, 719)),
        ((1920, 1080), {"max_size": 641}, (641, 361)),
        ((1920, 1080), {"max_size": 641, "even": True}, (640, 360)),
        ((1080, 1920), {"max_size": 640, "even": True}, (360, 640)),
        ((5000, 10), {"max_size": 100}, (100, 1)),
        ((5000, 10), {"max_size": 100, "even": True}, (100, 2)),
    ],
)
def test_sides_are_rounded_to_even_only_on_request(source, options, expected):
    assert fitted_size(*source, **options) == expected


def test_transparent_areas_become_white(tmp_path):
    rgba = noise(16, 16, 4)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    cover = rgba[..., 3:] / 255
    expected = np.round(rgba[..., :3] * cover + 255 * (1 - cover))
    assert np.array_equal(read_image(tmp_path / "a.png").on_white(), expected)


def test_opaque_pixels_are_not_copied():
    pixels, opaque = noise(4, 4), np.full((4, 4), 255, np.uint8)
    assert on_white(pixels, opaque) is pixels


def test_a_mask_is_the_transparency_or_else_the_brightness():
    pixels, alpha = np.full((2, 2, 3), 40, np.uint8), np.array([[0, 255], [9, 255]], np.uint8)
    assert np.array_equal(mask_values(pixels, alpha), alpha)
    assert (mask_values(pixels, np.full((2, 2), 255, np.uint8)) == 40).all()
    assert (mask_values(pixels, None) == 40).all()
