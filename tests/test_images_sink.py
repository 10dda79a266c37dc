"""Writing images: atomic, never overwriting by default, without outdated metadata."""

import errno
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streamstyle.errors import OutputError, UsageError
from streamstyle.frames import Checkpoint, Frame, Packet
from streamstyle.images import read_image
from streamstyle.sinks.images import FORMATS, FolderSink, StillSink
from streamstyle.sources.images import FolderSource, StillSource


def frame(shade: int = 90, *, name: str = "", alpha: np.ndarray | None = None, side: int = 8) -> Frame:
    return Frame(np.full((side, side, 3), shade, np.uint8), 0, Fraction(1, 25), 1, alpha, name=name)


def noisy(alpha: bool = False) -> Frame:
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (9, 7, 3), np.uint8)
    return Frame(pixels, 0, Fraction(1), alpha=rng.integers(0, 256, (9, 7), np.uint8) if alpha else None)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def shade(path: Path) -> int:
    return int(read_image(path).pixels[0, 0, 0])


def form(path: Path) -> str | None:
    with Image.open(path) as image:
        return image.format


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


@pytest.fixture
def full_disk(monkeypatch):
    """Syncing fails as on a full disk, when the file is there but not yet whole."""

    def no_space(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", no_space)


@pytest.mark.parametrize("suffix", [".png", ".PNG", ".tif", ".tiff", ".bmp"])
def test_lossless_formats_store_the_pixels_exactly(tmp_path, suffix):
    with StillSink(tmp_path / f"bild ü{suffix}") as sink:
        sink.write(noisy())
    (read,) = StillSource(tmp_path / f"bild ü{suffix}")
    assert np.array_equal(read.pixels, noisy().pixels)
    assert read.alpha is None


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp"])
def test_lossy_formats_store_nearly_the_same_pixels(tmp_path, suffix):
    with StillSink(tmp_path / f"a{suffix}") as sink:
        sink.write(frame(120))
    (read,) = StillSource(tmp_path / f"a{suffix}")
    assert np.abs(read.pixels.astype(int) - 120).max() <= 2
    assert form(tmp_path / f"a{suffix}") == FORMATS[suffix]


def test_jpeg_keeps_the_chroma_of_every_pixel_and_embeds_nothing(tmp_path):
    with StillSink(tmp_path / "a.jpg") as sink:
        sink.write(noisy())
    with Image.open(tmp_path / "a.jpg") as image:
        assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3  # sampling factors: 4:4:4
        assert not image.getexif()
        assert "icc_profile" not in image.info


def test_quality_changes_the_file_size(tmp_path):
    for quality in (20, 95):
        with StillSink(tmp_path / f"{quality}.jpg", quality=quality) as sink:
            sink.write(noisy())
    assert (tmp_path / "20.jpg").stat().st_size < (tmp_path / "95.jpg").stat().st_size
    with pytest.raises(ValueError, match=r"unexpected quality: 0, expected 1\.\.100"):
        StillSink(tmp_path / "a.jpg", quality=0)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_alpha_is_kept_if_the_format_supports_it(tmp_path, suffix):
    with StillSink(tmp_path / f"a{suffix}") as sink:
        sink.write(noisy(alpha=True))
    (read,) = StillSource(tmp_path / f"a{suffix}")
    assert np.array_equal(read.pixels, noisy().pixels)
    assert np.array_equal(read.alpha, noisy(alpha=True).alpha)


def test_webp_keeps_alpha(tmp_path):
    with StillSink(tmp_path / "a.webp") as sink:
        sink.write(frame(alpha=np.full((8, 8), 77, np.uint8)))
    (read,) = StillSource(tmp_path / "a.webp")
    assert (read.alpha == 77).all()


def test_transparency_becomes_white_if_the_format_has_no_alpha(tmp_path, caplog):
    written = noisy(alpha=True)
    with StillSink(tmp_path / "a.bmp") as sink:
        sink.write(written)
    (read,) = StillSource(tmp_path / "a.bmp")
    cover = written.alpha[..., None] / 255
    assert np.array_equal(read.pixels, np.round(written.pixels * cover + 255 * (1 - cover)))
    assert [r.getMessage() for r in caplog.records] == [
        f"{tmp_path / 'a.bmp'}: BMP has no transparency; transparent areas become white"
    ]


def test_an_opaque_alpha_is_dropped_without_a_warning(tmp_path, caplog):
    with StillSink(tmp_path / "a.bmp") as sink:
        sink.write(frame(33, alpha=np.full((8, 8), 255, np.uint8)))
    assert shade(tmp_path / "a.bmp") == 33
    assert not caplog.records


def test_the_file_appears_only_when_it_is_complete(tmp_path):
    with StillSink(tmp_path / "a.png") as sink:
        sink.write(frame())
        assert "a.png" not in names(tmp_path)
    assert names(tmp_path) == ["a.png"]


def test_an_existing_image_is_replaced_on_success_and_kept_on_failure(tmp_path):
    for value in (10, 20):
        with StillSink(tmp_path / "a.png") as sink:
            sink.write(frame(value))
    with pytest.raises(RuntimeError), StillSink(tmp_path / "a.png") as sink:
        sink.write(frame(30))
        raise RuntimeError
    assert names(tmp_path) == ["a.png"]
    assert shade(tmp_path / "a.png") == 20


def test_a_second_frame_is_refused_and_no_file_is_written(tmp_path):
    with (
        pytest.raises(OutputError, match=r"a\.png: an image holds one frame"),
        StillSink(tmp_path / "a.png") as sink,
    ):
        sink.write(frame())
        sink.write(frame())
    assert names(tmp_path) == []


def test_packets_and_checkpoints_are_ignored(tmp_path):
    for sink in (StillSink(tmp_path / "a.png"), FolderSink(tmp_path / "images")):
        with sink:
            assert sink.checkpoint_seconds is None
            sink.write(Packet(1, b""))
            sink.write(Checkpoint({}))
    assert names(tmp_path) == ["images"]
    assert names(tmp_path / "images") == []


def test_unknown_suffixes_are_refused_with_the_known_ones(tmp_path):
    with pytest.raises(UsageError, match=r"unknown image format \.xyz; known: \.png, \.jpg"):
        StillSink(tmp_path / "a.xyz")
    with pytest.raises(UsageError, match=r"unknown image format \.gif; known"):
        FolderSink(tmp_path / "images", suffix=".gif")
    assert names(tmp_path) == []


def test_a_missing_folder_and_a_device_are_refused(tmp_path):
    with pytest.raises(OutputError, match="does not exist"):
        StillSink(tmp_path / "none" / "a.png")
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(OutputError, match="not a regular file"):
        StillSink(tmp_path / "pipe.png")


def test_a_symbolic_link_is_followed(tmp_path):
    (tmp_path / "link.png").symlink_to("real.png")
    with StillSink(tmp_path / "link.png") as sink:
        sink.write(frame(50))
    assert (tmp_path / "link.png").is_symlink()
    assert shade(tmp_path / "real.png") == 50


def test_the_file_has_the_rights_of_any_new_file(tmp_path):
    (tmp_path / "plain").touch()
    with StillSink(tmp_path / "a.png") as sink:
        sink.write(frame())
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path, full_disk):
    with pytest.raises(OutputError, match=r"a\.png: cannot be written: No space left"):  # noqa: SIM117
        with StillSink(tmp_path / "a.png") as sink:
            sink.write(frame())
    with pytest.raises(OutputError, match="No space left"), FolderSink(tmp_path / "images") as sink:
        sink.write(frame(name="a.png"))
    assert names(tmp_path) == []


