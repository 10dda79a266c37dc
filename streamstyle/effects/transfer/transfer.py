"""Style transfer by optimization: the image itself is changed until it has a painting's style.

Slow, and free: any painting at once, without a network of its own. Reference: Gatys, Ecker and Bethge (2016),
Image style transfer using convolutional neural networks, with L-BFGS as there, and the losses of `losses.py`,
which says where they depart. Also departs in that large forms are stylized first, at small sizes, and in that
the pixels are a little blurred before anything sees them: feature networks with strides are pleased by fine
mazes that are in no painting, and a blurred image cannot hold them. For videos the start and the temporal
term are those of Ruder, Dosovitskiy and Brox (2016), Artistic style transfer for videos,
https://arxiv.org/abs/1604.08610.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from streamstyle import device as devices
from streamstyle.effects.stabilize import warped_result
from streamstyle.effects.upsampling import blurred, padded_to
from streamstyle.frames import Moment, OptimizationStep
from streamstyle.keyframes import NONE, ParametersOverTime
from streamstyle.losses import (
    Description,
    StyleStatistics,
    content_loss,
    masked_covariance,
    style_loss,
    style_of,
    total_variation,
)
from streamstyle.networks.features import FeatureNetwork
from streamstyle.weights import load_features

SMALLEST_SIDE = 64  # pixels, of a size at which anything is to be stylized
BLUR = 0.8  # pixels, deviation; the finest stroke that is left has two of them
HISTORY = 20  # gradients that L-BFGS remembers, each as large as the image
SCALE = 1000.0  # of the sum of losses: L-BFGS begins with a step of at most 1 / (sum of the gradient)
RANGE_WEIGHT = 30.0  # of pixels beyond black and white

Tell = Callable[[Mapping[str, Tensor], Tensor], None]


@dataclass(frozen=True)
class Optimization:
    """How to paint.

    Attributes:
        scales: sizes at which to paint, each twice the one before, the last the image's own.
        steps: evaluations of the losses at each of them, or a few more: a search along a line is finished.
        later_steps: at the full size alone, of video frames that start from the last one.
        style_weight, content_weight, variation_weight: shares of the losses.
        temporal_weight: of staying with the last frame, moved along, where its motion is known.
    """

    scales: int = 3
    steps: int = 80
    later_steps: int = 30
    style_weight: float = 12.0
    content_weight: float = 3.0
    variation_weight: float = 5.0
    temporal_weight: float = 60.0


class Transfer:
    """Stylizes each image anew; on videos each frame starts from the one before, and is held to it.

    Args:
        keyframes: mixture of paintings, and strength, at each time.
        paintings: by the names that occur there, (3, h, w) in [0, 1].
        optimization: how to paint.
        covers: by painting, gives (H, W) uint8 for a time in seconds, 255 where it is to be stylized with;
            those that are not named are stylized with everywhere.
        features: the network that judges, a name or file; see `weights.load_features`.
        device: "auto", "cpu", "cuda" or "cuda:N", or a torch device.
        on_step: called after each step.

    Raises:
        UsageError: the network or device does not exist.
        InputError: the weights cannot be read.
    """

    def __init__(
        self,
        keyframes: ParametersOverTime,
        paintings: Mapping[str, Tensor],
        optimization: Optimization | None = None,
        *,
        covers: Mapping[str, Callable[[float], np.ndarray]] | None = None,
        features: str | Path = "distilled",
        device: str | torch.device = "auto",
        on_step: Callable[[OptimizationStep], None] | None = None,
    ) -> None:
        self.keyframes, self.covers = keyframes, dict(covers or {})
        self.optimization = optimization or Optimization()
        self.device = devices.choose(device) if isinstance(device, str) else device
        self.on_step = on_step
        with torch.inference_mode(False):  # weights that gradients pass through
            self.network = load_features(features).requires_grad_(False)
            self.network.to(self.device).to(memory_format=torch.channels_last)
            self.paintings = {
                name: painting.clone()[None].to(self.device) for name, painting in paintings.items()
            }
        self._targets: dict[tuple[str, float], dict[str, StyleStatistics]] = {}
        self._last: Tensor | None = None  # (3, H, W), the last result

    def __call__(self, image: Tensor, moment: Moment) -> Tensor:
        """The image, stylized.

        Args:
            image: (3, H, W) in [0, 1] on `device`. It is not changed.
            moment: its seconds decide the look; with the motion since the last frame in videos.

        Returns:
            The same shape, type and range; the tensor itself where nothing is to be done.
        """
        parameters = self.keyframes.at(moment.seconds)
        shares = {name: share for name, share in parameters.style.items() if name != NONE}
        strength = parameters.strength * sum(shares.values())
        if strength == 0:
            self._last = None
            return image
        # Steps are gradients, which inference mode rules out; a copy leaves it.
        with torch.inference_mode(False), torch.no_grad(), devices.out_of_memory(*image.shape[:0:-1]):
            source = padded_to(image.clone()[None].float(), 1, SMALLEST_SIDE)
            shares = {name: share / sum(shares.values()) for name, share in shares.items()}
            if self._last is None or moment.motion is None:
                result = self.from_coarse_to_fine(source, shares, moment)
            else:
                moved = warped_result(self._last, moment.motion, source[0])
                kept, confidence = (part.clone()[None] for part in moved)
                steps = self.optimization.later_steps
                goal = replace(self.goal(source, shares, moment.seconds), carried=kept, confidence=confidence)
                start = torch.lerp(source, kept, confidence)
                result = self.stylized(start, goal, steps, self.teller(moment.index, steps))
            self._last = result[0]
            result = torch.lerp(source, result, strength)[0, :, : image.shape[1], : image.shape[2]]
            return result.to(image.dtype)

    def from_coarse_to_fine(self, source: Tensor, shares: Mapping[str, float], moment: Moment) -> Tensor:
        """(1, 3, H, W), large forms first: each size starts from the result at the one before."""
        height, width = source.shape[2:]
        sizes = [(height >> level, width >> level) for level in reversed(range(self.optimization.scales))]
        sizes = [size for size in sizes if min(size) >= SMALLEST_SIDE]
        tell = self.teller(moment.index, len(sizes) * self.optimization.steps)
        result = source
        for size in sizes:
            start = F.interpolate(result, size, mode="bicubic", antialias=True).clamp(0, 1)
            goal = self.goal(source, shares, moment.seconds, size)
            result = self.stylized(start, goal, self.optimization.steps, tell)
        return result

    def goal(
        self,
        source: Tensor,
        shares: Mapping[str, float],
        seconds: float,
        size: tuple[int, int] | None = None,
    ) -> Goal:
        """What (1, 3, H, W) is to become at a height and width, by default its own."""
        size = size or (source.shape[2], source.shape[3])
        small = F.interpolate(source, size, mode="bicubic", antialias=True).clamp(0, 1)
        scale = size[0] / source.shape[2]
        styles = []
        for name, share in shares.items():
            cover = cover_of(self.covers[name](seconds), small) if name in self.covers else None
            targets = self.target(name, scale), self.target(name, scale / 2)
            styles.append(StyleTarget(share, targets, masked_covariance(cover)))
        seen = self.network(small, tuple(self.network.content_layers))
        return Goal(self.network, self.optimization, seen, styles)

    def teller(self, frame: int, steps: int) -> Tell:
        """Tells `on_step` of each evaluation."""
        numbers = count(1)

        def tell(losses: Mapping[str, Tensor], picture: Tensor) -> None:
            step = next(numbers)
            if self.on_step is not None:
                size = picture.shape[3], picture.shape[2]
                values = {name: loss.item() for name, loss in losses.items()}
                self.on_step(
                    OptimizationStep(frame, size, step, steps, values, picture[0].detach().clamp(0, 1))
                )

        return tell

    def stylized(self, start: Tensor, goal: Goal, steps: int, tell: Tell) -> Tensor:
        """(1, 3, h, w), brought from `start` on towards the goal."""
        pixels = sharpened(start).requires_grad_(True)
        optimizer = torch.optim.LBFGS(
            [pixels],
            max_iter=steps,
            max_eval=steps,
            history_size=HISTORY,
            tolerance_grad=0,
            tolerance_change=0,
            line_search_fn="strong_wolfe",
        )

        def evaluated() -> float:
            with torch.enable_grad():
                picture = blurred(pixels, BLUR)
                losses = goal.losses(picture)
                total = SCALE * torch.stack(list(losses.values())).sum()
            (pixels.grad,) = torch.autograd.grad(total, pixels)
            tell(losses, picture)
            return total.item()

        optimizer.step(evaluated)  # type: ignore[no-untyped-call]
        return blurred(pixels.detach(), BLUR).clamp(0, 1)

    def target(self, name: str, scale: float) -> dict[str, StyleStatistics]:
        """The style of a painting that is reduced as the image is; made once."""
        if (name, scale) not in self._targets:
            painting = self.paintings[name]
            size = [max(round(side * scale), SMALLEST_SIDE // 2) for side in painting.shape[2:]]
            small = F.interpolate(painting, size, mode="bicubic", antialias=True) if scale < 1 else painting
            seen = self.network(small, self.network.style_layers)
            self._targets[name, scale] = {layer: style_of(value) for layer, value in seen.items()}
        return self._targets[name, scale]

    def reset(self) -> None:
        """Forgets the last frame."""
        self._last = None

    def state(self) -> dict[str, Tensor | float | int]:
        """The last result."""
        return {} if self._last is None else {"last": self._last}

    def restore(self, state: Mapping[str, Tensor | float | int]) -> None:
        """Takes up what `state` gave."""
        last = state.get("last")
        self._last = last if isinstance(last, Tensor) else None


@dataclass(frozen=True)
class StyleTarget:
    """A painting, as it is wanted at one size.

    Attributes:
        share: of it, all adding up to 1.
        targets: its style at the size of the image, and at half of it, by layer.
        statistic: how style is described, where the painting is to be seen.
    """

    share: float
    targets: tuple[Mapping[str, StyleStatistics], Mapping[str, StyleStatistics]]
    statistic: Callable[[Tensor], Description]


@dataclass(frozen=True)
class Goal:
    """What one image is to become, at one size.

    Attributes:
        network: that judges.
        weights: of the losses.
        content: what the network sees in the source, by layer.
        styles: the paintings.
        carried: (1, 3, h, w), the last result moved to where things are now; None where there is none.
        reliable: (1, 1, h, w), how far that holds.
    """

    network: FeatureNetwork
    weights: Optimization
    content: Mapping[str, Tensor]
    styles: Sequence[StyleTarget]
    carried: Tensor | None = None
    confidence: Tensor | None = None

    def losses(self, picture: Tensor) -> dict[str, Tensor]:
        """Weighted losses of (1, 3, h, w) by name.

        Style is judged on the image and on its half, so that strokes of twice the size have a say.
        """
        weights, network = self.weights, self.network
        seen = network(picture, {*network.content_layers, *network.style_layers})
        both = seen, network(F.avg_pool2d(picture, 2), network.style_layers)
        terms = [
            wanted.share * style_loss(found, target, wanted.statistic)
            for wanted in self.styles
            for found, target in zip(both, wanted.targets, strict=True)
        ]
        losses = {
            "style": weights.style_weight * torch.stack(terms).sum() / len(both),
            "content": weights.content_weight * content_loss(seen, self.content, network.content_layers),
            "variation": weights.variation_weight * total_variation(picture),
            "range": RANGE_WEIGHT * (picture - picture.clamp(0, 1)).square().mean(),
        }
        if self.carried is not None and self.confidence is not None:
            off = (self.confidence * (picture - self.carried).square()).mean()
            losses["temporal"] = weights.temporal_weight * off
        return losses


def cover_of(mask: np.ndarray, image: Tensor) -> Tensor:
    """(H, W) uint8 as (1, 1, h, w) in [0, 1] beside an image of that size."""
    cover = torch.from_numpy(mask).to(image)[None, None] / 255
    return F.interpolate(cover, image.shape[2:], mode="bilinear", antialias=True)


def sharpened(image: Tensor) -> Tensor:
    """(1, 3, H, W) that gives `image` nearly when it is blurred (van Cittert's iteration)."""
    sharp = image
    for _ in range(2):
        sharp = sharp + image - blurred(sharp, BLUR)
    return sharp.detach().clone()
