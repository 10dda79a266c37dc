"""Training, a few steps on pictures made here."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from streamstyle.errors import InputError, StreamstyleError, UsageError
from streamstyle.networks import MobileNet, StyleNet
from streamstyle.train import Recipe, TrainingProgress, photographs, read_recipe, train

RECIPES = sorted((Path(__file__).parents[1] / "configs" / "styles").glob("*.toml"))
QUICK = Recipe(steps=3, batch=1, crop=64, seed=3)


@pytest.fixture(scope="module")
def features() -> MobileNet:
    torch.manual_seed(0)
    return MobileNet().eval()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """Two photographs, a file that is none, and a painting beside the folder."""
    root = tmp_path_factory.mktemp("training")
    rng = np.random.default_rng(0)
    (root / "photos").mkdir()
    sizes = {"photos/a.png": (90, 120), "photos/b.jpg": (50, 300), "painting.png": (140, 200)}
    for name, size in sizes.items():
        coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        coarse.resize(size[::-1], Image.Resampling.BICUBIC).save(root / name)
    (root / "photos" / "notes.txt").write_text("no picture")
    return root


def weights_of(network: StyleNet) -> torch.Tensor:
    return torch.cat([value.flatten() for value in network.state_dict().values()])


def test_the_same_seed_gives_the_same_network_and_another_another(pictures, features):
    runs = [
        weights_of(train(pictures / "painting.png", pictures / "photos", features, recipe=recipe))
        for recipe in (QUICK, QUICK, Recipe(steps=3, batch=1, crop=64, seed=4))
    ]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_training_leaves_the_callers_random_numbers_alone(pictures, features):
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    train(pictures / "painting.png", pictures / "photos", features, recipe=QUICK)
    assert torch.rand(1) == expected


def test_each_step_is_reported_with_its_losses(pictures, features):
    seen: list[TrainingProgress] = []
    train(pictures / "painting.png", pictures / "photos", features, recipe=QUICK, on_progress=seen.append)
    assert [progress.step for progress in seen] == [1, 2, 3]
    assert seen[0].losses.keys() == {"style", "content", "brightness", "variation", "stability"}


def test_a_base_learns_to_give_the_photograph_back(pictures, features):
    seen: list[TrainingProgress] = []
    recipe = Recipe(steps=30, batch=1, crop=64, learning_rate=0.01)
    train(None, pictures / "photos", features, recipe=recipe, on_progress=seen.append)
    first, last = (sum(p.losses["pixels"] for p in part) for part in (seen[:5], seen[-5:]))
    assert last < first / 2


def test_training_starts_from_the_base_and_leaves_it_as_it_was(pictures, features):
    torch.manual_seed(5)
    base = StyleNet(width=8, depth=8, blocks=1, detail=8)
    before = weights_of(base).clone()
    recipe = Recipe(steps=1, batch=1, crop=64, learning_rate=1e-9)
    trained = train(pictures / "painting.png", pictures / "photos", features, recipe=recipe, base=base)
    assert torch.equal(weights_of(base), before)
    torch.testing.assert_close(weights_of(trained), before, atol=1e-6, rtol=0)


def test_a_callback_ends_the_training(pictures, features):
    def stop(progress: TrainingProgress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(pictures / "painting.png", pictures / "photos", features, recipe=QUICK, on_progress=stop)


def test_minutes_limit_the_training(pictures, features):
    seen: list[TrainingProgress] = []
    recipe = Recipe(steps=100_000, minutes=0.01, batch=1, crop=64)
    train(pictures / "painting.png", pictures / "photos", features, recipe=recipe, on_progress=seen.append)
    assert 1 <= len(seen) < 1000


def test_divergence_is_noticed(pictures, features):
    broken = StyleNet()
    with torch.no_grad():
        broken.enter.weight.fill_(float("nan"))
    with pytest.raises(StreamstyleError, match="diverged at step 1"):
        train(pictures / "painting.png", pictures / "photos", features, recipe=QUICK, base=broken)


def test_a_folder_without_pictures_is_named(tmp_path, pictures, features):
    with pytest.raises(InputError, match=f"{tmp_path}: holds no pictures"):
        train(pictures / "painting.png", tmp_path, features, recipe=QUICK)
    with pytest.raises(InputError, match="no such folder"):
        train(pictures / "painting.png", tmp_path / "absent", features, recipe=QUICK)


def test_a_painting_that_is_too_small_is_refused_with_both_sizes(tmp_path, pictures, features):
    Image.new("RGB", (300, 100)).save(tmp_path / "small.png")
    with pytest.raises(InputError, match=r"300x100 pixels; its shortest side must have at least 128"):
        train(tmp_path / "small.png", pictures / "photos", features, recipe=QUICK)


def test_a_painting_that_is_none_is_named(pictures, features):
    with pytest.raises(InputError, match=r"notes\.txt: cannot read this picture"):
        train(pictures / "photos" / "notes.txt", pictures / "photos", features, recipe=QUICK)


@pytest.mark.parametrize(
    ("values", "message"),
    [({"crop": 100}, "multiple of 8"), ({"steps": 0}, "at least 1"), ({"stroke_size": 9.0}, "0.1 to 4")],
)
def test_a_recipe_refuses_what_cannot_be_trained(values, message):
    with pytest.raises(UsageError, match=message):
        Recipe(**values)


def test_stroke_size_scales_the_painting(pictures):
    for stroke_size in (0.5, 1.0):
        painting = photographs.read_painting(pictures / "painting.png", Recipe(stroke_size=stroke_size))
        assert max(painting.shape) == photographs.PAINTING_SIDE * stroke_size


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_of_the_project_is_read(path):
    recipe, painting = read_recipe(path)
    assert recipe.minutes is None, "a bundled style can be trained again exactly"
    assert path.stem == "base" or len(str(painting["sha256"])) == 64


def test_there_are_recipes():
    assert {"base", "starry_night", "great_wave"} == {path.stem for path in RECIPES}


@pytest.mark.parametrize("text", ["steps = 'many'", "stepz = 3", "steps = ", "painting = 3"])
def test_a_recipe_with_an_error_is_named(tmp_path, text):
    path = tmp_path / "odd.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"odd\.toml"):
        read_recipe(path)