def test_a_name_that_is_too_long_is_named(tmp_path):
    with pytest.raises(OutputError, match="File name too long"), FolderSink(tmp_path) as sink:
        sink.write(frame(name="n" * 253 + ".png"))
    assert names(tmp_path) == []


def test_the_longest_name_that_fits_can_be_written(tmp_path):
    longest = "n" * 251 + ".png"
    with StillSink(tmp_path / longest) as sink:
        sink.write(frame())
    assert names(tmp_path) == [longest]


@pytest.mark.parametrize("suffix", [".webp", ".jpg"])
def test_an_image_too_large_for_its_format_is_refused_with_both_sizes(tmp_path, suffix):
    wide = Frame(np.zeros((1, 70000, 3), np.uint8), 0, Fraction(1))
    with pytest.raises(OutputError, match=r"70000 × 1 pixels; .* allows (16383|65500) per side"):
        StillSink(tmp_path / f"a{suffix}").write(wide)
    with StillSink(tmp_path / "a.png") as sink:
        sink.write(wide)
    assert names(tmp_path) == ["a.png"]


@pytest.mark.parametrize(("suffix", "side"), [(".webp", 16383), (".jpg", 65500)])
def test_the_largest_side_of_a_format_can_be_written(tmp_path, suffix, side):
    with StillSink(tmp_path / f"a{suffix}") as sink:
        sink.write(Frame(np.zeros((1, side, 3), np.uint8), 0, Fraction(1)))
    assert size(tmp_path / f"a{suffix}") == (side, 1)


