"""How an output was made, kept in it and read again."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streamstyle.effects import StylizeSettings
from streamstyle.errors import InputError
from streamstyle.jobs.provenance import provenance_of, settings_of_output
from streamstyle.jobs.render import render
from streamstyle.video.tags import read_provenance, with_provenance
from tests.videos import make_video

import av  # isort: skip

PROVENANCE = json.dumps({"streamstyle": "1", "settings": {}, "weights": {}})
SETTINGS = StylizeSettings(
    style="great_wave", keep_colors=0.5, at=("1=none",), device="cpu", preset="ultrafast"
)


def test_the_first_free_tag_takes_the_recipe_and_comments_stay():
    assert with_provenance({}, PROVENANCE) == {"comment": PROVENANCE}
    assert with_provenance({"comment": "mine"}, PROVENANCE) == {"comment": "mine", "description": PROVENANCE}
    assert (
        with_provenance({"COMMENT": "a", "Description": "b", "synopsis": "c"}, PROVENANCE)["streamstyle"]
        == PROVENANCE
    )
    taken = dict.fromkeys(("Comment", "description", "synopsis", "streamstyle", "streamstyle2"), "mine")
    assert with_provenance(taken, PROVENANCE) == {**taken, "streamstyle3": PROVENANCE}
    assert with_provenance({"comment": PROVENANCE, "title": "a"}, "") == {"title": "a"}
    assert with_provenance({"comment": '{"streamstyle": broken'}, "") == {"comment": '{"streamstyle": broken'}


@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.mkv", "out.webm", "out.avi"])
def test_a_video_tells_how_it_was_made(tmp_path: Path, name: str):
    video = make_video(tmp_path / "video.mp4", 3)
    settings = SETTINGS.model_copy(update={"preset": None})
    render(video, tmp_path / name, settings)
    again = settings_of_output(tmp_path / name)
    assert (again.style, again.keep_colors, again.at) == ("great_wave", 0.5, ("1=none",))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_video_whose_usual_tags_are_taken_tells_it_too(tmp_path: Path, suffix: str):
    taken = dict.fromkeys(("comment", "description", "synopsis", "streamstyle"), "mine")
    video = make_video(tmp_path / "video.mkv", 2, tags=taken)
    render(video, tmp_path / f"out{suffix}", SETTINGS)
    assert settings_of_output(tmp_path / f"out{suffix}").keep_colors == 0.5
    with av.open(str(tmp_path / f"out{suffix}")) as out:
        kept = {name.lower(): text for name, text in out.metadata.items()}
    assert {name: kept[name] for name in taken} == taken


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_a_picture_tells_how_it_was_made(tmp_path: Path, suffix: str):
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "in.png")
    render(tmp_path / "in.png", tmp_path / f"out{suffix}", SETTINGS)
    assert settings_of_output(tmp_path / f"out{suffix}").keep_colors == 0.5


def test_a_recipe_holds_what_was_chosen_and_names_files_as_the_user_did(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = SETTINGS.model_copy(update={"mask": "mask.png", "start": 3.0, "threads": 1})
    provenance = json.loads(provenance_of(settings))
    assert provenance["settings"] == {
        "style": "great_wave",
        "keep_colors": 0.5,
        "at": ["1=none"],
        "mask": "mask.png",
        "preset": "ultrafast",
    }
    assert list(provenance["weights"]) == ["great_wave"]


def test_other_weights_and_files_without_a_recipe_are_refused(tmp_path: Path, monkeypatch):
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "plain.png")
    with pytest.raises(InputError, match=r"plain\.png: was not made by streamstyle"):
        read_provenance(tmp_path / "plain.png")
    video = make_video(tmp_path / "video.mp4", 2)
    with pytest.raises(InputError, match=r"video\.mp4: was not made by streamstyle"):
        read_provenance(video)
    with pytest.raises(InputError, match=r"absent\.png: cannot be read"):
        read_provenance(tmp_path / "absent.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 16)
    with pytest.raises(InputError, match=r"plain\.png: cannot be read"):
        read_provenance(tmp_path / "plain.png")
    monkeypatch.undo()
    exif = Image.Exif()
    exif[270] = json.dumps({"streamstyle": "1", "settings": {"style": "none"}, "weights": {"mona": "00"}})
    Image.new("RGB", (8, 8)).save(tmp_path / "other.png", exif=exif)
    with pytest.raises(InputError, match="a version of mona that differs"):
        settings_of_output(tmp_path / "other.png")


def test_painting_an_output_again_keeps_the_latest_recipe_only(tmp_path: Path):
    video = make_video(tmp_path / "video.mp4", 2)
    render(video, tmp_path / "a.mp4", SETTINGS)
    render(tmp_path / "a.mp4", tmp_path / "b.mp4", SETTINGS.model_copy(update={"keep_colors": 1.0}))
    assert settings_of_output(tmp_path / "b.mp4").keep_colors == 1


def test_a_damaged_picture_is_refused_whatever_its_decoder_raises(tmp_path: Path):
    picture = tmp_path / "picture.avif"
    Image.new("RGB", (64, 48), "red").save(picture)
    picture.write_bytes(picture.read_bytes().replace(b"av1C", b"xxxx"))
    with pytest.raises(InputError, match=r"picture\.avif: cannot be read"):
        read_provenance(picture)
