"""A large network as the teacher of a style network."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from streamstyle.errors import InputError
from streamstyle.networks.johnson import Johnson
from streamstyle.styles import load_style
from streamstyle.training import Photographs, Recipe, Training, TrainingProgress, bundled, teacher
from streamstyle.training.recipe import read_recipes
from streamstyle.training.teacher import LargeNetwork, train_teacher
from streamstyle.weights import load_features

QUICK = Recipe(steps=1, batch=1, crop=64)
TABLES = """steps = 1
batch = 1
crop = 64
[finish]
steps = 2
[[teacher]]
style_weight = 20.0
[[teacher]]
steps = 3
"""


class Negative(nn.Module):
    """A teacher of which every result is known."""

    def forward(self, image: Tensor) -> Tensor:
        return 1 - image


def test_a_style_network_learns_what_its_teacher_gives(pictures):
    seen: list[TrainingProgress] = []
    recipe = replace(QUICK, steps=50, learning_rate=0.01, content_weight=0.02, style_weight=0.02)
    Training(None, Photographs(pictures / "photos"), load_features(), recipe, teacher=Negative()).run(
        seen.append
    )
    first, last = (sum(p.losses["pixels"] for p in part) for part in (seen[:5], seen[-5:]))
    assert last < 0.7 * first


def test_a_color_that_is_out_of_range_can_come_back():
    image = torch.rand(1, 3, 16, 16)
    gradients = []
    for kind in (LargeNetwork, Johnson):
        network = kind(width=4, blocks=1)
        with torch.no_grad():
            network.deconv3.conv2d.weight.zero_()
            network.deconv3.conv2d.bias.fill_(260.0)
        result = network(image)
        assert result.min() >= 1 and result.max() < 1.1
        result.sum().backward()
        gradients.append(network.deconv3.conv2d.bias.grad.abs().min().item())
    assert gradients[0] > 0 == gradients[1]


def test_a_teacher_is_trained_by_one_recipe_after_the_other(pictures, monkeypatch):
    monkeypatch.setattr(teacher, "WARM_UP", QUICK)
    seen: list[TrainingProgress] = []
    small = LargeNetwork(width=4, blocks=1)
    recipes = [replace(QUICK, steps=2), replace(QUICK, style_weight=0.0)]
    trained = train_teacher(pictures / "painting.png", pictures / "photos", recipes, seen.append, small)
    assert [progress.steps for progress in seen] == [1, 2, 2, 1]
    assert ["pixels" in progress.losses for progress in seen] == [True, False, False, False]
    assert [progress.losses.get("style", 0) > 0 for progress in seen] == [False, True, True, False]
    assert not trained.training
    assert not torch.equal(trained.conv1.conv2d.weight, small.conv1.conv2d.weight)


def test_the_recipes_of_a_teacher_are_changes_of_the_first(tmp_path: Path):
    file = tmp_path / "mine.toml"
    file.write_text(TABLES)
    recipes = read_recipes(file)
    assert recipes.teacher == (replace(QUICK, style_weight=20.0), replace(QUICK, steps=3))
    file.write_text(TABLES.replace("[finish]\nsteps = 2\n", ""))
    with pytest.raises(InputError, match=r"mine.toml: \[\[teacher\]\] needs a table \[finish\]"):
        read_recipes(file)
    file.write_text("teacher = 3\n")
    with pytest.raises(InputError, match=r"mine.toml: teacher is 3, expected tables \[\[teacher\]\]"):
        read_recipes(file)


def test_a_bundled_style_imitates_its_teacher(pictures, tmp_path: Path, monkeypatch):
    asked = []
    monkeypatch.setattr(bundled, "train_teacher", lambda *arguments: asked.append(arguments) or Negative())
    Image.open(pictures / "painting.png").save(tmp_path / "painting.png")
    sha256 = bundled.sha256_of(tmp_path / "painting.png")
    file = tmp_path / "mine.toml"
    file.write_text(f'{TABLES}[painting]\ntitle = "T"\npainter = "P"\nyear = 9\nsha256 = "{sha256}"\n')
    bundled.train_bundled(file, tmp_path, pictures / "photos", tmp_path)
    ((painting, photos, recipes, _),) = asked
    assert (painting, photos) == (tmp_path / "painting.png", pictures / "photos")
    about = load_style(tmp_path / "mine.safetensors").metadata
    assert [Recipe(**each) for each in json.loads(about["teacher_recipes"])] == list(recipes)
    assert json.loads(about["recipe"])["steps"] == 2