def test_folder_keeps_names_and_formats_as_far_as_they_can_be_written(tmp_path):
    with FolderSink(tmp_path / "new" / "images") as sink:
        for name in ["a.png", "b.JPG", "c d.webp", "e.heic", "f", "g.x.tiff"]:
            sink.write(frame(name=name))
    written = tmp_path / "new" / "images"
    assert names(written) == ["a.png", "b.JPG", "c d.webp", "e.png", "f.png", "g.x.tiff"]
    assert form(written / "b.JPG") == "JPEG"


def test_frames_without_a_name_are_numbered_from_one(tmp_path):
    with FolderSink(tmp_path) as sink:
        for value in (10, 20, 30):
            sink.write(frame(value))
    assert names(tmp_path) == ["000001.png", "000002.png", "000003.png"]
    assert shade(tmp_path / "000002.png") == 20


def test_one_suffix_for_all(tmp_path):
    with FolderSink(tmp_path, suffix=".webp") as sink:
        sink.write(frame(name="a.jpg"))
        sink.write(frame())
    assert names(tmp_path) == ["000001.webp", "a.webp"]


def test_colliding_names_are_made_unique(tmp_path):
    with FolderSink(tmp_path, suffix=".png", overwrite=True) as sink:
        for value, name in enumerate(["a.jpg", "a.png", "a.webp", "a.png", "a.png"]):
            sink.write(frame(value, name=name))
    written = {path.name: shade(path) for path in tmp_path.iterdir()}
    assert sorted(written.values()) == [0, 1, 2, 3, 4]
    assert written["a.png"] == 0 and written["a.png.png"] == 1 and written["a.webp.png"] == 2


def test_a_frame_name_cannot_leave_the_folder(tmp_path):
    with FolderSink(tmp_path / "images") as sink:
        for _ in range(2):
            sink.write(frame(name="../../a.png"))
    assert names(tmp_path / "images") == ["a.png", "a.png.png"]


def test_folder_replaces_an_existing_file_only_with_overwrite(tmp_path):
    (tmp_path / "a.png").write_bytes(b"precious")
    with pytest.raises(UsageError, match=r"a\.png: exists; -y overwrites it"), FolderSink(tmp_path) as sink:
        sink.write(frame(name="b.png"))
        sink.write(frame(name="a.png"))
    assert (tmp_path / "a.png").read_bytes() == b"precious"
    with FolderSink(tmp_path, overwrite=True) as sink:
        sink.write(frame(60, name="a.png"))
    assert shade(tmp_path / "a.png") == 60
    assert names(tmp_path) == ["a.png", "b.png"]


def test_folder_keeps_finished_images_after_an_error(tmp_path):
    with pytest.raises(RuntimeError), FolderSink(tmp_path) as sink:
        sink.write(frame(70, name="a.png"))
        raise RuntimeError
    assert shade(tmp_path / "a.png") == 70
    assert names(tmp_path) == ["a.png"]


def test_a_file_with_the_name_of_the_folder_is_refused(tmp_path):
    (tmp_path / "images").touch()
    with pytest.raises(OutputError, match="images: cannot be written: File exists"):
        FolderSink(tmp_path / "images")


def test_a_folder_is_copied_with_names_and_sizes(tmp_path):
    with FolderSink(tmp_path / "in") as sink:
        for side, name in [(5, "x1.png"), (6, "x10.png"), (7, "x2.png")]:
            sink.write(frame(side, name=name, side=side))
    with FolderSink(tmp_path / "out") as sink:
        for item in FolderSource(tmp_path / "in"):
            sink.write(item)
    sizes = {path.name: size(path) for path in (tmp_path / "out").iterdir()}
    assert sizes == {"x1.png": (5, 5), "x2.png": (7, 7), "x10.png": (6, 6)}
