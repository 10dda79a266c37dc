"""What training looks at, and the recipes that say how."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from streamstyle.errors import InputError, UsageError
from streamstyle.optical_flow import warp
from streamstyle.paintings import PAINTING_SIDE
from streamstyle.training import (
    Photographs,
    Recipe,
    VideoFrames,
    crops,
    data as contents,
    painting_for,
    read_recipe,
    scenes,
    synthetic_motion as motion,
)

ROOT = Path(__file__).parents[1]
RECIPES = sorted((ROOT / "configs" / "styles").glob("*.toml"))
QUICK = Recipe(steps=4, batch=1, crop=64, seed=3)


def test_a_folder_without_pictures_is_named(tmp_path):
    with pytest.raises(InputError, match=f"{tmp_path}: no image in this folder"):
        Photographs(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        Photographs(tmp_path / "absent")


def test_photographs_are_told_by_content_and_sorted_by_name(tmp_path, caplog):
    for name in ("b.png", "a.tif", "B.bmp", "img10.webp", "img2.gif"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    (tmp_path / "b.png").rename(tmp_path / "no_suffix")
    (tmp_path / "c.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0heic" + bytes(40))
    (tmp_path / "notes.jpg.txt").write_text("no image")
    (tmp_path / ".hidden.jpg").touch()
    (tmp_path / "folder.jpg").mkdir()
    photos = Photographs(tmp_path)
    assert [path.name for path in photos.files] == ["B.bmp", "a.tif", "img10.webp", "img2.gif", "no_suffix"]
    assert "c.heic: format not supported: HEIF" in caplog.text


def test_a_photograph_that_cannot_be_read_is_named(tmp_path):
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    photos = Photographs(tmp_path)
    with pytest.raises(InputError, match=r"a\.png: damaged image"):
        photos[0]


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_plain_images_are_as_pillow_reads_them(tmp_path, suffix):
    """Recipes stay reproducible: what needs no conversion is not converted."""
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    for name, pixels in (("color", noise), ("gray", noise[..., 0])):
        path = tmp_path / f"{name}.{suffix}"
        Image.fromarray(pixels).save(path)
        with Image.open(path) as expected:
            assert np.array_equal(contents.read_rgb(path), expected.convert("RGB"))


def test_training_reads_images_as_rendering_does(tmp_path):
    """Profile, orientation, 16 bits and transparency count."""
    red = np.zeros((4, 6, 4), np.uint8)
    red[..., 0], red[:, 3:, 3] = 255, 255
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exchanged = profile.replace(b"rXYZ", b"____").replace(b"bXYZ", b"rXYZ").replace(b"____", b"bXYZ")
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(red).save(tmp_path / "a.png", icc_profile=exchanged, exif=exif)
    seen = np.asarray(contents.read_rgb(tmp_path / "a.png"))
    assert (seen[:3] == 255).all() and (seen[3:] == [0, 0, 255]).all() and seen.shape == (6, 4, 3)
    (tmp_path / "deep.png").write_bytes(cv2.imencode(".png", np.full((4, 4), 40000, np.uint16))[1].tobytes())
    assert (np.asarray(contents.read_rgb(tmp_path / "deep.png")) == round(40000 / 257)).all()


def test_a_painting_that_is_too_small_is_refused_with_both_sizes(tmp_path):
    Image.new("RGB", (300, 100)).save(tmp_path / "small.png")
    with pytest.raises(InputError, match=r"300x100 pixels; its shorter side must have at least 128"):
        painting_for(tmp_path / "small.png", QUICK)


def test_a_painting_that_is_none_is_named(pictures):
    with pytest.raises(InputError, match=r"notes\.txt: is not an image"):
        painting_for(pictures / "photos" / "notes.txt", QUICK)


def test_stroke_size_scales_the_painting(pictures):
    for stroke_size in (0.5, 1.0):
        painting = painting_for(pictures / "painting.png", Recipe(stroke_size=stroke_size))
        assert max(painting.shape) == PAINTING_SIDE * stroke_size


def test_all_photographs_are_seen_before_one_is_seen_again(pictures):
    class Watched(Photographs):
        seen: list[int] = []  # noqa: RUF012

        def __getitem__(self, index: int) -> Image.Image:
            self.seen.append(index)
            return super().__getitem__(index)

    watched = Watched(pictures / "photos")
    for step in (1, 2, 3):
        crops.crops_of_step(crops.HostImages(watched), 32, step, replace(QUICK, batch=2))
    assert [sorted(watched.seen[start : start + 2]) for start in (0, 2, 4)] == [[0, 1]] * 3


def test_the_crops_of_a_step_depend_on_nothing_before(pictures):
    photos = crops.HostImages(Photographs(pictures / "photos"))
    expected = crops.crops_of_step(photos, 32, 7, QUICK)
    crops.crops_of_step(photos, 32, 8, QUICK)
    assert torch.equal(crops.crops_of_step(photos, 32, 7, QUICK), expected)
    assert expected.shape == (1, 3, 32, 32)


def test_held_back_files_are_spread_and_not_trained_on():
    files = [Path(f"{index:03}.jpg") for index in range(100)]
    training_files, held_back = contents.split(files, 10)
    assert held_back == files[::10]
    assert sorted(training_files + held_back) == files


def test_frames_of_a_video_are_taken_evenly():
    frames = VideoFrames(ROOT / "samples" / "harbour.mp4")
    assert 90 <= len(frames) <= 2 * contents.VIDEO_FRAMES
    assert frames[0].size == (640, 360)
    difference = np.abs(np.asarray(frames[0], int) - np.asarray(frames[len(frames) - 1], int)).mean()
    assert difference > 10, "the last is not the first again"


def test_a_scene_is_the_same_each_time_and_unlike_others():
    assert len(scenes.Scenes()) == scenes.COUNT
    first, again, other = (np.asarray(scenes.scene(number), int) for number in (0, 0, 2))
    assert (first == again).all()
    assert np.abs(first - other).mean() > 10
    leaves = np.asarray(scenes.scene(1), int)
    assert leaves.shape == (scenes.SIDE, scenes.SIDE, 3) and leaves.std() > 10


def test_grain_is_taken_off_a_painting_and_its_edges_stay(tmp_path):
    """Two fields with salt and pepper."""
    clean = np.full((200, 640, 3), 60, np.uint8)
    clean[:, 320:] = 180
    rng = np.random.default_rng(0)
    grainy = np.where(rng.random((200, 640, 1)) < 0.05, rng.choice([0, 255], (200, 640, 1)), clean)
    Image.fromarray(grainy.astype(np.uint8)).save(tmp_path / "painting.png")
    raw, smooth = (
        painting_for(tmp_path / "painting.png", Recipe(grain=grain))[0].permute(1, 2, 0).numpy() * 255
        for grain in (1, 3)
    )
    assert np.abs(raw - clean).mean() > 4
    assert np.abs(smooth - clean).mean() < 0.5


def test_levels_stretch_a_pale_painting_from_black_to_white(tmp_path):
    ramp = np.tile(np.linspace(90, 170, 640).round().astype(np.uint8)[None, :, None], (200, 1, 3))
    Image.fromarray(ramp).save(tmp_path / "painting.png")
    pale, full = (
        painting_for(tmp_path / "painting.png", Recipe(grain=1, levels=levels)) for levels in (0.0, 2.0)
    )
    assert pale.min() > 0.3 and pale.max() < 0.7
    assert full.min() == 0 and full.max() == 1
    assert (full == 0).float().mean() < 0.05 and (full == 1).float().mean() < 0.05


def test_a_part_of_a_painting_has_the_strokes_of_the_whole(tmp_path):
    painting = np.zeros((300, 640, 3), np.uint8)
    painting[100:, 320:] = 200
    painting[200:, 320:] = 240
    Image.fromarray(painting).save(tmp_path / "painting.png")
    part = painting_for(tmp_path / "painting.png", Recipe(part=(0.5, 1 / 3, 1, 1)))
    assert part.shape == (1, 3, 200, 320)
    assert (part.min(), part.max()) == (pytest.approx(200 / 255), pytest.approx(240 / 255))
    with pytest.raises(InputError, match="is 64x300 pixels"):
        painting_for(tmp_path / "painting.png", Recipe(part=(0, 0, 0.1, 1)))


def test_most_made_motion_is_small_as_in_videos():
    lengths = [
        motion.flow_of(motion.random_motion(32, 32, np.random.default_rng(seed))).abs().mean().item()
        for seed in range(200)
    ]
    assert np.median(lengths) < 0.25 * np.max(lengths)
    assert np.quantile(lengths, 0.2) < 0.2


def test_noise_has_grains_of_several_sizes():
    sizes = set()
    for seed in range(40):
        noise = motion.random_noise(40, 48, np.random.default_rng(seed))
        assert noise.shape == (1, 3, 40, 48)
        assert noise.std() < 1.1 * motion.NOISE
        sizes |= {
            size
            for size in motion.GRAINS
            if torch.equal(noise[..., ::size].repeat_interleave(size, -1)[..., :48], noise)
        }
    assert sizes == set(motion.GRAINS)


def test_a_moved_still_follows_its_flow():
    still = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    still = torch.nn.functional.interpolate(still, 64, mode="bicubic").clamp(0, 1)
    pair = motion.move(still, motion.random_motion(64, 64, np.random.default_rng(0)), margin=4)
    off = (pair.current - warp(still, pair.flow) - pair.change).abs()
    assert (pair.confidence * off).mean() < 2 * motion.NOISE
    assert 0.3 < pair.confidence.mean() < 1
    assert pair.flow.abs().max() > 1


def test_random_motion_is_smooth():
    flow = motion.flow_of(motion.random_motion(64, 96, np.random.default_rng(1)))
    steps = (flow[..., 1:] - flow[..., :-1]).abs().max()
    assert flow.shape == (1, 2, 64, 96) and steps < 0.5


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"crop": 100}, "multiple of 8"),
        ({"steps": 0}, "at least 1"),
        ({"minutes": -1.0}, "more than 0"),
        ({"minutes": None}, "more than 0"),
        ({"stroke_size": 9.0}, "0.1 to 4"),
        ({"statistic": "mode"}, "known: gram, covariance"),
        ({"style_scales": 9}, "1 to 4"),
        ({"content_weight": -1.0}, "content weight is -1"),
        ({"temporal_weight": float("nan")}, "temporal weight is nan"),
        ({"learning_rate": 0.0}, "learning rate is 0"),
    ],
)
def test_a_recipe_refuses_what_cannot_be_trained(values, message):
    with pytest.raises(UsageError, match=message):
        Recipe(**values)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_of_the_project_is_read(path):
    recipe, painting = read_recipe(path)
    assert recipe.steps is not None, "a bundled style can be trained again exactly"
    assert path.stem == "base" or len(str(painting["sha256"])) == 64


def test_there_are_recipes():
    assert {"base", "starry_night", "great_wave"} <= {path.stem for path in RECIPES}


@pytest.mark.parametrize("text", ["steps = 'many'", "stepz = 3", "steps = ", "painting = 3"])
def test_a_recipe_with_an_error_is_named(tmp_path, text):
    path = tmp_path / "odd.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"odd\.toml"):
        read_recipe(path)
