"""The bundled styles: their recipes, their table, and the program that trains them."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streamstyle.errors import InputError
from streamstyle.files import sha256_of
from streamstyle.styles import load_style
from streamstyle.training.bundled import entry_of, find_painting, train_bundled
from streamstyle.training.recipe import Recipe, read_recipes
from streamstyle.weights import STYLES, WEIGHTS
from streamstyle.weights.table import FOLDER, read_table, write_table

ROOT = Path(__file__).parents[1]
CARDS = (FOLDER / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", STYLES)
def test_a_style_was_trained_by_its_recipe_from_the_base(name):
    recipe, painting, finish, teacher = read_recipes(ROOT / "configs" / "styles" / f"{name}.toml")
    about = load_style(name).metadata
    assert about["painting_sha256"] == painting["sha256"]
    assert (about["painting"], about["painter"]) == (painting["title"], painting["painter"])
    assert about["base_sha256"] == WEIGHTS["base"].sha256
    assert Recipe(**json.loads(about.get("first_recipe", about["recipe"]))) == recipe
    assert finish is None or Recipe(**json.loads(about["recipe"])) == finish
    taught = [Recipe(**each) for each in json.loads(about.get("teacher_recipes", "[]"))]
    assert taught == list(teacher)
    assert (finish or recipe).temporal_weight > 0


@pytest.mark.parametrize("name", STYLES)
def test_a_style_has_a_card_with_its_thumbnail(name):
    card = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", CARDS, re.MULTILINE | re.DOTALL)
    assert card is not None
    assert STYLES[name].painting in card[1]
    (picture,) = re.findall(r"\]\((.+?\.jpg)\)", card[1])
    assert (FOLDER / picture).exists()


def test_what_the_project_painted_itself_is_in_the_samples():
    own = [entry for entry in STYLES.values() if entry.painter == "streamstyle"]
    assert own
    for entry in own:
        painting = ROOT / "samples" / f"{entry.name}.png"
        assert load_style(entry.name).metadata["painting_sha256"] == sha256_of(painting)


def test_all_weights_together_stay_small():
    assert sum(entry.bytes for entry in WEIGHTS.values()) < 20e6


def test_the_table_is_written_as_it_is_read(tmp_path: Path):
    write_table(WEIGHTS, tmp_path / "table.toml")
    assert read_table(tmp_path / "table.toml") == WEIGHTS
    odd = {"a": replace(WEIGHTS["base"], name="a", painting='Léger\'s "Forms"', painter="Fernand Léger")}
    write_table(odd, tmp_path / "table.toml")
    assert read_table(tmp_path / "table.toml") == odd


def test_a_painting_is_found_by_its_hash(tmp_path: Path):
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    assert find_painting(sha256_of(tmp_path / "b"), [tmp_path]) == tmp_path / "b"
    with pytest.raises(InputError, match="has the hash 00"):
        find_painting("00", [tmp_path])


def test_a_style_is_trained_into_the_folder_with_its_entry(tmp_path: Path):
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for path in (tmp_path / "photos" / "1.png", tmp_path / "painting.png"):
        Image.fromarray(rng.integers(0, 256, (160, 160, 3), np.uint8)).save(path)
    sha256 = sha256_of(tmp_path / "painting.png")
    recipe = tmp_path / "mine.toml"
    painting = f'[painting]\ntitle = "T"\npainter = "P"\nyear = 9\nsha256 = "{sha256}"\n'
    recipe.write_text(f"steps = 1\nbatch = 1\ncrop = 64\n{painting}")
    entry = train_bundled(recipe, tmp_path, tmp_path / "photos", tmp_path)
    assert entry == entry_of("mine", tmp_path)
    assert (entry.painting, entry.painter, entry.year) == ("T", "P", 9)
    assert entry.sha256 == sha256_of(tmp_path / "mine.safetensors")
    assert not (tmp_path / "mine.preview.png").exists()
    first = load_style(tmp_path / "mine.safetensors").metadata
    recipe.write_text(f"steps = 1\nbatch = 1\ncrop = 64\n[finish]\nsteps = 2\n{painting}")
    assert train_bundled(recipe, tmp_path, tmp_path / "photos", tmp_path).sha256 != entry.sha256
    about = load_style(tmp_path / "mine.safetensors").metadata
    assert about["first_recipe"] == first["recipe"]
    assert json.loads(about["recipe"]) == {**json.loads(first["recipe"]), "steps": 2}
