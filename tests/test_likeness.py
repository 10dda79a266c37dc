"""What the encoder of the style predictor learns first: which known styles a painting is like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from streamstyle.networks import FeatureNetwork
from streamstyle.networks.style_predictor import moments_of
from streamstyle.training import Photographs, likeness
from streamstyle.training.data import to_tensor
from streamstyle.training.known_styles import KnownStyle, read_known_styles
from streamstyle.training.likeness import (
    Counts,
    distance,
    examples,
    learn_likeness,
    mixture,
    moments_of_strokes,
)
from streamstyle.training.prediction import PredictionTraining
from streamstyle.training.prediction_data import Paintings
from streamstyle.training.prediction_recipe import PredictionRecipe
from streamstyle.weights import load_features

SAMPLES = Path(__file__).parents[1] / "samples"
RECIPE = PredictionRecipe(steps=4, styles=2, photos=1, crop=64, painting_crop=128)
FEW = Counts(parts=6, known=2, crops=4, every=3)


@pytest.fixture(scope="module")
def features() -> FeatureNetwork:
    return load_features()


@pytest.fixture(scope="module")
def known() -> list[KnownStyle]:
    return read_known_styles([SAMPLES], ["comic", "neon", "pointillism", "stained_glass", "watercolour"])


@pytest.fixture
def training(features: FeatureNetwork, known: list[KnownStyle], tmp_path: Path) -> PredictionTraining:
    for number in range(5):
        pixels = np.random.default_rng(number).integers(0, 256, (15, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((200, 150)).save(tmp_path / f"{number}.png")
    images = Paintings(tmp_path), Photographs(tmp_path)
    return PredictionTraining(*images, features, RECIPE, [style.network for style in known], known=known)


def image(style: KnownStyle) -> Tensor:
    return to_tensor(style.painting)


def test_distance_is_of_strokes_and_not_of_colors(features: FeatureNetwork, known: list[KnownStyle]) -> None:
    ink, mosaic, _ = (image(style)[..., :200, :200] for style in known)
    tinted = 0.2 + 0.5 * ink
    tinted[:, 0] += 0.1
    found = [moments_of_strokes(each, features) for each in (ink, tinted, mosaic)]
    same, near, far = (distance(found[0], other, features.style_layers) for other in found)
    assert same == pytest.approx(0, abs=1e-6)
    assert near < 0.1 * far
    assert distance(found[2], found[0], features.style_layers) == pytest.approx(far)


def test_a_mixture_is_of_the_nearest_and_stronger_where_it_is_of_several() -> None:
    assert mixture([0.2, 0.6, 0.9]).tolist() == [1, 0, 0]
    both = mixture([0.9, 0.3, 0.3])
    assert both[0] == 0 and both[1] == both[2]
    assert both.sum().item() == pytest.approx(2**0.25)
    nearer = mixture([0.30, 0.33])
    assert (nearer[0] / nearer[1]).item() == pytest.approx(np.e, rel=1e-3)


def test_there_are_so_many_examples_of_each_kind(
    training: PredictionTraining, features: FeatureNetwork, known: list[KnownStyle]
) -> None:
    training.normalize()
    found = list(examples(training.data, features, known, FEW))
    codes = torch.stack([code for _, code in found])
    assert len(found) == 6 + 3 * 2 + 4 + 2
    torch.testing.assert_close(codes[:6].sum(dim=1), torch.ones(6))
    assert torch.equal(codes[6:12], torch.eye(3).repeat_interleave(2, dim=0))
    assert all(each.shape == (1, 3, 128, 128) for each, _ in [*found[:6], *found[12:16]])
    assert torch.equal(found[6][0], image(known[0])) and found[-1][0].shape == (1, 3, 480, 640)


def test_the_encoder_knows_the_known_styles_afterwards(
    training: PredictionTraining,
    features: FeatureNetwork,
    known: list[KnownStyle],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(likeness, "STEPS", 300)
    training.normalize()
    learn_likeness(training.predictor, features, training.data, known, FEW)
    for number, style in enumerate(known):
        with torch.no_grad():
            code = training.predictor.code(moments_of(image(style), features))[0]
        assert code.argmax() == number
        wanted = torch.eye(64)[number]
        assert (code - wanted).square().sum() < 0.1


def test_it_is_learned_before_the_first_step_of_a_new_predictor_only(
    training: PredictionTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned = []
    monkeypatch.setattr(
        "streamstyle.training.prediction.learn_likeness",
        lambda predictor, *_: learned.append(torch.nn.init.ones_(predictor.encode[0].bias)),
    )
    training.prepare()
    assert len(learned) == 1 and torch.equal(list(training.averaged.encode.parameters())[1], learned[0])
    training.start_from(training.averaged)
    training.prepare()
    assert len(learned) == 1
