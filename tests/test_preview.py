"""A look before the whole is stylized."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streamstyle.contact_sheet import CAPTION, GAP, Cell, sheet
from streamstyle.effects import StylizeSettings
from streamstyle.errors import InputError, UsageError
from streamstyle.jobs.render import render
from streamstyle.preview.video import RenderEstimate, preview, readable_time, sheet_path
from tests.videos import make_video, pictures_of

SETTINGS = StylizeSettings(device="cpu", preset="ultrafast")


def pixels_of(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_a_sheet_is_a_grid_with_captions():
    red, blue = np.zeros((20, 40, 3), np.uint8), np.zeros((20, 40, 3), np.uint8)
    red[..., 0] = blue[..., 2] = 255
    page = sheet([Cell(red, "red"), Cell(blue, "blue"), Cell(red, "")], columns=2)
    assert page.shape == (2 * (20 + GAP + CAPTION) + GAP, 2 * (40 + GAP) + GAP, 3)
    assert (page[GAP + 1, GAP + 1] == (255, 0, 0)).all()
    assert (page[GAP + 1, 2 * GAP + 41] == (0, 0, 255)).all()
    assert page[GAP + 20 : GAP + 20 + CAPTION, : 40 + GAP].min() < 100  # something is written
    assert page[2 * (GAP + 20) + CAPTION : -GAP, : 40 + GAP].min() > 250


def test_large_pictures_are_reduced_and_long_captions_cut():
    page = sheet([Cell(np.zeros((1000, 500, 3), np.uint8), "a" * 500)], 3, side=100)
    assert page.shape == (100 + 2 * GAP + CAPTION, 50 + 2 * GAP, 3)
    assert (page[:, -GAP:] == 255).all()


def test_a_preview_shows_the_whole_video_and_predicts_its_size(tmp_path: Path):
    video = make_video(tmp_path / "film.mp4", 250)
    (told,) = preview(str(video), str(tmp_path / "out.mp4"), ["none"], SETTINGS, 4)
    assert not (tmp_path / "out.mp4").exists()
    page = pixels_of(tmp_path / "out.preview.png").astype(int)
    frames = pictures_of(video)
    height, width = frames.shape[1:3]
    for cell, second in enumerate((1.25, 3.75, 6.25, 8.75)):
        top, left = GAP + cell // 2 * (height + GAP + CAPTION), GAP + cell % 2 * (width + GAP)
        shown = page[top : top + height, left : left + width]
        nearest = np.abs(frames - shown).mean(axis=(1, 2, 3)).argmin()
        assert (nearest - round(25 * second) + 2) % 30 <= 4  # the video repeats itself after 30 frames
    whole = SETTINGS.model_copy(update={"style": "none", "audio": "none"})
    result = render(video, tmp_path / "out.mp4", whole)
    assert told.seconds is not None and 0 < told.seconds < 60 * max(result.seconds, 1)
    assert told.bytes == pytest.approx((tmp_path / "out.mp4").stat().st_size, rel=0.5)


def test_several_styles_make_a_grid_and_the_sheet_may_be_named(tmp_path: Path):
    video = make_video(tmp_path / "film.mp4", 30)
    told = preview(str(video), str(tmp_path / "sheet.png"), ["none", "great_wave"], SETTINGS, 3)
    assert [shown.style for shown in told] == ["none", "great_wave"]
    rows = pixels_of(tmp_path / "sheet.png")
    cell = (rows.shape[0] - GAP) // 2
    assert rows.shape[1] == 3 * (cell - CAPTION - GAP) * 4 // 3 + 4 * GAP
    assert not np.array_equal(rows[: cell - CAPTION], rows[cell : 2 * cell - CAPTION])
    with pytest.raises(UsageError, match=r"sheet\.png: exists"):
        preview(str(video), str(tmp_path / "sheet.png"), ["none"], SETTINGS, 3)
    preview(str(video), str(tmp_path / "sheet.png"), ["none"], SETTINGS, 3, overwrite=True)
    assert pixels_of(tmp_path / "sheet.png").shape != rows.shape


def test_changes_over_time_are_shown_at_their_times(tmp_path: Path):
    video = make_video(tmp_path / "film.mp4", 50)
    settings = SETTINGS.model_copy(update={"at": ("1=great_wave",), "fade": 0.0})
    preview(str(video), str(tmp_path / "a.png"), ["none"], settings, 2)
    preview(str(video), str(tmp_path / "b.png"), ["none"], SETTINGS, 2)
    a, b = (pixels_of(tmp_path / name).astype(int) for name in ("a.png", "b.png"))
    half = a.shape[1] // 2
    assert np.array_equal(a[:, : half - 5], b[:, : half - 5])
    assert np.abs(a - b)[:, half + 5 :].mean() > 5


def test_pictures_and_folders_have_previews_too(tmp_path: Path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(5):
        Image.new("RGB", (40, 30), (50 * number, 0, 0)).save(folder / f"{number}.png")
    (told,) = preview(str(folder), str(tmp_path / "out"), ["none"], SETTINGS, 2)
    assert told.seconds is not None and told.bytes is None
    assert (tmp_path / "out.preview.png").exists()
    preview(str(folder / "1.png"), str(tmp_path / "one.png"), ["none", "great_wave"], SETTINGS, 6)
    assert (tmp_path / "one.png").exists()


def test_a_short_video_has_a_preview_of_as_many_frames(tmp_path: Path):
    video = make_video(tmp_path / "film.mp4", 9)
    (told,) = preview(str(video), str(tmp_path / "a.png"), ["none"], SETTINGS, 6)
    assert told.bytes is not None
    assert pixels_of(tmp_path / "a.png").shape[1] == 3 * (64 + GAP) + GAP  # 6 cells in 3 columns


def test_what_cannot_be_previewed_is_said(tmp_path: Path):
    with pytest.raises(InputError, match="no such file"):
        preview(str(tmp_path / "absent.mp4"), str(tmp_path / "a.png"), ["none"], SETTINGS, 2)
    assert list(tmp_path.iterdir()) == []


def test_promises_read_well():
    assert str(RenderEstimate("a", 4000, 1_500_000)) == "the whole render takes about 1:06:40 and 1.5 MB"
    assert str(RenderEstimate("a", 4, None)) == "the whole render takes about 4.0 s"
    assert "cannot be estimated" in str(RenderEstimate("a", None, None))
    assert readable_time(83) == "1:23"
    assert sheet_path("film.mp4") == Path("film.preview.png")
    assert sheet_path("-") == Path("-.preview.png")
