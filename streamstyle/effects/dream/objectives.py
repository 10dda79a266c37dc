"""What a dream looks for: layers, channels, neurons and directions of a feature network, or a guide image.

Written as LAYER, LAYER:CHANNEL, LAYER:CHANNEL@XxY (one neuron, by shares of width and height) or
LAYER:FILE.npy (a direction, one number for each channel), with - in front for what is to be avoided; or
LAYER~PICTURE, what the layer sees in a guide image. Networks with a head have a layer `class`.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from streamstyle.device import Captured, low_precision
from streamstyle.errors import InputError, UsageError
from streamstyle.networks.features import FeatureNetwork

PROBE = 96  # pixels, side of the image that tells how many channels a layer has


@dataclass(frozen=True)
class Objective:
    """One thing to look for.

    Attributes:
        layer: of the feature network.
        sign: 1 = more of it, -1 = less.
        direction: (C,), what counts of a layer, or None for all of it.
        place: x and y as shares of width and height, or None for everywhere.
    """

    layer: str
    sign: float = 1.0
    direction: Tensor | None = None
    place: tuple[float, float] | None = None

    def on(self, device: torch.device) -> Objective:
        """The same, with its direction there."""
        return self if self.direction is None else replace(self, direction=self.direction.to(device))

    def value(self, activations: Tensor, guide: Tensor | None = None) -> Tensor:
        """How much of it is there: a scalar that grows with it.

        Args:
            activations: (1, C, H, W) of the layer.
            guide: (N, C), what the layer sees of a guide image at each place, or None.
        """
        if self.place is not None:
            height, width = activations.shape[2:]
            x, y = (min(int(p * s), s - 1) for p, s in zip(self.place, (width, height), strict=True))
            activations = activations[:, :, y : y + 1, x : x + 1]
        if self.direction is not None:
            direction = self.direction.to(activations)
            return self.sign * (activations * direction[:, None, None]).sum(dim=1).mean()
        if guide is not None:
            return self.sign * guided_similarity(activations, guide)
        return self.sign * activations.square().mean()


def guided_similarity(activations: Tensor, guide: Tensor) -> Tensor:
    """Mean product of what is seen at each place with what is most like it in the guide, wherever that lies.

    Reference: guided dreams in Mordvintsev, Olah and Tyka (2015), DeepDream, google/deepdream.
    """
    seen = activations[0].flatten(1).T
    with torch.no_grad():
        best = guide[(seen @ guide.T).argmax(dim=1)]
    return (seen * best).sum(dim=1).mean() / seen.shape[1]


def read_objective(text: str, network: FeatureNetwork) -> Objective:
    """An objective from what a user writes.

    Args:
        text: see the module.
        network: that has the layer.

    Raises:
        UsageError: there is no such layer, the nearest ones are named; or no such channel or place.
        InputError: the file of a direction cannot be read, or has another length.
    """
    sign = -1.0 if text.startswith("-") else 1.0
    seen, tilde, _ = text.removeprefix("-").partition("~")
    layer, colon, what = seen.partition(":")
    if layer not in network.layers:
        near = difflib.get_close_matches(layer, network.layers, 3, 0.3)
        rest = [name for name in network.layers if name not in near]
        raise UsageError(f"no layer {layer!r}; there are {', '.join([*near, *rest])}")
    if not colon:
        return Objective(layer, sign)
    if tilde:
        raise UsageError(f"{text!r}: a guide is seen by a whole layer, expected {layer}~PICTURE")
    with torch.no_grad():
        channels = network(torch.zeros(1, 3, PROBE, PROBE), [layer])[layer].shape[1]
    if what.endswith(".npy"):
        return Objective(layer, sign, read_direction(Path(what), channels))
    match = re.fullmatch(r"(\d+)(?:@([\d.]+)x([\d.]+))?", what)
    if match is None:
        raise UsageError(f"{text!r}: expected LAYER, LAYER:CHANNEL, LAYER:CHANNEL@XxY or LAYER:FILE.npy")
    if (channel := int(match[1])) >= channels:
        raise UsageError(f"{text!r}: {layer} has channels 0 to {channels - 1}")
    direction = torch.zeros(channels)
    direction[channel] = 1.0
    if match[2] is None:
        return Objective(layer, sign, direction)
    try:
        x, y = float(match[2]), float(match[3])
    except ValueError:
        x = y = math.nan
    if not (0 <= x <= 1 and 0 <= y <= 1):
        raise UsageError(f"{text!r}: the place is in shares of width and height, 0 to 1")
    return Objective(layer, sign, direction, (x, y))


def read_direction(path: Path, channels: int) -> Tensor:
    """(channels,) of length 1, from a .npy file.

    Raises:
        InputError: it cannot be read, or is something else.
    """
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as exc:
        raise InputError(f"{path}: no direction that can be read: {exc}") from exc
    if values.shape != (channels,) or values.dtype.kind not in "fiu" or not np.abs(values).sum() > 0:
        raise InputError(f"{path}: shape {values.shape}, expected ({channels},) numbers that are not all 0")
    direction: Tensor = torch.from_numpy(values.astype(np.float32))
    length: Tensor = direction.norm()
    return direction / length


class Dreamt:
    """Objectives as functions of an image.

    Args:
        network: that looks.
        objectives: by name.
        guides: by objective, (1, 3, h, w) in [0, 1], whose features are looked for instead of more of what is
            there already.

    Raises:
        UsageError: an objective names a guide that is not given.
    """

    def __init__(
        self,
        network: FeatureNetwork,
        objectives: Mapping[str, Objective],
        guides: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.network = network
        device = next(network.parameters()).device
        self.objectives = {name: objective.on(device) for name, objective in objectives.items()}
        self.guides: dict[str, Tensor] = {}
        self._captured: dict[tuple[str, ...], Captured] = {}
        for name, objective in self.objectives.items():
            if guides and name in guides:
                with torch.no_grad():
                    seen = network(guides[name], [objective.layer])[objective.layer]
                self.guides[name] = seen[0].flatten(1).T
            elif "~" in name:
                raise UsageError(f"{name!r}: the guide is not at hand")

    def gradients(self, image: Tensor, names: Collection[str]) -> dict[str, Tensor]:
        """Where the image has to change so that there is more of each, (1, 3, H, W) by name.

        Args:
            image: (1, 3, H, W) in [0, 1].
            names: of the objectives.
        """
        key = tuple(names)
        if key not in self._captured:
            self._captured[key] = Captured(partial(self.computed, names=key))
        return self._captured[key](image)

    def computed(self, image: Tensor, names: tuple[str, ...]) -> dict[str, Tensor]:
        """The gradients, step by step."""
        parts = {}
        # Rounding is small beside the smoothing that follows: the cosine to single precision is above 0.99.
        with torch.enable_grad(), low_precision(image.device):
            seen = image.detach().requires_grad_(True)
            found = self.network(seen, {self.objectives[name].layer for name in names})
            for number, name in enumerate(names, 1):
                objective = self.objectives[name]
                seen_there = found[objective.layer].float()
                # By the number of places, so that the parts of an image fit together.
                places = seen_there.shape[2] * seen_there.shape[3]
                value = places * objective.value(seen_there, self.guides.get(name))
                (parts[name],) = torch.autograd.grad(value, seen, retain_graph=number < len(names))
        return parts


def weighted(parts: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """The sum of gradients, each brought to a mean length of 1 before it is weighted.

    Layers differ by orders of magnitude in what they answer. One alone is left as it is.
    """
    if len(parts) == 1:
        return next(iter(parts.values()))
    scaled = [weights[name] * part / part.abs().mean().clamp_min(1e-12) for name, part in parts.items()]
    return torch.stack(scaled).sum(dim=0)
