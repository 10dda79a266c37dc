"""Which known styles a painting is like: what the encoder of a predictor learns before its first step.

The first numbers of a code each lead to the network of a known style. An encoder that gives the styles whose
strokes are most like those of a painting begins with networks that look trained. Colors do not count, as
`networks.palette` gives a network those of its painting.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from streamstyle.device import low_precision
from streamstyle.losses import luma
from streamstyle.networks import FeatureNetwork
from streamstyle.networks.style_predictor import (
    CODE,
    FARTHEST,
    SCALES,
    Moments,
    StylePredictor,
    moments_of,
)
from streamstyle.training.data import to_tensor
from streamstyle.training.known_styles import KnownStyle
from streamstyle.training.prediction_data import PredictionData, random_colors
from streamstyle.training.prediction_loss import recolored, style_difference

CONTRAST = 0.2  # deviation of the luma of what is compared
TEMPERATURE = 0.03  # difference in distance by which the share of a style falls to 1/e
LEAST_SHARE = 0.03  # smaller shares are 0
STEPS, BATCH, RATE = 3000, 128, 1e-2
NOISE = 0.15  # deviation of what is added to the statistics, of which there are many more than examples
LOG = logging.getLogger("streamstyle")


class Counts(NamedTuple):
    """How many examples.

    Attributes:
        parts: of the paintings of known styles.
        known: of each of these paintings as a whole.
        crops: of other paintings.
        every: every which of these is shown as a whole.
    """

    parts: int = 800
    known: int = 6
    crops: int = 1000
    every: int = 4


@torch.no_grad()
def moments_of_strokes(image: Tensor, features: FeatureNetwork) -> Moments:
    """Moments of an image, (1, 3, H, W) in [0, 1], without color and with the contrast of all others."""
    gray = luma(image)
    gray = (gray - gray.mean()) / gray.std().clamp_min(1e-3) * CONTRAST + 0.5
    return moments_of(gray.clamp(0, 1).expand(-1, 3, -1, -1).contiguous(), features)


def distance(one: Moments, other: Moments, layers: tuple[str, ...]) -> float:
    """How unlike two images are in style, from their moments; 0 = the same."""
    both = ((one, other), (other, one))
    terms = [style_difference(*pair, scale, layers) for pair in both for scale in range(SCALES)]
    return float(torch.stack(terms).mean()) / 2


def mixture(distances: Sequence[float]) -> Tensor:
    """Distances from the known styles to numbers of a code.

    A mixture of different networks is paler than each of them: so its numbers add up to more than 1.
    """
    found = np.array(distances)
    shares = np.exp((found.min() - found) / TEMPERATURE)
    shares = np.where(shares < LEAST_SHARE * shares.sum(), 0, shares)
    shares /= shares.sum()
    return torch.from_numpy(shares / np.sum(shares**2) ** 0.25).float()


def examples(
    data: PredictionData, features: FeatureNetwork, known: Sequence[KnownStyle], counts: Counts
) -> Iterator[tuple[Tensor, Tensor]]:
    """Images, (1, 3, H, W) in [0, 1], and the first numbers of their codes, (len(known),).

    Args:
        data: of the training.
        features: the feature network.
        known: the styles to which the first numbers of a code lead.
        counts: how many.
    """
    assert data.known is not None
    rng, side, device = np.random.default_rng((data.recipe.seed, 1)), data.recipe.painting_crop, data.device
    strokes = [moments_of_strokes(to_tensor(style.painting).to(device), features) for style in known]

    def likeness(image: Tensor) -> Tensor:
        found = moments_of_strokes(image, features)
        return mixture([distance(found, each, features.style_layers) for each in strokes])

    for _ in range(counts.parts):
        part, shares = data.known.painting(side, rng)
        yield part[None].to(device), torch.tensor([shares.get(style.name, 0.0) for style in known])
    for style, code in zip(known, torch.eye(len(known)), strict=True):
        for _ in range(counts.known):
            yield to_tensor(style.painting).to(device), code
    for _ in range(counts.crops):
        image = data.crops(data.paintings, 1, side, rng)
        yield image, likeness(image)
    for index in range(0, len(data.images), counts.every):
        image = to_tensor(data.images[index]).to(device)
        yield image, likeness(image)


def learn_likeness(
    predictor: StylePredictor,
    features: FeatureNetwork,
    data: PredictionData,
    known: Sequence[KnownStyle],
    counts: Counts | None = None,
) -> None:
    """Trains the encoder of a predictor to give the known styles that a painting is like.

    Args:
        predictor: prepared (see `PredictionTraining.prepare`), and the first numbers of its codes lead to the
            known styles.
        features, data, known, counts: as for `examples`.
    """
    seed, statistics, codes = data.recipe.seed, [], []
    rng = np.random.default_rng((seed, 2))
    for image, code in examples(data, features, known, counts or Counts()):
        colors = torch.from_numpy(random_colors(rng, data.recipe.recolored)).float()[None].to(image)
        with torch.no_grad(), low_precision(image.device):
            moments = moments_of(recolored(image, colors), features)
        statistics.append(predictor.statistics(moments))
        codes.append(F.pad(code, (0, CODE - len(code))))
    inputs = (torch.cat(statistics) - predictor.average) / predictor.deviation
    inputs, wanted = inputs.clamp(-FARTHEST, FARTHEST), torch.stack(codes).to(inputs)
    optimizer = torch.optim.Adam(predictor.encode.parameters(), weight_decay=1e-5)
    choices = torch.Generator().manual_seed(seed)
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = RATE * (1 - step / STEPS)
        chosen = torch.randint(len(inputs), (BATCH,), generator=choices)
        noise = NOISE * torch.randn(BATCH, inputs.shape[1], generator=choices)
        found = predictor.encode(inputs[chosen] + noise.to(inputs))
        loss = (found - wanted[chosen]).square().sum(dim=1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    LOG.info("%d paintings are like known styles: error %.3f", len(inputs), loss.item())
