"""Bundled styles as examples for the style predictor: their paintings, and the results that are imitated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from streamstyle.errors import InputError, UsageError
from streamstyle.networks import StyleNet
from streamstyle.styles import load_style
from streamstyle.training import Photographs
from streamstyle.training.known_styles import KnownStyle, KnownStyles, read_known_styles, square_of
from streamstyle.training.prediction_data import Paintings, PredictionData
from streamstyle.training.prediction_loss import recolored
from streamstyle.training.prediction_recipe import PredictionRecipe

SAMPLES = Path(__file__).parents[1] / "samples"
CPU = torch.device("cpu")
RECIPE = PredictionRecipe(steps=4, styles=4, photos=1, crop=64, painting_crop=128, imitated=0.5, mixed=0.5)


def known(*names: str) -> list[KnownStyle]:
    """Styles whose paintings have one color each: 50, 100 …"""
    styles = []
    for number, name in enumerate(names):
        network = load_style(name).network
        assert isinstance(network, StyleNet)
        gray = 50 * (number + 1)
        styles.append(KnownStyle(name, Image.new("RGB", (200, 150), (gray, gray, gray)), network))
    return styles


def test_paintings_are_found_by_their_contents(tmp_path: Path) -> None:
    (tmp_path / "renamed.png").write_bytes((SAMPLES / "ink.png").read_bytes())
    (tmp_path / "other.png").write_bytes((SAMPLES / "lighthouse.png").read_bytes())
    (style,) = read_known_styles([tmp_path], ())
    assert style.name == "ink" and max(style.painting.size) == 640
    names = [style.name for style in read_known_styles([SAMPLES], ["ink", "neon"])]
    assert sorted(names) == ["comic", "mosaic", "pointillism", "stained_glass", "watercolour", "woodcut"]
    with pytest.raises(InputError, match="none of its images is the painting of a bundled style"):
        read_known_styles([tmp_path], ["ink"])


def test_squares_are_not_scaled_but_where_images_are_too_small() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (150, 200, 3), dtype=np.uint8)
    found = (square_of(Image.fromarray(pixels), 128, rng) * 255).round().byte().permute(1, 2, 0).numpy()
    places = np.lib.stride_tricks.sliding_window_view(pixels, (128, 128), axis=(0, 1))
    assert (places.transpose(0, 1, 3, 4, 2) == found).all(axis=(2, 3, 4)).sum() == 1
    assert square_of(Image.fromarray(pixels), 180, rng).shape == (3, 180, 180)


def test_a_painting_shows_each_style_by_its_share() -> None:
    styles, rng, both = KnownStyles(known("ink", "scream"), CPU), np.random.default_rng(0), 0
    for _ in range(20):
        part, shares = styles.painting(128, rng)
        assert sum(shares.values()) == pytest.approx(1)
        expected = shares.get("ink", 0.0) * 50 + shares.get("scream", 0.0) * 100
        assert part.mean().item() * 255 == pytest.approx(expected, abs=0.01)
        both += min(shares.values()) > 0 and len(shares) == 2
    assert 2 < both < 15


def test_results_are_those_of_the_network_between() -> None:
    chosen = known("ink", "scream")
    photos = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    styles = KnownStyles(chosen, CPU)
    with torch.no_grad():
        ends = [style.network(photos) for style in chosen]
    assert torch.equal(styles.results(photos, {"ink": 1.0, "scream": 0.0}), ends[0])
    assert torch.equal(styles.results(photos, {"ink": 0.0, "scream": 1.0}), ends[1])
    between = styles.results(photos, {"ink": 0.5, "scream": 0.5})
    apart = (ends[0] - ends[1]).abs().mean()
    assert all((between - end).abs().mean() < 0.95 * apart for end in ends)


def test_the_data_of_a_step_have_known_results(tmp_path: Path) -> None:
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (15, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((200, 150)).save(tmp_path / f"{number}.png")
    chosen = known("ink")
    images = Paintings(tmp_path), Photographs(tmp_path)
    data = PredictionData(*images, RECIPE, CPU, chosen)
    without = PredictionData(*images, RECIPE, CPU)
    seen = 0
    for step in range(1, 8):
        paintings, colors, shares, photos, expected, is_known, *_ = data.inputs_of_step(step)
        others = without.inputs_of_step(step)
        for number in range(RECIPE.styles):
            if paintings[number].std() > 0.01:  # not the one of known("ink")
                assert torch.equal(paintings[number], others[0][number])
                assert torch.equal(expected[number], photos[number])
                continue
            seen += 1
            assert is_known[number] == 1 and shares[number] == 0
            with torch.no_grad():
                result = chosen[0].network(photos[number])
            torch.testing.assert_close(expected[number], recolored(result, colors[number][None]))
    assert 6 < seen < 22


def test_shares_of_the_paintings_that_exceed_all_are_refused() -> None:
    with pytest.raises(UsageError, match="identity, patterns and imitated are more than 1 together"):
        replace(RECIPE, imitated=0.9)
